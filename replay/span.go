package replay

import (
	"cmp"
	"iter"
	"slices"

	"github.com/vmasnap/vmasnap/format"
)

// Span is all that was mapped at some time from one moment to another, for reports: also in
// processes that had ended by its end, and what was unmapped meanwhile. It holds every distinct
// mapping of that time.
type Span struct {
	// Cursor is the state at the end.
	*Cursor

	lives []*life
	of    map[*Process]*life
	had   map[*AddressSpace]*possession
}

// life is a process, and the address spaces that it had one after the other.
type life struct {
	*Process
	spaces []*possession
}

// possession is an address space, and what was mapped in it at some time.
type possession struct {
	space    *Space
	mappings []Mapping
	seen     map[Mapping]struct{}
}

// During returns what was mapped at some time from time from up to time to. As for Replay,
// everything is read up to there. With an error it is of what precedes the damage.
func (r *Recording) During(from, to uint64) (*Span, error) {
	if from > to {
		return nil, backwards(from, to)
	}
	c, err := r.Replay(from)
	if c == nil {
		return nil, err
	}
	s := &Span{Cursor: c, of: make(map[*Process]*life), had: make(map[*AddressSpace]*possession)}
	for p := range c.Processes() {
		s.live(p)
	}
	if err != nil {
		return s, err
	}
	c.keep = true // rows are by file
	c.watch, c.apply = s, s.record
	err = c.Step(to)
	c.watch, c.apply = nil, nil
	return s, err
}

// record applies a record, and takes note of what it maps.
func (s *Span) record(rec format.Record) {
	s.Apply(rec)
	if m, ok := rec.(*format.Mmap); ok {
		p := s.procs[m.PID]
		if at, ok := p.Space.Lookup(m.Start); ok {
			s.had[p.AddressSpace].add(at)
		}
	}
}

// joined implements watcher.
func (s *Span) joined(p *Process, _ *AddressSpace) { s.live(p) }

// left implements watcher.
func (s *Span) left(*Process) {}

// live takes note that p is there, with the address space that it has now.
func (s *Span) live(p *Process) {
	l := s.of[p]
	if l == nil {
		l = &life{Process: p}
		s.of[p] = l
		s.lives = append(s.lives, l)
	}
	had := s.had[p.AddressSpace]
	if had == nil {
		had = &possession{space: p.Space, seen: make(map[Mapping]struct{})}
		for m := range p.Space.All() {
			had.add(m)
		}
		s.had[p.AddressSpace] = had
	}
	if !slices.Contains(l.spaces, had) {
		l.spaces = append(l.spaces, had)
	}
}

// add takes a mapping down, once.
func (h *possession) add(m Mapping) {
	if _, again := h.seen[m]; !again {
		h.seen[m] = struct{}{}
		h.mappings = append(h.mappings, m)
	}
}

// subjects returns the processes in ascending order of pids, those with one number in the order
// in which they came.
func (s *Span) subjects() iter.Seq[subject] {
	slices.SortStableFunc(s.lives, func(a, b *life) int { return cmp.Compare(a.PID, b.PID) })
	return func(yield func(subject) bool) {
		for _, l := range s.lives {
			p := subject{Process: l.Process}
			for _, had := range l.spaces {
				p.had = append(p.had, belongings{had.space, slices.Values(had.mappings)})
			}
			if !yield(p) {
				return
			}
		}
	}
}

// ReportProcesses returns a row for each selected process that lived in that time, in ascending
// order of pids. What a process is called is what it was called last.
func (s *Span) ReportProcesses(f Filter) []ProcessRow { return reportProcesses(s.subjects(), f) }

// ReportFiles returns a row for each selected file that was mapped in that time, sorted by path.
func (s *Span) ReportFiles(f Filter) []FileRow { return reportFiles(s.subjects(), f) }

// ReportBuildIDs is Session.ReportBuildIDs of all that was mapped in that time.
func (s *Span) ReportBuildIDs(f Filter) []BuildIDRow { return reportBuildIDs(s.subjects(), f) }
