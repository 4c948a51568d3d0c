package bpfmmap

import "fmt"

// Type says what an Event is about.
type Type uint32

// The types of events; bpf/event.h has the same numbers.
const (
	TypeState Type = iota + 1 // in [Start, End) of MM exactly VMAs are mapped
	TypeFile                  // File will be referred to by its ID
	TypeFork                  // a task came to be: a process, or with TID != PID a thread
	TypeExec                  // a process has a new, empty address space
	TypeExit                  // a thread, or with Group the whole process, ended
	TypeComm                  // a thread got a new name
	TypeEnd                   // an address space ended; its key may be used again
	TypeDirty                 // what is mapped in [Start, End) of MM is not known: a statement was lost
	TypeMark                  // Mark was called
	TypeTasks                 // List was called: the first, or with Last the last event of the listing
	TypeTask                  // a process that was there already
	TypeAdopt                 // a process that was there already is followed from now on
)

// Event is one record of the ring buffer. Which fields mean something depends on Type. The
// order of events is the order in which they are true.
type Event struct {
	Type Type
	Time uint64 // CLOCK_MONOTONIC ns
	// MM is the address space: an opaque key, which is used again once TypeEnd, TypeExec or
	// TypeFork says so. It is a kernel address and must not be stored or shown. 0 = none.
	MM  uint64
	PID uint32 // thread group; of TypeFork the new one's
	TID uint32

	// TypeState and TypeDirty.
	Start, End uint64
	VMAs       []VMA // ascending; valid until the next event is read
	// TypeState; a Reason of TypeDirty.
	Reason Loss

	// TypeFile.
	File File

	// TypeFork.
	StartTime  uint64 // CLOCK_BOOTTIME ns
	CloneFlags uint64 // clone(2)
	ParentPID  uint32
	ParentTID  uint32

	// TypeExec.
	Exe        uint64 // File.ID of the executable; 0 = unknown
	ExeDeleted bool
	OldTID     uint32 // the thread that called execve; 0 = unknown

	// TypeExit.
	Code  uint32 // wait(2) status; meaningful with Group
	Group bool

	// TypeFork, TypeExec (may be empty) and TypeComm.
	Comm Comm

	// TypeMark and TypeTasks.
	ID   uint64
	Last bool
}

// Comm is a task's name as the kernel has it: up to the first NUL.
type Comm [16]byte

// String returns the name.
func (c Comm) String() string {
	for i, b := range c {
		if b == 0 {
			return string(c[:i])
		}
	}
	return string(c[:])
}

// VMA is one VMA that the hooks cover. It is not clipped to the range of its statement.
type VMA struct {
	Start, End uint64 // addresses
	Offset     uint64 // of Start in the file, bytes
	File       uint64 // File.ID
	Prot       uint32 // PROT_*
	Shared     bool   // MAP_SHARED
	Deleted    bool   // the file is not linked at its name any more
	Kernel     bool   // of the Iterator, without a file: code of the kernel, such as [vdso]
}

// File is a file as the kernel sees it under one name. One that was renamed, or whose
// directory was, has another ID.
type File struct {
	ID           uint64
	Major, Minor uint32 // of the superblock's device, as /proc/PID/maps prints it
	Inode        uint64
	Generation   uint64
	// Path is relative to this program's root, as PROCMAP_QUERY has it, without
	// " (deleted)". "" if it is longer than the kernel side goes.
	Path string
}

// Loss is a door through which statements get lost.
type Loss uint32

// The doors; bpf/event.h has the same numbers, LossRecursion aside, which is counted by the
// kernel itself.
const (
	LossRing      Loss = iota // the ring buffer was full
	LossLock                  // an address space did not hold still, or its lock was not to be had
	LossMap                   // a BPF map had no room
	LossTorn                  // a walk failed in the middle, or could not begin
	LossRecursion             // the kernel skipped a program (recursion_misses)
	NumLosses
)

// String returns a short name.
func (l Loss) String() string {
	if names := [...]string{"ring", "lock", "map", "torn", "recursion"}; int(l) < len(names) {
		return names[l]
	}
	return fmt.Sprintf("loss %d", uint32(l))
}
