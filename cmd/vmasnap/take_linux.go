package main

import (
	"cmp"
	"context"
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/recorder"
)

// take is one recording in the making.
type take struct {
	*record
	*workload // nil without CMD
	progress  *progress

	writer *format.Writer
	stats  recorder.Stats
	cancel context.CancelCauseFunc
}

// Why a recording that follows ends by itself.
var (
	errElapsed      = errors.New("the duration has elapsed")
	errCommandEnded = errors.New("the command has ended")
)

// save records into out and closes it. After an error what was written up to then is a
// readable recording, as far as out still takes it.
func (t *take) save(ctx context.Context, rec *recorder.Recorder, out *output) error {
	var err error
	if t.writer, err = format.NewWriter(out, rec.Host(), format.WriterOptions{}); err != nil {
		return errors.Join(err, out.Close())
	}
	// The head of the recording is on its way before anything can go wrong: whatever kills
	// the recorder, the file opens.
	if err := t.writer.Flush(); err != nil {
		return errors.Join(err, out.Close())
	}
	var stopSignals func()
	if t.workload == nil {
		ctx, t.follow.Abort, stopSignals = endable(ctx)
	} else {
		t.follow.Abort = t.workload.aborted
	}
	ctx, t.cancel = context.WithCancelCause(ctx)
	defer t.cancel(nil)
	if t.workload != nil {
		stopSignals = t.workload.forward(t.cancel)
	}
	defer stopSignals()

	t.stats, err = rec.Run(ctx, t.writer)
	reason := format.EndFinished
	switch {
	case err != nil && ctx.Err() == nil:
		reason = format.EndError
	case err != nil: // a snapshot alone is not whole
		reason, err = format.EndSignal, errors.New("interrupted; what was recorded before is in the file")
	case t.interrupted(ctx):
		reason = format.EndSignal
	}
	// The first error is the one to tell. With one, this is the attempt to save the rest.
	failed := t.writer.Write(&format.End{Common: format.Common{Time: recorder.Now()}, Reason: reason})
	if failed == nil {
		failed = t.writer.Close()
	}
	return cmp.Or(err, errors.Join(failed, out.Close()))
}

// interrupted reports whether a signal has ended the recording.
func (t *take) interrupted(ctx context.Context) bool {
	if t.workload != nil && t.workload.signalled.Load() {
		return true
	}
	cause := context.Cause(ctx)
	return cause != nil && !errors.Is(cause, errElapsed) && !errors.Is(cause, errCommandEnded)
}

// attached is called when every change is seen: the time runs, and CMD may begin.
func (t *take) attached() error {
	if t.duration > 0 {
		time.AfterFunc(t.duration, t.elapsed)
	}
	if t.workload == nil {
		return nil
	}
	return t.workload.release(func() { t.cancel(errCommandEnded) })
}

// elapsed ends the recording, or first CMD, whose end belongs into it.
func (t *take) elapsed() {
	if t.workload == nil {
		t.cancel(errElapsed)
		return
	}
	_ = t.workload.cmd.Process.Signal(unix.SIGTERM)
	time.AfterFunc(patience, func() { t.cancel(errElapsed) })
}

func (t *take) status(s recorder.Status) { t.progress.status(s, t.writer.Stats().FileBytes) }
