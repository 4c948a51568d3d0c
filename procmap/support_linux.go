package procmap

import (
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

var support struct {
	sync.Mutex
	known bool
	err   error
}

// Supported reports whether PROCMAP_QUERY works here, by asking about this process itself.
//
// It returns nil if so, ErrNotSupported if the kernel is too old, and another error if that
// cannot be told: procfs is not at /proc, or the ioctl is blocked by seccomp or a security
// module (fs.ErrPermission). Only the first two are remembered.
//
// Whether a given process may be looked into is another question: see Open.
func Supported() error { return SupportedAt("") }

// SupportedAt is Supported where proc is mounted at procfs; "" is "/proc". If that is a proc
// of a pid namespace that the caller is not in, /proc is used after all.
func SupportedAt(procfs string) error {
	support.Lock()
	defer support.Unlock()
	if support.known {
		return support.err
	}
	err := probe(procRoot(procfs), ioctlQuery)
	if errors.Is(err, unix.ENOENT) {
		err = probe("/proc", ioctlQuery)
	}
	if err == nil || errors.Is(err, ErrNotSupported) {
		support.known = true
		support.err = err
	}
	return err
}

// probe asks about this thread.
func probe(procfs string, query queryFunc) error {
	path := procfs + threadSelf + "/maps"
	fd, err := atOpen(unix.AT_FDCWD, cname(path), unix.O_RDONLY)
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	defer unix.Close(fd)
	b := newBuffers()
	defer b.release()
	b.prepare(0, queryCoveringOrNext, true, false)
	if errno := query.do(uintptr(fd), &b.query); errno != 0 {
		return queryError(0, errno)
	}
	return nil
}
