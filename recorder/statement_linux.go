package recorder

import (
	"slices"

	"github.com/vmasnap/vmasnap/bpfmmap"
	"github.com/vmasnap/vmasnap/format"
)

// state takes in what is mapped in a range of an address space. What is said for nobody is of a
// space that fork fills, before its FORK.
func (l *live) state(ev *bpfmmap.Event) error {
	if ev.PID == 0 {
		l.vacate(ev.MM)
		return l.hold(ev)
	}
	s := l.spaces[ev.MM]
	if s == nil || len(s.members) == 0 {
		return l.hold(ev)
	}
	return l.tell(s, ev)
}

// tell writes a statement about s, and notes it for the walks under way.
func (l *live) tell(s *liveSpace, ev *bpfmmap.Event) error {
	pid, tid := l.speaker(s, ev)
	said := format.Common{Time: ev.Time, PID: pid, TID: tid}
	mmaps := l.mmaps(said, ev)
	for _, u := range l.logging {
		u.note(s, ev, mmaps)
	}
	if s.repeats(ev) {
		return nil
	}
	l.stats.Live.Sets += uint64(len(mmaps))
	cursor := ev.Start
	if ev.Start == s.filled {
		// Nothing has been said about this range and what is above it, nor is there anything.
		s.filled, cursor = ev.End, ev.End
	} else if ev.End > s.filled {
		s.filled = nothing
	}
	for i := range mmaps {
		m := &mmaps[i]
		if err := l.clear(said, cursor, m.Start); err != nil {
			return err
		}
		cursor = max(cursor, m.Start+m.Length)
		if err := l.sink.Write(m); err != nil {
			return err
		}
	}
	return l.clear(said, cursor, ev.End)
}

// clear writes that [start, end) holds nothing, if there is such a range.
func (l *live) clear(said format.Common, start, end uint64) error {
	if start >= end {
		return nil
	}
	l.stats.Live.Clears++
	return l.sink.Write(&format.Clear{Common: said, Start: start, Length: end - start})
}

// repeats reports whether the event says the same as the one before it about s, as where two
// hooks see one change.
func (s *liveSpace) repeats(ev *bpfmmap.Event) bool {
	if len(ev.VMAs) != 1 || ev.Start < ev.VMAs[0].Start || ev.End > ev.VMAs[0].End {
		s.last = bpfmmap.VMA{}
		return false
	}
	if s.last == ev.VMAs[0] {
		return true
	}
	s.last = ev.VMAs[0]
	return false
}

// slabMmaps is how many records are allocated at once.
const slabMmaps = 64

// mmaps makes records of the event's VMAs. They are the sink's to keep.
func (l *live) mmaps(said format.Common, ev *bpfmmap.Event) []format.Mmap {
	n := len(ev.VMAs)
	if n == 0 {
		return nil
	}
	if len(l.slab) < n {
		l.slab = make([]format.Mmap, max(n, slabMmaps))
	}
	mmaps := l.slab[:n:n]
	l.slab = l.slab[n:]
	for i := range ev.VMAs {
		v := &ev.VMAs[i]
		f := l.files.use(v, said.PID)
		m := &mmaps[i]
		m.Common = said
		fillLive(m, v, f)
		if m.BuildID.IsZero() && m.GoBuildID == "" {
			l.stats.Live.SetsNoBuildID++
		}
	}
	return mmaps
}

// held are statements about address spaces of which it is not known yet whose they are: a
// fork may be told after what the child has mapped.
type held struct {
	spaces map[uint64]*heldSpace
	count  int
}

// heldSpace is what is held about one address space.
type heldSpace struct {
	losses     uint64 // losses.generation when the first one came
	statements []bpfmmap.Event
}

// maxHeld bounds the statements that are held.
const maxHeld = 1 << 16

func (h *held) forget(mm uint64) {
	if s := h.spaces[mm]; s != nil {
		h.count -= len(s.statements)
		delete(h.spaces, mm)
	}
}

// unborn reports whether mm is of a child whose FORK is on its way, if it has not been lost: fork
// itself states what it copies, for nobody, before it makes the child.
func (h *held) unborn(mm, losses uint64) bool {
	s := h.spaces[mm]
	return s != nil && s.losses == losses && s.statements[0].PID == 0
}

// hold keeps a statement until somebody has its address space.
func (l *live) hold(ev *bpfmmap.Event) error {
	if l.held.count >= maxHeld {
		l.held = held{}
		return l.lose(&format.Lost{Count: maxHeld, CPU: -1, Reason: format.LostMemory})
	}
	s := l.held.spaces[ev.MM]
	if s == nil {
		if l.held.spaces == nil {
			l.held.spaces = make(map[uint64]*heldSpace)
		}
		s = &heldSpace{losses: l.losses.generation}
		l.held.spaces[ev.MM] = s
	}
	kept := *ev
	kept.VMAs = slices.Clone(ev.VMAs)
	s.statements = append(s.statements, kept)
	l.held.count++
	return nil
}

// release writes the statements that were held for mm, if it has an owner now: of that they become
// true at the time at which it is told.
func (l *live) release(mm, at uint64) error {
	held := l.held.spaces[mm]
	if held == nil {
		return nil
	}
	l.held.forget(mm)
	s := l.spaces[mm]
	for i := range held.statements {
		held.statements[i].Time = at
		if err := l.tell(s, &held.statements[i]); err != nil {
			return err
		}
	}
	return nil
}
