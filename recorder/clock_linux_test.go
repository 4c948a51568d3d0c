package recorder

import (
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/internal/need"
)

// distance returns |a-b| of two readings in ns.
func distance(a, b uint64) time.Duration {
	d := time.Duration(a - b)
	return max(d, -d)
}

func TestReadClocks(t *testing.T) {
	var c [2]format.Clocks
	for i := range c {
		before, beforeMono := time.Now(), Now()
		var err error
		if c[i], err = readClocks(); err != nil {
			t.Fatal(err)
		}
		after, afterMono := time.Now(), Now()
		// Someone may set the time meanwhile, but hardly by much.
		if r := time.Unix(0, int64(c[i].Realtime)); r.Before(before.Add(-time.Second)) || r.After(after.Add(time.Second)) {
			t.Errorf("real time %s, want it between %s and %s", r, before, after)
		}
		if c[i].Monotonic < beforeMono || c[i].Monotonic > afterMono {
			t.Errorf("monotonic %d, want it between %d and %d", c[i].Monotonic, beforeMono, afterMono)
		}
		if c[i].Boottime < c[i].Monotonic {
			t.Errorf("boot time %d lies before monotonic %d", c[i].Boottime, c[i].Monotonic)
		}
		if d := time.Duration(c[i].Uncertainty); d > 100*time.Millisecond {
			t.Errorf("uncertainty is %s", d)
		}
	}
	// All of them advance alike; adjustment slows or speeds them by 0.05 % at most. A
	// machine that is suspended in between stops all but Boottime.
	step := c[1].Monotonic - c[0].Monotonic
	near := 10*time.Millisecond + time.Duration(c[0].Uncertainty+c[1].Uncertainty)
	if d := distance(c[1].Boottime-c[0].Boottime, step); d > near {
		t.Errorf("boot time advanced by %s more or less than monotonic", d)
	}

	t.Run("perf", func(t *testing.T) {
		if !perfAllowed() && c[0].Perf == 0 {
			need.Skip(t, need.Procmap, "CAP_PERFMON, or kernel.perf_event_paranoid 2 or less")
		}
		for i := range c {
			if c[i].Perf == 0 {
				t.Fatal("perf's clock was not read, although it is allowed")
			}
		}
		near += time.Duration(c[0].PerfUncertainty + c[1].PerfUncertainty)
		if d := distance(c[1].Perf-c[0].Perf, step); d > near {
			t.Errorf("perf's clock advanced by %s more or less than monotonic", d)
		}
		// Both start with the machine, but not at the same moment, nor quite at the same pace.
		if d := distance(c[0].Perf, c[0].Monotonic); d > time.Minute+time.Duration(c[0].Monotonic/100) {
			t.Errorf("perf's clock is %s away from monotonic", d)
		}
		t.Logf("uncertainty %d ns, of perf's clock %d ns, which is %s away", c[0].Uncertainty, c[0].PerfUncertainty,
			distance(c[0].Perf, c[0].Monotonic))
	})
}

func TestUncertainty(t *testing.T) {
	for ns, want := range map[uint64]uint32{0: 0, 7: 7, math.MaxUint32: math.MaxUint32, math.MaxUint32 + 7: math.MaxUint32} {
		if got := uncertainty(ns); got != want {
			t.Errorf("%d ns: %d, want %d", ns, got, want)
		}
	}
}

// perfAllowed reports whether the kernel's setting lets this user open a perf event.
func perfAllowed() bool {
	b, err := os.ReadFile("/proc/sys/kernel/perf_event_paranoid")
	if err != nil {
		return false
	}
	level, err := strconv.Atoi(strings.TrimSpace(string(b)))
	return err == nil && (level <= 2 || os.Geteuid() == 0)
}

// TestTimes: all times of a snapshot lie within it, and walks within their snapshot.
func TestTimes(t *testing.T) {
	before := Now()
	s := take(t, Options{})
	after := Now()
	if h := s.session.Host; h.Time < before || h.Time != h.Clocks.Monotonic {
		t.Errorf("host record at %d, clocks at %d, the test began at %d", h.Time, h.Clocks.Monotonic, before)
	}
	begun, ended := s.records[0].Head().Time, s.records[len(s.records)-1].Head().Time
	if begun < before || ended > after || begun > ended {
		t.Errorf("snapshot from %d to %d, within %d to %d", begun, ended, before, after)
	}
	var process *format.Process
	for _, r := range s.records {
		switch r := r.(type) {
		case *format.Process:
			process = r
			if r.Time < begun || r.Time+r.WalkTime > ended {
				t.Errorf("process %d from %d to %d, the snapshot is from %d to %d", r.PID, r.Time, r.Time+r.WalkTime, begun, ended)
			}
		case *format.Mmap:
			if r.Time != process.Time || r.PID != process.PID || r.TID != process.TID {
				t.Errorf("mapping %+v in the walk %+v", r, process)
			}
		}
	}
}
