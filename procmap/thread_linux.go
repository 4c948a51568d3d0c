package procmap

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// alive reports whether the process still exists, be it as a zombie.
func (p *Process) alive() bool {
	fd, err := atOpen(p.lead, nameStat, unix.O_PATH)
	if err != nil {
		return !goneErrno(err)
	}
	unix.Close(fd)
	return true
}

// LiveThread opens the process through a thread that still runs. It is for a process whose
// leader has exited (Info.Zombie and more than one thread): there /proc/PID/maps is empty,
// exe and root lead nowhere and map_files has no entries, while all four work in the
// directory of another thread. A process without a running thread is ErrGone; so is, after a
// number of attempts, one whose threads all end faster than they can be opened.
//
// p stays open; the returned Process is independent of it.
func (p *Process) LiveThread() (*Process, error) {
	for try := 1; ; try++ {
		live, err := p.listedThread(try > 1)
		if err == nil || !errors.Is(err, ErrGone) || try == maxListings || !p.hasThreads() {
			return live, err
		}
	}
}

// maxListings is how often LiveThread lists threads. Those of a process that starts a new
// one for each piece of work may have ended when their turn comes.
const maxListings = 16

// hasThreads reports whether there are threads besides the leader.
func (p *Process) hasThreads() bool {
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	st, err := p.stat(s, p.lead)
	return err == nil && st.threads > 1
}

// listedThread opens the first thread in the list that runs, or the last one: an old thread
// will probably stay, while the newest one has the longest to live if none does.
func (p *Process) listedThread(last bool) (*Process, error) {
	dir, err := atOpen(p.lead, nameTask, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil, fmt.Errorf("list threads of process %d: %w", p.pid, goneOr(err))
	}
	tids, err := readNumbers(dir, nil)
	unix.Close(dir)
	if err != nil {
		return nil, fmt.Errorf("list threads of process %d: %w", p.pid, goneOr(err))
	}
	if last {
		slices.Reverse(tids)
	}
	for _, tid := range tids {
		fd, err := openTask(p.procfs, tid)
		if errors.Is(err, ErrGone) {
			continue
		}
		if err != nil {
			return nil, err
		}
		owns, err := p.owns(fd)
		if err != nil {
			unix.Close(fd)
			return nil, err
		}
		if !owns {
			unix.Close(fd)
			continue
		}
		lead, err := unix.FcntlInt(uintptr(p.lead), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			unix.Close(fd)
			return nil, fmt.Errorf("duplicate descriptor of process %d: %w", p.pid, err)
		}
		return &Process{procfs: p.procfs, pid: p.pid, tid: tid, fd: fd, lead: lead}, nil
	}
	return nil, fmt.Errorf("find running thread of process %d: %w", p.pid, ErrGone)
}

// owns reports whether the directory fd is that of a running thread of p. The number alone
// does not say so: it may have been given to another process after the listing.
func (p *Process) owns(fd int) (bool, error) {
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	b, err := s.read(fd, nameStatus)
	if goneErrno(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read status of a thread of process %d: %w", p.pid, err)
	}
	st := parseStatus(b)
	return st.tgid == p.pid && !deadState(st.state), nil
}
