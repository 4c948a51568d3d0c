package procmap

import (
	"strconv"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The system calls of this file take NUL-terminated paths by pointer: x/sys copies every
// path to the heap first, and would be all that allocates when a process is read.

// The names below /proc/PID.
var (
	nameStat   = cname("stat")
	nameStatus = cname("status")
	nameCgroup = cname("cgroup")
	nameExe    = cname("exe")
	nameRoot   = cname("root")
	namePIDNS  = cname("ns/pid")
	nameMNTNS  = cname("ns/mnt")
	nameTask   = cname("task")
)

// threadSelf leads to the calling thread, below a mount of proc that shows it. /proc/self would
// be a zombie, of which little can be read, once the first thread of the process has exited.
// Requires at least Linux 3.17.
const threadSelf = "/thread-self"

// cname returns s with the NUL that the kernel wants. s must not hold one.
func cname(s string) *byte { return &append([]byte(s), 0)[0] }

// atOpen is openat(2) with O_CLOEXEC, repeated after signals.
func atOpen(dir int, name *byte, flags int) (int, error) {
	for {
		fd, _, errno := unix.Syscall6(unix.SYS_OPENAT, uintptr(dir), uintptr(unsafe.Pointer(name)),
			uintptr(flags|unix.O_CLOEXEC|unix.O_LARGEFILE), 0, 0, 0)
		switch errno {
		case 0:
			return int(fd), nil
		case unix.EINTR:
		default:
			return -1, errno
		}
	}
}

// atLink is readlinkat(2). A link that does not fit into b is ENAMETOOLONG.
func atLink(dir int, name *byte, b []byte) ([]byte, error) {
	n, _, errno := unix.Syscall6(unix.SYS_READLINKAT, uintptr(dir), uintptr(unsafe.Pointer(name)),
		uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), 0, 0)
	if errno != 0 {
		return nil, errno
	}
	if int(n) == len(b) {
		return nil, unix.ENAMETOOLONG
	}
	return b[:n], nil
}

// scratch is what one read of /proc needs. It is pooled: nothing read stays in it longer
// than the call that reads.
type scratch struct {
	file []byte
	path []byte
}

// maxProcFile bounds what is read of one file of /proc, in bytes. /proc/PID/status with
// the largest possible list of groups stays below.
const maxProcFile = 1 << 20

var scratches = sync.Pool{New: func() any {
	return &scratch{file: make([]byte, 8192), path: make([]byte, 0, 4096+256)}
}}

// read returns the content of a file of /proc that the kernel produces in one piece. It is
// valid until the next read.
func (s *scratch) read(dir int, name *byte) ([]byte, error) {
	fd, err := atOpen(dir, name, unix.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	n := 0
	for {
		m, err := unix.Read(fd, s.file[n:])
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, err
		}
		n += m
		if n < len(s.file) { // a short read of such a file is its end
			return s.file[:n], nil
		}
		if n >= maxProcFile {
			return nil, unix.EFBIG
		}
		s.file = append(s.file, make([]byte, len(s.file))...)
	}
}

// link returns the target of a symbolic link, valid until the next read.
func (s *scratch) link(dir int, name *byte) ([]byte, error) {
	return atLink(dir, name, s.file)
}

// join builds the NUL-terminated path base/n in s. It is valid until the next join.
func (s *scratch) join(base string, n int) *byte {
	s.path = append(append(s.path[:0], base...), '/')
	s.path = append(strconv.AppendInt(s.path, int64(n), 10), 0)
	return &s.path[0]
}

// same returns old if it equals b, so that a string which repeats is stored once.
func same(old string, b []byte) string {
	switch {
	case string(b) == old:
		return old
	case string(b) == "/":
		return "/"
	}
	return string(b)
}
