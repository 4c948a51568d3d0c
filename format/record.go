package format

// Type is the first field of a record's header and says which layout follows it.
// Numbers are never reused; docs/format.md has the byte tables.
type Type uint32

// The record types of major version 1.
const (
	TypeHost          Type = 1  // Host
	TypeProcess       Type = 2  // Process
	TypeMmap          Type = 3  // Mmap, the SET statement
	TypeClear         Type = 4  // Clear, the CLEAR statement
	TypeComm          Type = 5  // Comm
	TypeFork          Type = 6  // Fork
	TypeExec          Type = 7  // Exec
	TypeExit          Type = 8  // Exit
	TypeLost          Type = 9  // Lost
	TypeSnapshotBegin Type = 10 // SnapshotBegin
	TypeSnapshotEnd   Type = 11 // SnapshotEnd
	TypeClock         Type = 12 // Clock
	TypeEnd           Type = 13 // End
)

// Record is one entry of a recording. The concrete types are pointers to the structs
// of this file: *Host, *Process, *Mmap, *Clear, *Comm, *Fork, *Exec, *Exit, *Lost,
// *SnapshotBegin, *SnapshotEnd, *Clock, *End and *Unknown.
type Record interface {
	// Type returns the number under which the record is stored.
	Type() Type
	// Head returns the fields that every record has. The pointer stays valid as long
	// as the record and may be written through.
	Head() *Common
}

// Common is what every record starts with.
type Common struct {
	Time uint64 // CLOCK_MONOTONIC of the recorded host, ns; 0 = unknown
	PID  uint32 // process (thread group) in the pid namespace of Host; 0 = the whole machine
	TID  uint32 // thread that did it, or through which it was read; 0 = the whole machine
}

// Head implements Record.
func (c *Common) Head() *Common { return c }

// Clocks is one simultaneous reading of the recorded host's clocks, all in ns. Other
// programs' time stamps are brought to a recording's CLOCK_MONOTONIC with it.
type Clocks struct {
	Monotonic uint64 // CLOCK_MONOTONIC: the clock of every Common.Time
	Boottime  uint64 // CLOCK_BOOTTIME: the clock of every StartTime
	Realtime  uint64 // CLOCK_REALTIME: ns since 1970-01-01 00:00 UTC
	Perf      uint64 // perf's default clock (sched_clock); 0 = could not be read
	// Uncertainty bounds how far apart in time the readings were taken, in ns.
	// PerfUncertainty is the same for Perf alone, which takes a detour.
	Uncertainty     uint32
	PerfUncertainty uint32
}

// Source says who told what is mapped at the time of a snapshot.
type Source uint8

// The sources of a snapshot.
const (
	SourceNone   Source = iota // nobody: no walk took place
	SourceIoctl                // the PROCMAP_QUERY ioctl on /proc/PID/maps, Linux 6.11
	SourceMaps                 // the text of /proc/PID/maps
	SourceIter                 // the task_vma BPF iterator
	SourceImport               // another tool's file
)

// Hooks says who told what changed after the snapshot.
type Hooks uint8

// The rungs of the ladder of hooks.
const (
	HooksNone       Hooks = iota // nobody: a snapshot alone
	HooksKprobe                  // kprobe or kprobe.multi on the kernel's own choke points
	HooksFentry                  // the same functions through trampolines
	HooksTracepoint              // sys_exit and the open-coded task_vma iterator
	HooksImport                  // another tool's file
)

// Content is a set of kinds of VMAs that a recording covers, or that one VMA belongs to.
type Content uint32

// The kinds of VMAs. An executable, file-backed VMA is always covered.
const (
	ContentExecFile Content = 1 << iota // executable and file-backed
	ContentDataFile                     // file-backed, not executable (--all-file)
	ContentAnonExec                     // executable without a file: JIT code (--anon-exec)
	ContentVDSO                         // the kernel's [vdso] (--vdso)
)

