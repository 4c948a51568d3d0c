package procmap

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
)

type byteOrder interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

// elfSpec describes an ELF file to build.
type elfSpec struct {
	is64     bool
	order    byteOrder
	segments [][]byte // contents of PT_NOTE segments
	sections [][]byte // contents of SHT_NOTE sections
	align    uint64
	extended bool // counts in section 0
	far      int  // bytes between the headers and the notes
}

// note builds one note with the given alignment.
func (s *elfSpec) note(owner string, kind uint32, value string) []byte {
	pad := func(b []byte) []byte {
		for uint64(len(b))%s.align != 0 {
			b = append(b, 0)
		}
		return b
	}
	b := s.order.AppendUint32(nil, uint32(len(owner)))
	b = s.order.AppendUint32(b, uint32(len(value)))
	b = s.order.AppendUint32(b, kind)
	b = pad(append(b, owner...))
	return pad(append(b, value...))
}

// build returns header, program headers, section headers and the notes, in this order.
func (s *elfSpec) build() []byte {
	o := s.order
	headSize, phSize, shSize := 52, 32, 40
	if s.is64 {
		headSize, phSize, shSize = 64, 56, 64
	}
	sections := len(s.sections) + 1 // the first one is empty
	phOff := headSize
	shOff := phOff + phSize*len(s.segments)
	next := shOff + shSize*sections + s.far
	next += -next & 7

	word := func(b []byte, v uint64) []byte {
		if s.is64 {
			return o.AppendUint64(b, v)
		}
		return o.AppendUint32(b, uint32(v))
	}
	class, data := byte(1), byte(1)
	if s.is64 {
		class = 2
	}
	if o.Uint16([]byte{0, 1}) == 1 {
		data = 2
	}
	phNum, shNum := len(s.segments), sections
	if s.extended {
		phNum, shNum = 0xffff, 0
	}
	b := append([]byte{0x7f, 'E', 'L', 'F', class, data, 1}, make([]byte, 9)...)
	b = o.AppendUint16(b, 3)
	b = o.AppendUint16(b, 62)
	b = o.AppendUint32(b, 1)
	b = word(word(word(b, 0), uint64(phOff)), uint64(shOff))
	b = o.AppendUint32(b, 0)
	for _, v := range []int{headSize, phSize, phNum, shSize, shNum, 0} {
		b = o.AppendUint16(b, uint16(v))
	}

	var notes []byte
	place := func(n []byte) (off uint64) {
		off = uint64(next + len(notes))
		notes = append(notes, n...)
		return off
	}
	for _, n := range s.segments {
		off := place(n)
		b = o.AppendUint32(b, 4)
		if s.is64 {
			b = o.AppendUint32(b, 4)
		}
		b = word(word(word(word(word(b, off), 0), 0), uint64(len(n))), uint64(len(n)))
		if !s.is64 {
			b = o.AppendUint32(b, 4)
		}
		b = word(b, s.align)
	}
	for i, n := range append([][]byte{nil}, s.sections...) {
		off, kind, size, info := place(n), uint32(7), uint64(len(n)), uint32(0)
		if i == 0 {
			off, kind = 0, 0
			if s.extended {
				size, info = uint64(sections), uint32(len(s.segments))
			}
		}
		b = o.AppendUint32(b, 0)
		b = o.AppendUint32(b, kind)
		b = word(word(word(word(b, 0), 0), off), size)
		b = o.AppendUint32(b, 0)
		b = o.AppendUint32(b, info)
		b = word(word(b, s.align), 0)
	}
	return append(append(b, make([]byte, next-len(b))...), notes...)
}

const (
	testGNU = "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14"
	testGo  = "action/main/content/id3"
)

func TestReadBuildIDs(t *testing.T) {
	for _, is64 := range []bool{false, true} {
		for _, order := range []byteOrder{binary.LittleEndian, binary.BigEndian} {
			for _, align := range []uint64{4, 8} {
				for _, extended := range []bool{false, true} {
					for _, far := range []int{0, 100_000} {
						s := elfSpec{is64: is64, order: order, align: align, extended: extended, far: far}
						t.Run(fmt.Sprintf("64=%v,%v,align=%d,extended=%v,far=%d", is64, order, align, extended, far), func(t *testing.T) {
							testBuildIDs(t, s)
						})
					}
				}
			}
		}
	}
}

