package bpfmmap

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/vmasnap/vmasnap/internal/need"
	"github.com/vmasnap/vmasnap/internal/testproc"
)

// stepsProgram compiles testdata/steps.c, once.
var stepsProgram = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "vmasnap-steps-")
	if err != nil {
		return "", err
	}
	exe := filepath.Join(dir, "steps")
	return exe, testproc.Build(exe, "testdata/steps.c", "-pthread", "-Wno-unused-parameter")
})

func TestMain(m *testing.M) {
	code := m.Run()
	if exe, err := stepsProgram(); err == nil {
		os.RemoveAll(filepath.Dir(exe))
	}
	os.Exit(code)
}

// stepsExe returns the program's path. The test is skipped without a C compiler.
func stepsExe(t testing.TB) string {
	t.Helper()
	need.Tool(t, "cc")
	exe, err := stepsProgram()
	if err != nil {
		t.Fatal(err)
	}
	return exe
}

// startSteps runs the program with a fresh file to map.
func startSteps(t testing.TB) *testproc.Process {
	t.Helper()
	exe := stepsExe(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "text"), make([]byte, 64*os.Getpagesize()), 0o700); err != nil {
		t.Fatal(err)
	}
	p := testproc.Start(t, exec.Command(exe, dir))
	if p.Line != "ready" {
		t.Fatal(p.Line)
	}
	return p
}

// tell has the program do a step and returns the child that it left, if any. It skips the test
// if the kernel cannot do the step.
func tell(t testing.TB, p *testproc.Process, step string) (child int) {
	t.Helper()
	answer := p.Tell(step + "\n")
	if reason, ok := strings.CutPrefix(answer, "skip "); ok {
		if step == "move-many" {
			need.Kernel(t, need.MoveMany, "mremap of several VMAs", 6, 17, errors.New(reason))
		}
		need.Skip(t, need.Steps, "step "+step+": "+reason)
	}
	if answer == "ok" {
		return 0
	}
	if _, err := fmt.Sscanf(answer, "ok %d", &child); err != nil {
		t.Fatal(answer)
	}
	return child
}

// TestSteps does every kind of change and compares what was stated with what there is.
func TestSteps(t *testing.T) {
	f := attachHere(t, Options{})
	p := startSteps(t)
	m := newModel()
	drain := func() {
		t.Helper()
		until(t, f, 1, m.apply)
	}
	out, err := exec.Command(stepsExe(t)).Output()
	if err != nil {
		t.Fatal(err)
	}
	names := strings.Fields(string(out))
	if !slices.Contains(names, "mmap") {
		t.Fatalf("the program knows %q only", names)
	}
	drain()
	m.compare(t, p.PID)
	forgiven := 0
	for _, step := range names {
		t.Run(step, func(t *testing.T) {
			child := tell(t, p, step)
			drain()
			if step == "hammer" {
				// If a thread sleeps with the lock held, another may not get to say what it
				// did. It says that, and the next call brings the whole space.
				forgiven += len(m.dirty)
				m.dirty = nil
				tell(t, p, "mmap")
				drain()
			}
			m.compare(t, p.PID)
			switch {
			case step == "comm" && m.comms[uint32(p.PID)] != "another name":
				t.Errorf("name is %q", m.comms[uint32(p.PID)])
			case child == 0:
				return
			}
			if step == "leader-exits" {
				if exit, ok := m.exits[uint32(child)]; !ok || exit.Group {
					t.Errorf("the first thread's exit is %+v", exit)
				}
				m.compareThread(t, child)
			} else {
				m.compare(t, child)
			}
			var status int
			if _, err := fmt.Sscanf(p.Tell("done\n"), "ok %d", &status); err != nil {
				t.Fatal(err)
			}
			drain()
			exit, ok := m.exits[uint32(child)]
			if step == "leader-exits" {
				return
			}
			if !ok || !exit.Group || exit.Code != uint32(status) {
				t.Errorf("exit is %+v, want status %d", exit, status)
			}
			if _, there := m.processes[uint32(child)]; there {
				t.Errorf("process %d has not ended", child)
			}
		})
	}
	if lost := total(f, LossLock); lost != uint64(forgiven) {
		t.Errorf("%d statements lost, %d are told", lost, forgiven)
	}
	for _, l := range []Loss{LossRing, LossMap, LossTorn} {
		if lost := total(f, l); lost != 0 {
			t.Errorf("%d lost: %s", lost, l)
		}
	}
}

// compareThread is compare for a process whose first thread has ended: procfs shows its address
// space through the others only.
func (m *model) compareThread(t *testing.T, pid int) {
	t.Helper()
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		if task.Name() == fmt.Sprint(pid) {
			continue
		}
		var tid int
		fmt.Sscan(task.Name(), &tid)
		m.processes[uint32(tid)] = m.processes[uint32(pid)]
		m.compare(t, tid)
		delete(m.processes, uint32(tid))
	}
}
