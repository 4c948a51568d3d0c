package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/vmasnap/vmasnap/internal/need"
	"github.com/vmasnap/vmasnap/procmap"
)

// startIdle starts n idle Python interpreters, which end with the test, and waits until
// each of them has come to rest.
func startIdle(t testing.TB, n int) []int {
	t.Helper()
	python := need.Tool(t, "python3")
	// What is called python3 may be a script that looks for the right one.
	exe, err := exec.Command(python, "-c", "import sys; print(sys.executable)").Output()
	if err != nil {
		t.Fatal(err)
	}
	const program = "import sys; sys.stdout.write('.'); sys.stdout.flush(); sys.stdin.read()"

	stdin, keep, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	ready, stdout, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer ready.Close()
	defer stdout.Close()
	var cmds []*exec.Cmd
	t.Cleanup(func() {
		keep.Close()
		for _, cmd := range cmds {
			if err := cmd.Wait(); err != nil {
				t.Error(err)
			}
		}
	})
	const batch = 20
	pids := make([]int, 0, n)
	for len(pids) < n {
		size := min(batch, n-len(pids))
		for range size {
			cmd := exec.Command(strings.TrimSpace(string(exe)), "-c", program)
			cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, os.Stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			cmds = append(cmds, cmd)
			pids = append(pids, cmd.Process.Pid)
		}
		if _, err := io.ReadFull(ready, make([]byte, size)); err != nil {
			t.Fatal(err)
		}
	}
	return pids
}

// runLive runs a command line, which must end with the given status, and returns what it
// prints.
func runLive(t testing.TB, status int, args ...string) (out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), args, &streams{in: strings.NewReader(""), out: &stdout, err: &stderr}); code != status {
		t.Fatalf("vmasnap %.200s: exit status %d, want %d\n%s%s", strings.Join(args, " "), code, status, &stdout, &stderr)
	}
	return stdout.String(), stderr.String()
}

// executableLines returns the lines of /proc/PID/maps that are recorded by default.
func executableLines(t testing.TB, pid string) string {
	t.Helper()
	b, err := os.ReadFile("/proc/" + pid + "/maps")
	if err != nil {
		t.Fatal(err)
	}
	var lines strings.Builder
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if f[1][2] == 'x' && f[4] != "0" && !strings.HasPrefix(f[5], "[") {
			lines.WriteString(line)
		}
	}
	return lines.String()
}

// TestLive records a machine with hundreds of processes that hold still and holds the
// recording against them.
func TestLive(t *testing.T) {
	pids := startIdle(t, 300)
	var list []string
	for _, pid := range pids {
		list = append(list, strconv.Itoa(pid))
	}
	dir := t.TempDir()
	these := filepath.Join(dir, "these")
	_, summary := runLive(t, exitDone, "record", "--no-follow", "--strict", "-p", strings.Join(list, ","), "-o", these)
	t.Log(strings.TrimSpace(summary))

	t.Run("check", func(t *testing.T) {
		out, _ := runLive(t, exitDone, "check", "--live", these)
		want := regexp.MustCompile(fmt.Sprintf(
			`(?m)^live: %d processes compared, [0-9,]+ mappings: 0 missing, 0 extra, 0 differing, 0 renamed or unlinked since; 0 processes gone, 0 not comparable$`, len(pids)))
		if !want.MatchString(out) {
			t.Errorf("want no difference:\n%s", out)
		}
	})

	t.Run("check all", func(t *testing.T) {
		file := filepath.Join(dir, "all")
		_, summary := runLive(t, exitDone, "record", "--no-follow", "-o", file)
		t.Log(strings.TrimSpace(summary))
		// Others on the machine may have changed since, but not these.
		var out bytes.Buffer
		code := run(t.Context(), []string{"check", "--live", "--limit=0", file}, &streams{out: &out, err: &out})
		if code != exitDone && code != exitFound || !strings.Contains(out.String(), ": sound: ") {
			t.Fatalf("exit status %d\n%s", code, &out)
		}
		for line := range strings.Lines(out.String()) {
			var pid int
			if _, err := fmt.Sscanf(line, "process %d ", &pid); err == nil && slices.Contains(pids, pid) {
				t.Error(line)
			}
		}
		t.Log(out.String())
	})

	t.Run("maps", func(t *testing.T) {
		// Small recordings: each command reads all of one.
		file := filepath.Join(dir, "few")
		for few := range slices.Chunk(list, 30) {
			runLive(t, exitDone, "record", "--no-follow", "-q", "-p", strings.Join(few, ","), "-o", file)
			for _, pid := range few {
				got, _ := runLive(t, exitDone, "maps", file, "--pid", pid)
				if want := executableLines(t, pid); got != want || got == "" {
					t.Fatalf("process %s:\n got %s\nwant %s", pid, got, want)
				}
			}
		}
	})

	t.Run("report", func(t *testing.T) {
		// People see the first twenty, programs all.
		text, _ := runLive(t, exitDone, "report", "--by=process", these)
		if want := fmt.Sprintf("... and %d more; --limit 0 shows all\n", len(pids)-20); !strings.HasSuffix(text, want) {
			t.Errorf("want %q:\n%s", want, text)
		}
		doc, _ := runLive(t, exitDone, "report", "--json", "--by=process", these)
		if n := strings.Count(doc, `{"pid":`); n != len(pids) {
			t.Errorf("%d rows of JSON, want %d", n, len(pids))
		}
	})

	t.Run("size", func(t *testing.T) {
		out, _ := runLive(t, exitDone, "script", "--type=mmap", these)
		mappings := strings.Count(out, "\n")
		st, err := os.Stat(these)
		if err != nil {
			t.Fatal(err)
		}
		each := float64(st.Size()) / float64(mappings)
		t.Logf("%d mappings in %d bytes, %.2f each", mappings, st.Size(), each)
		if mappings >= 2000 && each >= 12 {
			t.Errorf("%.2f bytes a mapping, want less than 12", each)
		}
	})

	t.Run("sources", func(t *testing.T) {
		need.Query(t, procmap.Supported())
		// The text says the same; without build IDs, which the kernel tells with the ioctl only.
		var scripts []string
		for _, source := range []string{"ioctl", "maps"} {
			for _, ids := range []string{"none", "file"} {
				file := filepath.Join(dir, source+ids)
				runLive(t, exitDone, "record", "--no-follow", "--source="+source, "--build-id="+ids,
					"-p", strings.Join(list, ","), "-o", file)
				out, _ := runLive(t, exitDone, "script", "--type=process,mmap", file)
				scripts = append(scripts, inOrder(out))
			}
		}
		for i := range 2 {
			if scripts[i] == scripts[i+2] {
				continue
			}
			a, b := strings.Split(scripts[i], "\n"), strings.Split(scripts[i+2], "\n")
			for n := range min(len(a), len(b)) {
				if a[n] != b[n] {
					t.Fatalf("ioctl %s\ntext  %s", a[n], b[n])
				}
			}
			t.Fatalf("ioctl has %d lines, text has %d", len(a), len(b))
		}
	})
}

var timeLike = regexp.MustCompile(` (time|walk_time|source)=\w+`)

// inOrder drops what differs between two recordings of processes that hold still, also the
// order in which the walks ended.
func inOrder(script string) string {
	lines := strings.Split(timeLike.ReplaceAllString(script, ""), "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
