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
	Exe       string
	// Walk is the record of the last walk of this process, nil if there was none: its
	// parents and credentials, and how the walk went. It belongs to the Session.
	Walk *format.Process
	// Space is the address space; never nil. Processes that share one (CLONE_VM) have the
	// same pointer.
	Space *Space
	// Known says that Space holds the truth: a complete walk, or an exec or a fork of a
	// known process, was seen. Where it is false, Walk.Status says why.
	Known bool
	// UncertainSince is not 0 when statements have been lost since that time
	// (CLOCK_MONOTONIC ns) and no walk has repaired the process yet.
	UncertainSince uint64

	seen uint32 // the snapshot, plus one, in which the process was last stated
}

// Status returns how the last walk of the process went.
func (p *Process) Status() format.WalkStatus {
	if p.Walk == nil {
		return format.WalkUnknown
	}
	return p.Walk.Status
}
