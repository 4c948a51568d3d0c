package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vmasnap/vmasnap/internal/need"
	"github.com/vmasnap/vmasnap/internal/testproc"
)

// runner is a process that executes a program with a library, both in a directory of its own.
type runner struct {
	t   *testing.T
	dir string
	*testproc.Process
}

// startRunner builds version 1 of both, and starts them.
func startRunner(t *testing.T) *runner {
	t.Helper()
	need.Tool(t, "cc")
	need.Root(t, "other processes' roots")
	// Not below /tmp: what is removed there is nothing to wonder about.
	dir, err := os.MkdirTemp("/var/lib", "vmasnap-test-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	r := &runner{t: t, dir: dir}
	r.install("lib.so", 1)
	r.install("run", 1)
	r.Process = testproc.Start(t, exec.Command(r.path("run")))
	return r
}

func (r *runner) path(name string) string { return filepath.Join(r.dir, name) }

// build compiles a version of the library or of the program, and returns where it is.
func (r *runner) build(name string, version int) string {
	r.t.Helper()
	source, out := r.path(name+".c"), fmt.Sprintf("%s.%d", r.path(name), version)
	text := fmt.Sprintf("int lib(void) { return %d; }\n", version)
	args := []string{"-shared", "-fPIC", "-Wl,-soname,lib.so"}
	if name == "run" {
		text = fmt.Sprintf("#include <stdio.h>\nint lib(void);\nint main(void) { printf(\"%d %%d\\n\", lib()); fflush(stdout); return getchar(); }\n", version)
		args = []string{r.path("lib.so"), "-Wl,-rpath,$ORIGIN"}
	}
	if err := os.WriteFile(source, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
	if err := testproc.Build(out, source, args...); err != nil {
		r.t.Fatal(err)
	}
	return out
}

// install puts a version in place as a package manager does: by rename.
func (r *runner) install(name string, version int) {
	r.t.Helper()
	if err := os.Rename(r.build(name, version), r.path(name)); err != nil {
		r.t.Fatal(err)
	}
}

// overwrite writes a version into the file that is there.
func (r *runner) overwrite(name string, version int) {
	r.t.Helper()
	b, err := os.ReadFile(r.build(name, version))
	if err != nil {
		r.t.Fatal(err)
	}
	f, err := os.OpenFile(r.path(name), os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := f.Write(b); err != nil {
		r.t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		r.t.Fatal(err)
	}
}

// stale runs the command and returns how it says that the files of the runner are, and its status.
func (r *runner) stale(args ...string) (string, int) {
	r.t.Helper()
	var out, errs bytes.Buffer
	args = append([]string{"stale", "--json", "--all", "--path", r.dir + "/*"}, args...)
	status := run(context.Background(), args, &streams{in: strings.NewReader(""), out: &out, err: &errs})
	var doc staleJSON
	if err := json.Unmarshal(out.Bytes(), &doc); err != nil {
		r.t.Fatalf("vmasnap %q: %v\n%s%s", args, err, &out, &errs)
	}
	var found []string
	for _, f := range doc.Files {
		found = append(found, fmt.Sprintf("%s %s of %d", filepath.Base(f.Path), f.Stale, f.Processes[0].PID))
	}
	return strings.ReplaceAll(strings.Join(found, ", "), fmt.Sprintf(" of %d", r.PID), ""), status
}

func (r *runner) want(what string, status int, args ...string) {
	r.t.Helper()
	got, gotStatus := r.stale(args...)
	if got != what || gotStatus != status {
		r.t.Errorf("stale %q: %q, status %d; want %q, %d", args, got, gotStatus, what, status)
	}
}

// TestStale changes files below a process that runs them.
func TestStale(t *testing.T) {
	r := startRunner(t)
	if r.Line != "1 1" {
		t.Fatalf("the program says %q", r.Line)
	}
	before := filepath.Join(t.TempDir(), "before")
	if status := run(t.Context(), []string{"record", "--no-follow", "-q", "-o", before}, &streams{in: strings.NewReader(""), out: os.Stdout, err: os.Stderr}); status != 0 {
		t.Fatalf("record: status %d", status)
	}
	both := func(what string, status int) {
		t.Helper()
		r.want(what, status)
		r.want(what, status, before)
	}
	both("", 0)

	r.install("lib.so", 1) // again
	r.install("run", 1)
	both("", 0)
	r.install("lib.so", 2)
	both("lib.so replaced", 1)
	r.install("run", 2)
	both("lib.so replaced, run replaced", 1)
	if err := os.Remove(r.path("lib.so")); err != nil {
		t.Fatal(err)
	}
	both("lib.so deleted, run replaced", 1)
	r.install("lib.so", 1)
	r.install("run", 1)
	both("", 0)

	// In place: what the process runs is what is written. A recording from before tells.
	r = startRunner(t)
	if status := run(t.Context(), []string{"record", "--no-follow", "-q", "-o", before}, &streams{in: strings.NewReader(""), out: os.Stdout, err: os.Stderr}); status != 0 {
		t.Fatalf("record: status %d", status)
	}
	r.overwrite("lib.so", 1)
	r.want("", 0, before)
	r.overwrite("lib.so", 2)
	r.want("lib.so overwritten", 1, before)

	// An image of another machine, with all but the library.
	image := t.TempDir()
	if err := os.MkdirAll(filepath.Join(image, r.dir), 0o700); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(r.path("run"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(image, r.dir, "run"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	r.want("lib.so deleted", 1, before, "--root", image)
}

// TestStaleBelowRoot has a process that has made an empty directory its root, as servers do which
// give up privileges. Nothing is stale in it until its library is replaced.
func TestStaleBelowRoot(t *testing.T) {
	python := need.Tool(t, "python3")
	r := startRunner(t)
	script := "import ctypes, os, sys; ctypes.CDLL(sys.argv[1]); os.chroot(sys.argv[2]); print('ready', flush=True); sys.stdin.read()"
	r.Process = testproc.Start(t, exec.Command(python, "-c", script, r.path("lib.so"), t.TempDir()))
	pid := fmt.Sprint(r.PID)
	r.want("", 0, "-p", pid)
	r.install("lib.so", 2)
	r.want("lib.so replaced", 1, "-p", pid)
}

// TestStaleHere: on this machine nothing is stale but what has really changed. What it finds
// is looked at in another way.
func TestStaleHere(t *testing.T) {
	need.Root(t, "other processes")
	var out, errs bytes.Buffer
	status := run(t.Context(), []string{"stale", "--json"}, &streams{in: strings.NewReader(""), out: &out, err: &errs})
	var doc staleJSON
	if err := json.Unmarshal(out.Bytes(), &doc); err != nil {
		t.Fatalf("%v\n%s%s", err, &out, &errs)
	}
	if doc.Compared < 5 {
		t.Errorf("%d files were compared", doc.Compared)
	}
	found := 0
	for _, f := range doc.Files {
		if f.Stale == "temporary" || f.Stale == "not-compared" {
			continue
		}
		found++
		there, err := os.ReadFile(fmt.Sprintf("/proc/%d/root%s", f.Processes[0].PID, f.Path))
		if id := f.BuildID; err == nil && f.Stale != "deleted" && id != "" {
			raw, decodeErr := hexBytes(id)
			if decodeErr != nil || bytes.Contains(there, raw) {
				t.Errorf("%s is said to be %s and has build ID %s", f.Path, f.Stale, id)
			}
		}
		if _, err := os.Lstat(fmt.Sprintf("/proc/%d/root%s", f.Processes[0].PID, f.Path)); f.Stale == "deleted" && err == nil {
			t.Errorf("%s is said to be deleted", f.Path)
		}
	}
	if want := map[bool]int{false: 0, true: 1}[found > 0]; status != want {
		t.Errorf("status %d with %d findings: %s", status, found, &errs)
	}
}

func hexBytes(s string) ([]byte, error) {
	b := make([]byte, len(s)/2)
	_, err := fmt.Sscanf(s, "%x", &b)
	return b, err
}