// ContentFiles are the kinds of VMAs that have a file. What counts files counts those of
// these alone: [vdso] and anonymous memory have a name at most.
const ContentFiles = ContentExecFile | ContentDataFile

// BuildIDMode says who was asked for build IDs.
type BuildIDMode uint8

// The values of --build-id.
const (
	BuildIDAuto   BuildIDMode = iota // the kernel, then the file
	BuildIDKernel                    // the kernel alone
	BuildIDFile                      // the file alone
	BuildIDNone                      // nobody
)

// Host is the first record: which machine was recorded, by whom and how.
type Host struct {
	Common
	Clocks Clocks

	PageSize       uint32 // bytes
	CPUs           uint32 // online at the start
	PIDNamespace   uint64 // inode number of the pid namespace that all PIDs belong to; 0 = unknown
	MountNamespace uint64 // inode number of the recorder's mount namespace; 0 = unknown

	Source  Source      // the source asked for or chosen; a process may say otherwise
	Hooks   Hooks       // HooksNone for a snapshot alone
	BuildID BuildIDMode // --build-id
	Content Content     // what was asked for; everything else was left out
	// Hidden is set when /proc does not list all processes of the machine to this
	// recorder (hidepid, or a pid namespace that is not the initial one).
	Hidden bool

	Hostname      string
	Release       string // uname -r
	KernelVersion string // uname -v
	Arch          string // uname -m
	BootID        string // /proc/sys/kernel/random/boot_id
	Tool          string // name and version of the recorder
	Command       string // its command line, arguments separated by a space
}

// WalkStatus says how the walk of one process's address space went.
type WalkStatus uint8

// The outcomes of a walk. Only after WalkComplete, and for WalkShared in the process that
// it points to, are the mappings that follow the whole truth.
const (
	WalkUnknown      WalkStatus = iota // not walked, or the recorder did not say
	WalkComplete                       // every VMA that was asked for follows
	WalkShared                         // same address space as SharesPID, walked there
	WalkKernelThread                   // has no address space
	WalkZombie                         // has exited and waits to be reaped: no address space
	WalkDenied                         // the kernel refused (EACCES, EPERM)
	WalkVanished                       // ended between the listing and the end of its walk
	WalkRaced                          // changed its address space (exec) during every try
	WalkTimeout                        // did not answer within the time that it was given
	WalkFailed                         // another error: see Errno
	numWalkStatus
)

// Process describes one process at the time of a snapshot. The Mmap records of its walk
// follow at once, VMAs of them. With WalkComplete it replaces all that was known of the
// address space, for every process that has it.
type Process struct {
	Common                // TID differs from PID when the leader has exited and a thread answered
	PPID           uint32 // 0 = none, or outside that pid namespace
	SharesPID      uint32 // WalkShared: a process that has the same address space
	StartTime      uint64 // CLOCK_BOOTTIME ns, truncated to 10 ms; with PID the identity of the process
	PIDNamespace   uint64 // inode number; 0 = unknown
	MountNamespace uint64 // inode number; 0 = unknown
	UID, GID       uint32 // effective; ^0 = unknown
	Threads        uint32 // 0 = unknown
	NSPID          uint32 // pid in the process's own pid namespace; 0 = unknown

	Snapshot uint32     // SnapshotBegin.ID
	Status   WalkStatus // how the walk went
	Source   Source     // who answered
	Errno    uint32     // Linux errno behind WalkDenied and WalkFailed; 0 = none
	WalkTime uint64     // duration of the walk, ns; it began at Time
	VMAs     uint32     // Mmap records that follow
	// Left out because they were not asked for, as far as the walk saw them.
	ExcludedAnonExec uint32 // executable VMAs without a file (JIT code)
	ExcludedVDSO     uint32 // [vdso] and other special mappings of the kernel
	ExeDeleted       bool   // Exe is no longer linked at that name
	// Blank: nothing is known of the address space but what later statements will say of
	// parts of it. Set with those outcomes of a walk that say nothing about it.
	Blank bool

	Comm   string // at most 15 bytes, of kernel threads up to 63
	Exe    string // path as the recorder sees it; "" = unknown or none
	Root   string // the process's root directory as the recorder sees it; "" = unknown
	Cgroup string // path in the unified hierarchy, else in name=systemd, else in the first one
}

