package replay

// farAhead is how many records Asker reads on before it looks for a snapshot nearer by.
const farAhead = 1 << 17

// Asker answers questions about a Recording at any times. It keeps one Cursor, so that questions
// in the order of their times cost no more than one pass.
type Asker struct {
	rec *Recording
	c   *Cursor
	err error // of the cursor
}

// Ask returns an Asker. It is not safe for use by several goroutines; several are independent.
func (r *Recording) Ask() *Asker { return &Asker{rec: r} }

// At returns the state at time t, CLOCK_MONOTONIC ns, until the next call. An error is that of
// Recording.At, with which the state may be of use.
func (a *Asker) At(t uint64) (*Cursor, error) {
	switch {
	case a.c == nil || t < a.c.now || t > a.c.now && a.rec.far(a.c, t):
		a.c, a.err = a.rec.At(t)
	case t > a.c.now:
		a.err = a.c.Step(t)
	}
	return a.c, a.err
}

// far reports whether a snapshot before t is much nearer to it than c is.
func (r *Recording) far(c *Cursor, t uint64) bool {
	here := c.in.Offset().Record + farAhead
	for i := len(r.starts) - 1; i >= 0; i-- {
		f := &r.index.Frames[r.starts[i]]
		if f.FirstRecord < here {
			return false
		}
		if f.MaxTime <= t {
			return true
		}
	}
	return false
}
