package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vmasnap/vmasnap/internal/need"
	"github.com/vmasnap/vmasnap/internal/testproc"
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
	python := need.Tool(t, "python3")
	dir := t.TempDir()
	mapped := filepath.Join(dir, "mapped")
	if err := os.WriteFile(mapped, make([]byte, 8192), 0o755); err != nil {
		t.Fatal(err)
	}
	changed := testproc.Start(t, exec.Command(python, "-c", changer, mapped))
	file := filepath.Join(dir, "a.data")
	record := func() {
		t.Helper()
		runLive(t, exitDone, "record", "--no-follow", "-q", "-o", file, "-p", fmt.Sprint(changed.PID))
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
	changed.Tell("unmap\n")
	check(exitFound, "0 missing, 1 extra, 0 differing", "extra 0x", mapped)
	record()
	changed.Tell("map\n")
	check(exitFound, "1 missing, 0 extra, 0 differing", "missing 0x")
	record()
	changed.Tell("unlink\n")
	check(exitDone, "0 missing, 0 extra, 0 differing, 1 renamed or unlinked", "renamed 0x")
	record()
	changed.Tell("exec\n")
	check(exitFound, "extra 0x") // the old image, at addresses that the new one does not have
	text, _ := runLive(t, exitFound, "check", "--live", "--limit=1", file)
	if n := strings.Count(text, "\nprocess "); n != 1 || !strings.Contains(text, " more differences; --limit 0 shows all") {
		t.Errorf("check --live --limit=1 lists %d differences:\n%s", n, text)
	}
}

// TestLiveOthers: a process that has the number of a recorded one is not that one, and
// another machine is not compared at all.
func TestLiveOthers(t *testing.T) {
	file := filepath.Join(t.TempDir(), "other.data")
	for boot, want := range map[string]struct {
		status int
		says   string
	}{
		"":                         {exitDone, "live: 0 processes compared, 0 mappings: 0 missing, 0 extra, 0 differing, 0 renamed or unlinked since; 1 processes gone, 0 not comparable"},
		"of another time or place": {exitFailure, "boot IDs differ"},
	} {
		err := compile(fmt.Sprintf(`host time=1 page_size=4096 source=maps content=exec-file boot_id=%q
snapshot-begin time=2 id=1 source=maps
process time=3 pid=%d tid=%[2]d start_time=5 snapshot=1 status=complete source=maps vmas=1 comm="old"
mmap time=3 pid=%[2]d tid=%[2]d start=0x1000 len=0x2000 dev=08:01 ino=7 prot=r-xp kind=exec-file walked path="/a"
snapshot-end time=4 id=1 processes=complete:1 mmaps=1 files=1
`, boot, os.Getpid()), file)
		if err != nil {
			t.Fatal(err)
		}
		if out, errs := runLive(t, want.status, "check", "--live", file); !strings.Contains(out+errs, want.says) {
			t.Errorf("boot ID %q: %s%s", boot, out, errs)
		}
	}
}
