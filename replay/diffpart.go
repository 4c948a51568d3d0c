package replay

import (
	"cmp"
	"math"
	"slices"

	"github.com/vmasnap/vmasnap/format"
)

// permissions is a mapping's protection and whether it is shared.
func permissions(m *Mapping) uint64 { return uint64(m.Prot)<<32 | uint64(m.Flags) }

// distance is how far a byte of the file lies behind its offset in memory.
func distance(m *Mapping) uint64 {
	if m.Kind&(format.ContentAnonExec|format.ContentVDSO) != 0 {
		return m.Start
	}
	return m.Start - m.Offset
}

// shift compares which bytes of a file are mapped how often, and as what: other reports that some
// are mapped as something else than before, more that some are mapped more or less often. It does
// not matter how the bytes are cut into mappings. Memory without a file is compared by length.
func shift(f, g *belonging, class func(*Mapping) uint64) (other, more bool) {
	type edge struct{ at, class, by uint64 } // by is 1 where now has more from at on, -1 where was has
	var edges []edge
	put := func(maps []Mapping, by uint64) {
		for i := range maps {
			m := &maps[i]
			from := m.Offset
			if f.anonymous != 0 {
				from = 0
			}
			to := from + min(m.End-m.Start, math.MaxUint64-from)
			c := class(m)
			edges = append(edges, edge{from, c, by}, edge{to, c, -by})
		}
	}
	put(f.maps, math.MaxUint64)
	put(g.maps, 1)
	slices.SortFunc(edges, func(a, b edge) int { return cmp.Compare(a.at, b.at) })

	// How many times more the byte at hand is mapped now than before, for each class; and the sum
	// of the classes of which it is more, and of those of which it is less.
	balance := make(map[uint64]int64)
	var gained, lost int64
	for i, e := range edges {
		was := balance[e.class]
		now := was + int64(e.by)
		balance[e.class] = now
		gained += max(now, 0) - max(was, 0)
		lost += max(-now, 0) - max(-was, 0)
		if i+1 < len(edges) && edges[i+1].at == e.at {
			continue
		}
		other = other || gained > 0 && lost > 0
		more = more || gained != lost
	}
	return other, more
}
