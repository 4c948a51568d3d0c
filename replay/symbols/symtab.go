package symbols

import (
	"bufio"
	"debug/elf"
	"fmt"
	"io"
	"strings"
)

// readSymbols returns the functions of the first section of a kind, SHT_SYMTAB or SHT_DYNSYM;
// nil if there is none.
func (m *image) readSymbols(kind elf.SectionType, source Source, better []*list) (*list, error) {
	s, ok := m.ofKind(kind)
	if !ok {
		return nil, nil
	}
	size := m.pick(16, 24)
	n := s.size / size
	if s.entSize != size || n > maxSymbols {
		return nil, fmt.Errorf("%s: %d symbols of %d bytes, not of %d or more than %d", source, n, s.entSize, size, maxSymbols)
	}
	if err := m.inside(s.off, s.size); err != nil {
		return nil, fmt.Errorf("%s: %w", source, err)
	}
	l := newList(source, m)
	var err error
	if l.names, err = m.stringTable(s.link); err != nil {
		return nil, fmt.Errorf("%s: %w", source, err)
	}
	r := bufio.NewReaderSize(io.NewSectionReader(m.r, int64(s.off), int64(s.size)), int(min(s.size, 64<<10)))
	b := make([]byte, size)
	for i := range n {
		if _, err := io.ReadFull(r, b); err != nil {
			return nil, fmt.Errorf("%s: symbol %d: %w", source, i, err)
		}
		m.addSymbol(l, b)
	}
	l.settle(m, better)
	return l, nil
}

// addSymbol adds a symbol if it is a function that is defined here.
func (m *image) addSymbol(l *list, b []byte) {
	c := m.cursor(b)
	var addr, size uint64
	name := c.u32()
	if !m.is64 {
		addr, size = c.word(), c.word()
	}
	info := c.u8()
	c.u8() // st_other
	index := elf.SectionIndex(c.u16())
	if m.is64 {
		addr, size = c.word(), c.word()
	}
	if t := elf.ST_TYPE(info); t != elf.STT_FUNC && t != elf.STT_GNU_IFUNC {
		return
	}
	if index == elf.SHN_UNDEF || index == elf.SHN_ABS || index == elf.SHN_COMMON || m.marker(l, name) {
		return
	}
	if m.machine == elf.EM_ARM || m.machine == elf.EM_MIPS {
		addr &^= 1 // says Thumb, or a compressed instruction set
	}
	var rank uint32
	switch elf.ST_BIND(info) {
	case elf.STB_GLOBAL, elf.STB_LOOS: // the latter is STB_GNU_UNIQUE
	case elf.STB_WEAK:
		rank = 2
	default:
		rank = 4
	}
	if size == 0 {
		rank++
	}
	l.add(m, addr, size, name, rank)
}

// marker reports whether a symbol is a mapping symbol ($x, $d.3), which says where code and
// data begin.
func (m *image) marker(l *list, name uint32) bool {
	switch m.machine {
	case elf.EM_ARM, elf.EM_AARCH64, elf.EM_MIPS, elf.EM_RISCV:
	default:
		return false
	}
	if l.rawLen(name) < 2 {
		return false
	}
	s := l.raw(name)
	return s[0] == '$' && strings.IndexByte("adtx", s[1]) >= 0 && (len(s) == 2 || s[2] == '.' || m.machine == elf.EM_RISCV)
}

func (m *image) stringTable(i uint32) (string, error) {
	if int64(i) >= int64(len(m.sections)) || elf.SectionType(m.sections[i].kind) != elf.SHT_STRTAB {
		return "", fmt.Errorf("section %d is no string table", i)
	}
	s := m.sections[i]
	if s.size > maxStrings {
		return "", fmt.Errorf("string table of %d bytes, at most %d", s.size, maxStrings)
	}
	return m.stringAt(s.off, s.size)
}
