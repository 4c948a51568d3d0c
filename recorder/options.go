package recorder

import (
	"time"

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
	// Source chooses between the ioctl and the text of /proc/PID/maps.
	Source procmap.Source
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
}

// defaultProcFS is where proc is mounted, as a rule.
const defaultProcFS = "/proc"
