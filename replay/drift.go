package replay

import (
	"slices"

	"github.com/vmasnap/vmasnap/format"
)

// maxDrifts is how many differences a Session keeps.
const maxDrifts = 32

// Drift is an interval over which what was known of a process was not what a walk then found.
type Drift struct {
	PID  uint32
	Comm string
	Time uint64 // of the walk, CLOCK_MONOTONIC ns
	// Difference has what was known as A and what the walk found as B.
	Difference
}

// comparison is a walk in the making, to be compared with what was known before it.
type comparison struct {
	walk  *format.Process // nil: nothing is compared
	left  uint32          // mappings to come
	known Space
	found *Space
}

// expect prepares to compare what is known of a with the walk r that begins.
func (s *Session) expect(a *AddressSpace, r *format.Process) {
	s.pending = comparison{walk: r, left: r.VMAs, known: *a.Space, found: a.Space}
}

// compare goes on with the comparison under way behind each record. A walk that is not whole is
// not compared.
func (s *Session) compare(rec format.Record) {
	c := &s.pending
	if rec != format.Record(c.walk) {
		if m, ok := rec.(*format.Mmap); !ok || !m.Walked || m.PID != c.walk.PID {
			s.pending = comparison{}
			return
		}
		c.left--
	}
	if c.left > 0 {
		return
	}
	s.Stats.Restated++
	w := &driftWalk{walk: c.walk}
	for _, d := range Compare(&c.known, c.found) {
		// Hooks follow what is executable and has a file.
		if d.Verdict == Renamed || (d.A.Kind|d.B.Kind)&format.ContentExecFile == 0 {
			continue
		}
		w.drifts++
		s.Stats.Drift++
		drift := Drift{PID: c.walk.PID, Comm: c.walk.Comm, Time: c.walk.Time, Difference: d}
		if len(s.Drifts) < maxDrifts {
			s.Drifts = append(s.Drifts, drift)
		}
		if len(s.fresh) < maxFresh {
			s.fresh = append(s.fresh, freshDrift{walk: w, space: c.found, drift: drift, left: []interval{{d.Start, d.End}}})
		}
	}
	if w.drifts > 0 {
		s.Stats.DriftProcesses++
	}
	s.pending = comparison{}
}

// A walk may see a change before its statement comes: a system call has made it, and tells of
// it when it returns; an exec tells of the new program when all of it is loaded. What a
// statement within driftGrace tells as well was no drift. Nor was what a loss explains that the
// recorder had not noticed yet, which it does within lossGrace.
const (
	driftGrace = 1_000_000_000  // ns
	lossGrace  = 60_000_000_000 // ns
	maxFresh   = 1 << 12        // of more, the rest counts
	maxPieces  = 16             // of one drift: what would leave more explains nothing
)

// driftWalk is one walk that found drift.
type driftWalk struct {
	walk   *format.Process
	drifts int
}

// freshDrift is a drift that a statement or a loss may yet explain.
type freshDrift struct {
	walk  *driftWalk
	space *Space
	drift Drift
	left  []interval // what no statement has been about since
}

type interval struct{ start, end uint64 }

// told takes note of a live statement about [start, end) of a space.
func (s *Session) told(space *Space, start, end, time uint64) {
	if len(s.fresh) == 0 {
		return
	}
	s.fresh = slices.DeleteFunc(s.fresh, func(f freshDrift) bool { return f.drift.Time+lossGrace < time })
	for i := range s.fresh {
		f := &s.fresh[i]
		if f.space == space && f.drift.Time+driftGrace >= time {
			f.left = without(f.left, start, end)
		}
	}
	s.Stats.Ahead += s.explained()
}

// without returns what of left is outside of [start, end), or left itself if that is in too many pieces.
func without(left []interval, start, end uint64) []interval {
	pieces, touched := 0, false
	for _, at := range left {
		touched = touched || at.start < end && start < at.end
		if at.start < start {
			pieces++
		}
		if at.end > end {
			pieces++
		}
	}
	if !touched || pieces > maxPieces {
		return left
	}
	out := make([]interval, 0, pieces)
	for _, at := range left {
		if at.start < start {
			out = append(out, interval{at.start, min(at.end, start)})
		}
		if at.end > end {
			out = append(out, interval{max(at.start, end), at.end})
		}
	}
	return out
}

// replaced takes note that a process has executed a program.
func (s *Session) replaced(pid uint32, time uint64) {
	for i := range s.fresh {
		if f := &s.fresh[i]; f.drift.PID == pid && f.drift.Time+driftGrace >= time {
			f.left = nil
		}
	}
	s.Stats.Ahead += s.explained()
}

// excused takes note that statements about a, or with nil about any process, have been lost
// since from.
func (s *Session) excused(a *AddressSpace, from uint64) {
	for i := range s.fresh {
		if f := &s.fresh[i]; f.drift.Time >= from && (a == nil || a.Space == f.space) {
			f.left = nil
		}
	}
	s.explained()
}

// explained takes back the drifts of which nothing is left, and returns how many.
func (s *Session) explained() (n uint64) {
	s.fresh = slices.DeleteFunc(s.fresh, func(f freshDrift) bool {
		if len(f.left) > 0 {
			return false
		}
		n++
		s.Stats.Drift--
		if f.walk.drifts--; f.walk.drifts == 0 {
			s.Stats.DriftProcesses--
		}
		if i := slices.Index(s.Drifts, f.drift); i >= 0 {
			s.Drifts = slices.Delete(s.Drifts, i, i+1)
		}
		return true
	})
	return n
}
