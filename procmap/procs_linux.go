package procmap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// procRoot is where proc is mounted if procfs, which callers may leave empty, says so.
func procRoot(procfs string) string {
	if procfs == "" {
		return "/proc"
	}
	return procfs
}

// PIDs appends the processes that procfs (a mount of proc; "" is "/proc") lists now to
// dst, in ascending order, and returns the longer slice. The list is no snapshot: a process
// that starts or ends meanwhile is in it or not. With hidepid or in a pid namespace other
// processes may be missing: see Mount.
func PIDs(procfs string, dst []int) ([]int, error) {
	procfs = procRoot(procfs)
	fd, err := atOpen(unix.AT_FDCWD, cname(procfs), unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return dst, fmt.Errorf("open %s: %w", procfs, err)
	}
	defer unix.Close(fd)
	if dst, err = readNumbers(fd, dst); err != nil {
		return dst, fmt.Errorf("list %s: %w", procfs, err)
	}
	return dst, nil
}

// readNumbers appends the entries of the directory fd whose names are numbers, ascending.
func readNumbers(fd int, dst []int) ([]int, error) {
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	from := len(dst)
	for {
		n, err := unix.ReadDirent(fd, s.file)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return dst, err
		}
		if n <= 0 {
			break
		}
		dst = appendNumbers(dst, s.file[:n])
	}
	if !slices.IsSorted(dst[from:]) {
		slices.Sort(dst[from:])
	}
	return dst, nil
}

// appendNumbers parses struct linux_dirent64: u64 inode, u64 offset, u16 length, u8 type,
// the name and its NUL.
func appendNumbers(dst []int, b []byte) []int {
	const nameAt = 19
	for len(b) > nameAt {
		size := int(binary.NativeEndian.Uint16(b[16:]))
		if size <= nameAt || size > len(b) {
			break
		}
		if n, ok := leadingNumber(b[nameAt:size]); ok {
			dst = append(dst, n)
		}
		b = b[size:]
	}
	return dst
}

// leadingNumber parses a NUL-terminated decimal number.
func leadingNumber(b []byte) (n int, ok bool) {
	for i, c := range b {
		if c == 0 {
			return n, i > 0
		}
		if c < '0' || c > '9' || i > 9 {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return 0, false
}

// Process is an open directory of /proc. Everything that is read through it is of the
// process that had the pid when it was opened, and never of a later one with the same
// number: reads then fail with ErrGone. It is safe for concurrent use until Close.
type Process struct {
	procfs string
	pid    int
	tid    int
	fd     int // directory of the thread that is read through
	lead   int // directory of the leader; fd unless this is a LiveThread
}

// OpenProcess opens procfs/pid; procfs "" is "/proc". If there is no such process, the error
// is ErrGone and fs.ErrNotExist. It needs no privilege. With hidepid=ptraceable a process that
// the reader may not trace is as one that does not exist; with hidepid=invisible one of
// somebody else is opened, and reads are ErrGone.
func OpenProcess(procfs string, pid int) (*Process, error) {
	procfs = procRoot(procfs)
	fd, err := openTask(procfs, pid)
	if err != nil {
		return nil, err
	}
	return &Process{procfs: procfs, pid: pid, tid: pid, fd: fd, lead: fd}, nil
}

// openTask returns an O_PATH descriptor of procfs/id, which may also be a thread that is
// not a leader: /proc resolves those without listing them.
func openTask(procfs string, id int) (int, error) {
	s := scratches.Get().(*scratch)
	fd, err := atOpen(unix.AT_FDCWD, s.join(procfs, id), unix.O_PATH|unix.O_DIRECTORY)
	scratches.Put(s)
	if none := noProcess(procfs, err); none != nil {
		err = none
	}
	if err != nil {
		return -1, fmt.Errorf("open process %d: %w", id, err)
	}
	return fd, nil
}

// goneErrno reports whether err is one of those by which /proc says that there is no such
// process.
func goneErrno(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH)
}

// goneOr turns the errors of an open directory of /proc that say "no such process" into
// one that is ErrGone.
func goneOr(err error) error {
	if goneErrno(err) {
		return errEnded
	}
	return err
}

// noProcess returns errNoProcess if err, of opening something below procfs by number, says
// that there is no such process, and nil if it is another error. Without procfs itself
// nobody knows: then it is that error.
func noProcess(procfs string, err error) error {
	if !goneErrno(err) {
		return nil
	}
	if err := unix.Access(procfs, unix.F_OK); err != nil {
		return fmt.Errorf("find %s: %w", procfs, err)
	}
	return errNoProcess
}

// PID is the process (thread group), a number of procfs's pid namespace.
func (p *Process) PID() int { return p.pid }

// TID is the thread through which the process is read: PID but for a LiveThread.
func (p *Process) TID() int { return p.tid }

// Group returns the thread group, read from status: PID, unless OpenProcess was given the
// number of a thread that is not a leader. /proc does not list those, but resolves them.
func (p *Process) Group() (int, error) {
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	b, err := s.read(p.fd, nameStatus)
	if err != nil {
		return 0, fmt.Errorf("read status of process %d: %w", p.pid, goneOr(err))
	}
	return parseStatus(b).tgid, nil
}

// Fd returns the O_PATH descriptor of the directory. It stays p's and is closed by Close.
func (p *Process) Fd() int { return p.fd }

// Close releases the directory. A second Close does nothing.
func (p *Process) Close() error {
	if p.fd < 0 {
		return nil
	}
	if p.lead != p.fd {
		unix.Close(p.lead)
	}
	err := unix.Close(p.fd)
	p.fd, p.lead = -1, -1
	if err != nil {
		return fmt.Errorf("close process %d: %w", p.pid, err)
	}
	return nil
}
