package format

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// AppendRecord appends r in binary form to dst. If r cannot be encoded, it returns dst as
// it was and an error that names the field; one that is too long Is ErrTooLarge. The one
// string that is cut instead is Host.Command, of which at most 8192 bytes are kept, the
// last of them " [cut]". It allocates only to grow dst.
func AppendRecord(dst []byte, r Record) ([]byte, error) {
	if r == nil {
		return dst, errors.New("encode record: nil")
	}
	e := encoder{b: dst, start: len(dst)}
	e.header(r.Type(), *r.Head())
	switch r := r.(type) {
	case *Host:
		e.host(r)
	case *Process:
		e.process(r)
	case *Mmap:
		e.mmap(r)
	case *Clear:
		e.addr(r.Start)
		e.u64(r.Length)
	case *Comm:
		e.str("comm", r.Comm)
	case *Fork:
		e.fork(r)
	case *Exec:
		e.u32(r.OldTID)
		e.u32(0)
		e.str("comm", r.Comm)
		e.str("exe", r.Exe)
	case *Exit:
		e.misc(miscExitGroup, r.Group)
		e.u32(r.Code)
		e.u32(0)
	case *Lost:
		e.u64(r.Count)
		e.u64(r.From)
		e.u32(uint32(r.CPU))
		e.u8s(uint8(r.Reason), 0, 0, 0)
	case *SnapshotBegin:
		e.u32(r.ID)
		e.u8s(uint8(r.Kind), uint8(r.Source), 0, 0)
	case *SnapshotEnd:
		e.snapshotEnd(r)
	case *Clock:
		e.clocks(&r.Clocks)
	case *End:
		e.u64(r.Records)
		e.u64(r.Mmaps)
		e.u64(r.Lost)
		e.u8s(uint8(r.Reason), 0, 0, 0)
		e.u32(0)
	case *Unknown:
		e.unknown(r)
	default:
		return dst, fmt.Errorf("encode record: %T is not a record of this package", r)
	}
	if err := e.finish(); err != nil {
		return dst, fmt.Errorf("encode %s record: %w", r.Type(), err)
	}
	return e.b, nil
}

// encoder appends one record to b, where it begins at start.
type encoder struct {
	b       []byte
	start   int
	err     error
	longest string // the string field that a record which is too long is blamed on
	length  int
}

func (e *encoder) u32(v uint32) { e.b = binary.LittleEndian.AppendUint32(e.b, v) }
func (e *encoder) u64(v uint64) { e.b = binary.LittleEndian.AppendUint64(e.b, v) }

// addr appends an address, the one kind of number that is big-endian: the bytes that all
// addresses of a process begin with then follow its pid, which repeats as well, and the
// bytes that differ come last. zstd makes a quarter less of it.
func (e *encoder) addr(v uint64) { e.b = binary.BigEndian.AppendUint64(e.b, v) }

func (e *encoder) u8s(a, b, c, d uint8) { e.b = append(e.b, a, b, c, d) }

// misc sets a bit of the header, which is written already.
func (e *encoder) misc(bit byte, on bool) {
	if on {
		e.b[e.start+4] |= bit
	}
}

// str appends a string behind its length. One whose length does not fit makes the record an
// error in the end.
func (e *encoder) str(field, s string) {
	if len(s) > e.length {
		e.longest, e.length = field, len(s)
	}
	e.b = binary.LittleEndian.AppendUint16(e.b, uint16(len(s)))
	e.b = append(e.b, s...)
}

func (e *encoder) header(t Type, c Common) {
	e.u32(uint32(t))
	e.u32(0) // misc and size
	e.u64(c.Time)
	e.u32(c.PID)
	e.u32(c.TID)
}

// finish pads the record and writes its size.
func (e *encoder) finish() error {
	for (len(e.b)-e.start)%8 != 0 {
		e.b = append(e.b, 0)
	}
	size := len(e.b) - e.start
	switch {
	case e.err != nil:
		return e.err
	case size > MaxRecordSize:
		return fmt.Errorf("%w: %s has %d bytes, the whole record at most %d", ErrTooLarge, e.longest, e.length, MaxRecordSize)
	}
	binary.LittleEndian.PutUint16(e.b[e.start+6:], uint16(size))
	return nil
}

