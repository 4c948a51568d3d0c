package procmap

import "strings"

// Info is what /proc tells of one process. It is put together from several files, one
// after the other: an execve in between can leave it with the old name and the new path.
//
// What could not be read has its zero value, and Denied or Failed says so; a zero value
// with neither bit set means that there is none.
type Info struct {
	PID  int // thread group, in procfs's pid namespace
	TID  int // the thread read through; PID unless the leader has exited
	PPID int // 0 = none, or outside procfs's pid namespace

	// StartTime is when the leader was started, CLOCK_BOOTTIME in ns, rounded down to
	// 10 ms (clock ticks of 1/100 s). With PID it identifies a process.
	StartTime uint64
	// State is the letter of ps(1) of the thread TID: R, S, D, Z ...
	State        byte
	KernelThread bool
	Threads      int // the leader included, even if it has exited; 0 = unknown

	UID, GID uint32 // effective, in the reader's user namespace; ^0 = unknown
	NSPID    int    // PID in the process's own pid namespace; 0 = unknown

	PIDNamespace   uint64 // inode number; 0 = unknown or a kernel thread
	MountNamespace uint64 // inode number; 0 = unknown or, after exit, none

	// Comm is the leader's name, raw: any bytes but NUL. At most 15 bytes, except for
	// kernel threads, for which newer kernels print up to 63.
	Comm string
	// Exe is the path of the executable relative to the reader's root. Kernel threads and
	// processes that have exited have none. ExeDeleted: not linked there any more.
	Exe        string
	ExeDeleted bool
	Root       string // the process's root directory relative to the reader's root
	// Cgroup is the path in the unified hierarchy, else in name=systemd, else in the first
	// other one, of which the first that is not "/" is taken.
	Cgroup string

	MM MMKey // zero without an address space

	Denied Pieces // refused by the kernel (EACCES, EPERM)
	Failed Pieces // not read for another reason
	Err    error  // the first error behind Failed; nil = none
}

// Zombie reports whether the thread that was read through has exited. A leader can be a
// zombie while other threads of its process run on: then Threads is above 1 and
// Process.LiveThread leads to one of them.
func (i *Info) Zombie() bool { return deadState(i.State) }

// Pieces is a set of parts of an Info.
type Pieces uint16

// The parts of an Info that are read one by one.
const (
	PieceStat   Pieces = 1 << iota // PPID, StartTime, State, KernelThread, Threads, Comm
	PieceOwner                     // UID, GID
	PieceNSPID                     // NSPID
	PieceExe                       // Exe, ExeDeleted
	PieceRoot                      // Root
	PiecePIDNS                     // PIDNamespace
	PieceMNTNS                     // MountNamespace
	PieceCgroup                    // Cgroup
	PieceMM                        // MM
)

var pieceNames = [...]string{"stat", "owner", "nspid", "exe", "root", "ns/pid", "ns/mnt", "cgroup", "mm"}

// String returns the names of the parts, for example "exe,root".
func (p Pieces) String() string {
	var names []string
	for i, s := range pieceNames {
		if p&(1<<i) != 0 {
			names = append(names, s)
		}
	}
	return strings.Join(names, ",")
}