// Prot is a VMA's protection with the numbers of <sys/mman.h>.
type Prot uint32

// Protection bits, include/uapi/asm-generic/mman-common.h.
const (
	ProtRead  Prot = 1
	ProtWrite Prot = 2
	ProtExec  Prot = 4
)

// MapFlags is a VMA's sharing with the numbers of <sys/mman.h>.
type MapFlags uint32

// Mapping flags, include/uapi/linux/mman.h.
const (
	MapShared  MapFlags = 1
	MapPrivate MapFlags = 2
)

// BuildIDOrigin says where a record's build IDs come from, or why there are none.
type BuildIDOrigin uint8

// The origins of build IDs.
const (
	BuildIDNotAsked BuildIDOrigin = iota // --build-id=none, or no file
	BuildIDByKernel                      // PROCMAP_QUERY
	BuildIDByFile                        // the ELF file's notes, read in user space
	BuildIDAbsent                        // the file has none
	BuildIDNotELF                        // not an ELF file
	BuildIDDenied                        // the file could not be opened for lack of privilege
	BuildIDGone                          // the file is unlinked or another one is at its path
	BuildIDFailed                        // could not be read, or is malformed
)

// Mmap is the statement SET: from this moment [Start, Start+Length) of the process's
// address space is this file at this offset. It stands alone: no earlier record is needed
// to understand it.
type Mmap struct {
	Common
	Start      uint64 // address
	Length     uint64 // bytes
	Offset     uint64 // bytes into the file (perf's pgoff, which is in bytes too)
	Major      uint32 // device as /proc/PID/maps prints it, which is not always stat(2)'s
	Minor      uint32
	Inode      uint64
	Generation uint64 // i_generation; meaningful if HasGeneration
	Prot       Prot
	Flags      MapFlags
	Kind       Content // which one kind of VMA this is

	BuildIDOrigin BuildIDOrigin
	BuildID       BuildID // GNU build ID
	GoBuildID     string  // Go build ID (".note.go.buildid"), "" = none

	Deleted       bool // the file is no longer linked at Path
	HasGeneration bool
	Walked        bool // told by a walk, not by a hook

	// Path has the bytes as the kernel has them, without " (deleted)". Of VMAs without a
	// file it is [vdso], [heap] and the like, or "" for plain memory. Of a file it is "" if
	// the name could not be read or is longer than 32 KiB.
	Path string
}

// Clear is the statement CLEAR: from this moment nothing that the recording covers is
// mapped in [Start, Start+Length) of the process's address space.
type Clear struct {
	Common
	Start  uint64 // address
	Length uint64 // bytes
}

// Comm says that a thread got a new name.
type Comm struct {
	Common
	Comm string // at most 15 bytes
}

// Fork says that PID came to be, or if TID is another number, a thread of it. Unless SharesVM
// is set, a process's address space is a copy of its parent's at this point of the file.
type Fork struct {
	Common            // the new process
	PPID       uint32 // the process that called fork or clone
	PTID       uint32 // the thread of it
	StartTime  uint64 // of the new process, as in Process
	CloneFlags uint64 // clone(2)'s flags as far as the recorder knows them
	SharesVM   bool   // CLONE_VM: both processes have one address space
	// Stated is set when the new process's mappings follow as Mmap records and its
	// address space starts empty instead of as a copy.
	Stated bool
}

// Exec says that a process's address space is a new, empty one.
type Exec struct {
	Common
	OldTID uint32 // the thread that called execve, when it was not the leader; else PID
	Comm   string // new name, at most 15 bytes; "" = unknown
	Exe    string // path of the executable; "" = unknown
}

