package symbols

import (
	"fmt"
)

// The magic numbers of pclntab: internal/abi/symtab.go of Go.
const (
	pclntab118 = 0xfffffff0 // Go 1.18
	pclntab120 = 0xfffffff1 // Go 1.20 and later, with the same layout
)

// pclntab is the Go runtime's table of functions. Its head is eight words, after the magic
// number and four bytes: see pcHeader in runtime/symtab.go.
//
// debug/gosym reads it too. It makes a string of each function's name, which may overlap, so
// that memory is quadratic in the size of a hostile file; and it wants the address of the text
// from its caller.
type pclntab struct {
	m          *image
	at         section
	data       []byte
	n          uint64 // of functions
	names      []byte
	functions  []byte // pairs of entry and record, each 4 bytes, then the end of the last
	textHeader uint64 // address of the word of the head that was the text's address until Go 1.25
}

// readGo returns the functions of a Go program by its pclntab; nil if there is none.
func (m *image) readGo(better []*list) (*list, error) {
	s, ok := m.named(".gopclntab")
	if !ok {
		if s, ok = m.named(".data.rel.ro.gopclntab"); !ok { // -buildmode=pie of older linkers
			return nil, nil
		}
	}
	p := &pclntab{m: m, at: s}
	if err := p.read(); err != nil {
		return nil, fmt.Errorf(".gopclntab: %w", err)
	}
	text, err := p.text()
	if err != nil {
		return nil, fmt.Errorf(".gopclntab: %w", err)
	}
	l := newList(Pclntab, m)
	l.names = string(p.names)
	for i := range p.n {
		entry, end, name, ok := p.function(i)
		if !ok {
			return nil, fmt.Errorf(".gopclntab: function %d of %d is malformed", i, p.n)
		}
		l.add(m, text+uint64(entry), uint64(end-entry), name, 0)
	}
	l.settle(m, better)
	return l, nil
}

// read reads the head and finds the parts.
func (p *pclntab) read() (err error) {
	if p.at.size > maxPclntab {
		return fmt.Errorf("%d bytes, at most %d", p.at.size, maxPclntab)
	}
	if p.data, err = p.m.bytes(p.at.off, p.at.size); err != nil {
		return err
	}
	word := p.m.pick(4, 8)
	if uint64(len(p.data)) < 8+8*word || uint64(p.data[7]) != word {
		return fmt.Errorf("malformed head")
	}
	c := p.m.cursor(p.data)
	if magic := c.u32(); magic != pclntab118 && magic != pclntab120 {
		return fmt.Errorf("unknown version %#x", magic)
	}
	c.u32()
	p.n = c.word()
	c.word() // files
	c.word() // see textHeader
	names, afterNames := c.word(), c.word()
	c.word() // filetab
	c.word() // pctab
	functions := c.word()
	size := uint64(len(p.data))
	if names > afterNames || afterNames > size || functions > size {
		return fmt.Errorf("malformed head")
	}
	p.names, p.functions = p.data[names:afterNames], p.data[functions:]
	if p.n == 0 || p.n > maxSymbols || uint64(len(p.functions)) < (2*p.n+1)*4 {
		return fmt.Errorf("%d functions in %d bytes", p.n, len(p.functions))
	}
	p.textHeader = p.at.addr + 8 + 2*word
	return nil
}

// function returns where function i begins and ends, in bytes from the start of the text, and
// where its name is.
func (p *pclntab) function(i uint64) (entry, end, name uint32, ok bool) {
	order := p.m.order
	pair := p.functions[8*i:]
	entry, record, end := order.Uint32(pair), uint64(order.Uint32(pair[4:])), order.Uint32(pair[8:])
	if end < entry || record+8 > uint64(len(p.functions)) {
		return 0, 0, 0, false
	}
	return entry, end, order.Uint32(p.functions[record+4:]), true
}

// end returns where the last function ends, in bytes from the start of the text.
func (p *pclntab) end() uint64 { return uint64(p.m.order.Uint32(p.functions[8*p.n:])) }
