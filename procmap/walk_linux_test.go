package procmap

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/vmasnap/vmasnap/internal/need"
)

// allOptions returns every combination of filters.
func allOptions() []Options {
	var all []Options
	for i := range 8 {
		all = append(all, Options{AllFile: i&1 != 0, AnonExec: i&2 != 0, VDSO: i&4 != 0})
	}
	return all
}

// selectLines is the oracle: the lines of maps that the options select. It shares no code
// with the package.
func selectLines(text string, o Options) []string {
	var lines []string
	for _, line := range strings.SplitAfter(text, "\n") {
		f := strings.Fields(line)
		if len(f) < 5 {
			continue
		}
		name := strings.Join(f[5:], " ")
		exec, file := f[1][2] == 'x', f[3] != "00:00" || f[4] != "0"
		own := !strings.HasPrefix(name, "[") || strings.HasPrefix(name, "[anon:") ||
			name == "[heap]" || name == "[stack]"
		var want bool
		switch {
		case name == "[vsyscall]":
		case file:
			want = exec || o.AllFile
		case exec && own:
			want = o.AnonExec
		case exec:
			want = o.VDSO
		}
		if want {
			lines = append(lines, line)
		}
	}
	return lines
}

// walkLines returns what a walk delivers, as the kernel would print it.
func walkLines(m *Maps) ([]string, error) {
	m.Rewind()
	var lines []string
	for v, err := range m.All() {
		if err != nil {
			return lines, err
		}
		if v.NameUnknown {
			return lines, fmt.Errorf("name at %#x is unknown", v.Start)
		}
		lines = append(lines, string(AppendMapsLine(nil, v)))
	}
	return lines, nil
}

func diffLines(t *testing.T, got, want []string) {
	t.Helper()
	if err := difference(got, want); err != nil {
		t.Fatal(err)
	}
}

// difference returns an error that tells where a walk first differs from the oracle.
func difference(got, want []string) error {
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			return fmt.Errorf("walk ends before %q", want[i])
		case i >= len(want):
			return fmt.Errorf("walk goes on with %q", got[i])
		case got[i] != want[i]:
			return fmt.Errorf("VMA %d:\n got %q\nwant %q", i, got[i], want[i])
		}
	}
	return nil
}

// whileStill calls check with the text of a process until it has not changed meanwhile, and
// reports whether that was to be had.
func whileStill(path string, check func(text string) error) (still bool, err error) {
	for range 20 {
		before, err := os.ReadFile(path)
		if err != nil {
			return false, err
		}
		result := check(string(before))
		after, err := os.ReadFile(path)
		if err != nil {
			return false, err
		}
		if bytes.Equal(before, after) {
			return true, result
		}
	}
	return false, nil
}

func TestWalkZoo(t *testing.T) {
	need.Query(t, Supported())
	c := startChild(t, "zoo")
	for _, source := range []Source{SourceIoctl, SourceMaps} {
		for _, o := range allOptions() {
			o.Source = source
			t.Run(fmt.Sprintf("%s/file=%t,anon=%t,vdso=%t", source, o.AllFile, o.AnonExec, o.VDSO),
				func(t *testing.T) { checkWalk(t, c.PID, o, len(zooFiles)/2) })
		}
	}
}

// checkWalk compares a walk of a process that holds still with the oracle.
func checkWalk(t *testing.T, pid int, o Options, atLeast int) {
	t.Helper()
	m := openTest(t, pid, o)
	if m.Source() != o.Source {
		t.Fatalf("source is %s, want %s", m.Source(), o.Source)
	}
	var got, want []string
	still, err := whileStill(fmt.Sprintf("/proc/%d/maps", pid), func(text string) (err error) {
		want = selectLines(text, o)
		got, err = walkLines(m)
		return err
	})
	if err != nil || !still {
		t.Fatalf("walk: %v; process held still: %t", err, still)
	}
	diffLines(t, got, want)
	if len(got) < atLeast {
		t.Errorf("%d VMAs, want %d at least", len(got), atLeast)
	}
}

func TestWalkManyVMAs(t *testing.T) {
	need.Query(t, Supported())
	c := startChild(t, "many")
	checkWalk(t, c.PID, Options{Source: SourceIoctl}, manyVMAs/2)
	checkWalk(t, c.PID, Options{Source: SourceMaps, AllFile: true}, manyVMAs)
}

// TestWalkEveryProcess also looks at processes that are not the test's. One that changes back
// in time looks as if it held still: only a difference that is there in every try counts.
func TestWalkEveryProcess(t *testing.T) {
	need.Query(t, Supported())
	pids, err := PIDs("", nil)
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, pid := range pids {
		if pid == os.Getpid() {
			continue
		}
		still, err := compareAll(pid)
		if err != nil {
			t.Errorf("process %d: %v", pid, err)
		}
		if still {
			compared++
		}
	}
	t.Logf("%d processes compared", compared)
	if compared == 0 {
		t.Error("no process held still")
	}
}

// compareAll compares both sources with the oracle for all options. It reports false for a
// process that has no address space, may not be looked into, or does not hold still.
func compareAll(pid int) (still bool, err error) {
	for _, o := range allOptions() {
		for _, o.Source = range []Source{SourceIoctl, SourceMaps} {
			still, err = compareWalk(pid, o)
			for try := 1; try < 20 && err != nil; try++ {
				still, err = compareWalk(pid, o)
			}
			if err != nil {
				return false, fmt.Errorf("%+v: %w", o, err)
			}
			if !still {
				return false, nil
			}
		}
	}
	return true, nil
}

func compareWalk(pid int, o Options) (still bool, err error) {
	var got, want []string
	still, err = whileStill(fmt.Sprintf("/proc/%d/maps", pid), func(text string) error {
		want = selectLines(text, o)
		m, err := Open(pid, o)
		if err != nil {
			return err
		}
		defer m.Close()
		got, err = walkLines(m)
		return err
	})
	switch {
	case errors.Is(err, ErrGone), errors.Is(err, fs.ErrPermission), goneErrno(err):
		return false, nil
	case err != nil || !still:
		return false, err
	}
	return true, difference(got, want)
}

func TestWalkSeveralThreads(t *testing.T) {
	need.Query(t, Supported())
	c := startChild(t, "hold")
	first, err := collect(c.open(Options{}))
	if err != nil {
		t.Fatal(err)
	}
	tasks, err := os.ReadDir(c.path("task"))
	if err != nil {
		t.Fatal(err)
	}
	if len(tasks) < 2 {
		t.Errorf("the process has %d threads", len(tasks))
	}
	for _, task := range tasks {
		dir, err := os.Open(c.path("task/" + task.Name()))
		if err != nil {
			t.Fatal(err)
		}
		defer dir.Close()
		m, err := OpenAt(int(dir.Fd()), Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		vmas, err := collect(m)
		if err != nil {
			t.Fatal(err)
		}
		if len(vmas) != len(first) {
			t.Errorf("thread %s has %d VMAs, process %d", task.Name(), len(vmas), len(first))
		}
	}
}
