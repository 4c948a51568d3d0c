package recorder

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vmasnap/vmasnap/internal/need"
)

// dropRole is the environment variable that makes this test binary give up capabilities.
const dropRole = "VMASNAP_TEST_DROP"

// TestDropCapabilities looks at every thread of a program that gave up what it does not need. A
// binary built with cgo, as with -race, cannot, and has to say so.
func TestDropCapabilities(t *testing.T) {
	if os.Getenv(dropRole) != "" {
		if err := dropCapabilities(); err != nil {
			fmt.Println("error", err)
			return
		}
		threads, err := filepath.Glob("/proc/self/task/*/status")
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range threads {
			text, err := os.ReadFile(path)
			if err != nil {
				continue // ended
			}
			for line := range strings.Lines(string(text)) {
				if after, ok := strings.CutPrefix(line, "CapEff:"); ok {
					fmt.Println("effective", strings.TrimSpace(after))
				}
			}
		}
		return
	}
	need.Root(t, "capabilities to give up")
	cmd := exec.Command(os.Args[0], "-test.run=^TestDropCapabilities$", "-test.v")
	cmd.Env = append(os.Environ(), dropRole+"=1")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	allowed := uint64(0)
	for _, c := range kept {
		allowed |= 1 << c
	}
	threads := 0
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "error") {
			if !strings.Contains(line, "CGO_ENABLED=0") {
				t.Error(line)
			}
			t.Logf("this binary: %s", line)
			return
		}
		if text, ok := strings.CutPrefix(line, "effective "); ok {
			threads++
			caps, err := strconv.ParseUint(strings.TrimSpace(text), 16, 64)
			if err != nil || caps&^allowed != 0 || caps&(1<<unix.CAP_SYS_PTRACE) == 0 {
				t.Errorf("a thread has %x, %v; allowed are %x", caps, err, allowed)
			}
		}
	}
	if threads == 0 {
		t.Errorf("no thread seen:\n%s", out)
	}
}

// TestExplain names what is missing, and leaves other errors alone.
func TestExplain(t *testing.T) {
	other := errors.New("other")
	if got := explain(other); !errors.Is(got, other) || got.Error() != other.Error() {
		t.Error("an error without permissions was changed")
	}
	denied := explain(fs.ErrPermission)
	if !errors.Is(denied, fs.ErrPermission) {
		t.Errorf("%v", denied)
	}
	want := "policy"
	if lacking := lackingForBPF(); len(lacking) > 0 {
		want = lacking[0]
	}
	if !strings.Contains(denied.Error(), want) {
		t.Errorf("%v, want %s", denied, want)
	}
}
