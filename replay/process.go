package replay

import (
	"github.com/vmasnap/vmasnap/format"
)

// Process is one process of a Session.
type Process struct {
	PID uint32
	// StartTime is CLOCK_BOOTTIME ns truncated to 10 ms; with PID the identity of the
	// process. 0 = unknown.
	StartTime uint64
	PPID      uint32
	Comm      string
	Exe       string // "" = unknown
	// Walk is the record of the last walk of this process, nil if there was none: its
	// parents and credentials, and how the walk went. It belongs to the Session.
	Walk *format.Process
	// Executed says that the process has executed a program since Walk, which tells of the
	// address space before and of another executable then. What an exec leaves alone, such
	// as the cgroup, is still right.
	Executed bool
	// AddressSpace is never nil. Processes that share one (CLONE_VM) have the same pointer.
	*AddressSpace

	seen uint32 // serial number of the machine-wide snapshot in which it was stated or born
}

// AddressSpace is what is known of the memory of a process, or of several that share it.
type AddressSpace struct {
	// Space holds the mappings; never nil, and the same pointer as long as the address
	// space exists.
	Space *Space
	// Known says that Space holds the truth: a complete walk, or an exec or a fork of a
	// known process, was seen. Where it is false, Process.Status says why.
	Known bool
	// UncertainSince is not 0 when statements have been lost since that time
	// (CLOCK_MONOTONIC ns) and no walk has repaired the address space yet.
	UncertainSince uint64

	lostAt   uint64 // time at which the latest loss was noticed, ns
	restated uint32 // serial number of the snapshot that stated it last
	by       uint32 // the process whose record did
	users    int    // processes that have it
}

// newAddressSpace returns an empty one.
func newAddressSpace(known bool) *AddressSpace {
	return newAddressSpaceOf(AddressSpace{Known: known}, Space{})
}

// newAddressSpaceOf lays the two side by side: replay goes from one to the other all the time.
func newAddressSpaceOf(a AddressSpace, s Space) *AddressSpace {
	both := &struct {
		AddressSpace
		Space
	}{a, s}
	both.AddressSpace.Space = &both.Space
	return &both.AddressSpace
}

// fork returns a copy that changes independently of a.
func (a *AddressSpace) fork() *AddressSpace {
	return newAddressSpaceOf(AddressSpace{Known: a.Known, UncertainSince: a.UncertainSince, lostAt: a.lostAt}, *a.Space.Clone())
}

// Status returns how the last walk of the process's present program went;
// format.WalkUnknown if there was none.
func (p *Process) Status() format.WalkStatus {
	if w := p.walk(); w != nil {
		return w.Status
	}
	return format.WalkUnknown
}

// ExeDeleted reports whether Exe was no longer linked at that name when it was recorded.
func (p *Process) ExeDeleted() bool {
	w := p.walk()
	return w != nil && w.ExeDeleted
}

// Cgroup returns the control group, as the last walk found it; "" = unknown.
func (p *Process) Cgroup() string {
	if p.Walk == nil {
		return ""
	}
	return p.Walk.Cgroup
}

// Followed reports whether the address space is known from live statements alone: the
// process was born, or has executed its program, since the last snapshot.
func (p *Process) Followed() bool { return p.Known && p.walk() == nil }

// walk returns Walk if it is about the program that runs now.
func (p *Process) walk() *format.Process {
	if p.Executed {
		return nil
	}
	return p.Walk
}

// is reports whether p can be the process that started at start; 0 is unknown.
func (p *Process) is(start uint64) bool {
	return p.StartTime == start || p.StartTime == 0 || start == 0
}
