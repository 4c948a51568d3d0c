package format

import (
	"encoding"
	"fmt"
)

// form says how a number is written.
type form uint8

const (
	always form = 1 << iota // even if it is zero
	hexa                    // 0x..., in JSON as a string: addresses, lengths, offsets, bits
	exact                   // in JSON as a string of decimal digits, since each digit counts
)

// name is an enumeration's value.
type name interface {
	fmt.Stringer
	encoding.TextUnmarshaler
}

// visitor is told each field of a record in the order of the text form: its key there, and
// where it is. A printer reads the fields, a parser writes them. A field that is zero has
// no place in the text, unless it is a name or its form says always.
type visitor interface {
	u64(key string, v *uint64, f form)
	u32(key string, v *uint32, f form)
	u16(key string, v *uint16) // hexadecimal
	i32(key string, v *int32)
	flag(key string, v *bool)
	str(key string, v *string)
	name(key string, v name)
	device(key string, major, minor *uint32)
	perm(key string, prot *Prot, flags *MapFlags)
	buildID(key string, v *BuildID)
	walks(key string, v *[numWalkStatus]uint32)
	data(key string, v *[]byte)
}

// visit tells v the fields of r. It is the one place that knows their keys.
func visit(r Record, v visitor) {
	c := r.Head()
	v.u64("time", &c.Time, always)
	v.u32("pid", &c.PID, always)
	v.u32("tid", &c.TID, always)
	switch r := r.(type) {
	case *Host:
		visitHost(r, v)
	case *Process:
		visitProcess(r, v)
	case *Mmap:
		visitMmap(r, v)
	case *Clear:
		v.u64("start", &r.Start, always|hexa)
		v.u64("len", &r.Length, always|hexa)
	case *Comm:
		v.str("comm", &r.Comm)
	case *Fork:
		v.u32("ppid", &r.PPID, always)
		v.u32("ptid", &r.PTID, always)
		v.u64("start_time", &r.StartTime, 0)
		v.u64("clone_flags", &r.CloneFlags, hexa)
		v.flag("shares_vm", &r.SharesVM)
		v.flag("stated", &r.Stated)
	case *Exec:
		v.u32("old_tid", &r.OldTID, 0)
		v.str("comm", &r.Comm)
		v.str("exe", &r.Exe)
	case *Exit:
		v.u32("code", &r.Code, 0)
		v.flag("group", &r.Group)
	case *Lost:
		v.name("reason", &r.Reason)
		v.u64("count", &r.Count, always)
		v.u64("from", &r.From, always)
		v.i32("cpu", &r.CPU)
	case *SnapshotBegin:
		v.u32("id", &r.ID, always)
		v.name("kind", &r.Kind)
		v.name("source", &r.Source)
	case *SnapshotEnd:
		v.u32("id", &r.ID, always)
		v.walks("processes", &r.Processes)
		v.u64("mmaps", &r.Mmaps, always)
		v.u64("files", &r.Files, always)
	case *Clock:
		visitClocks(&r.Clocks, v)
	case *End:
		v.name("reason", &r.Reason)
		v.u64("records", &r.Records, always)
		v.u64("mmaps", &r.Mmaps, always)
		v.u64("lost", &r.Lost, always)
	case *Unknown:
		visitUnknown(r, v)
	}
}

func visitClocks(c *Clocks, v visitor) {
	v.u64("monotonic", &c.Monotonic, always)
	v.u64("boottime", &c.Boottime, always)
	v.u64("realtime", &c.Realtime, always|exact)
	v.u64("perf", &c.Perf, 0)
	v.u32("uncertainty", &c.Uncertainty, 0)
	v.u32("perf_uncertainty", &c.PerfUncertainty, 0)
}

func visitHost(h *Host, v visitor) {
	visitClocks(&h.Clocks, v)
	v.u32("page_size", &h.PageSize, always)
	v.u32("cpus", &h.CPUs, 0)
	v.u64("pid_ns", &h.PIDNamespace, 0)
	v.u64("mount_ns", &h.MountNamespace, 0)
	v.name("source", &h.Source)
	v.name("hooks", &h.Hooks)
	v.name("build_id_mode", &h.BuildID)
	v.name("content", &h.Content)
	v.flag("hidden", &h.Hidden)
	v.str("hostname", &h.Hostname)
	v.str("release", &h.Release)
	v.str("kernel_version", &h.KernelVersion)
	v.str("arch", &h.Arch)
	v.str("boot_id", &h.BootID)
	v.str("tool", &h.Tool)
	v.str("command", &h.Command)
}

func visitProcess(p *Process, v visitor) {
	v.u32("ppid", &p.PPID, 0)
	v.u32("shares_pid", &p.SharesPID, 0)
	v.u64("start_time", &p.StartTime, 0)
	v.u64("pid_ns", &p.PIDNamespace, 0)
	v.u64("mount_ns", &p.MountNamespace, 0)
	v.u32("uid", &p.UID, always)
	v.u32("gid", &p.GID, always)
	v.u32("threads", &p.Threads, 0)
	v.u32("ns_pid", &p.NSPID, 0)
	v.u32("snapshot", &p.Snapshot, 0)
	v.name("status", &p.Status)
	v.name("source", &p.Source)
	v.u32("errno", &p.Errno, 0)
	v.u64("walk_time", &p.WalkTime, 0)
	v.u32("vmas", &p.VMAs, 0)
	v.u32("excluded_anon_exec", &p.ExcludedAnonExec, 0)
	v.u32("excluded_vdso", &p.ExcludedVDSO, 0)
	v.flag("exe_deleted", &p.ExeDeleted)
	v.flag("blank", &p.Blank)
	v.str("comm", &p.Comm)
	v.str("exe", &p.Exe)
	v.str("root", &p.Root)
	v.str("cgroup", &p.Cgroup)
}

func visitMmap(m *Mmap, v visitor) {
	v.u64("start", &m.Start, always|hexa)
	v.u64("len", &m.Length, always|hexa)
	v.u64("pgoff", &m.Offset, always|hexa)
	v.device("dev", &m.Major, &m.Minor)
	v.u64("ino", &m.Inode, always|exact)
	v.u64("gen", &m.Generation, exact)
	v.flag("has_gen", &m.HasGeneration)
	v.perm("prot", &m.Prot, &m.Flags)
	v.name("kind", &m.Kind)
	v.flag("deleted", &m.Deleted)
	v.flag("walked", &m.Walked)
	v.name("build_id_origin", &m.BuildIDOrigin)
	v.buildID("build_id", &m.BuildID)
	v.str("go_build_id", &m.GoBuildID)
	v.str("path", &m.Path)
}

// visitOddPerm tells v the protection and the sharing as numbers if the four letters of
// appendPerm do not say all.
func visitOddPerm(v visitor, prot *Prot, flags *MapFlags) {
	if *prot > ProtRead|ProtWrite|ProtExec {
		v.u32("prot_bits", (*uint32)(prot), hexa)
	}
	if *flags > MapPrivate {
		v.u32("flag_bits", (*uint32)(flags), hexa)
	}
}

func visitUnknown(u *Unknown, v visitor) {
	v.u32("number", (*uint32)(&u.RawType), always)
	v.u16("misc", &u.Misc)
	v.data("data", &u.Data)
}
