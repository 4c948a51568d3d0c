package recorder

import (
	"context"
	"errors"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vmasnap/vmasnap/format"
)

// stuckKernel is a kernel that never answers about some processes until it is released.
type stuckKernel struct {
	pids     map[int]bool
	stuck    chan int // a process whose walk hangs
	released chan struct{}
	well     sync.RWMutex // read-locked by walks that do not hang
}

func newStuckKernel(pids ...int) *stuckKernel {
	k := &stuckKernel{pids: make(map[int]bool), stuck: make(chan int, len(pids)), released: make(chan struct{})}
	for _, pid := range pids {
		k.pids[pid] = true
	}
	return k
}

func (k *stuckKernel) walk(s *snapshot, j *job) *walk {
	if k.pids[j.pid] {
		k.stuck <- j.pid
		<-k.released
		return s.walk(j)
	}
	k.well.RLock()
	defer k.well.RUnlock()
	return s.walk(j)
}

// pause waits for the walks that do not hang. Called from Progress, which holds up the watcher,
// it keeps a busy machine from making them time out.
func (k *stuckKernel) pause() {
	k.well.Lock()
	defer k.well.Unlock()
}

// goroutines returns the stacks of the goroutines that run code of a Recorder, but for the
// one that calls.
func goroutines() []string {
	buf := make([]byte, 1<<20)
	all := strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n")
	var own []string
	for _, g := range all[1:] {
		if strings.Contains(g, "recorder.(*snapshot)") {
			own = append(own, g)
		}
	}
	return own
}

// waitForGoroutines waits until no goroutine runs code of a Recorder but n that hang in a
// stuckKernel. One that has told that it is done may need a moment to be gone.
func waitForGoroutines(t *testing.T, n int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; runtime.Gosched() {
		left := goroutines()
		stuck := 0
		for _, g := range left {
			if strings.Contains(g, "stuckKernel") {
				stuck++
			}
		}
		if len(left) == n && stuck == n {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines are left, %d of them stuck, want %d:\n%s", len(left), stuck, n, strings.Join(left, "\n\n"))
		}
	}
}

// stuckTimeout leaves a walk that does not hang time enough on a busy machine.
const stuckTimeout = 700 * time.Millisecond

