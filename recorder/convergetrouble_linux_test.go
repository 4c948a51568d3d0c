package recorder

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/vmasnap/vmasnap/internal/testproc"
)

var compileTrouble = sync.OnceValues(func() (exe string, err error) {
	sources, err := filepath.Glob("../testdata/trouble/*.c")
	if err != nil || len(sources) == 0 {
		return "", err
	}
	exe = filepath.Join(hardDir, "trouble")
	return exe, testproc.Build(exe, sources[0], append(sources[1:], "-pthread")...)
})

// trouble is the program of testdata/trouble: many processes that change their address spaces
// at random. It ends with the test.
type trouble struct {
	*testproc.Process
	t   testing.TB
	dir string // where its files are
}

// startTrouble starts the program of testdata/trouble, which begins at once.
func startTrouble(t testing.TB, args ...string) *trouble {
	t.Helper()
	hardProgram(t) // makes the directory
	exe, err := compileTrouble()
	if err != nil {
		t.Fatal(err)
	}
	dir := tempDir(t)
	p := testproc.Start(t, exec.Command(exe, append([]string{"--dir", dir}, args...)...))
	if p.Line != "ready" {
		t.Fatalf("trouble says %q", p.Line)
	}
	return &trouble{Process: p, t: t, dir: dir}
}

// hold stops all processes between two steps, while nobody is born or about to end, and
// returns their numbers.
func (tr *trouble) hold() map[uint32]bool {
	tr.t.Helper()
	line := tr.Tell("hold\n")
	words := strings.Fields(line)
	if len(words) < 2 || words[0] != "held" || words[1] != strconv.Itoa(len(words)-2) {
		tr.t.Fatalf("trouble says %q to hold", line)
	}
	pids := make(map[uint32]bool)
	for _, word := range words[2:] {
		pid, err := strconv.ParseUint(word, 10, 32)
		if err != nil {
			tr.t.Fatal(err)
		}
		pids[uint32(pid)] = true
	}
	return pids
}

// proceed ends a hold.
func (tr *trouble) proceed() {
	tr.t.Helper()
	if line := tr.Tell("go\n"); line != "going" {
		tr.t.Fatalf("trouble says %q to go", line)
	}
}

// steps returns how many steps have been made.
func (tr *trouble) steps() (n int) {
	tr.t.Helper()
	line := tr.Tell("count\n")
	if _, err := fmt.Sscanf(line, "count %d", &n); err != nil {
		tr.t.Fatalf("trouble says %q to count", line)
	}
	return n
}

// moves reports whether the program renames or removes the file.
func (tr *trouble) moves(path string) bool {
	return strings.HasPrefix(path, tr.dir+"/moving/") || strings.HasPrefix(path, tr.dir+"/moved/")
}
