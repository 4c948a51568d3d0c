package procmap

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vmasnap/vmasnap/internal/testproc"
)

// child is a running process that ends with the test.
type child struct {
	*testproc.Process
	t testing.TB
}

// startChild starts the test binary in a role, in an empty directory of its own.
func startChild(t testing.TB, role string, arg ...string) *child {
	t.Helper()
	cmd := roleCommand(role, strings.Join(arg, ""))
	cmd.Dir = t.TempDir()
	return startCommand(t, cmd)
}

func roleCommand(role, arg string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	if exe, err := os.Executable(); err == nil {
		cmd.Path = exe
	}
	// The race detector would hold up each exit for a second.
	cmd.Env = append(os.Environ(), roleEnv+"="+role, argEnv+"="+arg,
		"GOGC=off", "GODEBUG=asyncpreemptoff=1", "GORACE=atexit_sleep_ms=0")
	return cmd
}

// startCommand runs cmd and waits for its first line, which means that it is ready.
func startCommand(t testing.TB, cmd *exec.Cmd) *child {
	t.Helper()
	return &child{testproc.Start(t, cmd), t}
}

// exec makes the child execute a program, which has happened when exec returns.
func (c *child) exec() {
	c.t.Helper()
	c.Tell("exec")
}

// kill ends the child and leaves a zombie until the end of the test.
func (c *child) kill() {
	c.t.Helper()
	c.Cmd.Process.Kill()
	if err := unix.Waitid(unix.P_PID, c.PID, nil, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		c.t.Fatal(err)
	}
}

func (c *child) path(name string) string {
	return "/proc/" + strconv.Itoa(c.PID) + "/" + name
}

func (c *child) open(o Options) *Maps {
	c.t.Helper()
	return openTest(c.t, c.PID, o)
}

// openTest opens a Maps that is closed at the end of the test.
func openTest(t testing.TB, pid int, o Options) *Maps {
	t.Helper()
	m, err := Open(pid, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// collect returns the rest of a walk.
func collect(m *Maps) ([]VMA, error) {
	var vmas []VMA
	for v, err := range m.All() {
		if err != nil {
			return vmas, err
		}
		vmas = append(vmas, v.Clone())
	}
	return vmas, nil
}
