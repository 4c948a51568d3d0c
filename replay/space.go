package replay

import (
	"iter"
	"slices"
	"sort"
)

// leafMax is the most mappings that a leaf holds. A change moves at most one leaf's
// mappings (7 KiB) and, when a leaf splits, one pointer a leaf.
const leafMax = 128

// Space is the address space of one or more processes: disjoint mappings in ascending
// order. The zero value is an empty space. Lookup costs O(log n), Set and Clear cost
// O(log n + mappings replaced). Clone costs O(1): the two share everything. The first
// change of either afterwards copies the list of leaves, n / 16 bytes or twice that, and
// the first change of a leaf copies that leaf.
//
// A Space is not safe for use by several goroutines while one of them changes it.
type Space struct {
	leaves []*leaf // not to be changed before own was called
	n      int
	// owner marks the leaves that this Space may change in place; the others are shared
	// with a clone and are copied before the first change. While it is nil, the slice of
	// leaves may be shared as well.
	owner *owner
}

// owner is compared by address alone, so it must not have size zero.
type owner struct{ _ byte }

// leaf holds 1 to leafMax mappings.
type leaf struct {
	owner *owner
	maps  []Mapping
}

func (l *leaf) end() uint64 { return l.maps[len(l.maps)-1].End }

// Len returns the number of mappings.
func (s *Space) Len() int { return s.n }

// Clone returns a copy that changes independently of s.
func (s *Space) Clone() *Space {
	// Neither may go on changing the leaves, and the list of them, that both now have.
	s.owner = nil
	return &Space{leaves: s.leaves, n: s.n}
}

// Lookup returns the mapping that covers addr.
func (s *Space) Lookup(addr uint64) (Mapping, bool) {
	i, j := s.seek(addr)
	if i == len(s.leaves) {
		return Mapping{}, false
	}
	m := s.leaves[i].maps[j]
	return m, m.Start <= addr
}

// All iterates over the mappings in ascending order. The Space must not be changed
// meanwhile.
func (s *Space) All() iter.Seq[Mapping] {
	return func(yield func(Mapping) bool) {
		for _, l := range s.leaves {
			for _, m := range l.maps {
				if !yield(m) {
					return
				}
			}
		}
	}
}

// Set makes m the truth on [m.Start, m.End): whatever was there is carved. A mapping
// without length changes nothing.
func (s *Space) Set(m Mapping) {
	if m.Start < m.End {
		s.replace(m.Start, m.End, &m)
	}
}

// Clear makes nothing the truth on [start, end): what was there is carved.
func (s *Space) Clear(start, end uint64) {
	if start < end && s.n > 0 {
		s.replace(start, end, nil)
	}
}

// seek finds the first mapping that ends behind addr: its leaf and its place in the leaf,
// or (len(s.leaves), 0).
func (s *Space) seek(addr uint64) (i, j int) {
	// By hand, since replay does little else. Behind all leaves but the last is the last.
	for high := len(s.leaves) - 1; i < high; {
		if mid := int(uint(i+high) / 2); s.leaves[mid].end() > addr {
			high = mid
		} else {
			i = mid + 1
		}
	}
	if i == len(s.leaves) {
		return i, 0
	}
	maps := s.leaves[i].maps
	for high := len(maps); j < high; {
		if mid := int(uint(j+high) / 2); maps[mid].End > addr {
			high = mid
		} else {
			j = mid + 1
		}
	}
	if j == len(maps) {
		return i + 1, 0
	}
	return i, j
}

// overlapping appends the mappings that have a part in [start, end) to dst, whole.
func (s *Space) overlapping(dst []Mapping, start, end uint64) []Mapping {
	i, j := s.seek(start)
	for ; i < len(s.leaves); i, j = i+1, 0 {
		maps := s.leaves[i].maps[j:]
		n := sort.Search(len(maps), func(k int) bool { return maps[k].Start >= end })
		dst = append(dst, maps[:n]...)
		if n < len(maps) {
			break
		}
	}
	return dst
}

// push appends m, which lies behind everything.
func (s *Space) push(m Mapping) {
	s.own()
	k := len(s.leaves)
	if k == 0 || len(s.leaves[k-1].maps) >= leafMax {
		room := 1
		if k == 0 {
			room = 8 // hardly a process has less
		}
		s.leaves = append(s.leaves, &leaf{owner: s.owner, maps: make([]Mapping, 0, room)})
		k++
	}
	l := s.mutable(k - 1)
	l.maps = append(l.maps, m)
	s.n++
}

