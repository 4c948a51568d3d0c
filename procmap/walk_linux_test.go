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
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			t.Fatalf("walk ends before %q", want[i])
		case i >= len(want):
			t.Fatalf("walk goes on with %q", got[i])
		case got[i] != want[i]:
			t.Fatalf("VMA %d:\n got %q\nwant %q", i, got[i], want[i])
		}
	}
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

func TestWalkEveryProcess(t *testing.T) {
	need.Query(t, Supported())
	pids, err := PIDs("", nil)
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, pid := range pids {
		if pid != os.Getpid() && compareSources(t, pid) {
			compared++
		}
	}
	t.Logf("%d processes compared", compared)
	if compared == 0 {
		t.Error("no process held still")
	}
}

// compareSources compares both sources with the oracle for all options. It reports false
// for a process that has no address space, may not be looked into, or does not hold still.
func compareSources(t *testing.T, pid int) bool {
	t.Helper()
	compared := false
	for _, o := range allOptions() {
		var walks [2][]string
		var want []string
		still, err := whileStill(fmt.Sprintf("/proc/%d/maps", pid), func(text string) error {
			want = selectLines(text, o)
			for i, source := range []Source{SourceIoctl, SourceMaps} {
				o.Source = source
				m, err := Open(pid, o)
				if err != nil {
					return err
				}
				walks[i], err = walkLines(m)
				m.Close()
				if err != nil {
					return err
				}
			}
			return nil
		})
		switch {
		case errors.Is(err, ErrGone), errors.Is(err, fs.ErrPermission), goneErrno(err):
			return false
		case err != nil:
			t.Fatalf("process %d: %v", pid, err)
		case !still:
			return false
		}
		diffLines(t, walks[0], want)
		diffLines(t, walks[1], want)
		compared = true
	}
	return compared
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
