package recorder

import (
	"github.com/vmasnap/vmasnap/bpfmmap"
	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/procmap"
)

// This file is the only translation from procmap's terms to format's.

// sources are the procmap sources behind those that walk process by process. The iterator
// leaves to the ioctl, or else the text, what it could not finish.
var sources = map[Source]procmap.Source{
	SourceAuto: procmap.SourceAuto, SourceIoctl: procmap.SourceIoctl, SourceMaps: procmap.SourceMaps, SourceIter: procmap.SourceAuto,
}

func formatHooks(h bpfmmap.Hooks) format.Hooks {
	switch h {
	case bpfmmap.HooksKprobe:
		return format.HooksKprobe
	case bpfmmap.HooksFentry:
		return format.HooksFentry
	case bpfmmap.HooksTracepoint:
		return format.HooksTracepoint
	}
	return format.HooksNone
}

func formatSource(s procmap.Source) format.Source {
	switch s {
	case procmap.SourceIoctl:
		return format.SourceIoctl
	case procmap.SourceMaps:
		return format.SourceMaps
	}
	return format.SourceNone
}

func formatKind(k procmap.Kind) format.Content {
	switch k {
	case procmap.KindExecFile:
		return format.ContentExecFile
	case procmap.KindDataFile:
		return format.ContentDataFile
	case procmap.KindAnonExec:
		return format.ContentAnonExec
	case procmap.KindVDSO:
		return format.ContentVDSO
	}
	return 0
}

func (o *Options) content() format.Content {
	c := format.ContentExecFile
	if o.AllFile {
		c |= format.ContentDataFile
	}
	if o.AnonExec {
		c |= format.ContentAnonExec
	}
	if o.VDSO {
		c |= format.ContentVDSO
	}
	return c
}

// maxPath bounds the paths that are recorded, in bytes. The kernel prints longer ones, made
// of nested directories; a record has no room for them. Such a file keeps its device and
// inode, and an empty path.
const maxPath = 32 << 10

// fillMmap describes v, which file is behind; nil for a VMA without one.
func fillMmap(m *format.Mmap, v *procmap.VMA, kind format.Content, file *procmap.File) {
	m.Start, m.Length, m.Offset = v.Start, v.End-v.Start, v.Offset
	m.Major, m.Minor, m.Inode = v.Major, v.Minor, v.Inode
	m.Kind, m.Walked = kind, true
	if v.Flags&procmap.Readable != 0 {
		m.Prot |= format.ProtRead
	}
	if v.Flags&procmap.Writable != 0 {
		m.Prot |= format.ProtWrite
	}
	if v.Flags&procmap.Executable != 0 {
		m.Prot |= format.ProtExec
	}
	m.Flags = format.MapPrivate
	if v.Flags&procmap.Shared != 0 {
		m.Flags = format.MapShared
	}
	if file == nil {
		m.Path = string(v.Name)
		return
	}
	if m.Deleted = file.Deleted; len(file.Path) <= maxPath {
		m.Path = file.Path
	}
	m.BuildID, m.GoBuildID = format.MakeBuildID(file.BuildID), file.GoBuildID
	m.BuildIDOrigin = format.BuildIDOrigin(file.Origin)
}

// fillLive describes a VMA that the kernel side told; f is its file.
func fillLive(m *format.Mmap, v *bpfmmap.VMA, f *liveFile) {
	m.Start, m.Length, m.Offset = v.Start, v.End-v.Start, v.Offset
	m.Prot, m.Kind = format.Prot(v.Prot), format.ContentExecFile
	m.Flags = format.MapPrivate
	if v.Shared {
		m.Flags = format.MapShared
	}
	m.Deleted = v.Deleted
	if f == nil {
		m.BuildIDOrigin = format.BuildIDFailed
		return
	}
	m.Major, m.Minor, m.Inode = f.Major, f.Minor, f.Inode
	m.Generation, m.HasGeneration = f.Generation, true
	if len(f.Path) <= maxPath {
		m.Path = f.Path
	}
	switch {
	case f.settled:
		m.BuildID, m.GoBuildID = format.MakeBuildID(f.found.BuildID), f.found.GoBuildID
		m.BuildIDOrigin = format.BuildIDOrigin(f.found.Origin)
	default:
		m.BuildIDOrigin = format.BuildIDFailed // nobody has answered in time
	}
}

// fillProcess describes the process. i may be empty: then only its number is known.
func fillProcess(p *format.Process, i *procmap.Info, pid int) {
	p.PID, p.TID = uint32(pid), uint32(pid)
	if i.PID == 0 {
		p.UID, p.GID = ^uint32(0), ^uint32(0)
		return
	}
	p.TID = uint32(i.TID)
	p.PPID, p.StartTime, p.Threads = uint32(i.PPID), i.StartTime, uint32(i.Threads)
	p.UID, p.GID, p.NSPID = i.UID, i.GID, uint32(i.NSPID)
	p.PIDNamespace, p.MountNamespace = i.PIDNamespace, i.MountNamespace
	p.Comm, p.Exe, p.ExeDeleted = i.Comm, i.Exe, i.ExeDeleted
	p.Root, p.Cgroup = i.Root, i.Cgroup
}