func testBuildIDs(t *testing.T, s elfSpec) {
	gnu := s.note("GNU\x00", 3, testGNU)
	golang := s.note("Go\x00\x00", 4, testGo)
	other := append(s.note("GNU\x00", 1, "abi"), s.note("", 3, "")...)
	for _, tt := range []struct {
		name               string
		segments, sections [][]byte
		gnu, goID          string
	}{
		{"none", nil, nil, "", ""},
		{"others", [][]byte{other}, [][]byte{other}, "", ""},
		{"c", [][]byte{other, gnu}, nil, testGNU, ""},
		{"after another note", [][]byte{append(bytes.Clone(other), gnu...)}, nil, testGNU, ""},
		{"cgo", [][]byte{gnu, golang}, [][]byte{gnu, golang}, testGNU, testGo},
		{"go", [][]byte{golang}, [][]byte{gnu, golang}, testGNU, testGo},
		{"sections only", nil, [][]byte{other, golang, gnu}, testGNU, testGo},
		{"longest", [][]byte{s.note("GNU\x00", 3, strings.Repeat("x", 64))}, nil, strings.Repeat("x", 64), ""},
		{"too long", [][]byte{s.note("GNU\x00", 3, strings.Repeat("x", 65))}, nil, "", ""},
		{"longest of Go", [][]byte{s.note("Go\x00\x00", 4, strings.Repeat("x", 1024))}, nil, "", strings.Repeat("x", 1024)},
		{"too long of Go", [][]byte{s.note("Go\x00\x00", 4, strings.Repeat("x", 1025))}, nil, "", ""},
		{"empty", [][]byte{s.note("GNU\x00", 3, "")}, nil, "", ""},
		{"cut off", [][]byte{gnu[:len(gnu)-8]}, nil, "", ""},
		{"no room for a header", [][]byte{gnu[:8]}, nil, "", ""},
	} {
		s.segments, s.sections = tt.segments, tt.sections
		b := s.build()
		gnu, goID, err := ReadBuildIDs(bytes.NewReader(b), int64(len(b)))
		if err != nil || string(gnu) != tt.gnu || goID != tt.goID {
			t.Errorf("%s: %x %q %v", tt.name, gnu, goID, err)
		}
	}
}

func TestReadBuildIDsMalformed(t *testing.T) {
	s := elfSpec{is64: true, order: binary.LittleEndian, align: 4}
	s.segments = [][]byte{s.note("GNU\x00", 3, testGNU)}
	s.sections = s.segments
	good := s.build()
	le := binary.LittleEndian
	for _, tt := range []struct {
		name   string
		damage func(b []byte) []byte
		want   error
	}{
		{"empty", func([]byte) []byte { return nil }, ErrNotELF},
		{"text", func([]byte) []byte { return []byte("#!/bin/sh\n") }, ErrNotELF},
		{"magic alone", func(b []byte) []byte { return b[:4] }, ErrBadELF},
		{"half a header", func(b []byte) []byte { return b[:60] }, ErrBadELF},
		{"class", func(b []byte) []byte { b[4] = 3; return b }, ErrBadELF},
		{"byte order", func(b []byte) []byte { b[5] = 0; return b }, ErrBadELF},
		{"entry size", func(b []byte) []byte { le.PutUint16(b[54:], 8); return b }, ErrBadELF},
		{"table outside", func(b []byte) []byte { le.PutUint64(b[32:], 1<<40); return b }, ErrBadELF},
		{"table overflows", func(b []byte) []byte { le.PutUint64(b[32:], ^uint64(0)-8); return b }, ErrBadELF},
		{"note outside", func(b []byte) []byte { le.PutUint64(b[64+8:], 1<<62); return b }, ErrBadELF},
		{"note too large", func(b []byte) []byte { le.PutUint64(b[64+32:], ^uint64(0)); return b }, ErrBadELF},
	} {
		b := tt.damage(bytes.Clone(good))
		gnu, goID, err := ReadBuildIDs(bytes.NewReader(b), int64(len(b)))
		if !errors.Is(err, tt.want) || gnu != nil || goID != "" {
			t.Errorf("%s: %x %q %v", tt.name, gnu, goID, err)
		}
	}
	// A section table that has been cut off does no harm when the segments told.
	b := bytes.Clone(good)
	le.PutUint64(b[40:], 1<<40)
	if gnu, _, err := ReadBuildIDs(bytes.NewReader(b), int64(len(b))); string(gnu) != testGNU || err != nil {
		t.Errorf("without sections: %x %v", gnu, err)
	}
	// The file is shorter than its size promised.
	if _, _, err := ReadBuildIDs(bytes.NewReader(good[:100]), int64(len(good))); !errors.Is(err, ErrBadELF) {
		t.Errorf("cut off: %v", err)
	}
	if _, _, err := ReadBuildIDs(failing{}, 4096); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("failing reader: %v", err)
	}
}

