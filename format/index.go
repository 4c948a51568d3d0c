package format

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
)

// The index's bytes; docs/format.md has the tables.
const (
	indexFrameMagic = skippableMagic + 6 // 0x184D2A56, 'V' in the file's first byte of it
	indexMagic      = "VMASNIDX"
	indexEndMagic   = "VMASNEND"
	indexVersion    = 1

	skippableHeader = 8  // magic, size of the payload
	indexHeaderSize = 16 // magic, version, entry size, reserved
	indexEntrySize  = 48
	indexFooterSize = 40 // frames, raw size, records, payload size, checksum, magic

	frameHasSnapshot = 1 << 0
	frameHasLost     = 1 << 1
)

// Frame describes one zstd frame of a recording.
type Frame struct {
	Offset      int64  // in the file, bytes
	Size        int64  // compressed, bytes
	RawOffset   int64  // in the decompressed stream, bytes
	RawSize     int64  // bytes
	FirstRecord int64  // index of its first record in the recording; that of the Host is 0
	Records     int64  // number of records
	MinTime     uint64 // lowest Common.Time other than 0 and Lost.From, of which 0 counts as 1, ns; 0 = none
	MaxTime     uint64 // highest Common.Time in it, ns
	HasSnapshot bool   // a SnapshotBegin of the whole machine is among the records
	HasLost     bool   // a Lost is among them
}

// add counts a record.
func (f *Frame) add(r Record) {
	f.plain(r.Head().Time)
	switch r := r.(type) {
	case *SnapshotBegin:
		f.HasSnapshot = f.HasSnapshot || r.PID == 0
	case *Lost:
		f.HasLost = true
		f.since(max(r.From, 1))
	}
}

// plain counts a record that has but its time to say.
func (f *Frame) plain(now uint64) {
	f.Records++
	f.since(now)
	f.MaxTime = max(f.MaxTime, now)
}

// since notes that something in the frame is about the time t.
func (f *Frame) since(t uint64) {
	if t != 0 && (f.MinTime == 0 || t < f.MinTime) {
		f.MinTime = t
	}
}

// appendEntry appends the index entry of f.
func (f *Frame) appendEntry(dst []byte) []byte {
	var flags uint32
	if f.HasSnapshot {
		flags |= frameHasSnapshot
	}
	if f.HasLost {
		flags |= frameHasLost
	}
	dst = binary.LittleEndian.AppendUint64(dst, uint64(f.Offset))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(f.RawOffset))
	dst = binary.LittleEndian.AppendUint64(dst, f.MinTime)
	dst = binary.LittleEndian.AppendUint64(dst, f.MaxTime)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(f.Size))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(f.RawSize))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(f.Records))
	return binary.LittleEndian.AppendUint32(dst, flags)
}

// decodeEntry is the inverse of appendEntry but for FirstRecord.
func decodeEntry(b []byte) Frame {
	return Frame{
		Offset:      int64(binary.LittleEndian.Uint64(b[0:])),
		RawOffset:   int64(binary.LittleEndian.Uint64(b[8:])),
		MinTime:     binary.LittleEndian.Uint64(b[16:]),
		MaxTime:     binary.LittleEndian.Uint64(b[24:]),
		Size:        int64(binary.LittleEndian.Uint32(b[32:])),
		RawSize:     int64(binary.LittleEndian.Uint32(b[36:])),
		Records:     int64(binary.LittleEndian.Uint32(b[40:])),
		HasSnapshot: binary.LittleEndian.Uint32(b[44:])&frameHasSnapshot != 0,
		HasLost:     binary.LittleEndian.Uint32(b[44:])&frameHasLost != 0,
	}
}

// indexSum is what an index says of its frames altogether. A writer makes the footer of
// it; a reader compares the footer with it and so checks an index that it never holds.
type indexSum struct {
	frames, raw, records uint64
	crc                  uint32 // of the header and the entries so far
}

func newIndexSum() indexSum {
	return indexSum{crc: crc32.Checksum(appendIndexHeader(nil), castagnoli)}
}

// add counts a frame with the given entry.
func (s *indexSum) add(f *Frame, entry []byte) {
	s.frames++
	s.raw += uint64(f.RawSize)
	s.records += uint64(f.Records)
	s.crc = crc32.Update(s.crc, castagnoli, entry)
}