// Exit says that a thread, or with Group the whole process, has ended.
type Exit struct {
	Common
	Code  uint32 // wait(2) status; meaningful with Group
	Group bool   // the last thread: the process and its address space are gone
}

// LostReason says through which door statements got lost.
type LostReason uint8

// The doors of loss.
const (
	LostUnknown   LostReason = iota // an importer's file does not say
	LostRing                        // the ring buffer was full
	LostRecursion                   // the kernel skipped a program (recursion_misses)
	LostLock                        // an address space's lock was not to be had in time
	LostMap                         // a BPF map had no room
	LostMemory                      // the recorder's own bound on memory
	LostTorn                        // a group of statements was not read as one
)

// Lost says that statements between From and Time are missing. Until a walk that began after
// Time repairs it, what replay answers is uncertain from From on.
type Lost struct {
	Common            // PID 0: any process may be affected
	Count  uint64     // statements; 0 = unknown
	From   uint64     // CLOCK_MONOTONIC ns: nothing was lost before
	CPU    int32      // -1 = any
	Reason LostReason // through which door
}

// SnapshotKind says why a snapshot was taken.
type SnapshotKind uint8

// The reasons for a snapshot.
const (
	SnapshotInitial  SnapshotKind = iota // the start of a recording
	SnapshotKeyframe                     // the interval came round
	SnapshotRepair                       // statements were lost
)

// SnapshotBegin starts a snapshot: Process records with their Mmap records follow.
// Statements from hooks may stand between them in a live recording.
type SnapshotBegin struct {
	Common // PID 0: of every process; else of this one alone
	ID     uint32
	Kind   SnapshotKind
	Source Source
}

// SnapshotEnd closes the snapshot with the same ID and counts what it holds.
type SnapshotEnd struct {
	Common
	ID        uint32
	Processes [numWalkStatus]uint32 // Process records by WalkStatus
	Mmaps     uint64                // Mmap records
	Files     uint64                // distinct files in those whose Kind is among ContentFiles
}

// Clock is a later reading of the clocks.
type Clock struct {
	Common
	Clocks Clocks
}

// EndReason says why a recording ended.
type EndReason uint8

// The reasons for an end.
const (
	EndFinished EndReason = iota // all was done: the snapshot, the duration, the command
	EndSignal                    // the user asked for it
	EndError                     // the recorder could not go on
)

// End is the last record of a whole recording.
type End struct {
	Common
	Reason  EndReason
	Records uint64 // records before this one, Host included
	Mmaps   uint64 // Mmap records among them
	Lost    uint64 // sum of Lost.Count
}

// Unknown is a record of a type that this version does not know. It is passed on as it
// is, so that a tool that copies a recording loses nothing.
type Unknown struct {
	Common
	RawType Type
	Misc    uint16
	Data    []byte // the bytes after Common; owned by the record
}

// Type implements Record.
func (*Host) Type() Type { return TypeHost }

// Type implements Record.
func (*Process) Type() Type { return TypeProcess }

// Type implements Record.
func (*Mmap) Type() Type { return TypeMmap }

// Type implements Record.
func (*Clear) Type() Type { return TypeClear }

// Type implements Record.
func (*Comm) Type() Type { return TypeComm }

// Type implements Record.
func (*Fork) Type() Type { return TypeFork }

// Type implements Record.
func (*Exec) Type() Type { return TypeExec }

// Type implements Record.
func (*Exit) Type() Type { return TypeExit }

// Type implements Record.
func (*Lost) Type() Type { return TypeLost }

// Type implements Record.
func (*SnapshotBegin) Type() Type { return TypeSnapshotBegin }

// Type implements Record.
func (*SnapshotEnd) Type() Type { return TypeSnapshotEnd }

// Type implements Record.
func (*Clock) Type() Type { return TypeClock }

// Type implements Record.
func (*End) Type() Type { return TypeEnd }

// Type implements Record.
func (u *Unknown) Type() Type { return u.RawType }
