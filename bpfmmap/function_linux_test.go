package bpfmmap

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/vmasnap/vmasnap/internal/need"
	"github.com/vmasnap/vmasnap/internal/testproc"
)

// useRung leaves of the ladder one rung, until the test ends, whatever VMASNAP_TEST_HOOKS asks
// for. The test is skipped where the rung does not load.
func useRung(t testing.TB, name string) {
	t.Helper()
	i := slices.IndexFunc(ladder, func(r rung) bool { return r.name == name })
	if i < 0 {
		t.Fatalf("there is no rung %s", name)
	}
	whole := ladder
	ladder = whole[i : i+1]
	t.Cleanup(func() { ladder = whole })
	t.Setenv("VMASNAP_TEST_HOOKS", ladder[0].hooks.String())
	f, err := Open(Options{Hooks: ladder[0].hooks})
	if err != nil {
		need.Skip(t, name, err.Error()) // the rungs' names are keys of package need
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestLadder has the best rung chosen, and says what is wrong with one that is not safe.
func TestLadder(t *testing.T) {
	t.Setenv("VMASNAP_TEST_HOOKS", HooksAuto.String())
	if need.Required(need.Kprobe) {
		if f := open(t, Options{}); f.Hooks() != HooksKprobe || len(f.Notes()) != 0 {
			t.Errorf("chosen are %s, with notes %q", f.Hooks(), f.Notes())
		}
	}
	k, err := thisKernel()
	if err != nil {
		t.Fatal(err)
	}
	t.Run("fentry", func(t *testing.T) {
		useRung(t, "fentry")
		f := open(t, Options{})
		if preempts := k.preempts() != ""; len(f.Notes()) == 1 != preempts {
			t.Errorf("notes are %q, and that the kernel preempts is %t", f.Notes(), preempts)
		}
		if preempts := k.preempts() != ""; preempts {
			if f, err := Open(Options{}); err == nil {
				t.Errorf("auto chooses %s on a kernel that preempts", f.Hooks())
				f.Close()
			}
		}
	})
}

// TestStepsKprobe is TestSteps with plain kprobes, also where kprobe.multi, the better rung for
// the same hooks, would be chosen.
func TestStepsKprobe(t *testing.T) {
	useRung(t, "kprobe")
	TestSteps(t)
}

// TestAttachAmidForks has a process forked after each hook that is attached. Every address space of
// which copies are stated is told to belong to somebody, or to have ended: a listing relies on it.
func TestAttachAmidForks(t *testing.T) {
	for name, one := range map[string]attachFunction{"kprobe.multi": kprobeMulti, "kprobe": kprobe, "fentry": fentry} {
		t.Run(name, func(t *testing.T) {
			useRung(t, name)
			r := ladder[0]
			r.attach = attachFunctions(func(function string, program *ebpf.Program) (link.Link, error) {
				l, err := one(function, program)
				tell(t, startSteps(t), "fork") // the child stays
				return l, err
			})
			ladder = []rung{r}
			f := attach(t, Options{})
			copied, forks := make(map[uint64]bool), 0
			take := func(ev *Event) {
				switch {
				case ev.Type == TypeState && ev.PID == 0:
					copied[ev.MM] = true
				case ev.Type == TypeFork:
					forks++
					delete(copied, ev.MM)
				case ev.Type == TypeEnd:
					delete(copied, ev.MM)
				}
			}
			until(t, f, 1, take)
			for try := 0; len(copied) > 0 && try < 20; try++ { // somebody else is in the middle of it
				time.Sleep(100 * time.Millisecond)
				until(t, f, 1, take)
			}
			if len(copied) != 0 || forks < len(functionHooks)/2 || total(f, LossRing) != 0 {
				t.Errorf("%d copies are nobody's; %d forks, %d events lost", len(copied), forks, total(f, LossRing))
			}
		})
	}
}

// startCost starts the program of testdata/cost.c with its own text to map.
func startCost(t testing.TB, args ...string) *testproc.Process {
	t.Helper()
	need.Tool(t, "cc")
	exe := filepath.Join(t.TempDir(), "cost")
	if err := testproc.Build(exe, "testdata/cost.c"); err != nil {
		t.Fatal(err)
	}
	p := testproc.Start(t, exec.Command(exe, append([]string{exe}, args...)...))
	if p.Line != "ready" {
		t.Fatal(p.Line)
	}
	return p
}

// drain reads events until the test ends, or done is called, which returns how many there were.
func drain(t testing.TB, f *Follower) (done func() int) {
	t.Helper()
	count := make(chan int)
	stop := make(chan struct{})
	go func() {
		n := 0
		defer func() { count <- n }()
		var ev Event
		for {
			select {
			case <-stop:
				return
			default:
			}
			f.SetDeadline(time.Now().Add(10 * time.Millisecond))
			if f.Read(&ev) == nil {
				n++
			}
		}
	}()
	return sync.OnceValue(func() int {
		close(stop)
		return <-count
	})
}

// TestMisses puts more processes than there are CPUs to work. Programs that the kernel skips
// because of that are noticed; which may be only where they are told to be unsafe.
func TestMisses(t *testing.T) {
	const workers = 8
	for _, name := range []string{"kprobe.multi", "kprobe", "fentry", "tracepoint"} {
		t.Run(name, func(t *testing.T) {
			useRung(t, name)
			f := attach(t, Options{})
			done := drain(t, f)
			p := startCost(t, "load", strconv.Itoa(workers))
			time.Sleep(3 * time.Second)
			p.End()
			n := done()
			if err := f.PollMisses(); err != nil {
				t.Fatal(err)
			}
			var misses, others uint64
			f.Losses(func(cpu int, l Loss, total uint64) {
				switch l {
				case LossRecursion:
					misses = total
				case LossRing: // so much at once is no matter here
				default:
					others += total
				}
			})
			t.Logf("%d events, %d misses", n, misses)
			if n == 0 || others != 0 {
				t.Errorf("%d events, %d lost", n, others)
			}
			if unsafe := len(f.Notes()) != 0; unsafe != (misses != 0) {
				t.Errorf("%d misses, notes %q", misses, f.Notes())
			}
		})
	}
}
