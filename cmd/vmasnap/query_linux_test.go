package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vmasnap/vmasnap/internal/need"
	"github.com/vmasnap/vmasnap/internal/testproc"
	"github.com/vmasnap/vmasnap/procmap"
)

// TestQueryIsLookup: the running kernel and a recording give the same answers, which are
// those of the text.
func TestQueryIsLookup(t *testing.T) {
	const idle = "print('ready', flush=True); input()"
	pid := fmt.Sprint(testproc.Start(t, exec.Command(need.Tool(t, "python3"), "-c", idle)).PID)
	file := filepath.Join(t.TempDir(), "one.data")
	runLive(t, exitDone, "record", "--no-follow", "-q", "-p", pid, "-o", file)

	var addrs, questions, want []string
	for line := range strings.Lines(executableLines(t, pid)) {
		var start, end, offset uint64
		var prot string
		if _, err := fmt.Sscanf(line, "%x-%x %s %x", &start, &end, &prot, &offset); err != nil {
			t.Fatal(err)
		}
		path := strings.TrimSpace(line[strings.IndexByte(line, '/'):])
		addrs = append(addrs, fmt.Sprintf("%x", start+0x11))
		questions = append(questions, fmt.Sprintf("%s:%x", pid, start+0x11))
		want = append(want, fmt.Sprintf("%s:%#x %s+%#x (%#x-%#x %s", pid, start+0x11, path, offset+0x11, start, end, prot))
	}
	for _, form := range []string{"--json=false", "--json"} {
		recorded, _ := runLive(t, exitDone, append([]string{"lookup", form, file}, questions...)...)
		for _, source := range []string{"auto", "maps"} {
			live, _ := runLive(t, exitDone, append([]string{"query", form, "--source=" + source, "-p", pid}, addrs...)...)
			if live != recorded || live == "" {
				t.Errorf("query --source=%s says\n%slookup\n%s", source, live, recorded)
			}
		}
		if form == "--json" {
			continue
		}
		for i, line := range strings.Split(strings.TrimSpace(recorded), "\n") {
			if !strings.HasPrefix(line, want[i]) {
				t.Errorf("lookup says %s\nwant        %s", line, want[i])
			}
		}
	}
	if out, _ := runLive(t, exitDone, "query", "-p", pid, "10"); out != pid+":0x10 ? (nothing is mapped there)\n" {
		t.Errorf("nothing is at 0x10, and query says %q", out)
	}
}

// TestNoSpace: what has no address space is told so.
func TestNoSpace(t *testing.T) {
	// A child that nobody has waited for.
	zombie := exec.Command("/proc/self/exe", "-test.run=^$")
	if err := zombie.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = zombie.Wait() })
	if err := unix.Waitid(unix.P_PID, zombie.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	wantError(t, "has exited and waits to be reaped", "query", "-p", fmt.Sprint(zombie.Process.Pid), "1000")

	t.Run("kernel thread", func(t *testing.T) {
		need.Root(t, "the maps of a kernel thread")
		const kthreadd = 2
		var i procmap.Info
		p, err := procmap.OpenProcess("", kthreadd)
		if err == nil {
			defer p.Close()
			err = p.Info(&i)
		}
		if err != nil || !i.KernelThread {
			need.Skip(t, need.Procmap, "kernel threads, which a container does not show")
		}
		wantError(t, "is a kernel thread", "query", "-p", fmt.Sprint(kthreadd), "1000")
	})
}

// TestThreadIsNoProcess: the number of a thread is told from that of its process.
func TestThreadIsNoProcess(t *testing.T) {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	tid := tasks[len(tasks)-1].Name()
	if tid == fmt.Sprint(os.Getpid()) {
		t.Fatalf("this process has one thread only: %v", tasks)
	}
	wantError(t, fmt.Sprintf("%s is a thread of process %d: give that", tid, os.Getpid()), "record", "--no-follow", "-p", tid)
}

// wantError runs a command line that must fail and say why.
func wantError(t testing.TB, says string, args ...string) {
	t.Helper()
	if _, errs := runLive(t, exitFailure, args...); !strings.Contains(errs, says) {
		t.Errorf("vmasnap %s: %q, want %q", strings.Join(args, " "), errs, says)
	}
}