func (e *encoder) clocks(c *Clocks) {
	e.u64(c.Monotonic)
	e.u64(c.Boottime)
	e.u64(c.Realtime)
	e.u64(c.Perf)
	e.u32(c.Uncertainty)
	e.u32(c.PerfUncertainty)
}

func (e *encoder) host(h *Host) {
	e.misc(miscHostHidden, h.Hidden)
	e.b = append(e.b, hostMagic...)
	e.b = binary.LittleEndian.AppendUint16(e.b, VersionMajor)
	e.b = binary.LittleEndian.AppendUint16(e.b, VersionMinor)
	e.u32(h.PageSize)
	e.clocks(&h.Clocks)
	e.u64(h.PIDNamespace)
	e.u64(h.MountNamespace)
	e.u32(h.CPUs)
	e.u32(uint32(h.Content))
	e.u8s(uint8(h.Source), uint8(h.Hooks), uint8(h.BuildID), 0)
	e.u32(0)
	e.str("hostname", h.Hostname)
	e.str("release", h.Release)
	e.str("kernel_version", h.KernelVersion)
	e.str("arch", h.Arch)
	e.str("boot_id", h.BootID)
	e.str("tool", h.Tool)
	if len(h.Command) <= maxCommand {
		e.str("command", h.Command)
	} else {
		e.str("command", h.Command[:maxCommand-len(cutMark)]+cutMark)
	}
}

func (e *encoder) process(p *Process) {
	e.misc(miscProcessExeDeleted, p.ExeDeleted)
	e.misc(miscProcessBlank, p.Blank)
	e.u64(p.StartTime)
	e.u64(p.PIDNamespace)
	e.u64(p.MountNamespace)
	e.u64(p.WalkTime)
	e.u32(p.PPID)
	e.u32(p.SharesPID)
	e.u32(p.UID)
	e.u32(p.GID)
	e.u32(p.Threads)
	e.u32(p.NSPID)
	e.u32(p.Snapshot)
	e.u32(p.Errno)
	e.u32(p.VMAs)
	e.u32(p.ExcludedAnonExec)
	e.u32(p.ExcludedVDSO)
	e.u8s(uint8(p.Status), uint8(p.Source), 0, 0)
	e.str("comm", p.Comm)
	e.str("exe", p.Exe)
	e.str("root", p.Root)
	e.str("cgroup", p.Cgroup)
}

func (e *encoder) mmap(m *Mmap) {
	e.misc(miscMmapDeleted, m.Deleted)
	e.misc(miscMmapGeneration, m.HasGeneration)
	e.misc(miscMmapWalked, m.Walked)
	e.addr(m.Start)
	// From here on records of the same part of the same file are equal.
	e.u64(m.Length)
	e.u64(m.Offset)
	e.u64(m.Inode)
	e.u64(m.Generation)
	e.u32(m.Major)
	e.u32(m.Minor)
	e.u32(uint32(m.Prot))
	e.u32(uint32(m.Flags))
	e.u32(uint32(m.Kind))
	e.u8s(uint8(m.BuildIDOrigin), 0, 0, 0)
	e.str("build_id", m.BuildID.raw)
	e.str("go_build_id", m.GoBuildID)
	e.str("path", m.Path)
}

func (e *encoder) fork(f *Fork) {
	e.misc(miscForkSharesVM, f.SharesVM)
	e.misc(miscForkStated, f.Stated)
	e.u64(f.StartTime)
	e.u64(f.CloneFlags)
	e.u32(f.PPID)
	e.u32(f.PTID)
}

func (e *encoder) snapshotEnd(s *SnapshotEnd) {
	e.u64(s.Mmaps)
	e.u64(s.Files)
	e.u32(s.ID)
	e.u32(uint32(len(s.Processes)))
	for _, n := range s.Processes {
		e.u32(n)
	}
}

func (e *encoder) unknown(u *Unknown) {
	if u.RawType.known() {
		e.err = fmt.Errorf("type %d has a layout of its own", uint32(u.RawType))
	} else if len(u.Data)%8 != 0 {
		e.err = fmt.Errorf("data has %d bytes, want a multiple of 8", len(u.Data))
	}
	if len(u.Data) > MaxRecordSize-commonSize {
		e.err = fmt.Errorf("%w: data has %d bytes, at most %d", ErrTooLarge, len(u.Data), MaxRecordSize-commonSize)
		return
	}
	binary.LittleEndian.PutUint16(e.b[e.start+4:], u.Misc)
	e.b = append(e.b, u.Data...)
}
