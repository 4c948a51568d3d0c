package procmap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
)

// Errors of ReadBuildIDs.
var (
	ErrNotELF = errors.New("not an ELF file")
	ErrBadELF = errors.New("malformed ELF file")
)

// Bounds on what a file can make ReadBuildIDs do.
const (
	maxSegments = 4096
	maxSections = 1 << 16
	maxNotes    = 64 << 10  // bytes read of one segment or section of notes
	maxAllNotes = 512 << 10 // bytes read of all of them
	maxRanges   = 256       // segments and sections of notes
	window      = 4096      // bytes read at once
)

// ReadBuildIDs returns the GNU build ID and the Go build ID of the ELF file in r, which is
// size bytes long. It reads the notes that the program headers point to and, unless there
// was a GNU build ID among them, those of the section headers: the Go linker puts its GNU
// build ID there alone. Any class and byte order will do.
//
// A file without build IDs is no error. The error is ErrNotELF, ErrBadELF or the reader's;
// what was found before it is returned with it. The file may be hostile: time and memory
// are bounded whatever it says.
func ReadBuildIDs(r io.ReaderAt, size int64) (gnu []byte, goID string, err error) {
	f := elfFiles.Get().(*elfFile)
	defer f.release()
	f.r, f.size = r, size
	err = f.readHead()
	if err == nil {
		err = f.readSegments()
	}
	if err == nil && f.gnu == nil {
		err = f.readSections()
	}
	if err != nil {
		err = fmt.Errorf("read build ID: %w", err)
	}
	return f.gnu, f.goID, err
}

// elfFile is one ELF file being read.
type elfFile struct {
	r      io.ReaderAt
	size   int64
	head   []byte // the first page: header, program headers and notes are mostly there
	buf    []byte // a window on what is not, from bufOff on
	bufOff uint64

	order binary.ByteOrder
	is64  bool

	phOff, shOff   uint64
	phSize, shSize int
	phNum, shNum   int

	noteBytes, ranges int // read so far
	gnu               []byte
	goID              string
}

var elfFiles = sync.Pool{New: func() any {
	return &elfFile{head: make([]byte, 0, window), buf: make([]byte, 0, window)}
}}

func (f *elfFile) release() {
	*f = elfFile{head: f.head[:0], buf: f.buf[:0]}
	elfFiles.Put(f)
}

// at returns n bytes at off, valid until the next call. They must be inside the file.
func (f *elfFile) at(off uint64, n int) ([]byte, error) {
	if off > uint64(f.size) || uint64(n) > uint64(f.size)-off {
		return nil, ErrBadELF
	}
	if off+uint64(n) <= uint64(len(f.head)) {
		return f.head[off:][:n], nil
	}
	if at := off - f.bufOff; off < f.bufOff || at+uint64(n) > uint64(len(f.buf)) {
		whole := max(n, int(min(window, uint64(f.size)-off)))
		f.buf = append(f.buf[:0], make([]byte, whole)...)
		if err := f.fill(f.buf, int64(off)); err != nil {
			f.buf = f.buf[:0]
			return nil, err
		}
		f.bufOff = off
	}
	return f.buf[off-f.bufOff:][:n], nil
}

func (f *elfFile) fill(b []byte, off int64) error {
	n, err := f.r.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || err == io.EOF { // shorter than size says: cut off meanwhile
		return ErrBadELF
	}
	return err
}

// readHead reads the first page and the ELF header.
func (f *elfFile) readHead() error {
	const (
		class32, class64 = 1, 2
		little, big      = 1, 2
	)
	if f.size < 0 {
		return ErrNotELF
	}
	f.head = f.head[:min(int64(cap(f.head)), f.size)]
	if err := f.fill(f.head, 0); err != nil {
		return err
	}
	h := f.head
	if len(h) < 4 || string(h[:4]) != "\x7fELF" {
		return ErrNotELF
	}
	if len(h) < 52 {
		return ErrBadELF
	}
	switch h[5] {
	case little:
		f.order = binary.LittleEndian
	case big:
		f.order = binary.BigEndian
	default:
		return ErrBadELF
	}
	switch {
	case h[4] == class32:
		f.phOff, f.shOff = uint64(f.order.Uint32(h[28:])), uint64(f.order.Uint32(h[32:]))
		h = h[42:]
	case h[4] == class64 && len(h) >= 64:
		f.is64 = true
		f.phOff, f.shOff = f.order.Uint64(h[32:]), f.order.Uint64(h[40:])
		h = h[54:]
	default:
		return ErrBadELF
	}
	f.phSize, f.phNum = int(f.order.Uint16(h)), int(f.order.Uint16(h[2:]))
	f.shSize, f.shNum = int(f.order.Uint16(h[4:])), int(f.order.Uint16(h[6:]))
	return f.extendedNumbers()
}

// extendedNumbers reads the counts of headers that do not fit into 16 bits from the first
// section header.
func (f *elfFile) extendedNumbers() error {
	const pnXNum = 0xffff
	if f.shOff == 0 || f.shNum != 0 && f.phNum != pnXNum {
		return nil
	}
	sh, err := f.section(0)
	if err != nil {
		if f.phNum != pnXNum { // the segments are good nevertheless
			f.shOff = 0
			return nil
		}
		return err
	}
	if f.shNum == 0 {
		f.shNum = int(min(sh.size, maxSections))
	}
	if f.phNum == pnXNum {
		f.phNum = int(min(sh.info, maxSegments))
	}
	return nil
}
