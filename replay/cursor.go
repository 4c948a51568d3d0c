package replay

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/vmasnap/vmasnap/format"
)

// Cursor is the state of a Recording at one time, which can be moved forward. Several are
// independent of each other; one is not safe for use by several goroutines.
type Cursor struct {
	// Session is the state. Its Stats and Losses are of what was read to get there, which may
	// be the recording from a snapshot on.
	*Session

	rec    *Recording
	in     *format.Reader
	now    uint64
	next   format.Record // read, and later than now; nil = none
	err    error         // at which in ended
	looked int           // so many of rec.lossy have been looked into
	ahead  []ahead
	marked []doubted // what foresee has marked
	since  uint64    // Session.UncertainSince before it did
	still  bool      // it knows too little of other processes to be moved

	apply func(format.Record) // instead of Session.Apply, by those who look on; may be nil
}

// ahead is a loss that is to come, as it had not been noticed yet.
type ahead struct {
	record int64 // its index in the recording
	*format.Lost
}

// doubted is an address space, with what the records so far say of it.
type doubted struct {
	*AddressSpace
	since, lostAt uint64
}

// backwards is the error for a range of which the end comes first.
func backwards(from, to uint64) error {
	return fmt.Errorf("from %d to %d: the end is before the beginning", from, to)
}

// Summary is Session.Summary of the state.
func (c *Cursor) Summary() Summary {
	sum := c.Session.Summary()
	sum.At, sum.Truncated = c.now, false
	sum.Early = sum.Stats.Snapshots == 0 && c.rec.snapshots()
	return sum
}

// Now returns the time that the state is of, CLOCK_MONOTONIC ns.
func (c *Cursor) Now() uint64 { return c.now }

// Step moves the state forward to time t. It costs what the records in between cost. An error
// lasts: the state is that before the place where the recording is damaged or cut off.
func (c *Cursor) Step(t uint64) error {
	if t < c.now {
		return fmt.Errorf("step back from %d to %d: ask the recording", c.now, t)
	}
	if c.still {
		return errors.New("step from the state of one process: ask the recording")
	}
	c.now = t
	for _, m := range slices.Backward(c.marked) {
		m.UncertainSince, m.AddressSpace.lostAt = m.since, m.lostAt
	}
	c.marked = c.marked[:0]
	c.UncertainSince = c.since
	for c.read() && c.due() {
		c.put(c.next)
		c.next = nil
	}
	if err := c.foresee(); err != nil {
		return err
	}
	if c.next == nil && !errors.Is(c.err, io.EOF) {
		return c.err
	}
	return nil
}

// put applies a record.
func (c *Cursor) put(rec format.Record) {
	if c.apply != nil {
		c.apply(rec)
	} else {
		c.Apply(rec)
	}
}

// read makes sure that there is a next record, unless the recording ends.
func (c *Cursor) read() bool {
	if c.next == nil && c.err == nil {
		c.next, c.err = c.in.Read()
	}
	return c.next != nil
}

// due reports whether the next record is no later than now. The time of a loss is when it was
// noticed, which was ahead of what had been read: only its place in the file counts.
func (c *Cursor) due() bool {
	_, lost := c.next.(*format.Lost)
	return lost || c.next.Head().Time <= c.now
}

// snapshot applies the first snapshot of the whole machine that is to come, and nothing before it.
// It reports whether that tells all, and is complete by the time t.
func (c *Cursor) snapshot(t uint64) bool {
	c.now = t
	begun := false
	for c.read() && c.due() {
		switch r := c.next.(type) {
		case *format.Host:
			begun = false
			c.put(r)
		case *format.SnapshotBegin:
			begun = begun || r.PID == 0
		}
		if begun {
			c.put(c.next)
		}
		end, ok := c.next.(*format.SnapshotEnd)
		c.next = nil
		if begun && ok && end.PID == 0 {
			return c.wide == 0 && c.wideTold > 0 && c.self()
		}
	}
	return false
}

// self reports whether the state does not depend on what came before the snapshot that was
// applied: it was not told of everything.
func (c *Cursor) self() bool {
	for _, p := range c.procs {
		w := p.walk()
		if w == nil {
			if !p.Known {
				return false // born of one that the snapshot had not told of
			}
			continue
		}
		switch w.Status {
		case format.WalkComplete, format.WalkShared, format.WalkKernelThread, format.WalkZombie:
		default:
			if !w.Blank {
				return false // what was known stays true
			}
		}
	}
	return true
}

// foresee marks as uncertain what losses that are to come in the file may have changed by now.
func (c *Cursor) foresee() error {
	behind := c.in.Offset().Record // what has been applied
	if c.next != nil {
		behind--
	}
	for ; c.looked < len(c.rec.lossy); c.looked++ {
		frame := c.rec.lossy[c.looked]
		f := &c.rec.index.Frames[frame]
		if f.MinTime > c.now {
			break
		}
		if f.FirstRecord+f.Records > behind+1 {
			if err := c.look(frame, behind); err != nil {
				return err
			}
		}
	}
	c.since = c.UncertainSince
	c.ahead = slices.DeleteFunc(c.ahead, func(a ahead) bool { return a.record <= behind })
	for _, a := range c.ahead {
		if a.From > c.now {
			continue
		}
		if a.PID == 0 {
			c.lose(max(a.From, 1))
		}
		for _, p := range c.procs {
			if a.PID == 0 || a.PID == p.PID {
				c.marked = append(c.marked, doubted{p.AddressSpace, p.UncertainSince, p.lostAt})
				p.lose(max(a.From, 1), a.Time)
			}
		}
	}
	return nil
}

// look finds the losses of a frame behind that record. One that is damaged may have told of any, as
// far back as its index entry says.
func (c *Cursor) look(frame int, behind int64) error {
	in, err := format.NewReaderAt(c.rec.in, c.rec.size, c.rec.index, frame, format.ReaderOptions{})
	if err != nil {
		return err
	}
	f := &c.rec.index.Frames[frame]
	for rec, err := range in.All() {
		if err != nil {
			lost := &format.Lost{Common: format.Common{Time: f.MaxTime}, From: f.MinTime}
			c.ahead = append(c.ahead, ahead{f.FirstRecord + f.Records - 1, lost})
			break
		}
		at := in.Offset().Record
		if lost, ok := rec.(*format.Lost); ok && at > behind {
			c.ahead = append(c.ahead, ahead{at, lost})
		}
		if at >= f.FirstRecord+f.Records-1 {
			break
		}
	}
	return nil
}
