package format

import (
	"encoding/binary"
	"fmt"
)

// DecodeRecord decodes the record at the start of b and returns it and its size in bytes.
// The caller owns the record; nothing in it refers to b. A b that ends within the record
// is ErrTruncated, a Host record of another major version ErrVersion; every other error is
// a *FormatError, whose Raw is relative to b.
func DecodeRecord(b []byte) (rec Record, n int, err error) {
	return decodeRecord(b, nil, nil)
}

// decodeRecord is DecodeRecord with a store of strings, which may be nil.
func decodeRecord(b []byte, in *interner, use *reused) (Record, int, error) {
	n, err := recordSize(b)
	if err != nil {
		return nil, 0, err
	}
	if len(b) < n {
		return nil, 0, fmt.Errorf("%w: %d bytes of a record of %d", ErrTruncated, len(b), n)
	}
	d := decoder{b: b[:n], in: in, use: use, misc: binary.LittleEndian.Uint16(b[4:])}
	rec, err := d.record(Type(binary.LittleEndian.Uint32(b)))
	if err != nil {
		return nil, 0, err
	}
	return rec, n, nil
}

// recordSize returns the size of the record whose header b starts with.
func recordSize(b []byte) (int, error) {
	if len(b) < headerSize {
		return 0, fmt.Errorf("%w: %d bytes of a record's header", ErrTruncated, len(b))
	}
	n := int(binary.LittleEndian.Uint16(b[6:]))
	if n < commonSize || n%8 != 0 {
		return 0, corrupt("record size %d: want a multiple of 8, at least %d", n, commonSize)
	}
	return n, nil
}

// decoder is a cursor on the bytes of one record. Behind its end it reads zeros and says
// so in short, which is looked at once, at the end.
type decoder struct {
	b     []byte
	off   int
	short bool
	in    *interner
	use   *reused // may be nil
	misc  uint16
}

// reused are the records of ReaderOptions.Reuse.
type reused struct {
	mmap  Mmap
	clear Clear
}

// newMmap and newClear return records of which all fields are to be set.

func (u *reused) newMmap() *Mmap {
	if u == nil {
		return new(Mmap)
	}
	return &u.mmap
}

func (u *reused) newClear() *Clear {
	if u == nil {
		return new(Clear)
	}
	return &u.clear
}

func (d *decoder) take(n int) []byte {
	if n > len(d.b)-d.off {
		d.short = true
		d.off = len(d.b)
		return nil
	}
	b := d.b[d.off : d.off+n]
	d.off += n
	return b
}

