package recorder

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vmasnap/vmasnap/format"
)

// failing is a Sink that takes a number of records and then fails, for good.
type failing struct {
	t     *testing.T
	after int
	err   error
	done  bool
}

func (f *failing) Write(format.Record) error {
	if f.done {
		f.t.Error("a record after the error")
	}
	if f.after == 0 {
		f.done = true
		return f.err
	}
	f.after--
	return nil
}

// TestSinkError lets the sink fail at each record in turn.
func TestSinkError(t *testing.T) {
	c := startHard(t, "wait")
	rec, err := New(Options{PIDs: []int{c.PID}})
	if err != nil {
		t.Fatal(err)
	}
	var whole keep
	if _, err := rec.Run(t.Context(), &whole); err != nil {
		t.Fatal(err)
	}
	if len(whole.records) < 5 {
		t.Fatalf("%d records, want 5 or more", len(whole.records))
	}
	want := errors.New("disk full")
	for after := range whole.records {
		sink := failing{t: t, after: after, err: want}
		// The error itself, with nothing around it.
		if _, err := rec.Run(t.Context(), &sink); !errors.Is(err, want) || fmt.Sprint(err) != fmt.Sprint(want) {
			t.Errorf("sink fails after %d records: error is %v, want %v", after, err, want)
		}
		waitForGoroutines(t, 0)
	}
}

// flushed is a Sink that tells when it was flushed.
type flushed struct {
	discard
	tell chan struct{}
	err  error
}

func (f *flushed) Flush() error {
	select {
	case f.tell <- struct{}{}:
	default:
	}
	return f.err
}

// TestFlush: while a process hangs the sink is flushed, however long the process may hang.
func TestFlush(t *testing.T) {
	c := startHard(t, "wait")
	for _, want := range []error{nil, errors.New("disk full")} {
		rec, err := New(Options{PIDs: []int{c.PID}, WalkTimeout: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		sink := flushed{tell: make(chan struct{}, 1), err: want}
		rec.walkProcess = func(s *snapshot, j *job) *walk {
			select {
			case <-sink.tell:
			case <-time.After(time.Minute):
				t.Error("the sink was not flushed")
			}
			if want != nil {
				select {
				case <-s.stop:
				case <-time.After(time.Minute):
					t.Error("the snapshot goes on after the error")
				}
			}
			return s.walk(j)
		}
		// The error itself, with nothing around it.
		if _, err := rec.Run(t.Context(), &sink); !errors.Is(err, want) || fmt.Sprint(err) != fmt.Sprint(want) {
			t.Errorf("error is %v, want %v", err, want)
		}
		waitForGoroutines(t, 0)
	}
}

// flushTimes is a Sink that keeps when it was flushed.
type flushTimes struct {
	discard
	at []time.Time
}

func (f *flushTimes) Flush() error {
	f.at = append(f.at, time.Now())
	return nil
}

// TestFlushInterval: no more than that is ever lost, however often the watcher looks.
func TestFlushInterval(t *testing.T) {
	for _, timeout := range []time.Duration{time.Second, DefaultWalkTimeout, time.Hour} {
		rec, err := New(Options{PIDs: []int{os.Getpid()}, WalkTimeout: timeout, Workers: 1})
		if err != nil {
			t.Fatal(err)
		}
		rec.walkProcess = func(s *snapshot, j *job) *walk {
			for range 100 { // 10 s, with answers
				time.Sleep(100 * time.Millisecond)
				j.steps.Add(1)
			}
			return &walk{process: format.Process{Status: format.WalkVanished}}
		}
		var sink flushTimes
		synctest.Test(t, func(t *testing.T) {
			last := time.Now()
			if _, err := rec.Run(t.Context(), &sink); err != nil {
				t.Fatal(err)
			}
			for _, at := range append(sink.at, time.Now()) {
				if at.Sub(last) > flushInterval {
					t.Errorf("timeout %s: %s between two flushes", timeout, at.Sub(last))
				}
				last = at
			}
		})
	}
}

// copies is a Sink that keeps the records and, beside them, how they looked when they came.
type copies struct {
	records []format.Record
	bytes   [][]byte
}

func (c *copies) Write(r format.Record) error {
	b, err := format.AppendRecord(nil, r)
	c.records, c.bytes = append(c.records, r), append(c.bytes, b)
	return err
}

// TestSinkKeeps: what was written does not change any more, neither by the rest of the Run
// nor by the next one, and is what a file gives back.
func TestSinkKeeps(t *testing.T) {
	rec, err := New(Options{AllFile: true, AnonExec: true, VDSO: true})
	if err != nil {
		t.Fatal(err)
	}
	var sink copies
	if _, err := rec.Run(t.Context(), &sink); err != nil {
		t.Fatal(err)
	}
	if _, err := rec.Run(t.Context(), new(discard)); err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	w, err := format.NewWriter(&file, rec.Host(), format.WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range sink.records {
		b, err := format.AppendRecord(nil, r)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(b, sink.bytes[i]) {
			t.Fatalf("record %d has changed: %s", i, format.AppendText(nil, r))
		}
		if err := w.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	checkFile(t, file.Bytes())
	back, err := format.NewReader(&file, format.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	i := -1 // the Host comes first
	for r, err := range back.All() {
		if err != nil {
			t.Fatal(err)
		}
		if i >= 0 && i < len(sink.bytes) {
			if b, err := format.AppendRecord(nil, r); err != nil || !bytes.Equal(b, sink.bytes[i]) {
				t.Fatalf("record %d comes back as %s, %v", i, format.AppendText(nil, r), err)
			}
		}
		i++
	}
	if i != len(sink.bytes)+1 { // and the End
		t.Errorf("%d records come back, want %d", i, len(sink.bytes)+1)
	}
}

func TestProgress(t *testing.T) {
	last, total := 0, 0
	s := take(t, Options{Progress: func(done, of int) {
		if done < last || done > of || total != 0 && of != total {
			t.Errorf("progress %d of %d after %d of %d", done, of, last, total)
		}
		last, total = done, of
	}})
	if last != total || total != s.stats.Listed {
		t.Errorf("progress ends with %d of %d, %d processes were listed", last, total, s.stats.Listed)
	}
}
