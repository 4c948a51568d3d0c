package replay

import (
	"cmp"
	"errors"
	"io"
	"iter"
	"slices"
	"sort"

	"github.com/vmasnap/vmasnap/format"
)

// Recording is a recording in a file, which tells what was so at any time without being read from
// its beginning: At starts where a snapshot of the whole machine does. It holds the index, 72
// bytes for each frame, of which a recorder makes about one a second. Several goroutines may
// use it.
type Recording struct {
	in     io.ReaderAt
	size   int64
	host   *format.Host
	index  *format.Index
	damage error

	starts []int // frames other than the first in which a snapshot of the whole machine begins
	lossy  []int // frames that hold a Lost, in the order of MinTime
}

// Open opens the recording of size bytes in r, which it goes on to read from as long as the
// Recording or something that came from it is used. Where there is no index, as after a crash
// or in a raw record stream, it reads everything once to make one: see Damage. An error is
// format.ErrNotRecording, format.ErrVersion, or r's.
func Open(r io.ReaderAt, size int64) (*Recording, error) {
	rec := &Recording{in: r, size: size}
	in, err := format.NewReader(io.NewSectionReader(r, 0, size), format.ReaderOptions{})
	if err != nil {
		return nil, err
	}
	rec.host = in.Host()
	rec.index, err = format.ReadIndex(r, size)
	if errors.Is(err, format.ErrNoIndex) || errors.Is(err, format.ErrCorrupt) {
		rec.index, err = format.ScanIndex(io.NewSectionReader(r, 0, size), format.ReaderOptions{})
		rec.damage = err
		if rec.index != nil {
			err = nil
		}
	}
	if err != nil {
		return nil, err
	}
	for i := range rec.index.Frames {
		f := &rec.index.Frames[i]
		if f.HasSnapshot && i > 0 {
			rec.starts = append(rec.starts, i)
		}
		if f.HasLost {
			rec.lossy = append(rec.lossy, i)
		}
	}
	slices.SortStableFunc(rec.lossy, func(a, b int) int {
		return cmp.Compare(rec.index.Frames[a].MinTime, rec.index.Frames[b].MinTime)
	})
	return rec, nil
}

// Host returns the first record. The caller must not change it.
func (r *Recording) Host() *format.Host { return r.host }

// Damage returns what Open found when there was no index: format.ErrTruncated if the recording
// is cut off, a *format.FormatError if it is damaged. What precedes can be asked.
func (r *Recording) Damage() error { return r.damage }

// snapshots reports whether there are any of the whole machine.
func (r *Recording) snapshots() bool {
	return len(r.starts) > 0 || len(r.index.Frames) > 0 && r.index.Frames[0].HasSnapshot
}

// Start returns when the recording began, CLOCK_MONOTONIC ns.
func (r *Recording) Start() uint64 {
	start := cmp.Or(r.host.Time, r.host.Clocks.Monotonic)
	for i := range r.index.Frames {
		if start != 0 {
			break
		}
		start = r.index.Frames[i].MinTime
	}
	return start
}

// End returns the time of the latest record, CLOCK_MONOTONIC ns.
func (r *Recording) End() uint64 {
	end := r.Start()
	for i := range r.index.Frames {
		end = max(end, r.index.Frames[i].MaxTime)
	}
	return end
}

// At returns the state at time t, CLOCK_MONOTONIC ns: what the records up to the first later one
// say. With an error the state, unless it is nil, is that before the place where the recording is
// damaged or cut off.
func (r *Recording) At(t uint64) (*Cursor, error) { return r.at(t, nil) }

// AtProcess is At in less time, for whoever asks about process pid alone: of the others, what they
// have mapped is not read, nor does Stats tell of it. The Cursor cannot be moved.
func (r *Recording) AtProcess(t uint64, pid uint32) (*Cursor, error) {
	c, err := r.at(t, &chosen{pids: map[uint32]struct{}{pid: {}}})
	if c != nil {
		c.still = true
	}
	return c, err
}

// at is At, of the chosen processes or, with nil, all.
func (r *Recording) at(t uint64, of *chosen) (*Cursor, error) {
	// The latest snapshot will do, as a rule. Where it does not, so may those before it.
	n := sort.Search(len(r.starts), func(i int) bool { return r.index.Frames[r.starts[i]].MinTime > t })
	for step := 1; n > 0; step *= 2 {
		c, whole, err := r.from(r.starts[n-1], t, of)
		if whole {
			return c, err
		}
		n = max(n-step, 0)
	}
	c, _, err := r.from(0, t, of)
	return c, err
}

// Between returns the records from time from up to time to, in the order of the file, and the
// losses of which the window touches that time; not the Host. It reads no more of the file than it
// must. An error is the last that it yields.
func (r *Recording) Between(from, to uint64) iter.Seq2[format.Record, error] {
	frames := r.index.Frames
	first := slices.IndexFunc(frames, func(f format.Frame) bool { return f.MaxTime >= from })
	last := len(frames) - 1
	for last > first && frames[last].MinTime > to {
		last--
	}
	return func(yield func(format.Record, error) bool) {
		if first < 0 {
			return
		}
		in, err := format.NewReaderAt(r.in, r.size, r.index, first, format.ReaderOptions{})
		if err != nil {
			yield(nil, err)
			return
		}
		end := frames[last].FirstRecord + frames[last].Records
		for in.Offset().Record+1 < end {
			rec, err := in.Read()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
			since := rec.Head().Time
			switch rec := rec.(type) {
			case *format.Host:
				continue
			case *format.Lost:
				since = rec.From
			}
			if rec.Head().Time >= from && since <= to && !yield(rec, nil) {
				return
			}
		}
	}
}

// Replay returns the state at time t as At does, but reads everything up to there: Stats and
// Losses are of all of it.
func (r *Recording) Replay(t uint64) (*Cursor, error) {
	c, _, err := r.from(0, t, nil)
	return c, err
}

// from returns the state at time t as what begins with that frame tells it, and whether that is
// the whole of it.
func (r *Recording) from(frame int, t uint64, of *chosen) (c *Cursor, whole bool, err error) {
	for again := true; again; again = of.missed() {
		c, whole, err = r.once(frame, t, of)
	}
	return c, whole, err
}

// once is from, after which of may have found out that more processes have to be chosen.
func (r *Recording) once(frame int, t uint64, of *chosen) (c *Cursor, whole bool, err error) {
	c = &Cursor{Session: NewSession(), rec: r}
	c.early = r.snapshots()
	o := format.ReaderOptions{Reuse: true, Ahead: true}
	if of != nil {
		of.begin(c)
		o.Only = of.wants
	}
	if c.in, err = format.NewReaderAt(r.in, r.size, r.index, frame, o); err != nil {
		return nil, frame == 0, err
	}
	if frame == 0 {
		return c, true, c.Step(t)
	}
	if !c.snapshot(t) {
		return nil, false, nil
	}
	since := c.Stats.LastSnapshot.Time
	c.since = c.UncertainSince
	err = c.Step(t)
	if c.UncertainSince != 0 && c.UncertainSince <= since {
		return nil, false, nil // maybe from long before
	}
	for p := range c.Processes() {
		if p.UncertainSince != 0 && p.UncertainSince <= since {
			return nil, false, nil // maybe from long before
		}
	}
	return c, true, err
}
