package symbols

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// Source is where the name of a function comes from, the best first.
type Source uint8

// The sources.
const (
	Symtab  Source = iota + 1 // .symtab, of the file or of its debug file
	Pclntab                   // the Go runtime's own table
	Dynsym                    // .dynsym: what is exported
)

// String returns the name of the section.
func (s Source) String() string {
	switch s {
	case Symtab:
		return ".symtab"
	case Pclntab:
		return ".gopclntab"
	case Dynsym:
		return ".dynsym"
	default:
		return "none"
	}
}

// maxName is the longest name of a function, in bytes.
const maxName = 64 << 10

// maxDepth is how many functions around an address are looked at. Two are common (a function
// with a label inside).
const maxDepth = 64

// entry is a function. Addresses count from list.base, so that they fit.
type entry struct {
	start, size uint32 // bytes
	name        uint32 // offset in list.names
	up          uint32 // 1 + the index of the entry around this one, 0 = none
}

// list is the functions that one table of a file names, sorted by address.
type list struct {
	source  Source
	base    uint64
	entries []entry
	names   string // each ends with a zero byte
	demangled
}

// newList makes an empty list for functions in the text of m. Its names are to be set.
func newList(source Source, m *image) *list {
	l := &list{source: source}
	if len(m.text) > 0 {
		l.base = m.text[0].start
	}
	return l
}

// add adds a function, unless it is not in the text. The rank says how good the name is, 0 being
// the best: it decides between two functions with the same start. It stays in up until settle.
func (l *list) add(m *image, addr, size uint64, name uint32, rank uint32) {
	text, ok := m.textAt(addr)
	if !ok || addr-l.base > math.MaxUint32 || l.rawLen(name) < 0 {
		return
	}
	size = min(size, text.end-addr, math.MaxUint32)
	l.entries = append(l.entries, entry{uint32(addr - l.base), uint32(size), name, rank})
}

// settle makes the list one that find understands: it sorts it, keeps one function for each
// start, and leaves out those that begin inside a function of a better list.
func (l *list) settle(m *image, better []*list) {
	l.entries = slices.DeleteFunc(l.entries, func(e entry) bool {
		return slices.ContainsFunc(better, func(b *list) bool {
			_, ok := b.find(l.base + uint64(e.start))
			return ok
		})
	})
	slices.SortFunc(l.entries, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.up, b.up))
	})
	kept := l.entries[:0]
	for _, e := range l.entries {
		switch n := len(kept); {
		case n == 0 || kept[n-1].start != e.start:
			kept = append(kept, e)
		case kept[n-1].up == e.up && l.before(e, kept[n-1]):
			kept[n-1] = e
		}
	}
	l.entries = slices.Clone(kept)
	l.close(m)
}

// before reports whether a is to be preferred to b, which has the same start and rank.
func (l *list) before(a, b entry) bool {
	na, nb := l.raw(a.name), l.raw(b.name)
	return cmp.Or(cmp.Compare(len(na), len(nb)), strings.Compare(na, nb), cmp.Compare(b.size, a.size)) < 0
}

// close gives every function an end and the function around it. One without a size reaches to
// the next function, to the end of its section, or to that of the function around it.
func (l *list) close(m *image) {
	var open []int // functions around the current one, the innermost last
	for i := range l.entries {
		e := &l.entries[i]
		for len(open) > 0 && l.entries[open[len(open)-1]].end() <= uint64(e.start) {
			open = open[:len(open)-1]
		}
		e.up = 0
		end := uint64(math.MaxUint32)
		if len(open) > 0 {
			around := open[len(open)-1]
			e.up, end = uint32(around)+1, l.entries[around].end()
		}
		if e.size == 0 {
			if text, ok := m.textAt(l.base + uint64(e.start)); ok {
				end = min(end, text.end-l.base)
			}
			if i+1 < len(l.entries) {
				end = min(end, uint64(l.entries[i+1].start))
			}
			e.size = uint32(end - uint64(e.start))
		}
		open = append(open, i)
	}
}

func (e entry) end() uint64 { return uint64(e.start) + uint64(e.size) }

// find returns the function at an address: the one that begins last of those around it.
func (l *list) find(addr uint64) (entry, bool) {
	if addr < l.base || addr-l.base > math.MaxUint32 {
		return entry{}, false
	}
	at := uint32(addr - l.base)
	i, found := slices.BinarySearchFunc(l.entries, at, func(e entry, at uint32) int { return cmp.Compare(e.start, at) })
	if found {
		i++
	}
	for range maxDepth {
		if i == 0 {
			break
		}
		e := l.entries[i-1]
		if uint64(at) < e.end() {
			return e, true
		}
		i = int(e.up)
	}
	return entry{}, false
}

// raw returns the name at an offset, which add has checked.
func (l *list) raw(name uint32) string { return l.names[name:][:l.rawLen(name)] }

// rawLen returns the length of the name at an offset, -1 if none is there.
func (l *list) rawLen(name uint32) int {
	if uint64(name) >= uint64(len(l.names)) {
		return -1
	}
	s := l.names[name:]
	n := strings.IndexByte(s[:min(len(s), maxName+1)], 0)
	if n == 0 {
		return -1
	}
	return n
}
