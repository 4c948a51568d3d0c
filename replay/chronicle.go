package replay

import (
	"cmp"
	"maps"
	"slices"

	"github.com/vmasnap/vmasnap/format"
)

// What a Chronicle keeps at most, so that its memory does not depend on how long the recording is.
const (
	maxPresences = 2000    // of an address space, of those that are over
	maxMarks     = 2000    // of a process
	chronicleMax = 1 << 19 // presences and marks of all processes together
	lifeCost     = 8       // of those, for a process itself
	maxTenures   = 500     // of a process
	maxDoubts    = 2000
)

// Chronicle is all that happened in a range of time, for those who draw it: every process that
// lived, what was mapped in it from when to when, and when that is uncertain. It holds at most
// half a million mappings: the processes that ended first go first.
type Chronicle struct {
	// Cursor is the state at the end.
	*Cursor
	From uint64 // CLOCK_MONOTONIC ns
	// Lives are in ascending order of pids, those with one number in the order in which they came.
	Lives []*Life
	Left  int // lives that were too many, and are left out
	// Doubts are the times at which statements about any process were missing, as far as that was
	// noticed within the range: besides those of each Track, since some tracks were over by then.
	Doubts []Window

	filter        Filter
	clock         uint64 // the highest time of a record
	record        format.Record
	room          int // for so many presences and marks
	born          int
	of            map[*Process]*Life // that live
	ended         []*Life            // in the order of their ends
	tracks        map[*AddressSpace]*Track
	before, after []Mapping // kept for their memory
}

// Life is what happened to a process. Times are CLOCK_MONOTONIC ns.
type Life struct {
	*Process        // as it was last
	From     uint64 // when it was first heard of
	Born     bool   // at From: it was not there before
	Ended    uint64 // 0 = it lives at the end
	Exited   bool   // at Ended, as a statement told; else a walk did not find it any more
	// Had are the address spaces that it had one after the other; never empty. Where there were too
	// many, it has the latest.
	Had       []Tenure
	HadLeft   int    // address spaces that are left out
	Marks     []Mark // in the order of their times
	MarksLeft int    // marks that were too many, and are left out: the earliest

	serial int
}

// Tenure is an address space that a process has from a time on.
type Tenure struct {
	From  uint64
	Track *Track
}

// Mark is something that happened to a process at one time, CLOCK_MONOTONIC ns.
type Mark struct {
	Time uint64
	// Record is what told of it: a *format.Fork, of itself or of a child, a *format.Exec, a
	// *format.Exit or, of a walk, a *format.Process.
	Record format.Record
}

// Chronicle returns what happened from time from up to time to, with the selected processes and
// files. As for Replay, everything is read up to there, once. With an error it is of what
// precedes the damage.
func (r *Recording) Chronicle(from, to uint64, f Filter) (*Chronicle, error) {
	if from > to {
		return nil, backwards(from, to)
	}
	cursor, err := r.Replay(from)
	if cursor == nil {
		return nil, err
	}
	c := &Chronicle{
		Cursor: cursor, From: from, filter: f, clock: from, room: chronicleMax,
		of: make(map[*Process]*Life), tracks: make(map[*AddressSpace]*Track),
	}
	for p := range c.Processes() {
		c.joined(p, nil)
	}
	if err == nil {
		c.watch, c.apply, c.keep = c, c.take, true
		err = c.Step(to)
		c.watch, c.apply = nil, nil
	}
	c.finish()
	return c, err
}

