package replay

import "sort"

// pastSpace is an address space, and what was mapped in it before.
type pastSpace struct {
	*AddressSpace
	told     uint64 // when it became known; 0 = with its first use, never = it is not
	doubts   doubts
	log      []change // in the order of their times
	outlines []outline
}

// change is a statement, and what was true before it.
type change struct {
	time       uint64
	start, end uint64
	old        []Mapping // in [start, end) and across
	whole      *Space    // instead of old, where everything was replaced
}

// outline is the interval that outlineOf changes are within: those who look for an address elsewhere
// need not look at them.
type outline struct{ start, end uint64 }

const outlineOf = 64

// changes notes that [start, end) is about to change.
func (s *pastSpace) changes(now, start, end uint64) {
	c := change{time: now, start: start, end: end}
	c.old = s.Space.overlapping(nil, start, end)
	s.add(c)
}

// replaced notes that everything has changed, which was was.
func (s *pastSpace) replaced(now uint64, was *Space) {
	s.add(change{time: now, end: ^uint64(0), whole: was})
}

func (s *pastSpace) add(c change) {
	if len(s.log)%outlineOf == 0 {
		s.outlines = append(s.outlines, outline{c.start, c.end})
	}
	o := &s.outlines[len(s.outlines)-1]
	o.start, o.end = min(o.start, c.start), max(o.end, c.end)
	s.log = append(s.log, c)
}

// lookup returns what was mapped at addr at time t: what the first later change of it replaced, or
// what is mapped now.
func (s *pastSpace) lookup(t, addr uint64) (Mapping, bool) {
	for i := sort.Search(len(s.log), func(i int) bool { return s.log[i].time > t }); i < len(s.log); i++ {
		if o := &s.outlines[i/outlineOf]; addr < o.start || addr >= o.end {
			i += outlineOf - 1 - i%outlineOf
			continue
		}
		c := &s.log[i]
		switch {
		case addr < c.start || addr >= c.end:
		case c.whole != nil:
			return c.whole.Lookup(addr)
		default:
			for _, m := range c.old {
				if m.Start <= addr && addr < m.End {
					return m, true
				}
			}
			return Mapping{}, false
		}
	}
	return s.Space.Lookup(addr)
}

// forget drops the changes from before that time: nobody asks for what was before them.
func (s *pastSpace) forget(oldest uint64) {
	n := sort.Search(len(s.log), func(i int) bool { return s.log[i].time > oldest })
	if n -= n % outlineOf; n > 0 {
		s.log = append([]change(nil), s.log[n:]...)
		s.outlines = append([]outline(nil), s.outlines[n/outlineOf:]...)
	}
	for len(s.doubts) > 0 && s.doubts[0].Until != 0 && s.doubts[0].Until < oldest {
		s.doubts = s.doubts[1:]
	}
}

// doubt takes note of what is uncertain, and known, now.
func (s *pastSpace) doubt(now uint64) {
	s.doubts.follow(s.UncertainSince, now)
	if !s.Known {
		s.told = never
	} else if s.told == never {
		s.told = now
	}
}

func (s *pastSpace) known(t uint64) bool { return s.told <= t && s.told != never }

const never = ^uint64(0)
