package replay

import (
	"cmp"
	"slices"

	"github.com/vmasnap/vmasnap/format"
)

// Track is what was mapped in one address space, from when to when.
type Track struct {
	// Presences are in ascending order of addresses, those of one mapping in the order of their
	// times.
	Presences []Presence
	Left      int // presences that were too many, and are left out
	// Doubts are the times at which statements about the address space were missing.
	Doubts []Window

	open    map[Mapping]*Presence  // by what the Space has, which may know the file less well
	walked  map[interval]*Presence // that the latest walk has not stated, so far
	closed  []Presence
	doubts  doubts
	tenures int // that are kept
}

// Presence is a mapping while nothing about it changed. One that is cut into two is over, and two
// others begin. Times are CLOCK_MONOTONIC ns.
type Presence struct {
	Mapping
	From uint64 // when it was told of
	To   uint64 // 0 = it is still there at the end
	Told Teller
}

// Teller says how it is known that a mapping is there.
type Teller uint8

// The ways in which a mapping comes to be known.
const (
	ToldBefore Teller = iota // it was there when the time began
	ToldWalk                 // a walk found it: it is older than From
	ToldSet                  // it was mapped at From
	ToldFork                 // it is a copy of the parent's
)

// begin takes note that m is there, and returns how many more presences the track has.
func (t *Track) begin(m Mapping, now uint64, told Teller) int {
	at := interval{m.Start, m.End}
	if p := t.walked[at]; p != nil && told == ToldWalk {
		if _, same := judge(&p.Mapping, &m, m.Start); same {
			if p.File.BuildID.IsZero() && !m.File.BuildID.IsZero() || p.File.GoBuildID == "" && m.File.GoBuildID != "" {
				p.Mapping = m // which knows more
			}
			p.To = 0
			t.open[m] = p
			delete(t.walked, at)
			return 0
		}
	}
	t.open[m] = &Presence{Mapping: m, From: now, Told: told}
	return 1
}

// end takes note that m is not there any more, and returns how many fewer presences the track has.
func (t *Track) end(m Mapping, now uint64) int {
	p := t.open[m]
	if p == nil {
		return 0
	}
	delete(t.open, m)
	p.To = max(now, p.From, 1)
	return t.close(p)
}

// close keeps a presence that is over; where there are too many, the latest ones stay.
func (t *Track) close(p *Presence) int {
	t.closed = append(t.closed, *p)
	if len(t.closed) < 2*maxPresences {
		return 0
	}
	t.closed = append(t.closed[:0], t.closed[len(t.closed)-maxPresences:]...)
	t.Left += maxPresences
	return maxPresences
}

// restated takes note that a walk has found the address space, and that it goes on to state what
// is mapped. What it does not state again was gone by then.
func (t *Track) restated(now uint64) (fewer int) {
	fewer = t.unstated()
	t.walked = make(map[interval]*Presence, len(t.open))
	for m, p := range t.open {
		p.To = max(now, p.From, 1)
		t.walked[interval{m.Start, m.End}] = p
	}
	clear(t.open)
	return fewer
}

// unstated closes what the latest walk has not stated.
func (t *Track) unstated() (fewer int) {
	for _, p := range inOrder(t.walked) {
		fewer += t.close(p)
	}
	t.walked = nil
	return fewer
}

// over takes note that nobody has the address space any more.
func (t *Track) over(now uint64) (fewer int) {
	fewer = t.unstated()
	for _, p := range inOrder(t.open) {
		p.To = max(now, p.From, 1)
		fewer += t.close(p)
	}
	t.open = nil
	t.doubts.follow(0, now)
	return fewer
}

// finish makes the track one for others to read.
func (t *Track) finish() {
	t.unstated()
	if more := len(t.closed) - maxPresences; more > 0 {
		t.closed = t.closed[more:]
		t.Left += more
	}
	t.Presences, t.Doubts = t.closed, t.doubts
	for _, p := range t.open {
		t.Presences = append(t.Presences, *p)
	}
	slices.SortFunc(t.Presences, func(a, b Presence) int { return a.compare(&b) })
	t.open, t.closed = nil, nil
}

// clear forgets everything, and returns how many presences that was.
func (t *Track) clear() int {
	n := len(t.open) + len(t.walked) + len(t.closed)
	clear(t.open)
	t.walked, t.closed = nil, nil
	return n
}

// inOrder returns what a map holds, so that what is left out does not depend on chance.
func inOrder[K comparable](presences map[K]*Presence) []*Presence {
	out := make([]*Presence, 0, len(presences))
	for _, p := range presences {
		out = append(out, p)
	}
	slices.SortFunc(out, (*Presence).compare)
	return out
}

func (p *Presence) compare(q *Presence) int {
	return cmp.Or(cmp.Compare(p.Start, q.Start), cmp.Compare(p.From, q.From), cmp.Compare(p.End, q.End), cmp.Compare(p.To, q.To),
		cmp.Compare(p.Offset, q.Offset), compareFiles(p.File, q.File))
}

// teller says how a SET is known.
func teller(r *format.Mmap) Teller {
	if r.Walked {
		return ToldWalk
	}
	return ToldSet
}