// take applies a record, and takes note of what it changes.
func (c *Chronicle) take(rec format.Record) {
	head := rec.Head()
	c.record = rec
	if _, lost := rec.(*format.Lost); !lost {
		c.clock = max(c.clock, head.Time)
	}
	switch r := rec.(type) {
	case *format.Mmap:
		c.change(r, r.Start, r.Start+r.Length, teller(r))
	case *format.Clear:
		c.change(r, r.Start, r.Start+r.Length, ToldSet)
	case *format.Process:
		c.walk(r)
	case *format.Fork:
		if r.TID != r.PID && r.TID != 0 {
			break
		}
		c.Apply(r)
		c.mark(r.PID, r)
		c.mark(r.PPID, r)
	case *format.Exit:
		if !r.Group {
			break
		}
		c.mark(r.PID, r)
		if l := c.of[c.procs[r.PID]]; l != nil {
			l.Exited = true
		}
		c.Apply(r)
	case *format.Exec:
		c.Apply(r)
		c.mark(r.PID, r)
	default:
		c.Apply(r)
	}
	if r, ok := rec.(*format.Lost); ok {
		c.doubt(r.PID)
		if r.PID == 0 {
			c.lost(Window{max(r.From, 1), max(r.Time, 1)})
		}
	}
	c.record = nil
}

// change applies a statement about [start, end), and compares what was there with what is.
func (c *Chronicle) change(rec format.Record, start, end uint64, told Teller) {
	before := c.before[:0]
	pid := rec.Head().PID
	if p := c.procs[pid]; p != nil {
		before = p.Space.overlapping(before, start, end)
	}
	c.Apply(rec)
	p := c.procs[pid]
	t := c.tracks[p.AddressSpace]
	if t == nil {
		return
	}
	if n := len(before); n > 0 { // and what is left of it on either side
		start, end = min(start, before[0].Start), max(end, before[n-1].End)
	}
	after := p.Space.overlapping(c.after[:0], start, end)
	for _, m := range before {
		if !slices.Contains(after, m) {
			c.room += t.end(m, c.clock)
		}
	}
	for _, m := range after {
		if !slices.Contains(before, m) {
			c.begin(t, m, told)
		}
	}
	c.before, c.after = before, after
}

// begin takes note of a mapping, if it is selected and there is room for it.
func (c *Chronicle) begin(t *Track, m Mapping, told Teller) {
	switch {
	case t.tenures == 0 || !c.filter.File(m.File): // nobody asks
	case !c.spend(1):
		c.room++
		t.Left++
	default:
		c.room += 1 - t.begin(m, c.clock, told)
	}
}

// walk applies what a walk says of a process.
func (c *Chronicle) walk(r *format.Process) {
	var had *AddressSpace
	if p := c.procs[r.PID]; p != nil {
		had = p.AddressSpace
	}
	c.Apply(r)
	p := c.procs[r.PID]
	if p == nil {
		return
	}
	if t := c.tracks[p.AddressSpace]; t != nil {
		if p.AddressSpace == had && r.Status == format.WalkComplete {
			c.room += t.restated(c.clock)
		}
		t.doubts.follow(p.UncertainSince, c.clock)
	}
	c.mark(r.PID, r)
}

// mark takes down that something happened to process pid.
func (c *Chronicle) mark(pid uint32, rec format.Record) {
	l := c.of[c.procs[pid]]
	if l == nil {
		return
	}
	if !c.spend(1) {
		c.room++
		l.MarksLeft++
		return
	}
	l.Marks = append(l.Marks, Mark{c.clock, rec})
	if len(l.Marks) == 2*maxMarks {
		c.room += l.forget(maxMarks)
	}
}

// forget leaves out all marks but the latest n.
func (l *Life) forget(n int) int {
	more := max(len(l.Marks)-n, 0)
	l.Marks = append(l.Marks[:0], l.Marks[more:]...)
	l.MarksLeft += more
	return more
}

// doubt takes note of what is uncertain now about process pid, or with 0 about all of them.
func (c *Chronicle) doubt(pid uint32) {
	if p := c.procs[pid]; pid != 0 && p != nil {
		if t := c.tracks[p.AddressSpace]; t != nil {
			t.doubts.follow(p.UncertainSince, c.clock)
		}
	}
	if pid == 0 {
		for a, t := range c.tracks {
			t.doubts.follow(a.UncertainSince, c.clock)
		}
	}
}

// lost takes note of a time at which statements were missing. Where there are too many, those
// between are made one.
func (c *Chronicle) lost(w Window) {
	if n := len(c.Doubts); n > 0 {
		if last := &c.Doubts[n-1]; n >= maxDoubts || last.From <= w.Until && w.From <= last.Until {
			last.From, last.Until = min(last.From, w.From), max(last.Until, w.Until)
			return
		}
	}
	c.Doubts = append(c.Doubts, w)
}

