package symbols

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Bounds on what a file can make this package read: see the package comment.
const (
	maxSegments = 4096
	maxSections = 1 << 16
	maxSymbols  = 8 << 20   // entries of one symbol table, data symbols among them
	maxStrings  = 256 << 20 // bytes of one string table
	maxPclntab  = 256 << 20 // bytes
)

// image is an ELF file: its headers, and access to the rest. It does not own r.
//
// debug/elf makes a string of every name. Names that overlap make that quadratic in the size of
// the file, which is too much for files of strangers.
type image struct {
	path    string // for errors
	r       io.ReaderAt
	size    uint64
	order   binary.ByteOrder
	is64    bool
	machine elf.Machine

	segments []segment // the executable PT_LOAD ones, in the order of the file
	sections []section
	text     []span // the executable sections, by address
	debug    bool   // the code was split off
	strings  uint32 // the section of the sections' names
}

// segment is an executable PT_LOAD program header.
type segment struct{ off, addr, fileSize, memSize uint64 }

// readImage reads the headers of the ELF file in r, which is size bytes long.
func readImage(r io.ReaderAt, size int64) (*image, error) {
	m := &image{r: r, size: uint64(max(size, 0))}
	ident, err := m.bytes(0, elf.EI_NIDENT)
	if err != nil {
		return nil, err
	}
	if string(ident[:4]) != elf.ELFMAG {
		return nil, errors.New("not an ELF file")
	}
	switch elf.Data(ident[elf.EI_DATA]) {
	case elf.ELFDATA2LSB:
		m.order = binary.LittleEndian
	case elf.ELFDATA2MSB:
		m.order = binary.BigEndian
	default:
		return nil, fmt.Errorf("unknown byte order %d", ident[elf.EI_DATA])
	}
	switch elf.Class(ident[elf.EI_CLASS]) {
	case elf.ELFCLASS32:
	case elf.ELFCLASS64:
		m.is64 = true
	default:
		return nil, fmt.Errorf("unknown class %d", ident[elf.EI_CLASS])
	}
	return m, m.readHeaders()
}

// readHeaders reads the ELF header, the program headers and the section headers.
func (m *image) readHeaders() error {
	b, err := m.bytes(elf.EI_NIDENT, m.pick(52, 64)-elf.EI_NIDENT)
	if err != nil {
		return err
	}
	h := m.cursor(b)
	h.u16() // e_type
	m.machine = elf.Machine(h.u16())
	h.u32()  // e_version
	h.word() // e_entry
	phOff, shOff := h.word(), h.word()
	h.u32() // e_flags
	h.u16() // e_ehsize
	phSize, phNum := uint64(h.u16()), uint64(h.u16())
	shSize, shNum := uint64(h.u16()), uint64(h.u16())
	m.strings = uint32(h.u16())

	const pnXNum = 0xffff
	if shOff != 0 && (shNum == 0 || phNum == pnXNum || m.strings == uint32(elf.SHN_XINDEX)) {
		// Numbers that do not fit into 16 bits are in the first section header.
		b, err := m.table("section headers", shOff, 1, shSize, m.pick(40, 64))
		if err != nil {
			return err
		}
		first, info := m.section(b)
		if shNum == 0 {
			shNum = first.size
		}
		if phNum == pnXNum {
			phNum = uint64(info)
		}
		if m.strings == uint32(elf.SHN_XINDEX) {
			m.strings = first.link
		}
	}
	if shOff == 0 {
		shNum = 0
	}
	if phNum > maxSegments || shNum > maxSections {
		return fmt.Errorf("%d program headers and %d sections, at most %d and %d", phNum, shNum, maxSegments, maxSections)
	}
	if err := m.readSegments(phOff, phNum, phSize); err != nil {
		return err
	}
	return m.readSections(shOff, shNum, shSize)
}

// readSegments reads n program headers, and keeps those of code.
func (m *image) readSegments(off, n, size uint64) error {
	b, err := m.table("program headers", off, n, size, m.pick(32, 56))
	if err != nil {
		return err
	}
	for ; len(b) > 0; b = b[size:] {
		c := m.cursor(b)
		var s segment
		kind, flags := elf.ProgType(c.u32()), uint32(0)
		if m.is64 {
			flags = c.u32()
		}
		s.off, s.addr = c.word(), c.word()
		c.word() // p_paddr
		s.fileSize, s.memSize = c.word(), c.word()
		if !m.is64 {
			flags = c.u32()
		}
		if kind == elf.PT_LOAD && elf.ProgFlag(flags)&elf.PF_X != 0 {
			m.segments = append(m.segments, s)
		}
	}
	return nil
}

// table returns n entries of size bytes, which must be what the class has.
func (m *image) table(what string, off, n, size, want uint64) ([]byte, error) {
	if n == 0 {
		return nil, nil
	}
	if size != want {
		return nil, fmt.Errorf("%s of %d bytes, not %d", what, size, want)
	}
	b, err := m.bytes(off, n*size)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return b, nil
}

// bytes returns n bytes at off, which the caller owns.
func (m *image) bytes(off, n uint64) ([]byte, error) {
	if err := m.inside(off, n); err != nil {
		return nil, err
	}
	b := make([]byte, n)
	if _, err := m.r.ReadAt(b, int64(off)); err != nil && n > 0 {
		return nil, fmt.Errorf("read %d bytes at %#x: %w", n, off, err)
	}
	return b, nil
}

// stringAt reads n bytes at off into a string.
func (m *image) stringAt(off, n uint64) (string, error) {
	if err := m.inside(off, n); err != nil {
		return "", err
	}
	var s strings.Builder
	s.Grow(int(n))
	if _, err := io.CopyN(&s, io.NewSectionReader(m.r, int64(off), int64(n)), int64(n)); err != nil {
		return "", fmt.Errorf("read %d bytes at %#x: %w", n, off, err)
	}
	return s.String(), nil
}

func (m *image) inside(off, n uint64) error {
	if off > m.size || n > m.size-off {
		return fmt.Errorf("%d bytes at %#x are beyond the end of the file, %d bytes", n, off, m.size)
	}
	return nil
}

func (m *image) pick(of32, of64 uint64) uint64 {
	if m.is64 {
		return of64
	}
	return of32
}