type failing struct{}

func (failing) ReadAt([]byte, int64) (int, error) { return 0, io.ErrNoProgress }

// counter counts what is read.
type counter struct {
	r     io.ReaderAt
	calls int
	bytes int
}

func (c *counter) ReadAt(b []byte, off int64) (int, error) {
	c.calls++
	c.bytes += len(b)
	return c.r.ReadAt(b, off)
}

// Whatever a file claims, the work is bounded.
func TestReadBuildIDsBounded(t *testing.T) {
	s := elfSpec{is64: true, order: binary.LittleEndian, align: 4, extended: true, far: 1 << 20}
	for sections, size := range map[int]int{5000: 9, maxAllNotes/maxNotes + 1: maxNotes} {
		note := s.note("ABC\x00", 3, strings.Repeat("x", size))
		s.sections = slices.Repeat([][]byte{note}, sections)
		b := s.build()
		c := &counter{r: bytes.NewReader(b)}
		if _, _, err := ReadBuildIDs(c, int64(len(b))); !errors.Is(err, ErrBadELF) {
			t.Errorf("%d notes of %d bytes: %v", sections, size, err)
		}
		if c.calls > 3*maxRanges || c.bytes > 4<<20 {
			t.Errorf("%d notes of %d bytes: %d reads, %d bytes", sections, size, c.calls, c.bytes)
		}
	}
}

func FuzzReadBuildIDs(f *testing.F) {
	for _, is64 := range []bool{false, true} {
		for _, order := range []byteOrder{binary.LittleEndian, binary.BigEndian} {
			for _, extended := range []bool{false, true} {
				s := elfSpec{is64: is64, order: order, align: 8, extended: extended}
				s.segments = [][]byte{s.note("Go\x00\x00", 4, testGo)}
				s.sections = [][]byte{s.note("GNU\x00", 3, testGNU), s.segments[0]}
				f.Add(s.build())
			}
		}
	}
	f.Add([]byte("\x7fELF"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c := &counter{r: bytes.NewReader(b)}
		gnu, goID, err := ReadBuildIDs(c, int64(len(b)))
		if len(gnu) > 64 || len(goID) > 1024 {
			t.Errorf("%d and %d bytes", len(gnu), len(goID))
		}
		if err != nil && !errors.Is(err, ErrNotELF) && !errors.Is(err, ErrBadELF) {
			t.Error(err)
		}
		if c.bytes > 32<<20 {
			t.Errorf("%d bytes read of %d", c.bytes, len(b))
		}
	})
}

func BenchmarkReadBuildIDs(b *testing.B) {
	s := elfSpec{is64: true, order: binary.LittleEndian, align: 4}
	gnu, golang := s.note("GNU\x00", 3, testGNU), s.note("Go\x00\x00", 4, testGo)
	for _, bb := range []struct {
		name               string
		segments, sections [][]byte
	}{
		{"segments", [][]byte{gnu, golang}, nil},
		{"sections", [][]byte{golang}, [][]byte{golang, gnu}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			s.segments, s.sections = bb.segments, bb.sections
			r := bytes.NewReader(s.build())
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := ReadBuildIDs(r, r.Size()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
