package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vmasnap/vmasnap/internal/need"
	"github.com/vmasnap/vmasnap/internal/testproc"
	"github.com/vmasnap/vmasnap/recorder"
)

// canFollow says why changes cannot be followed here; nil if they can.
var canFollow = sync.OnceValue(func() error {
	rec, err := recorder.New(recorder.Options{Follow: &recorder.FollowOptions{}})
	if err != nil {
		return err
	}
	return rec.Close()
})

func needFollow(t testing.TB) {
	t.Helper()
	if err := canFollow(); err != nil {
		need.Skip(t, need.BPF, "eBPF: "+err.Error())
	}
}

// program is this test as the program vmasnap, which TestMain makes of it.
func program(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return &exec.Cmd{Path: self, Args: append([]string{"vmasnap"}, args...), Dir: t.TempDir()}
}

// statusOf is the exit status of a program that has ended, -1 if a signal ended it.
func statusOf(t testing.TB, err error) int {
	t.Helper()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if exit == nil {
		return 0
	}
	return exit.ExitCode()
}

// records waits until the growing recording file has a line that matches and returns it whole.
// It reads all of it each time: the recording should be of few processes.
func records(t testing.TB, file, pattern string) string {
	t.Helper()
	want := regexp.MustCompile("(?m)" + pattern)
	var text strings.Builder
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		text.Reset()
		run(t.Context(), []string{"script", file}, &streams{out: &text, err: io.Discard})
		if want.MatchString(text.String()) {
			return text.String()
		}
	}
	t.Fatalf("no %q in\n%s", pattern, text.String())
	return ""
}

// TestRecordPassesSignalsOn: what this program is told, the command hears.
func TestRecordPassesSignalsOn(t *testing.T) {
	needFollow(t)
	for _, tc := range []struct {
		name, command string
		signal        unix.Signal
		status        int
		reason        string
	}{
		{"handled", `trap "exit 5" TERM; echo ready; while :; do sleep 0.02; done`, unix.SIGTERM, 5, "signal"},
		{"not handled", `echo ready; exec sleep 1000`, unix.SIGTERM, 128 + int(unix.SIGTERM), "signal"},
		{"hang up", `echo ready; exec sleep 1000`, unix.SIGHUP, 128 + int(unix.SIGHUP), "signal"},
		{"another one", `trap "exit 6" USR1; echo ready; while :; do sleep 0.02; done`, unix.SIGUSR1, 6, "finished"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "x.data")
			cmd := program(t, "record", "-q", "-o", file, "--", "sh", "-c", tc.command)
			// Without a terminal, so that SIGINT is not thought to come from one.
			cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true}
			p := testproc.Start(t, cmd)
			if p.Line != "ready" {
				t.Fatalf("the command says %q", p.Line)
			}
			if err := cmd.Process.Signal(tc.signal); err != nil {
				t.Fatal(err)
			}
			if got := statusOf(t, cmd.Wait()); got != tc.status {
				t.Errorf("status %d, want %d", got, tc.status)
			}
			out, _ := runLive(t, exitDone, "script", "--type=end", file)
			if !strings.Contains(out, "reason="+tc.reason) {
				t.Errorf("the recording ends with %q", out)
			}
			runLive(t, exitDone, "check", file)
		})
	}
}

// TestRecordInterruptedTwice: the second signal ends the recorder, whatever the command does,
// and what it has written is a recording.
func TestRecordInterruptedTwice(t *testing.T) {
	needFollow(t)
	file := filepath.Join(t.TempDir(), "x.data")
	cmd := program(t, "record", "-q", "-o", file, "--", "sh", "-c", `trap "" INT TERM; echo ready; while read line; do echo "$line"; done`)
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	p := testproc.Start(t, cmd)
	records(t, file, "^exec .*comm=\"sh\"")
	begun := time.Now()
	for sent := 0; time.Since(begun) < 30*time.Second; sent++ {
		if err := cmd.Process.Signal(unix.SIGINT); err != nil {
			break // it has ended
		}
		if sent == 1 {
			break
		}
		p.Tell("still here\n") // it is not the command that ends
		time.Sleep(100 * time.Millisecond)
	}
	if got := statusOf(t, cmd.Wait()); got != exitSignal+int(unix.SIGINT) {
		t.Errorf("status %d", got)
	}
	if took := time.Since(begun); took > patience {
		t.Errorf("took %s", took)
	}
	out, _ := runLive(t, exitDone, "check", file)
	if !strings.Contains(out, "sound: ") {
		t.Error(out)
	}
}

// startRecorder starts a recording of process pid and its children into file, which ends with
// the test at the latest.
func startRecorder(t testing.TB, pid int, file string) (cmd *exec.Cmd, errs *strings.Builder) {
	t.Helper()
	cmd, errs = program(t, "record", "-o", file, "-p", fmt.Sprint(pid)), new(strings.Builder)
	cmd.Stderr = errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	records(t, file, "^snapshot-end ")
	return cmd, errs
}

