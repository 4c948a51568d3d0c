package symbols

import (
	"cmp"
	"debug/elf"
	"slices"
)

// section is a section header.
type section struct {
	name, kind      uint32
	flags           uint64
	addr, off, size uint64
	link            uint32
	entSize         uint64
}

// span is a range of addresses.
type span struct{ start, end uint64 }

// readSections reads n section headers.
func (m *image) readSections(off, n, size uint64) error {
	b, err := m.table("section headers", off, n, size, m.pick(40, 64))
	if err != nil {
		return err
	}
	for ; len(b) > 0; b = b[size:] {
		s, _ := m.section(b)
		m.sections = append(m.sections, s)
		const code = uint64(elf.SHF_ALLOC | elf.SHF_EXECINSTR)
		if s.flags&code != code || s.size == 0 || s.addr+s.size < s.addr {
			continue
		}
		m.text = append(m.text, span{s.addr, s.addr + s.size})
		m.debug = m.debug || elf.SectionType(s.kind) == elf.SHT_NOBITS
	}
	slices.SortFunc(m.text, func(a, b span) int { return cmp.Compare(a.start, b.start) })
	return nil
}

func (m *image) section(b []byte) (s section, info uint32) {
	c := m.cursor(b)
	s.name, s.kind, s.flags = c.u32(), c.u32(), c.word()
	s.addr, s.off, s.size = c.word(), c.word(), c.word()
	s.link, info = c.u32(), c.u32()
	c.word() // sh_addralign
	s.entSize = c.word()
	return s, info
}

// ofKind returns the first section of a kind.
func (m *image) ofKind(kind elf.SectionType) (section, bool) {
	for _, s := range m.sections {
		if elf.SectionType(s.kind) == kind {
			return s, true
		}
	}
	return section{}, false
}

// named returns the first section with a name and with contents.
func (m *image) named(name string) (section, bool) {
	if int(m.strings) >= len(m.sections) {
		return section{}, false
	}
	names := m.sections[m.strings]
	want := name + "\x00"
	for _, s := range m.sections {
		if elf.SectionType(s.kind) == elf.SHT_NOBITS || uint64(s.name)+uint64(len(want)) > names.size || names.off > m.size {
			continue
		}
		if b, err := m.bytes(names.off+uint64(s.name), uint64(len(want))); err == nil && string(b) == want {
			return s, true
		}
	}
	return section{}, false
}

// textAt returns the executable section that an address is in.
func (m *image) textAt(addr uint64) (span, bool) {
	i, found := slices.BinarySearchFunc(m.text, addr, func(s span, a uint64) int { return cmp.Compare(s.start, a) })
	if !found {
		i--
	}
	if i < 0 || addr >= m.text[i].end {
		return span{}, false
	}
	return m.text[i], true
}
