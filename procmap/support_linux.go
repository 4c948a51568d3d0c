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
func Supported() error {
	support.Lock()
	defer support.Unlock()
	if support.known {
		return support.err
	}
	err := probe(ioctlQuery)
	if err == nil || errors.Is(err, ErrNotSupported) {
		support.known = true
		support.err = err
	}
	return err
}

// probe asks about this thread. /proc/self would be a zombie once the first thread of the
// process has exited.
func probe(query queryFunc) error {
	const path = "/proc/thread-self/maps"
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