// TestRecordUntilSignal: to be told to end is how a recording ends.
func TestRecordUntilSignal(t *testing.T) {
	needFollow(t)
	file := filepath.Join(t.TempDir(), "x.data")
	cmd, errs := startRecorder(t, os.Getpid(), file)
	if err := exec.Command("true").Run(); err != nil {
		t.Fatal(err)
	}
	text := records(t, file, `^exec .*comm="true"`)
	if err := cmd.Process.Signal(unix.SIGINT); err != nil {
		t.Fatal(err)
	}
	if got := statusOf(t, cmd.Wait()); got != exitDone {
		t.Errorf("status %d: %s", got, errs.String())
	}
	for _, want := range []string{`followed by [a-z]+ hooks: .* execs, .* to `, ` processes, .* mappings of `} {
		if !regexp.MustCompile(want).MatchString(errs.String()) {
			t.Errorf("the summary lacks %q:\n%s", want, errs.String())
		}
	}
	pid := regexp.MustCompile(`(?m)^exec time=\d+ pid=(\d+) .*comm="true"`).FindStringSubmatch(text)[1]
	out, _ := runLive(t, exitDone, "script", "--pid="+pid, file)
	for _, want := range []string{`(?m)^fork .*start_time=\d+`, `(?m)^mmap .*path="[^"]*/true"`, `(?m)^mmap .*path="[^"]*/libc[^"]*"`, `(?m)^exit .*group`} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("no %q of the child in\n%s", want, out)
		}
	}
	if out, _ := runLive(t, exitDone, "script", "--type=end", file); !strings.Contains(out, "reason=signal") {
		t.Errorf("the recording ends with %q", out)
	}
	if out, _ := runLive(t, exitDone, "check", file); !strings.Contains(out, "followed: ") {
		t.Error(out)
	}
}

// TestRecordSome follows one process and those that it starts, and nobody else.
func TestRecordSome(t *testing.T) {
	needFollow(t)
	shell := testproc.Start(t, exec.Command("sh", "-c", `echo ready; while read line; do /bin/true; echo "$line"; done`))
	file := filepath.Join(t.TempDir(), "x.data")
	cmd, _ := startRecorder(t, shell.PID, file)
	if err := exec.Command("true").Run(); err != nil {
		t.Fatal(err)
	}
	shell.Tell("go\n")
	records(t, file, `^exec .*comm="true"`)
	// The last of those who are followed ends the recording.
	shell.End()
	if got := statusOf(t, cmd.Wait()); got != exitDone {
		t.Errorf("status %d", got)
	}
	out, _ := runLive(t, exitDone, "script", "--type=fork,exec,exit,end", file)
	forks := regexp.MustCompile(`(?m)^fork .*pid=(\d+) tid=\d+ ppid=(\d+)`).FindAllStringSubmatch(out, -1)
	if len(forks) != 1 || forks[0][2] != fmt.Sprint(shell.PID) || strings.Count(out, "exec ") != 1 || !strings.Contains(out, "reason=finished") {
		t.Errorf("want one child of %d:\n%s", shell.PID, out)
	}
	runLive(t, exitDone, "check", file)
}

// TestHoldWithoutRecorder: the process that waits to become the command ends with who is to
// tell it, and says nothing.
func TestHoldWithoutRecorder(t *testing.T) {
	wait, tell, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := program(t, holdArg, "/bin/echo", "echo", "executed")
	cmd.ExtraFiles = []*os.File{wait}
	out := new(strings.Builder)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	wait.Close()
	tell.Close()
	if got := statusOf(t, cmd.Wait()); got != exitFailure || out.Len() > 0 {
		t.Errorf("status %d, %q", got, out.String())
	}
}

// TestHold: the process that becomes the command has no descriptor that it should not have.
func TestHold(t *testing.T) {
	needFollow(t)
	cmd := program(t, "record", "-q", "-o", filepath.Join(t.TempDir(), "x.data"), "--", "sh", "-c", "echo $0 $1; ls /proc/self/fd; ulimit -n; ps -o ni= -p $$", "a b")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	direct := exec.Command("sh", "-c", "echo $0 $1; ls /proc/self/fd; ulimit -n; ps -o ni= -p $$", "a b")
	want, err := direct.Output()
	if err != nil {
		t.Fatal(err)
	}
	if string(out) != string(want) {
		t.Errorf("recorded, the command says\n%s, else\n%s", out, want)
	}
}

// TestSizeFlag checks what is a size and how it is shown.
func TestSizeFlag(t *testing.T) {
	for in, want := range map[string]string{
		"1": "1", "65536": "64K", "64K": "64K", "16m": "16M", "1G": "1G", "1024M": "1G", "3000": "3000",
		"0": "", "": "", "K": "", "2G": "", "1.5M": "", "-1": "", "99999999999": "", "16MB": "", "1048577K": "",
	} {
		var f sizeFlag
		if err := f.Set(in); (err == nil) != (want != "") || err == nil && f.String() != want {
			t.Errorf("%q: %v, %v, want %q", in, &f, err, want)
		}
	}
}

// TestStatusLine: one line, which replaces the one before it.
func TestStatusLine(t *testing.T) {
	var b strings.Builder
	p := progress{w: &b, begun: time.Now().Add(-90 * time.Second), last: time.Now().Add(-time.Second), events: 1000}
	p.status(recorder.Status{Processes: 1234, Mappings: 56789, Events: 3000, Lost: 2, Uncertain: true}, 5<<20)
	want := regexp.MustCompile(`^\r\[ 1m30s: 1,234 processes, 56,789 mappings, [12],[0-9]{3} events/s, 2 lost, repairing, 5\.0 MiB; Ctrl-C ends \]\x1b\[K$`)
	if !want.MatchString(b.String()) {
		t.Errorf("%q", b.String())
	}
	p.clear()
	if !strings.HasSuffix(b.String(), "\r\x1b[K") {
		t.Errorf("%q", b.String())
	}
}
