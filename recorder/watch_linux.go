package recorder

import (
	"context"
	"slices"
	"time"
)

// watchPeriod is how often watch is called.
func (s *snapshot) watchPeriod() time.Duration {
	return min(max(s.options.WalkTimeout/16, time.Millisecond), time.Second)
}

// maxWorkers bounds how many walks are waited for at the same time. Workers whose walks
// were given up do not count: each keeps a thread of the system until the kernel answers.
const maxWorkers = 64

// watch looks after walks without an answer. After one whole period another worker is
// started in the place of the one that hangs, so that many such processes are waited for at
// the same time. After the time allowed the walk is given up: the process is recorded as
// timed out and the worker is left to itself. It returns how many processes that settled.
//
// It counts its calls instead of looking at a clock: while the sink blocks, or this whole
// program is stopped, time passes that the kernel had no chance to answer in.
func (s *snapshot) watch(ctx context.Context) (settled int, err error) {
	patience := int((s.options.WalkTimeout-1)/s.watchPeriod()) + 1
	for i := 0; i < len(s.workers); i++ {
		w := s.workers[i]
		j := w.job.Load()
		if j == nil {
			w.seenJob = nil
			continue
		}
		if steps := j.steps.Load(); j != w.seenJob || steps != w.seenSteps {
			w.seenJob, w.seenSteps, w.quiet, w.relieved = j, steps, 0, false
			continue
		}
		// The first period was not a whole one.
		w.quiet++
		if w.quiet > 1 && !w.relieved && len(s.workers) < maxWorkers {
			w.relieved = true
			s.startWorker()
		}
		if w.quiet <= patience || j.settled.Swap(true) {
			continue
		}
		s.workers = slices.Delete(s.workers, i, i+1)
		i--
		if !w.relieved {
			s.startWorker()
		}
		settled++
		if err := s.deliver(ctx, s.timedOut(j)); err != nil {
			return settled, err
		}
	}
	return settled, nil
}

// flushInterval bounds what is lost when the recorder is killed.
const flushInterval = time.Second

// flush closes the sink's frame, if it has such a thing.
func flush(sink Sink) error {
	if f, ok := sink.(interface{ Flush() error }); ok {
		return f.Flush()
	}
	return nil
}