// replace puts x, or nothing, in the place of all that overlaps [start, end), and keeps the
// parts of older mappings that stick out on either side.
func (s *Space) replace(start, end uint64, x *Mapping) {
	i, j := s.seek(start)
	if i < len(s.leaves) && s.replaceOne(i, j, start, end, x) {
		return
	}
	var keep [3]Mapping
	parts := keep[:0]
	if i < len(s.leaves) {
		if m := s.leaves[i].maps[j]; m.Start < start {
			parts = append(parts, m.head(start))
		}
	}
	if x != nil {
		parts = append(parts, *x)
	}
	// k, l: the first mapping that begins at or behind end.
	k, l := i, j
	for k < len(s.leaves) {
		maps := s.leaves[k].maps
		for l < len(maps) && maps[l].Start < end {
			l++
		}
		if l > 0 && (k > i || l > j) {
			if m := maps[l-1]; m.End > end {
				parts = append(parts, m.tail(end))
			}
		}
		if l < len(maps) {
			break
		}
		k, l = k+1, 0
	}
	if i == k && j == l && len(parts) == 0 {
		return // nothing was there, and nothing comes
	}
	s.splice(i, j, k, l, parts)
}

// replaceOne is replace, done faster, for what statements are as a rule: one mapping comes, goes, or
// is there as before. It returns false if it is something else. Place j of leaf i is the first that
// ends behind start.
func (s *Space) replaceOne(i, j int, start, end uint64, x *Mapping) bool {
	m := &s.leaves[i].maps[j]
	vacant, exact := m.Start >= end, m.Start == start && m.End == end
	if !vacant && !exact {
		return false
	}
	if vacant && x == nil {
		return true
	}
	s.own()
	a := s.mutable(i)
	switch {
	case vacant:
		a.maps = slices.Insert(a.maps, j, *x)
		s.n++
	case x != nil:
		a.maps[j] = *x
		return true
	default:
		a.maps = slices.Delete(a.maps, j, j+1)
		s.n--
	}
	s.settle(i)
	return true
}

// splice replaces the mappings from place j of leaf i up to, not including, place l of leaf
// k by parts.
func (s *Space) splice(i, j, k, l int, parts []Mapping) {
	if i == len(s.leaves) { // behind everything
		for _, m := range parts {
			s.push(m)
		}
		return
	}
	s.own()
	a := s.mutable(i)
	if i == k {
		s.n += len(parts) - (l - j)
		a.maps = slices.Replace(a.maps, j, l, parts...)
		s.settle(i)
		return
	}
	s.n += len(parts) - (len(a.maps) - j)
	a.maps = append(a.maps[:j], parts...)
	for _, gone := range s.leaves[i+1 : k] {
		s.n -= len(gone.maps)
	}
	if k < len(s.leaves) && l > 0 {
		b := s.mutable(k)
		s.n -= l
		b.maps = slices.Delete(b.maps, 0, l)
	}
	s.leaves = slices.Delete(s.leaves, i+1, k)
	s.settle(i)
}

// settle removes leaf i if it is empty and splits it if it is too long.
func (s *Space) settle(i int) {
	l := s.leaves[i]
	switch {
	case len(l.maps) == 0:
		s.leaves = slices.Delete(s.leaves, i, i+1)
	case len(l.maps) > leafMax:
		half := len(l.maps) / 2
		right := &leaf{owner: s.owner, maps: slices.Clone(l.maps[half:])}
		l.maps = slices.Delete(l.maps, half, len(l.maps))
		s.leaves = slices.Insert(s.leaves, i+1, right)
	}
}

// mutable returns leaf i, copied first if a clone has it too. The slice of leaves is the
// Space's own by then.
func (s *Space) mutable(i int) *leaf {
	l := s.leaves[i]
	if l.owner != s.owner {
		l = &leaf{owner: s.owner, maps: slices.Clone(l.maps)}
		s.leaves[i] = l
	}
	return l
}

// own makes the slice of leaves this Space's own: every change begins with it.
func (s *Space) own() {
	if s.owner == nil {
		s.owner = new(owner)
		s.leaves = slices.Clone(s.leaves)
	}
}
