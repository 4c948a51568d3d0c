package procmap

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"golang.org/x/sys/unix"
)

// Info fills i in. Whatever i held before is replaced; equal strings are reused, so that
// one Info for many processes saves memory. The error is ErrGone if the process has ended;
// anything else that goes wrong is told by i.Denied and i.Failed.
//
// PPID, state, owner and cgroup need no privilege; MM, Exe, Root and the namespaces need
// PTRACE_MODE_READ: the same user, or CAP_SYS_PTRACE.
func (p *Process) Info(i *Info) error {
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	return p.info(s, i)
}

func (p *Process) info(s *scratch, i *Info) error {
	old := *i
	*i = Info{PID: p.pid, TID: p.tid, UID: ^uint32(0), GID: ^uint32(0)}

	// /proc/PID itself belongs to the effective user and group, even where everything
	// below belongs to root because the process is not dumpable.
	var owner unix.Stat_t
	if err := unix.Fstat(p.lead, &owner); err != nil {
		i.fail(PieceOwner, err)
	} else {
		i.UID, i.GID = owner.Uid, owner.Gid
	}

	if err := p.infoStat(s, i, &old); err != nil {
		if errors.Is(err, ErrGone) {
			return fmt.Errorf("read stat of process %d: %w", p.pid, err)
		}
		i.fail(PieceStat|PieceMM, err)
	}
	p.infoLinks(s, i, &old)
	if b, err := s.read(p.lead, nameCgroup); err != nil {
		// Without CONFIG_CGROUPS there is no such file.
		i.fail(PieceCgroup, err)
	} else {
		i.Cgroup = same(old.Cgroup, parseCgroup(b))
	}
	p.infoNSPID(s, i)

	// A process that ends meanwhile takes its files away one by one.
	if (i.Denied|i.Failed != 0 || i.Exe == "" && !i.KernelThread && !i.Zombie()) && !p.alive() {
		return fmt.Errorf("read process %d: %w", p.pid, errEnded)
	}
	return nil
}

// fail notes why a part could not be read.
func (i *Info) fail(what Pieces, err error) {
	if errors.Is(err, fs.ErrPermission) {
		i.Denied |= what
		return
	}
	i.Failed |= what
	if i.Err == nil {
		i.Err = fmt.Errorf("read %s of process %d: %w", what, i.PID, err)
	}
}

// infoStat reads stat: of the leader, and of the thread as well if that is another one.
func (p *Process) infoStat(s *scratch, i, old *Info) error {
	st, err := p.stat(s, p.lead)
	if err != nil {
		return err
	}
	i.Comm = same(old.Comm, st.comm)
	i.PPID, i.StartTime, i.Threads = st.ppid, st.start, st.threads
	if p.fd != p.lead {
		if st, err = p.stat(s, p.fd); err != nil {
			return err
		}
	}
	i.State, i.KernelThread, i.MM = st.state, st.flags&pfKthread != 0, st.mm
	if st.mmDenied {
		i.Denied |= PieceMM
	}
	return nil
}

func (p *Process) stat(s *scratch, dir int) (stat, error) {
	b, err := s.read(dir, nameStat)
	if err != nil {
		return stat{}, goneOr(err)
	}
	return parseStat(b)
}

// MM reads the fingerprint of the address space alone. Read before and after a walk, it
// tells whether an execve fell in between. It is zero without PTRACE_MODE_READ, for kernel
// threads and after exit.
func (p *Process) MM() (MMKey, error) {
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	st, err := p.stat(s, p.fd)
	if err != nil {
		return MMKey{}, fmt.Errorf("read stat of process %d: %w", p.pid, err)
	}
	return st.mm, nil
}

