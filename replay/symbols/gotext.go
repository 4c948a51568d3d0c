package symbols

import (
	"debug/elf"
	"errors"
)

// text returns the address that the entries of a pclntab count from, which is that of the symbol
// runtime.text: the first of Go's functions, not of the section's, if C was linked in.
//
// Go wrote it into the head of the table until 1.25; since 1.26 it is in the runtime's
// moduledata, in a section of its own. In a position-independent program either may be left to
// a relocation. Without all of this Go's own linker has made the file, and the text is the
// section; it is believed only if the functions then end where the section does.
func (p *pclntab) text() (uint64, error) {
	const textWord = 22 // of moduledata: runtime/symtab.go of Go
	if addr, ok := p.pointer(p.textHeader); ok && p.fits(addr) {
		return addr, nil
	}
	if s, ok := p.m.named(".go.module"); ok {
		if addr, ok := p.pointer(s.addr + textWord*p.m.pick(4, 8)); ok && p.fits(addr) {
			return addr, nil
		}
	}
	const slack = 32 // of the last function's alignment
	if s, ok := p.m.named(".text"); ok {
		if gap := s.size - p.end(); p.fits(s.addr) && gap < slack {
			return s.addr, nil
		}
	}
	return 0, errors.New("the address of the text is unknown")
}

// fits reports whether all functions are in one executable section if the text begins at addr.
func (p *pclntab) fits(addr uint64) bool {
	text, ok := p.m.textAt(addr)
	return ok && p.end() <= text.end-addr
}

// pointer returns the pointer that the loader makes of the word at an address.
func (p *pclntab) pointer(addr uint64) (uint64, bool) {
	if value, ok := p.word(addr); ok && value != 0 {
		return value, true
	}
	return p.relocated(addr)
}

// word returns what the file has for the word at an address.
func (p *pclntab) word(addr uint64) (uint64, bool) {
	size := p.m.pick(4, 8)
	for _, s := range p.m.sections {
		if elf.SectionType(s.kind) == elf.SHT_NOBITS || elf.SectionFlag(s.flags)&elf.SHF_ALLOC == 0 {
			continue
		}
		if addr < s.addr || s.size < size || addr-s.addr > s.size-size || s.off > p.m.size {
			continue
		}
		b, err := p.m.bytes(s.off+(addr-s.addr), size)
		if err != nil {
			return 0, false
		}
		c := p.m.cursor(b)
		return c.word(), true
	}
	return 0, false
}

// relocated returns the addend of the relocation of a word.
func (p *pclntab) relocated(addr uint64) (uint64, bool) {
	const withAddends = elf.SectionType(4) // the name of the constant is a misspelling to lint
	for _, s := range p.m.sections {
		if elf.SectionType(s.kind) != withAddends || s.size > maxStrings {
			continue
		}
		b, err := p.m.bytes(s.off, s.size)
		if err != nil {
			continue
		}
		for size := int(p.m.pick(12, 24)); len(b) >= size; b = b[size:] {
			c := p.m.cursor(b)
			where := c.word()
			c.word() // r_info: for a pointer into the text it is relative
			if where == addr {
				return c.word(), true
			}
		}
	}
	return 0, false
}
