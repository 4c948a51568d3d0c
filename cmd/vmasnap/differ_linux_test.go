package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// changer is a python3 that maps and unmaps a file executable, as it is told.
const changer = `
import mmap, os, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
def map():
    return mmap.mmap(fd, 8192, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_EXEC)
m = map()
print("ready", flush=True)
for line in sys.stdin:
    match line.strip():
        case "unmap": m.close()
        case "map": m = map()
        case "unlink": os.unlink(sys.argv[1])
        case "exec": os.execv(sys.executable, [sys.executable, "-c", "import sys; print('done', flush=True); sys.stdin.read()"])
    print("done", flush=True)
`

// TestLiveDifferences changes a process after it was recorded and wants check --live to say
// what has changed.
func TestLiveDifferences(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		requireLive(t, "tools", "python3", err)
	}
	dir := t.TempDir()
	mapped := filepath.Join(dir, "mapped")
	if err := os.WriteFile(mapped, make([]byte, 8192), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, "-c", changer, mapped)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); _ = cmd.Wait() })
	answers := bufio.NewReader(out)
	await := func() {
		t.Helper()
		if _, err := answers.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	await()
	file := filepath.Join(dir, "a.data")
	record := func() {
		t.Helper()
		runLive(t, exitDone, "record", "--no-follow", "-q", "-o", file, "-p", fmt.Sprint(cmd.Process.Pid))
	}
	tell := func(what string) {
		t.Helper()
		if _, err := io.WriteString(in, what+"\n"); err != nil {
			t.Fatal(err)
		}
		await()
	}
	check := func(wantCode int, want ...string) {
		t.Helper()
		text, _ := runLive(t, wantCode, "check", "--live", file)
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("check --live lacks %q:\n%s", w, text)
			}
		}
	}
	record()
	check(exitDone, "0 missing, 0 extra, 0 differing, 0 renamed")
	tell("unmap")
	check(exitFound, "0 missing, 1 extra, 0 differing", "extra 0x", mapped)
	record()
	tell("map")
	check(exitFound, "1 missing, 0 extra, 0 differing", "missing 0x")
	record()
	tell("unlink")
	check(exitDone, "0 missing, 0 extra, 0 differing, 1 renamed or unlinked", "renamed 0x")
	record()
	tell("exec")
	check(exitFound, "extra 0x") // the old image, at addresses that the new one does not have
}