// joined implements watcher.
func (c *Chronicle) joined(p *Process, before *AddressSpace) {
	if len(c.filter.PIDs) > 0 && !slices.Contains(c.filter.PIDs, p.PID) {
		return
	}
	fork, forked := c.record.(*format.Fork)
	l := c.of[p]
	if l == nil {
		c.spend(lifeCost) // it lives: it is kept in any case
		l = &Life{Process: p, From: c.clock, Born: forked && fork.PID == p.PID, serial: c.born}
		c.born++
		c.of[p] = l
	}
	t := c.tracks[p.AddressSpace]
	known := t != nil
	if !known {
		t = &Track{open: make(map[Mapping]*Presence)}
		t.doubts.follow(p.UncertainSince, c.clock)
		c.tracks[p.AddressSpace] = t
	}
	c.spend(1)
	t.tenures++
	l.Had = append(l.Had, Tenure{c.clock, t})
	if len(l.Had) == 2*maxTenures {
		c.room += l.part(maxTenures)
		l.HadLeft += maxTenures
	}
	if !known {
		told := ToldBefore
		if forked {
			told = ToldFork
		}
		for m := range p.Space.All() {
			c.begin(t, m, told)
		}
	}
	c.unused(before)
}

// left implements watcher.
func (c *Chronicle) left(p *Process) {
	if l := c.of[p]; l != nil {
		l.Ended = max(c.clock, 1)
		delete(c.of, p)
		c.ended = append(c.ended, l)
	}
	c.unused(p.AddressSpace)
}

// unused ends the track of an address space that nobody has any more.
func (c *Chronicle) unused(a *AddressSpace) {
	if a == nil || a.users > 0 {
		return
	}
	if t := c.tracks[a]; t != nil {
		c.room += t.over(c.clock)
		delete(c.tracks, a)
	}
}

// spend takes room for n presences or marks, that of lives that are over if need be. It reports
// whether there was.
func (c *Chronicle) spend(n int) bool {
	for c.room < n && len(c.ended) > 0 {
		l := c.ended[0]
		c.ended[0], c.ended = nil, c.ended[1:]
		c.room += lifeCost + len(l.Marks) + l.part(len(l.Had))
		c.Left++
	}
	c.room -= n
	return c.room >= 0
}

// part leaves out the first n address spaces, and returns the room that there is without them.
func (l *Life) part(n int) int {
	room := n
	for _, had := range l.Had[:n] {
		if had.Track.tenures--; had.Track.tenures == 0 {
			room += had.Track.clear()
		}
	}
	l.Had = slices.Delete(l.Had, 0, n)
	return room
}

// finish gathers the lives.
func (c *Chronicle) finish() {
	c.doubt(0)
	done := make(map[*Track]struct{})
	for _, l := range slices.AppendSeq(c.ended, maps.Values(c.of)) {
		if !c.filter.Process(l.Process) {
			continue
		}
		l.forget(maxMarks)
		if more := len(l.Had) - maxTenures; more > 0 {
			l.part(more)
			l.HadLeft += more
		}
		mapped := false
		for _, had := range l.Had {
			if _, again := done[had.Track]; !again {
				done[had.Track] = struct{}{}
				had.Track.finish()
			}
			mapped = mapped || len(had.Track.Presences) > 0
		}
		if mapped || !c.filter.Files() {
			c.Lives = append(c.Lives, l)
		}
	}
	slices.SortFunc(c.Lives, func(a, b *Life) int { return cmp.Or(cmp.Compare(a.PID, b.PID), cmp.Compare(a.serial, b.serial)) })
	c.of, c.ended, c.tracks = nil, nil, nil
}

// At returns the mappings of the track that were there at time t, in ascending order.
func (t *Track) At(at uint64) []Mapping {
	var out []Mapping
	for _, p := range t.Presences {
		if p.From <= at && (p.To == 0 || at < p.To) {
			out = append(out, p.Mapping)
		}
	}
	return out
}
