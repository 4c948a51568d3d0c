package procmap

import "bytes"

// noteRange is where notes are: a PT_NOTE segment or an SHT_NOTE section, or any other.
type noteRange struct {
	kind      uint32
	off, size uint64
	align     uint64
	info      uint32 // sh_info
}

func (f *elfFile) segment(i int) (n noteRange, err error) {
	want := 32
	if f.is64 {
		want = 56
	}
	b, err := f.header(f.phOff, f.phSize, i, want)
	if err != nil {
		return n, err
	}
	o := f.order
	if f.is64 {
		return noteRange{kind: o.Uint32(b), off: o.Uint64(b[8:]), size: o.Uint64(b[32:]), align: o.Uint64(b[48:])}, nil
	}
	return noteRange{kind: o.Uint32(b), off: uint64(o.Uint32(b[4:])), size: uint64(o.Uint32(b[16:])), align: uint64(o.Uint32(b[28:]))}, nil
}

func (f *elfFile) section(i int) (n noteRange, err error) {
	want := 40
	if f.is64 {
		want = 64
	}
	b, err := f.header(f.shOff, f.shSize, i, want)
	if err != nil {
		return n, err
	}
	o := f.order
	if f.is64 {
		return noteRange{kind: o.Uint32(b[4:]), off: o.Uint64(b[24:]), size: o.Uint64(b[32:]), info: o.Uint32(b[44:]), align: o.Uint64(b[48:])}, nil
	}
	return noteRange{kind: o.Uint32(b[4:]), off: uint64(o.Uint32(b[16:])), size: uint64(o.Uint32(b[20:])), info: o.Uint32(b[28:]), align: uint64(o.Uint32(b[32:]))}, nil
}

// header returns entry i of a table with entries of size bytes, of which want are used.
func (f *elfFile) header(table uint64, size, i, want int) ([]byte, error) {
	if size < want {
		return nil, ErrBadELF
	}
	off := table + uint64(size)*uint64(i)
	if off < table {
		return nil, ErrBadELF
	}
	return f.at(off, want)
}

// readSegments reads the notes of all PT_NOTE segments.
func (f *elfFile) readSegments() error {
	const ptNote = 4
	return f.readTable(min(f.phNum, maxSegments), ptNote, f.segment)
}

// readSections reads the notes of all SHT_NOTE sections.
func (f *elfFile) readSections() error {
	const shtNote = 7
	if f.shOff == 0 {
		return nil
	}
	return f.readTable(min(f.shNum, maxSections), shtNote, f.section)
}

func (f *elfFile) readTable(n int, kind uint32, entry func(int) (noteRange, error)) error {
	for i := range n {
		r, err := entry(i)
		if err != nil {
			return err
		}
		if r.kind != kind {
			continue
		}
		if err := f.readNotes(r); err != nil {
			return err
		}
		if f.gnu != nil && f.goID != "" {
			break
		}
	}
	return nil
}

// readNotes looks through one range of notes.
func (f *elfFile) readNotes(r noteRange) error {
	n := int(min(r.size, maxNotes))
	f.noteBytes += n
	f.ranges++
	if f.noteBytes > maxAllNotes || f.ranges > maxRanges {
		return ErrBadELF
	}
	b, err := f.at(r.off, n)
	if err != nil {
		return err
	}
	f.parseNotes(b, r.align)
	return nil
}

// parseNotes looks for the two build IDs. Owner and description of a note begin at
// multiples of 4 bytes, or of 8 in a range that is aligned so.
func (f *elfFile) parseNotes(b []byte, align uint64) {
	const (
		head       = 12
		gnuBuildID = 3 // NT_GNU_BUILD_ID
		maxGNU     = 64
		goBuildID  = 4
		maxGo      = 1024
	)
	if align != 8 {
		align = 4
	}
	up := func(n uint64) uint64 { return (n + align - 1) &^ (align - 1) }
	for len(b) >= head {
		ownerSize, size := uint64(f.order.Uint32(b)), uint64(f.order.Uint32(b[4:]))
		kind := f.order.Uint32(b[8:])
		desc := up(head + ownerSize)
		if desc+size > uint64(len(b)) {
			return
		}
		owner, value := b[head:head+ownerSize], b[desc:desc+size]
		switch {
		case kind == gnuBuildID && f.gnu == nil && string(owner) == "GNU\x00" && 0 < size && size <= maxGNU:
			f.gnu = bytes.Clone(value)
		case kind == goBuildID && f.goID == "" && string(owner) == "Go\x00\x00" && size <= maxGo:
			f.goID = string(value)
		}
		b = b[min(up(desc+size), uint64(len(b))):]
	}
}
