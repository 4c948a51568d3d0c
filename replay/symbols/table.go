package symbols

import "slices"

// Table is the functions of one recorded file. It does not change, and may be used by several
// goroutines at once. It keeps no file open.
type Table struct {
	segments []segment
	lists    []*list // the best source first
	paths    []string
	rawNames bool
}

// Symbol is a function, seen from an offset in it. It holds on to the names of its Table.
type Symbol struct {
	Name   string // demangled, unless Options say RawNames
	Start  uint64 // its virtual address in the file, as nm prints it
	Size   uint64 // bytes; where the source has none, up to what comes next
	Offset uint64 // bytes from Start
	Source Source
}

// At returns the function at an offset of the file, in bytes. It is false if the offset is not
// in an executable segment, or between functions. It takes O(log n) and does not allocate, but
// for the first demangling of a name.
func (t *Table) At(off uint64) (Symbol, bool) {
	for _, s := range t.segments {
		if off >= s.off && off-s.off < s.fileSize {
			return t.AtAddress(s.addr + (off - s.off))
		}
	}
	return Symbol{}, false
}

// AtAddress returns the function at a virtual address of the file, the one that nm prints,
// which is not where a process has it.
func (t *Table) AtAddress(addr uint64) (Symbol, bool) {
	for _, l := range t.lists {
		e, ok := l.find(addr)
		if !ok {
			continue
		}
		name := l.raw(e.name)
		if !t.rawNames {
			name = l.name(e)
		}
		start := l.base + uint64(e.start)
		return Symbol{Name: name, Start: start, Size: uint64(e.size), Offset: addr - start, Source: l.source}, true
	}
	return Symbol{}, false
}

// Len returns the number of functions.
func (t *Table) Len() (n int) {
	for _, l := range t.lists {
		n += len(l.entries)
	}
	return n
}

// Paths returns the files that the functions come from. The caller owns the slice.
func (t *Table) Paths() []string { return slices.Clone(t.paths) }
