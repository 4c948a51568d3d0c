package procmap

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// kcmpVM is KCMP_VM of include/uapi/linux/kcmp.h.
const kcmpVM = 1

// SameSpace compares the address spaces of two threads or processes: 0 if they are one and
// the same, else -1 or 1. That order has no meaning, but it is total and stays the same
// until the machine is restarted, so address spaces can be sorted by it.
//
// a and b are numbers of the caller's pid namespace, which need not be procfs's: see
// MountInfo.OwnPIDs. A zombie's address space is gone and equal to that of every other.
//
// The error is ErrGone if one of them does not exist, fs.ErrPermission if one may not be
// inspected (PTRACE_MODE_READ, with real IDs), ErrNotSupported if the kernel was built
// without kcmp(2) (CONFIG_KCMP; before Linux 5.12 CONFIG_CHECKPOINT_RESTORE).
func SameSpace(a, b int) (order int, err error) {
	r, _, errno := unix.Syscall6(unix.SYS_KCMP, uintptr(a), uintptr(b), kcmpVM, 0, 0, 0)
	switch {
	case errno == 0 && r == 0:
		return 0, nil
	case errno == 0 && r == 1:
		return -1, nil
	case errno == 0 && r == 2:
		return 1, nil
	case errno == 0:
		err = fmt.Errorf("order %d", r)
	case errno == unix.ESRCH:
		err = ErrGone
	case errno == unix.ENOSYS:
		err = &UnsupportedError{Feature: "kcmp", Requires: "CONFIG_KCMP"}
	default:
		err = errno
	}
	return 0, fmt.Errorf("compare address spaces of %d and %d: %w", a, b, err)
}

// Spaces recognizes processes that share an address space, as they are shown to it one
// after the other: clone(2) with CLONE_VM and without CLONE_THREAD makes such processes,
// vfork(2) makes them for a moment. The zero value is ready to use; it is not safe for
// concurrent use.
type Spaces struct {
	firsts map[MMKey][]firstOf
}

// firstOf is the process through which an address space was seen first.
type firstOf struct{ pid, tid int }

// Owner returns the PID of the process shown earlier whose address space the process i has
// now, or i.PID if it is the first with that one. i must be of the caller's pid namespace.
//
// A process that cannot be compared is its own owner: it has ended, its MM is hidden from
// the reader, or kcmp(2) refuses or is missing (see SameSpace). So are kernel threads and
// zombies, which have no address space.
//
// Only processes with equal MMKeys are compared, forked ones mostly: O(log n) calls for n
// of them.
func (s *Spaces) Owner(i *Info) int {
	if !hasSpace(i) {
		return i.PID
	}
	firsts := s.firsts[i.MM]
	for {
		var failed error
		bad := 0
		at, found := slices.BinarySearchFunc(firsts, i.TID, func(first firstOf, tid int) int {
			order, err := SameSpace(first.tid, tid)
			if err != nil && failed == nil {
				failed, bad = err, slices.Index(firsts, first)
			}
			return order
		})
		switch {
		case failed == nil && found:
			return firsts[at].pid
		case failed == nil:
			s.keep(i.MM, slices.Insert(firsts, at, firstOf{i.PID, i.TID}))
			return i.PID
		}
		// Was it the other one, that has ended since?
		if _, err := SameSpace(i.TID, i.TID); err != nil {
			return i.PID
		}
		if !errors.Is(failed, ErrGone) {
			return i.PID
		}
		firsts = slices.Delete(firsts, bad, bad+1)
		s.keep(i.MM, firsts)
	}
}

// Known reports whether a process with the MMKey of i was shown earlier, so that Owner will
// compare i by system calls. Without one it makes none; Known itself makes none ever.
func (s *Spaces) Known(i *Info) bool { return hasSpace(i) && len(s.firsts[i.MM]) > 0 }

// hasSpace reports whether i has an address space that can be compared.
func hasSpace(i *Info) bool { return i.MM != (MMKey{}) && !i.KernelThread && !i.Zombie() }

func (s *Spaces) keep(key MMKey, firsts []firstOf) {
	if s.firsts == nil {
		s.firsts = make(map[MMKey][]firstOf)
	}
	s.firsts[key] = firsts
}