func (d *decoder) u8() uint8 {
	if b := d.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *decoder) u16() uint16 {
	if b := d.take(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (d *decoder) u32() uint32 {
	if b := d.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (d *decoder) u64() uint64 {
	if b := d.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// addr reads an address, which is big-endian.
func (d *decoder) addr() uint64 {
	if b := d.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (d *decoder) str() string          { return d.in.string(d.take(int(d.u16()))) }
func (d *decoder) flag(bit uint16) bool { return d.misc&bit != 0 }

// record decodes what follows the header.
func (d *decoder) record(t Type) (Record, error) {
	c := Common{
		Time: binary.LittleEndian.Uint64(d.b[headerSize:]),
		PID:  binary.LittleEndian.Uint32(d.b[headerSize+8:]), TID: binary.LittleEndian.Uint32(d.b[headerSize+12:]),
	}
	d.off = commonSize // recordSize has seen that they are there
	var rec Record
	switch t {
	case TypeHost:
		h := &Host{Common: c}
		if err := d.host(h); err != nil {
			return nil, err
		}
		rec = h
	case TypeProcess:
		rec = d.process(c)
	case TypeMmap:
		m := d.use.newMmap()
		m.Common = c
		if err := d.mmap(m); err != nil {
			return nil, err
		}
		rec = m
	case TypeClear:
		k := d.use.newClear()
		k.Common, k.Start, k.Length = c, d.addr(), d.u64()
		rec = k
	case TypeComm:
		rec = &Comm{Common: c, Comm: d.str()}
	case TypeFork:
		rec = &Fork{
			Common: c, StartTime: d.u64(), CloneFlags: d.u64(), PPID: d.u32(), PTID: d.u32(),
			SharesVM: d.flag(miscForkSharesVM), Stated: d.flag(miscForkStated),
		}
	case TypeExec:
		x := &Exec{Common: c, OldTID: d.u32()}
		d.take(4)
		x.Comm, x.Exe = d.str(), d.str()
		rec = x
	case TypeExit:
		rec = &Exit{Common: c, Code: d.u32(), Group: d.flag(miscExitGroup)}
		d.take(4)
	case TypeLost:
		rec = &Lost{Common: c, Count: d.u64(), From: d.u64(), CPU: int32(d.u32()), Reason: LostReason(d.u8())}
		d.take(3)
	case TypeSnapshotBegin:
		rec = &SnapshotBegin{Common: c, ID: d.u32(), Kind: SnapshotKind(d.u8()), Source: Source(d.u8())}
		d.take(2)
	case TypeSnapshotEnd:
		rec = d.snapshotEnd(c)
	case TypeClock:
		rec = &Clock{Common: c, Clocks: d.clocks()}
	case TypeEnd:
		rec = &End{Common: c, Records: d.u64(), Mmaps: d.u64(), Lost: d.u64(), Reason: EndReason(d.u8())}
		d.take(7)
	default:
		return &Unknown{Common: c, RawType: t, Misc: d.misc, Data: append([]byte(nil), d.b[d.off:]...)}, nil
	}
	if d.short {
		return nil, corrupt("%s record of %d bytes ends within its fields", t, len(d.b))
	}
	return rec, nil
}

func (d *decoder) clocks() Clocks {
	return Clocks{
		Monotonic: d.u64(), Boottime: d.u64(), Realtime: d.u64(), Perf: d.u64(),
		Uncertainty: d.u32(), PerfUncertainty: d.u32(),
	}
}

func (d *decoder) host(h *Host) error {
	if magic := d.take(len(hostMagic)); string(magic) != hostMagic {
		return fmt.Errorf("%w: its first record has no magic number", ErrNotRecording)
	}
	major, minor := d.u16(), d.u16()
	if major != VersionMajor && !d.short {
		return fmt.Errorf("%w: %d.%d, this program reads %d.x", ErrVersion, major, minor, VersionMajor)
	}
	h.PageSize = d.u32()
	h.Clocks = d.clocks()
	h.PIDNamespace, h.MountNamespace = d.u64(), d.u64()
	h.CPUs, h.Content = d.u32(), Content(d.u32())
	h.Source, h.Hooks, h.BuildID = Source(d.u8()), Hooks(d.u8()), BuildIDMode(d.u8())
	h.Hidden = d.flag(miscHostHidden)
	d.take(5)
	h.Hostname, h.Release, h.KernelVersion = d.str(), d.str(), d.str()
	h.Arch, h.BootID, h.Tool, h.Command = d.str(), d.str(), d.str(), d.str()
	return nil
}

func (d *decoder) process(c Common) *Process {
	p := &Process{Common: c, ExeDeleted: d.flag(miscProcessExeDeleted), Blank: d.flag(miscProcessBlank)}
	p.StartTime, p.PIDNamespace, p.MountNamespace, p.WalkTime = d.u64(), d.u64(), d.u64(), d.u64()
	p.PPID, p.SharesPID = d.u32(), d.u32()
	p.UID, p.GID = d.u32(), d.u32()
	p.Threads, p.NSPID = d.u32(), d.u32()
	p.Snapshot, p.Errno = d.u32(), d.u32()
	p.VMAs, p.ExcludedAnonExec, p.ExcludedVDSO = d.u32(), d.u32(), d.u32()
	p.Status, p.Source = WalkStatus(d.u8()), Source(d.u8())
	d.take(2)
	p.Comm, p.Exe, p.Root, p.Cgroup = d.str(), d.str(), d.str(), d.str()
	return p
}

// mmapFixed is the size in bytes of what a Mmap record has between Common and its strings.
const mmapFixed = 64

// mmap reads most of what is in a recording: so its fields are not read one by one.
func (d *decoder) mmap(m *Mmap) error {
	b := d.take(mmapFixed)
	if b == nil {
		return nil // short
	}
	m.Start = binary.BigEndian.Uint64(b)
	m.Length, m.Offset = binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b[16:])
	m.Inode, m.Generation = binary.LittleEndian.Uint64(b[24:]), binary.LittleEndian.Uint64(b[32:])
	m.Major, m.Minor = binary.LittleEndian.Uint32(b[40:]), binary.LittleEndian.Uint32(b[44:])
	m.Prot, m.Flags = Prot(binary.LittleEndian.Uint32(b[48:])), MapFlags(binary.LittleEndian.Uint32(b[52:]))
	m.Kind, m.BuildIDOrigin = Content(binary.LittleEndian.Uint32(b[56:])), BuildIDOrigin(b[60])
	m.Deleted = d.flag(miscMmapDeleted)
	m.HasGeneration = d.flag(miscMmapGeneration)
	m.Walked = d.flag(miscMmapWalked)
	names, known := d.in.names(m.Inode, d.b[d.off:])
	if !known {
		raw := d.b[d.off:]
		*names = fileNames{id: d.str(), goID: d.str(), path: d.str()}
		if len(names.id) > MaxBuildID {
			return corrupt("build ID of %d bytes, at most %d", len(names.id), MaxBuildID)
		}
		if d.in != nil && len(raw) <= maxNames && !d.short {
			names.raw = string(raw)
		}
	}
	m.BuildID, m.GoBuildID, m.Path = BuildID{names.id}, names.goID, names.path
	return nil
}

func (d *decoder) snapshotEnd(c Common) *SnapshotEnd {
	s := &SnapshotEnd{Common: c, Mmaps: d.u64(), Files: d.u64(), ID: d.u32()}
	n := d.u32()
	for i := uint32(0); i < n && !d.short; i++ {
		if v := d.u32(); i < uint32(len(s.Processes)) {
			s.Processes[i] = v
		}
	}
	return s
}
