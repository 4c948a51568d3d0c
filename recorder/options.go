package recorder

import (
	"time"

	"github.com/vmasnap/vmasnap/bpfmmap"
	"github.com/vmasnap/vmasnap/procmap"
)

// DefaultWalkTimeout is how long a process may give no answer before its walk is abandoned.
const DefaultWalkTimeout = 5 * time.Second

// Options says what to record. The zero value records the executable, file-backed VMAs of
// every process with their build IDs.
type Options struct {
	// PIDs limits the snapshot to these processes; nil means all of them. One that does not
	// exist is recorded as vanished.
	PIDs []int
	// Source chooses who tells what is mapped.
	Source Source
	// BuildID chooses who is asked for build IDs.
	BuildID procmap.BuildIDMode
	// AllFile adds file-backed VMAs that are not executable, AnonExec executable VMAs
	// without a file (JIT code), VDSO the kernel's [vdso].
	AllFile, AnonExec, VDSO bool

	// Workers is how many processes are walked at once; 0 means one for each CPU.
	Workers int
	// WalkTimeout is how long a process may give no answer, 0 means DefaultWalkTimeout.
	// One that takes longer is recorded as timed out and delays nobody.
	WalkTimeout time.Duration
	// ProcFS is where proc is mounted, "" means /proc.
	ProcFS string

	// Tool and Command go into the Host record: name and version of the program, and its
	// command line.
	Tool, Command string
	// Progress, if not nil, is called with the number of processes done and the number
	// listed, from the goroutine that called Run.
	Progress func(done, total int)

	// Follow says how later changes are followed; nil records the snapshot alone. What is
	// followed are the executable, file-backed VMAs: AllFile, AnonExec and VDSO are for
	// snapshots.
	Follow *FollowOptions
}

// FollowOptions says how changes are followed after the snapshot. With Options.PIDs those
// processes are followed and all that they fork from then on; a process that changes an
// address space that it shares with one of them, without being one of them, is not.
type FollowOptions struct {
	// Hooks chooses the rung of the ladder of hooks.
	Hooks bpfmmap.Hooks
	// RingSize is the size of the ring buffer in bytes, 0 means bpfmmap.DefaultRingSize.
	RingSize int
	// Keyframe is the longest interval of the snapshots that are taken besides, 0 means none. Where
	// much happens they come sooner: after 250,000 events, or 8 for each record of the last one,
	// whichever is more. So a moment of the recording is found by replaying no more than that.
	Keyframe time.Duration
	// Cgroup limits the recording to the processes in this cgroup v2 directory and below.
	Cgroup string

	// RaisePriority lets all threads of this program run at the highest priority of normal
	// scheduling (nice -20) until Run returns: a busy machine starves the reader of the ring
	// otherwise. If that is not permitted, Recorder.Notes says so.
	RaisePriority bool
	// DropCapabilities gives up for good, in all threads of this program, the capabilities
	// that are not needed once the programs are attached.
	DropCapabilities bool

	// Attached, if not nil, is called once every change is told from then on, before the
	// snapshot.
	Attached func() error
	// Abort, if not nil, ends Run at once when it is closed, instead of when what the kernel side
	// has said up to the end of the context has been read. What is missing is recorded as lost.
	Abort <-chan struct{}
	// Status, if not nil, is called about twice a second from the goroutine that called Run.
	Status func(Status)
}

// Status is how a recording goes.
type Status struct {
	Processes int    // that are known to live
	Mappings  int    // Mmap records so far
	Events    uint64 // of the ring so far
	Lost      uint64 // statements lost so far
	// Uncertain is set while lost statements are not repaired.
	Uncertain bool
}

// defaultProcFS is where proc is mounted, as a rule.
const defaultProcFS = "/proc"