// payload returns the size of the index within its skippable frame.
func (s *indexSum) payload() uint64 {
	return indexHeaderSize + s.frames*indexEntrySize + indexFooterSize
}

func appendIndexHeader(dst []byte) []byte {
	dst = append(dst, indexMagic...)
	dst = binary.LittleEndian.AppendUint16(dst, indexVersion)
	dst = binary.LittleEndian.AppendUint16(dst, indexEntrySize)
	return binary.LittleEndian.AppendUint32(dst, 0)
}

func (s *indexSum) appendFooter(dst []byte) []byte {
	at := len(dst)
	dst = binary.LittleEndian.AppendUint64(dst, s.frames)
	dst = binary.LittleEndian.AppendUint64(dst, s.raw)
	dst = binary.LittleEndian.AppendUint64(dst, s.records)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(s.payload()))
	dst = binary.LittleEndian.AppendUint32(dst, crc32.Update(s.crc, castagnoli, dst[at:]))
	return append(dst, indexEndMagic...)
}

// Index lists the frames of a recording in the order of the file.
type Index struct {
	Frames  []Frame
	RawSize int64 // of the whole decompressed stream, bytes
	Records int64 // in the whole recording, Host and End included
}

// ReadIndex reads the index at the end of a recording of size bytes. A file that does not
// end in one, as after a crash, is ErrNoIndex: read it from the start then. An index that
// is damaged, or does not fit the size of the file, is ErrCorrupt. It reads nothing but
// the index, and allocates in proportion to it.
func ReadIndex(r io.ReaderAt, size int64) (*Index, error) {
	if size < skippableHeader+indexHeaderSize+indexFooterSize {
		return nil, fmt.Errorf("%w: %d bytes are too few", ErrNoIndex, size)
	}
	var footer [indexFooterSize]byte
	if err := readAt(r, footer[:], size-indexFooterSize); err != nil {
		return nil, err
	}
	if string(footer[32:]) != indexEndMagic {
		return nil, fmt.Errorf("%w: the file does not end in one", ErrNoIndex)
	}
	frames := binary.LittleEndian.Uint64(footer[0:])
	payload := int64(binary.LittleEndian.Uint32(footer[24:]))
	start := size - payload - skippableHeader
	bad := func(msg string, args ...any) error {
		e := corrupt("index: "+msg, args...)
		e.File = max(start, 0)
		return e
	}
	room := payload - indexHeaderSize - indexFooterSize
	if start < 0 || room <= 0 || room%indexEntrySize != 0 || uint64(room/indexEntrySize) != frames {
		return nil, bad("%d bytes for %d frames in a file of %d bytes", payload, frames, size)
	}
	// The payload lies within the file, so this is bounded by the file's size.
	b := make([]byte, skippableHeader+payload)
	if err := readAt(r, b, start); err != nil {
		return nil, err
	}
	head := binary.LittleEndian.AppendUint32(nil, indexFrameMagic)
	head = binary.LittleEndian.AppendUint32(head, uint32(payload))
	head = appendIndexHeader(head)
	if string(b[:len(head)]) != string(head) {
		return nil, bad("wrong header")
	}
	x := &Index{Frames: make([]Frame, 0, frames)}
	sum := newIndexSum()
	end := int64(0)
	for e := b[len(head) : len(b)-indexFooterSize]; len(e) > 0; e = e[indexEntrySize:] {
		f := decodeEntry(e)
		f.FirstRecord = x.Records
		if f.Offset < end || f.Size > start-f.Offset || f.RawOffset != x.RawSize {
			return nil, bad("frame %d is not where it can be", len(x.Frames))
		}
		end = f.Offset + f.Size
		x.RawSize += f.RawSize
		x.Records += f.Records
		sum.add(&f, e[:indexEntrySize])
		x.Frames = append(x.Frames, f)
	}
	if string(sum.appendFooter(nil)) != string(b[len(b)-indexFooterSize:]) {
		return nil, bad("wrong checksum or sums")
	}
	return x, nil
}

// readAt reads all of b, of which the caller says that the file has it.
func readAt(r io.ReaderAt, b []byte, off int64) error {
	if n, err := r.ReadAt(b, off); n < len(b) {
		return fmt.Errorf("read index: %w", err)
	}
	return nil
}