// TestStuck: walks that never end are given up, and delay nobody, though there are more of
// them than workers.
func TestStuck(t *testing.T) {
	var stuck, well []int
	for range 3 {
		stuck = append(stuck, startHard(t, "wait").PID)
	}
	for range 3 {
		well = append(well, startHard(t, "wait").PID)
	}
	k := newStuckKernel(stuck...)
	progress := 0
	rec, err := New(Options{
		PIDs: append(stuck, well...), Workers: 2, WalkTimeout: stuckTimeout,
		Progress: func(done, total int) {
			if done < progress || total != 6 {
				t.Errorf("progress %d of %d after %d", done, total, progress)
			}
			progress = done
			k.pause()
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	rec.walkProcess = k.walk
	s := takeWith(t, rec)
	for _, pid := range stuck {
		p := s.wantStatus(t, pid, format.WalkTimeout)
		// Periods are counted; one that began late is shorter.
		if p.VMAs != 0 || p.WalkTime < uint64(stuckTimeout)/2 || p.UID != ^uint32(0) {
			t.Errorf("%+v", p)
		}
		if r := s.session.Process(uint32(pid)); r == nil || r.Known {
			t.Errorf("replayed: %+v", r)
		}
	}
	for _, pid := range well {
		s.wantStatus(t, pid, format.WalkComplete)
		s.checkTruth(t, pid)
	}
	if progress != 6 {
		t.Errorf("progress ended at %d of 6", progress)
	}
	if len(s.stats.Incomplete()) != 1 {
		t.Errorf("what is missing: %q", s.stats.Incomplete())
	}
	// Those that hang are left, and nobody else; they end by themselves and say nothing.
	waitForGoroutines(t, len(stuck))
	n := len(s.records)
	close(k.released)
	waitForGoroutines(t, 0)
	if len(s.records) != n {
		t.Errorf("%d records came after the end", len(s.records)-n)
	}
}

// TestRelief: a process that hangs, and is still waited for, does not take the only worker.
func TestRelief(t *testing.T) {
	stuck, well := startHard(t, "wait"), startHard(t, "wait")
	if stuck.PID > well.PID { // they are walked in ascending order
		stuck, well = well, stuck
	}
	k := newStuckKernel(stuck.PID)
	release := sync.OnceFunc(func() { close(k.released) })
	rec, err := New(Options{
		PIDs: []int{stuck.PID, well.PID}, Workers: 1, WalkTimeout: 6 * stuckTimeout,
		Progress: func(done, _ int) {
			if done > 0 {
				release()
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	rec.walkProcess = k.walk
	s := takeWith(t, rec)
	s.wantStatus(t, stuck.PID, format.WalkComplete)
	s.wantStatus(t, well.PID, format.WalkComplete)
}

// TestWatch counts: after a pause of the whole program a walk gets its time all the same.
func TestWatch(t *testing.T) {
	for timeout, patience := range map[time.Duration]int{
		time.Nanosecond: 1, time.Millisecond: 1, 2500 * time.Microsecond: 3, 16 * time.Millisecond: 16, time.Second: 16, time.Hour: 3600,
	} {
		rec, err := New(Options{WalkTimeout: timeout, PIDs: []int{os.Getpid()}})
		if err != nil {
			t.Fatal(err)
		}
		s := snapshot{Recorder: rec, sink: new(discard), stop: make(chan struct{}), results: make(chan *walk, 1)}
		s.stats.Processes = make(map[format.WalkStatus]int)
		s.deliver = s.emit
		w, j := &worker{done: make(chan struct{})}, &job{pid: os.Getpid()}
		close(w.done)
		w.job.Store(j)
		s.workers = []*worker{w}
		for range 3 { // each answer gives it the whole time again
			j.steps.Add(1)
			for i := range patience + 1 {
				if n, err := s.watch(t.Context()); n != 0 || err != nil {
					t.Errorf("timeout %s: given up at call %d of %d, %v", timeout, i, patience, err)
				}
			}
		}
		if n, err := s.watch(t.Context()); n != 1 || err != nil || s.stats.Processes[format.WalkTimeout] != 1 || !j.settled.Load() {
			t.Errorf("timeout %s: %d given up, %v", timeout, n, err)
		}
		s.stopWorkers()
	}
}

// TestSlow: a walk that takes longer than allowed for an answer, but gets one in each of the
// watcher's periods, of which 16 without any would be too many.
func TestSlow(t *testing.T) {
	c := startHard(t, "wait")
	period, walked := make(chan struct{}), make(chan struct{})
	rec, err := New(Options{PIDs: []int{c.PID}, WalkTimeout: time.Second, Progress: func(int, int) {
		select {
		case period <- struct{}{}:
		case <-walked:
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	rec.walkProcess = func(s *snapshot, j *job) *walk {
		defer close(walked)
		for range 20 {
			j.steps.Add(1)
			<-period
		}
		return s.walk(j)
	}
	takeWith(t, rec).wantStatus(t, c.PID, format.WalkComplete)
}

// TestCancel ends a Run while a worker hangs.
func TestCancel(t *testing.T) {
	cause := errors.New("no longer wanted")
	a, b := startHard(t, "wait"), startHard(t, "wait")
	k := newStuckKernel(a.PID)
	rec, err := New(Options{PIDs: []int{a.PID, b.PID}, Workers: 2, WalkTimeout: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	rec.walkProcess = k.walk
	ctx, cancel := context.WithCancelCause(context.Background())
	var ended time.Time
	go func() {
		<-k.stuck
		ended = time.Now()
		cancel(cause)
	}()
	var sink keep
	stats, err := rec.Run(ctx, &sink)
	if took := time.Since(ended); took > time.Minute {
		t.Errorf("Run returned %s after the end of its context", took)
	}
	if !errors.Is(err, cause) {
		t.Errorf("error is %v, want %v", err, cause)
	}
	if stats.Listed != 2 || stats.Processes[format.WalkTimeout] != 0 || stats.Elapsed == 0 {
		t.Errorf("%+v", stats)
	}
	waitForGoroutines(t, 1)
	close(k.released)
	waitForGoroutines(t, 0)
	if _, ok := sink.records[len(sink.records)-1].(*format.SnapshotEnd); ok {
		t.Error("the snapshot claims to be whole")
	}
}

// TestCancelled has nothing to do from the start, and leaves nothing behind.
func TestCancelled(t *testing.T) {
	rec, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := rec.Run(ctx, new(discard)); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want context.Canceled", err)
	}
	waitForGoroutines(t, 0)
}

// TestNothingLeft: a Run leaves neither goroutines nor descriptors.
func TestNothingLeft(t *testing.T) {
	files := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	take(t, Options{}) // what is opened once is open now
	before := files()
	take(t, Options{})
	waitForGoroutines(t, 0)
	if after := files(); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}
