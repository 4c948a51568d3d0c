package recorder

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/internal/need"
	"github.com/vmasnap/vmasnap/procmap"
	"github.com/vmasnap/vmasnap/replay"
)

const (
	convergeChurn = time.Second // of trouble, before and after what a case adds
	// convergeTinyRing overflows within so many steps of trouble, not all of which are told.
	convergeTinyRing = 16 << 10
	convergeOverflow = 1000
)

// TestConverge records processes that change their address spaces all the time, from a moment
// in the middle of it. When they are held the recording has, of every process of the machine
// that holds still, what the kernel says: nothing is missing, and nothing too much. Statements
// that were lost on the way make no difference in the end.
func TestConverge(t *testing.T) {
	first, seeds := fromEnv(t, "VMASNAP_TEST_SEED", 1), fromEnv(t, "VMASNAP_TEST_SEEDS", 1)
	procs := fromEnv(t, "VMASNAP_TEST_PROCS", 80)
	for seed := first; seed < first+seeds; seed++ {
		tr := startTrouble(t, "--seed", strconv.Itoa(seed), "--procs", strconv.Itoa(procs), "--threads", "3")
		for _, source := range []Source{SourceIoctl, SourceMaps, SourceIter} {
			for _, c := range []convergence{
				{name: "plain"},
				{name: "overflow", order: order{RingSize: convergeTinyRing}, pause: time.Second, loses: true},
				{name: "stopped", pause: 2 * time.Second},
				{name: "keyframes", order: order{Keyframe: 300 * time.Millisecond}},
			} {
				if c.order.Keyframe > 0 && source != SourceIoctl && seeds == 1 {
					continue // it takes time, and is no other walk than the first one
				}
				c.order.Source = source
				t.Run(fmt.Sprintf("seed=%d/%s/%s", seed, source, c.name), func(t *testing.T) {
					if source == SourceIoctl {
						need.Query(t, procmap.Supported())
					}
					tr.t = t
					c.run(t, tr)
				})
			}
		}
		tr.End()
	}
}

// fromEnv returns the number that the environment variable has, or else n.
func fromEnv(t *testing.T, name string, n int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return n
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// convergence is one recording of trouble.
type convergence struct {
	name  string
	order order
	pause time.Duration // for which the recorder is stopped by a signal
	loses bool          // statements are lost for certain
}

func (c *convergence) run(t *testing.T, tr *trouble) {
	r := startRecording(t, tr, c.order)
	r.await("walk")
	time.Sleep(convergeChurn)
	if c.pause > 0 {
		signal(t, r.PID, syscall.SIGSTOP)
		before := tr.steps()
		time.Sleep(c.pause)
		for deadline := time.Now().Add(time.Minute); c.loses && tr.steps() < before+convergeOverflow && time.Now().Before(deadline); {
			time.Sleep(10 * time.Millisecond)
		}
		signal(t, r.PID, syscall.SIGCONT)
		time.Sleep(convergeChurn)
	}
	held := tr.hold()
	defer tr.proceed()
	r.await("settle")

	before := lookAround(t)
	out := r.stop()
	after := lookAround(t)
	s := r.check()
	// Who changes all the time can look the same twice.
	changed := make(map[uint32]bool)
	r.each(func(_ *replay.Session, rec format.Record) {
		switch m := rec.(type) {
		case *format.Mmap:
			changed[m.PID] = changed[m.PID] || !m.Walked && m.Time >= before.begun
		case *format.Clear, *format.Exec:
			changed[m.Head().PID] = changed[m.Head().PID] || m.Head().Time >= before.begun
		}
	})
	still := func(pid uint32) bool { return held[pid] || !changed[pid] }
	found := compareStill(t, s, before, after, held, still, tr.moves)

	if found.bad != 0 {
		r.explain(found.bad)
	}
	if out.Unrepaired {
		t.Error("the recorder says that a loss was not repaired")
	}
	if lost := out.Lost[format.LostRing.String()] > 0; c.loses != lost && (c.loses || c.pause == 0) {
		t.Errorf("%s, want losses of the ring: %t", out.losses(), c.loses)
	}
	if c.loses && (s.Stats.Losses == 0 || out.Repairs == 0) {
		t.Errorf("%d Lost records, %d repairs", s.Stats.Losses, out.Repairs)
	}
	if c.order.Keyframe > 0 && out.Keyframes == 0 {
		t.Error("no keyframe")
	}
	for _, d := range s.Drifts {
		t.Errorf("drift at a walk of process %d %q: %s of %s, found %s", d.PID, d.Comm, d.Verdict, d.A, d.B)
	}
	if len(s.Drifts) > 0 {
		r.explain(s.Drifts[0].PID)
	}
	if s.Stats.Drift > 0 {
		t.Errorf("%d intervals drifted in %d processes, of %d that were restated", s.Stats.Drift, s.Stats.DriftProcesses, s.Stats.Restated)
	}
	if int(out.Sets) < 10*len(held) {
		t.Errorf("only %d statements", out.Sets)
	}
	t.Logf("%s: %d held and %d other processes with %d mappings equal, %d under another name; %d events, %d sets, %d clears; %d keyframes, %d repairs, %d restated; %s",
		out.Hooks, len(held), found.processes-len(held), found.mappings, found.renamed, out.Events, out.Sets, out.Clears, out.Keyframes, out.Repairs, s.Stats.Restated, out.losses())
}

func signal(t *testing.T, pid int, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, s); err != nil {
		t.Fatal(err)
	}
}