// infoLinks reads what is offered as symbolic links. ENOENT there means "none". Kernel
// threads have no executable and live where the kernel started them: they are not asked.
func (p *Process) infoLinks(s *scratch, i, old *Info) {
	if i.KernelThread {
		return
	}
	b, err := s.link(p.fd, nameExe)
	switch {
	case err == nil:
		b, i.ExeDeleted = p.exeName(b)
		i.Exe = same(old.Exe, b)
	case !errors.Is(err, unix.ENOENT):
		i.fail(PieceExe, err)
	}
	if b, err := s.link(p.fd, nameRoot); err == nil {
		i.Root = same(old.Root, b)
	} else if !errors.Is(err, unix.ENOENT) {
		i.fail(PieceRoot, err)
	}
	i.PIDNamespace = i.namespace(s, p.fd, namePIDNS, PiecePIDNS)
	i.MountNamespace = i.namespace(s, p.fd, nameMNTNS, PieceMNTNS)
}

// namespace reads a link like "mnt:[4026531841]".
func (i *Info) namespace(s *scratch, dir int, name *byte, what Pieces) uint64 {
	b, err := s.link(dir, name)
	switch {
	case err == nil:
		return parseNamespace(b)
	case !errors.Is(err, unix.ENOENT):
		i.fail(what, err)
	}
	return 0
}

func parseNamespace(b []byte) uint64 {
	_, b, _ = bytes.Cut(b, []byte("[")) // without a bracket b ends up empty
	n, _, _ := nextNumber(b)
	return n
}

// exeName takes " (deleted)" off the link exe, unless the file is really called so.
func (p *Process) exeName(link []byte) (name []byte, deleted bool) {
	name, found := bytes.CutSuffix(link, deletedSuffix)
	if !found {
		return link, false
	}
	fd, err := atOpen(p.fd, nameExe, unix.O_PATH)
	if err != nil {
		return name, true
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Nlink == 0 {
		return name, true
	}
	if p.isAt(link, isFile(&st)) {
		return link, false
	}
	return name, true
}

// infoNSPID finds the process's number in its own pid namespace. Reading status takes
// longer than all of stat, so it is left out for processes of procfs's own namespace,
// where both numbers are the same. Only the initial one shows kernel threads.
func (p *Process) infoNSPID(s *scratch, i *Info) {
	if i.KernelThread || i.PIDNamespace != 0 && i.PIDNamespace == homeOf(p.procfs).namespace {
		i.NSPID = p.pid
		return
	}
	b, err := s.read(p.lead, nameStatus)
	if err != nil {
		i.fail(PieceNSPID, err)
		return
	}
	if st := parseStatus(b); st.depth > 0 {
		i.NSPID = st.nspid
	} else { // no CONFIG_PID_NS: there is one namespace
		i.NSPID = p.pid
	}
}

// home says which pid namespace the numbers of a mount of proc belong to.
type home struct {
	namespace uint64 // inode number; 0 = unknown
	own       bool   // it is the reader's own
}

var homes struct {
	sync.RWMutex
	of map[string]home // by procfs; a sync.Map would copy each key to the heap
}

// homeOf returns the home of procfs, which is found out once: what could not be found out,
// for want of a descriptor perhaps, is asked for again.
func homeOf(procfs string) home {
	homes.RLock()
	h, ok := homes.of[procfs]
	homes.RUnlock()
	if ok {
		return h
	}
	if h = findHome(procfs); h.namespace == 0 {
		return h
	}
	homes.Lock()
	defer homes.Unlock()
	if homes.of == nil {
		homes.of = make(map[string]home)
	}
	homes.of[procfs] = h
	return h
}

func findHome(procfs string) home {
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	ns := func(name string) uint64 {
		b, err := s.link(unix.AT_FDCWD, cname(procfs+name))
		if err != nil {
			return 0
		}
		return parseNamespace(b)
	}
	// The reader has one number in every namespace from procfs's down to its own.
	b, err := s.read(unix.AT_FDCWD, cname(procfs+threadSelf+"/status"))
	switch {
	case err == nil && parseStatus(b).depth <= 1:
		return home{namespace: ns(threadSelf + "/ns/pid"), own: true}
	case err != nil && !errors.Is(err, unix.ENOENT): // ENOENT: the reader has no number there
		return home{}
	}
	// Process 1 of a namespace is in it.
	return home{namespace: ns("/1/ns/pid")}
}
