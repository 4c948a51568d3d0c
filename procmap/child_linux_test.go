package procmap

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// childEnv names the environment variable that turns the test binary into a child process:
// its value is the role to play, a key of childRoles.
const childEnv = "VMASNAP_PROCMAP_CHILD"

var childRoles = map[string]func() error{
	"hold":      func() error { return nil },
	"zoo":       mapZoo,
	"many":      mapMany,
	"elf":       mapELF,
	"limit":     mapLimit,
	"ambiguous": mapAmbiguous,
}

func TestMain(m *testing.M) {
	if role := os.Getenv(childEnv); role != "" {
		if err := childMain(role); err != nil {
			fmt.Println("child:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// childMain plays the role, says "ready", and then does what it is told, a word at a time.
func childMain(role string) error {
	play, ok := childRoles[role]
	if !ok {
		return fmt.Errorf("no role %q", role)
	}
	if err := play(); err != nil {
		return err
	}
	// No buffered I/O, and no goroutine: the less the runtime does, the stiller it holds.
	if _, err := unix.Write(1, []byte("ready\n")); err != nil {
		return err
	}
	for {
		var b [16]byte
		n, err := unix.Read(0, b[:])
		if err == unix.EINTR {
			continue
		}
		switch word := strings.TrimSpace(string(b[:max(n, 0)])); word {
		case "":
			return nil
		case "exec":
			os.Setenv(childEnv, "hold")
			return unix.Exec("/proc/self/exe", os.Args, os.Environ())
		default:
			return fmt.Errorf("unknown word %q", word)
		}
	}
}

type child struct {
	t     testing.TB
	cmd   *exec.Cmd
	stdin io.WriteCloser
	out   *bufio.Reader
	pid   int
}

// startChild starts a child in an empty directory of its own and waits until it is ready.
func startChild(t testing.TB, role string) *child {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{t: t, cmd: exec.Command(self, "-test.run=^$")}
	c.cmd.Env = append(os.Environ(), childEnv+"="+role, "GOGC=off",
		"GODEBUG=asyncpreemptoff=1", "GORACE=atexit_sleep_ms=0")
	c.cmd.Dir = t.TempDir()
	c.cmd.Stderr = os.Stderr
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.out = bufio.NewReader(out)
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c.pid = c.cmd.Process.Pid
	t.Cleanup(c.exit)
	c.waitReady()
	return c
}

func (c *child) waitReady() {
	c.t.Helper()
	line, err := c.out.ReadString('\n')
	if line != "ready\n" {
		c.t.Fatalf("child says %q, %v", line, err)
	}
}

// exec makes the child execute a program, which has happened when exec returns.
func (c *child) exec() {
	c.t.Helper()
	if _, err := io.WriteString(c.stdin, "exec"); err != nil {
		c.t.Fatal(err)
	}
	c.waitReady()
}

// exit ends the child and waits for it.
func (c *child) exit() {
	c.stdin.Close()
	c.cmd.Wait() // fails when called again
}

func (c *child) path(name string) string {
	return "/proc/" + strconv.Itoa(c.pid) + "/" + name
}

func (c *child) open(o Options) *Maps {
	c.t.Helper()
	return openTest(c.t, c.pid, o)
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
