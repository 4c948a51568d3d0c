package procmap

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The test binary is also the program that is looked at. A child plays the role that is
// named in the environment, says "ready" and waits until its standard input ends.
const (
	roleEnv = "VMASNAP_TEST_ROLE"
	argEnv  = "VMASNAP_TEST_ROLE_ARG"
)

// Roles run in init, where the goroutine is on the main thread: names, root directories
// and namespaces are of one thread.
func init() {
	role := os.Getenv(roleEnv)
	if role == "" {
		return
	}
	arg := os.Getenv(argEnv)
	var err error
	switch role {
	case "wait":
	case "comm":
		err = unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(cname(arg))), 0, 0, 0)
	case "owner":
		if err = unix.Setresgid(-1, 4321, -1); err == nil {
			err = unix.Setresuid(-1, 1234, -1)
		}
	case "dead-leader":
		go waitForEnd()
		runtime.LockOSThread()
		unix.RawSyscall(unix.SYS_EXIT, 0, 0, 0)
	case "map":
		err = mapExec(arg)
	case "map-inside": // in a mount namespace and a root directory of its own
		dir, name := filepath.Split(arg)
		err = errors.Join(
			unix.Unshare(unix.CLONE_NEWNS),
			unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
		var content []byte
		if err == nil {
			content, err = os.ReadFile(arg)
		}
		if err == nil {
			err = errors.Join(
				unix.Mount("tmpfs", dir, "tmpfs", 0, ""),
				os.WriteFile(arg, content, 0o755),
				unix.Chroot(dir), unix.Chdir("/"),
				mapExec("/"+name))
		}
	case "memfd":
		err = mapMemfd(arg)
	default:
		err = fmt.Errorf("no role %q", role)
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	waitForEnd()
}

func waitForEnd() {
	fmt.Println("ready")
	io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

func mapExec(path string) error {
	fd, err := unix.Open(path, unix.O_RDONLY, 0)
	if err != nil {
		return err
	}
	_, err = unix.Mmap(fd, 0, 4096, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE)
	return err
}

func mapMemfd(path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	fd, err := unix.MemfdCreate("libx.so", 0)
	if err != nil {
		return err
	}
	if _, err := unix.Write(fd, content); err != nil {
		return err
	}
	_, err = unix.Mmap(fd, 0, 4096, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_SHARED)
	return err
}

// roleChild is a running child.
type roleChild struct {
	cmd  *exec.Cmd
	line string // its first line
}

// startRole starts the test binary in a role. It ends with the test.
func startRole(t testing.TB, role, arg string) *roleChild {
	t.Helper()
	return startCommand(t, roleCommand(role, arg))
}

func roleCommand(role, arg string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	if exe, err := os.Executable(); err == nil {
		cmd.Path = exe
	}
	// The race detector would hold up each exit for a second.
	cmd.Env = append(os.Environ(), roleEnv+"="+role, argEnv+"="+arg, "GORACE=atexit_sleep_ms=0")
	return cmd
}

// startCommand runs cmd and waits for its first line.
func startCommand(t testing.TB, cmd *exec.Cmd) *roleChild {
	t.Helper()
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
	t.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("start %s: first line %q: %v", cmd.Path, line, err)
	}
	if cmd.Env != nil && line != "ready\n" {
		t.Fatalf("start %s: %s", cmd.Path, line)
	}
	return &roleChild{cmd: cmd, line: strings.TrimSpace(line)}
}

func (c *roleChild) pid() int { return c.cmd.Process.Pid }

// requireTool skips the test if a program is missing. VMASNAP_TEST_REQUIRE=tools turns
// the skip into a failure.
func requireTool(t testing.TB, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		skipUnlessRequired(t, "tools", name)
	}
}

// requireRoot skips the test if the user is not root. VMASNAP_TEST_REQUIRE=procmap turns
// the skip into a failure.
func requireRoot(t testing.TB, why string) {
	t.Helper()
	if os.Geteuid() != 0 {
		skipUnlessRequired(t, "procmap", why)
	}
}

func skipUnlessRequired(t testing.TB, feature, what string) {
	t.Helper()
	if slices.Contains(strings.Split(os.Getenv("VMASNAP_TEST_REQUIRE"), ","), feature) {
		t.Fatalf("needs %s, and VMASNAP_TEST_REQUIRE wants it", what)
	}
	t.Skipf("needs %s", what)
}

// compile builds a C source.
func compile(t testing.TB, source string, flags ...string) string {
	t.Helper()
	requireTool(t, "cc")
	out := filepath.Join(t.TempDir(), strings.TrimSuffix(filepath.Base(source), ".c"))
	args := append([]string{"-O1", "-Wl,--build-id=sha1", "-o", out, source}, flags...)
	if text, err := exec.Command("cc", args...).CombinedOutput(); err != nil {
		t.Fatalf("cc: %v\n%s", err, text)
	}
	return out
}

// compileGo builds a Go program that says "ready" and waits. Without
// flags it is linked by the Go linker alone.
func compileGo(t testing.TB, flags ...string) string {
	t.Helper()
	requireTool(t, "go")
	dir := t.TempDir()
	files := map[string]string{
		"go.mod":  "module waiter\n\ngo 1.25\n",
		"main.go": "package main\n\nimport \"syscall\"\n\nfunc main() {\n\tsyscall.Write(1, []byte(\"ready\\n\"))\n\tvar b [1]byte\n\tsyscall.Read(0, b[:])\n}\n",
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("go", append(append([]string{"build", "-o", "waiter"}, flags...), ".")...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, text)
	}
	return filepath.Join(dir, "waiter")
}

// openProcess returns the Process of pid until the end of the test.
func openProcess(t testing.TB, pid int) *Process {
	t.Helper()
	p, err := OpenProcess("/proc", pid)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// info returns the Info of p.
func info(t testing.TB, p *Process) Info {
	t.Helper()
	var i Info
	if err := p.Info(&i); err != nil {
		t.Fatal(err)
	}
	return i
}
