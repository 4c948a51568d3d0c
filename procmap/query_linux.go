package procmap

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// queryFunc is the system call. Tests put another kernel here.
type queryFunc func(fd uintptr, q *procmapQuery) unix.Errno

// ioctlQuery is the queryFunc of the running kernel.
func ioctlQuery(fd uintptr, q *procmapQuery) unix.Errno {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, fd, ioctlProcmapQuery, uintptr(unsafe.Pointer(q)))
	return errno
}

// do tries again on EINTR, which the kernel returns only to a process that is being killed.
func (query queryFunc) do(fd uintptr, q *procmapQuery) unix.Errno {
	for {
		if errno := query(fd, q); errno != unix.EINTR {
			return errno
		}
	}
}

// buffers is all the memory that the kernel reads and writes. The query holds addresses of
// the other two as plain integers, so it has to stay where it is: it is pinned.
type buffers struct {
	query   procmapQuery
	name    [maxName]byte
	buildID [maxBuildID]byte
	pin     runtime.Pinner
}

// spareBuffers keeps buffers from one Maps to the next: a whole machine is walked with one
// for each worker. They stay pinned, which is why this is no sync.Pool: that would drop
// them some time, and the runtime panics when something pinned is dropped.
var spareBuffers = make(chan *buffers, 64)

func newBuffers() *buffers {
	select {
	case b := <-spareBuffers:
		return b
	default:
	}
	b := new(buffers)
	b.pin.Pin(b)
	b.query.size = uint64(unsafe.Sizeof(b.query))
	return b
}

// release hands b to the next Maps: whatever aliases it is void from now on.
func (b *buffers) release() {
	select {
	case spareBuffers <- b:
	default:
		b.unpin()
	}
}

// unpin leaves b to the garbage collector, which keeps it as long as something aliases it.
func (b *buffers) unpin() { b.pin.Unpin() }

// prepare sets every "in" field. The kernel overwrites the sizes with each answer.
func (b *buffers) prepare(addr, flags uint64, name, buildID bool) {
	q := &b.query
	q.queryAddr, q.queryFlags = addr, flags
	q.vmaNameSize, q.vmaNameAddr = 0, 0
	q.buildIDSize, q.buildIDAddr = 0, 0
	if name {
		q.vmaNameSize = maxName
		q.vmaNameAddr = uint64(uintptr(unsafe.Pointer(&b.name)))
	}
	if buildID {
		q.buildIDSize = maxBuildID
		q.buildIDAddr = uint64(uintptr(unsafe.Pointer(&b.buildID)))
	}
}

// answer fills in v from the "out" fields.
func (b *buffers) answer(v *VMA) error {
	q := &b.query
	if q.vmaStart >= q.vmaEnd || q.vmaNameSize > maxName || q.buildIDSize > maxBuildID {
		return fmt.Errorf("query address %#x: answer %#x-%#x with %d bytes of name and %d of build ID: %w",
			q.queryAddr, q.vmaStart, q.vmaEnd, q.vmaNameSize, q.buildIDSize, errBadAnswer)
	}
	*v = VMA{
		Start: q.vmaStart, End: q.vmaEnd, Offset: q.vmaOffset, Flags: Flags(q.vmaFlags & 0x0f),
		PageSize: q.vmaPageSize, Major: q.devMajor, Minor: q.devMinor, Inode: q.inode,
	}
	if q.vmaNameSize > 1 { // the NUL is counted
		v.setName(b.name[: q.vmaNameSize-1 : q.vmaNameSize-1])
	}
	v.BuildID = b.id()
	return nil
}

// id returns the build ID of the last answer, nil if there is none.
func (b *buffers) id() []byte {
	n := b.query.buildIDSize
	if n == 0 {
		return nil
	}
	return b.buildID[:n:n]
}

// errBadAnswer: a kernel that answers nonsense. It must not make a walk endless.
var errBadAnswer = errors.New("answer makes no sense")

// errNoAdvance is a bad answer too: the VMA ends at or before the address asked about.
var errNoAdvance = fmt.Errorf("answer lies below the address: %w", io.ErrNoProgress)

// queryError gives the errno of a query about addr its meaning. ENOENT and ENAMETOOLONG
// of a name are left to the caller: they are answers.
func queryError(addr uint64, errno unix.Errno) error {
	var why string
	switch errno {
	case unix.ESRCH:
		return fmt.Errorf("query address %#x: %w", addr, ErrGone)
	case unix.ENOTTY:
		return &UnsupportedError{Feature: "PROCMAP_QUERY", Requires: "Linux 6.11"}
	case unix.EPERM, unix.EACCES, unix.ENOSYS:
		// The kernel checks permissions at open only.
		why = "ioctl is blocked by seccomp or a security module"
	case unix.ENAMETOOLONG:
		why = "name or build ID is longer than its buffer"
	case unix.E2BIG:
		why = "query struct is larger than the kernel's"
	case unix.EINVAL:
		why = "kernel does not know a flag of the query"
	case unix.EFAULT:
		why = "kernel cannot reach the buffers"
	case unix.ENOMEM:
		why = "kernel has no memory for the name"
	default:
		why = "unexpected error"
	}
	return fmt.Errorf("query address %#x: %s: %w", addr, why, errno)
}

// queryMissing reports whether errno means that no query will ever be answered here,
// because the kernel is too old or because a policy blocks the ioctl. The text of the same
// file can still be read.
func queryMissing(errno unix.Errno) bool {
	switch errno {
	case unix.ENOTTY, unix.EPERM, unix.EACCES, unix.ENOSYS:
		return true
	}
	return false
}