// look is what a walk of the machine found.
type look struct {
	*replay.Session
	begun, born uint64 // when it began: CLOCK_MONOTONIC ns, and CLOCK_BOOTTIME ns
}

// lookAround walks the machine with the ioctl, or where there is none reads the text.
func lookAround(t *testing.T) look {
	t.Helper()
	rec, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		t.Fatal(err)
	}
	s, begun := replay.NewSession(), Now()
	if _, err := rec.Run(t.Context(), SinkFunc(func(r format.Record) error { s.Apply(r); return nil })); err != nil {
		t.Fatal(err)
	}
	return look{s, begun, uint64(now.Nano())}
}

// agreement counts what was compared and equal.
type agreement struct {
	processes, mappings, renamed int
	bad                          uint32 // a process that differs, or 0
}

// compareStill compares the recorded state with two walks, before and after the recording's
// end. Whoever is the same in both, and may be, held still. The held ones must be.
func compareStill(t *testing.T, s *replay.Session, before, after look, held map[uint32]bool, still func(uint32) bool, moves func(string) bool) agreement {
	t.Helper()
	var a agreement
	errors := 0
	errorf := func(format string, args ...any) {
		if errors++; errors <= 20 {
			t.Errorf(format, args...)
		}
	}
	seen := 0
	for b := range before.Processes() {
		then := after.Process(b.PID)
		if b.Status() == format.WalkZombie || then == nil || then.Status() == format.WalkZombie || then.StartTime != b.StartTime {
			continue // about to go, or gone
		}
		p := s.Process(b.PID)
		if p == nil || p.StartTime != b.StartTime {
			a.bad = b.PID
			errorf("process %d %q of start %d is recorded as %+v", b.PID, b.Comm, b.StartTime, p)
			continue
		}
		if held[b.PID] {
			seen++
		}
		if !still(b.PID) {
			continue
		}
		if !b.Known || len(replay.Compare(b.Space, then.Space)) > 0 {
			if held[b.PID] {
				errorf("process %d %q does not hold still, or says %s", b.PID, b.Comm, b.Status())
			}
			continue
		}
		if !p.Known || p.UncertainSince != 0 {
			errorf("process %d %q: known %t, uncertain since %d, last walk %s", p.PID, b.Comm, p.Known, p.UncertainSince, p.Status())
		}
		if held[b.PID] && p.Comm != b.Comm && b.Walk.TID == b.PID {
			errorf("process %d is called %q, recorded as %q", p.PID, b.Comm, p.Comm)
		}
		if held[b.PID] && p.Exe != b.Exe && !moves(b.Exe) {
			errorf("process %d executes %q, recorded as %q", p.PID, b.Exe, p.Exe)
		}
		a.processes++
		a.mappings += b.Space.Len()
		for _, d := range replay.Compare(p.Space, b.Space) {
			// Names are those of the time of the statement. What others rename is not known.
			if d.Verdict == replay.Renamed && (!held[p.PID] || moves(d.A.File.Path) && moves(d.B.File.Path)) {
				a.renamed++
				continue
			}
			a.bad = p.PID
			errorf("process %d %q (held %t, followed %t): %s at %x-%x: recorded %s, is %s",
				p.PID, b.Comm, held[p.PID], p.Followed(), d.Verdict, d.Start, d.End, d.A, d.B)
		}
	}
	if seen != len(held) {
		errorf("%d processes were held, %d of them were seen", len(held), seen)
	}
	for p := range s.Processes() {
		if before.Process(p.PID) == nil && after.Process(p.PID) == nil && p.StartTime < before.born-uint64(20*time.Millisecond) {
			a.bad = p.PID
			errorf("process %d %q is recorded and does not exist", p.PID, p.Comm)
		}
	}
	if errors > 20 {
		t.Errorf("and %d more", errors-20)
	}
	return a
}
