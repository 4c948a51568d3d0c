package bpfmmap

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/vmasnap/vmasnap/internal/need"
)

// hooks is the rung that the tests use: the one that VMASNAP_TEST_HOOKS names, or auto.
func hooks(t testing.TB) Hooks {
	t.Helper()
	var h Hooks
	if name := os.Getenv("VMASNAP_TEST_HOOKS"); name != "" {
		if err := h.UnmarshalText([]byte(name)); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

// open opens a follower, or skips the test where none is to be had.
func open(t testing.TB, o Options) *Follower {
	t.Helper()
	o.Hooks = hooks(t)
	f, err := Open(o)
	if err != nil {
		need.Skip(t, need.BPF, "BPF: "+err.Error())
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// attach opens a follower and attaches it.
func attach(t testing.TB, o Options) *Follower {
	t.Helper()
	f := open(t, o)
	if err := f.Attach(); err != nil {
		t.Fatal(err)
	}
	return f
}

// attachHere opens a follower of this process and of those that it will start, so that nothing
// else on the machine disturbs.
func attachHere(t testing.TB, o Options) *Follower {
	t.Helper()
	o.Some = true
	f := attach(t, o)
	if err := f.Adopt(os.Getpid()); err != nil {
		t.Fatal(err)
	}
	return f
}

// until reads events up to the mark, which it sets, and gives each to take.
func until(t testing.TB, f *Follower, mark uint64, take func(*Event)) {
	t.Helper()
	if err := f.Mark(mark); err != nil {
		t.Fatal(err)
	}
	f.SetDeadline(time.Now().Add(10 * time.Second))
	var ev Event
	for {
		if err := f.Read(&ev); err != nil {
			t.Fatal(err)
		}
		if ev.Type == TypeMark && ev.ID == mark {
			return
		}
		take(&ev)
	}
}

// TestMarkAndList holds the order of what is asked for, and the listing to this process.
func TestMarkAndList(t *testing.T) {
	f := attach(t, Options{})
	if h := f.Hooks(); h == HooksAuto {
		t.Errorf("hooks are %s", h)
	}
	if err := f.Mark(1); err != nil {
		t.Fatal(err)
	}
	if err := f.List(7); err != nil {
		t.Fatal(err)
	}
	var seen []Type
	listed := make(map[uint32]int)
	until(t, f, 2, func(ev *Event) {
		switch ev.Type {
		case TypeMark:
			seen = append(seen, ev.Type)
		case TypeTasks:
			if ev.ID != 7 || ev.Last != (len(seen) == 2) {
				t.Errorf("%+v after %v", ev, seen)
			}
			seen = append(seen, ev.Type)
		case TypeTask:
			if len(seen) != 2 {
				t.Errorf("task outside of the listing")
			}
			listed[ev.PID]++
			if (ev.MM == 0) != (ev.PID == 2) && (ev.PID == 2 || ev.PID == uint32(os.Getpid())) {
				t.Errorf("%+v", ev)
			}
		}
	})
	if len(seen) != 3 {
		t.Errorf("saw %v, want a mark and both ends of a listing", seen)
	}
	for _, pid := range []int{2, os.Getpid()} {
		if listed[uint32(pid)] != 1 {
			t.Errorf("process %d is listed %d times", pid, listed[uint32(pid)])
		}
	}
}

// TestDeadline reads when there is nothing.
func TestDeadline(t *testing.T) {
	f := open(t, Options{}) // not attached: nothing comes
	var ev Event
	f.SetDeadline(time.Now().Add(-time.Second))
	if err := f.Read(&ev); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("deadline that has passed: %v", err)
	}
	start := time.Now()
	f.SetDeadline(start.Add(50 * time.Millisecond))
	if err := f.Read(&ev); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("deadline to come: %v", err)
	}
	if passed := time.Since(start); passed < 50*time.Millisecond || passed > 5*time.Second {
		t.Errorf("deadline of 50 ms took %s", passed)
	}
	f.SetDeadline(time.Time{})
	done := make(chan error)
	go func() { done <- f.Read(&ev) }()
	time.Sleep(20 * time.Millisecond) // it may or may not wait by now: both must end
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; !errors.Is(err, os.ErrClosed) {
		t.Errorf("read while closing: %v", err)
	}
	after := map[string]error{"attach": f.Attach(), "mark": f.Mark(1), "list": f.List(1), "poll misses": f.PollMisses()}
	_, after["programs"] = f.Programs()
	for what, err := range after {
		if !errors.Is(err, os.ErrClosed) {
			t.Errorf("%s after close: %v", what, err)
		}
	}
}
