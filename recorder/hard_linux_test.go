package recorder

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/vmasnap/vmasnap/internal/need"
	"github.com/vmasnap/vmasnap/internal/testproc"
)

// The test binary can be another recorder as well: see TestDenied.
func TestMain(m *testing.M) {
	if os.Getenv(recordEnv) != "" {
		if err := recordToOutput(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	code := m.Run()
	if hardDir != "" {
		os.RemoveAll(hardDir)
	}
	os.Exit(code)
}

// hardDir holds the program of testdata/hard, for everybody to execute.
var hardDir string

var compileHard = sync.OnceValues(func() (exe string, err error) {
	if hardDir, err = os.MkdirTemp("", "vmasnap-hard-"); err != nil {
		return "", err
	}
	if err := os.Chmod(hardDir, 0o755); err != nil {
		return "", err
	}
	if hardDir, err = filepath.EvalSymlinks(hardDir); err != nil {
		return "", err
	}
	exe = filepath.Join(hardDir, "hard")
	return exe, testproc.Build(exe, "../testdata/hard/hard.c", "-pthread")
})

// hardProgram returns the path of the compiled program of testdata/hard.
func hardProgram(t testing.TB) string {
	t.Helper()
	need.Tool(t, "cc")
	exe, err := compileHard()
	if err != nil {
		t.Fatal(err)
	}
	return exe
}

// child is a process of the test.
type child struct {
	*testproc.Process
	other int // the number that it named, if it did
}

// startHard starts the program of testdata/hard and waits until it is ready.
func startHard(t testing.TB, args ...string) *child {
	t.Helper()
	return start(t, exec.Command(hardProgram(t), args...))
}

// start runs cmd until the end of the test, or its end, and waits until it is ready.
func start(t testing.TB, cmd *exec.Cmd) *child {
	t.Helper()
	c := &child{Process: testproc.Start(t, cmd)}
	if _, err := fmt.Sscanf(c.Line, "ready %d", &c.other); err != nil && c.Line != "ready" {
		t.Fatalf("%s says %q", cmd, c.Line)
	}
	return c
}

// tempDir returns an empty directory under the name that the kernel has for it.
func tempDir(t testing.TB) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// copyFile copies an executable file.
func copyFile(t testing.TB, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o755); err != nil {
		t.Fatal(err)
	}
}
