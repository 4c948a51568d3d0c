package bpfmmap

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// pollInterval is how often Read looks into the ring. The programs wake it only once the ring
// fills up: a wake-up would cost the process that causes it more than everything else.
const pollInterval = 10 * time.Millisecond

// Read waits for the next event and decodes it into ev, whose VMAs it reuses. With nothing
// until the deadline it returns os.ErrDeadlineExceeded, after Close os.ErrClosed.
func (f *Follower) Read(ev *Event) error {
	for {
		// Once the reader's own deadline has passed, it looks into the ring a last time.
		err := f.reader.ReadInto(&f.record)
		if err == nil {
			return decode(f.record.RawSample, ev)
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("read ring buffer: %w", err)
		}
		now := time.Now()
		next := now.Add(pollInterval)
		if until := f.deadline.Load(); until != 0 {
			if now.UnixNano() >= until {
				return os.ErrDeadlineExceeded
			}
			if next.UnixNano() > until {
				next = time.Unix(0, until)
			}
		}
		f.reader.SetDeadline(next)
	}
}

// SetDeadline says how long Read waits; the zero time means forever. A Read that waits notices
// within a few milliseconds.
func (f *Follower) SetDeadline(t time.Time) {
	if t.IsZero() {
		f.deadline.Store(0)
		return
	}
	f.deadline.Store(t.UnixNano())
}
