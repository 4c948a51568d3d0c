package procmap

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/vmasnap/vmasnap/internal/need"
	"github.com/vmasnap/vmasnap/internal/testproc"
)

// The test binary is also the program that is looked at: a child plays the role that is named
// in the environment, and then serves. Most roles map files.
const (
	roleEnv = "VMASNAP_TEST_ROLE"
	argEnv  = "VMASNAP_TEST_ROLE_ARG"
)

var roles = map[string]func(arg string) error{
	"hold":         func(string) error { return nil },
	"comm":         setComm,
	"owner":        setOwner,
	"dead-leader":  exitLeader,
	"look-at-self": lookAtSelf,
	"map":          mapExec,
	"map-inside":   mapInside,
	"memfd":        mapMemfd,
	"zoo":          mapZoo,
	"many":         mapMany,
	"elf":          mapELF,
	"limit":        mapLimit,
	"ambiguous":    mapAmbiguous,
}

// Roles run in init, where the goroutine is on the main thread: names, root directories
// and namespaces are of one thread.
func init() {
	role := os.Getenv(roleEnv)
	if role == "" {
		return
	}
	play, ok := roles[role]
	err := fmt.Errorf("no role %q", role)
	if ok {
		err = play(os.Getenv(argEnv))
	}
	if err == nil {
		err = serve()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "child:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// serve says "ready" and then does what it is told, a word at a time, until its standard
// input ends.
func serve() error {
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
		switch word := string(b[:max(n, 0)]); word {
		case "":
			return nil
		case "exec":
			os.Setenv(roleEnv, "hold")
			return unix.Exec("/proc/self/exe", os.Args, os.Environ())
		default:
			return fmt.Errorf("unknown word %q", word)
		}
	}
}

func setComm(name string) error {
	return unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(cname(name))), 0, 0, 0)
}

func setOwner(string) error {
	if err := unix.Setresgid(-1, 4321, -1); err != nil {
		return err
	}
	return unix.Setresuid(-1, 1234, -1)
}

// exitLeader ends the main thread while another one serves.
func exitLeader(string) error { return exitLeaderThen(func() error { return nil }) }

// exitLeaderThen ends the main thread while another one serves if look returns nil.
func exitLeaderThen(look func() error) error {
	go func() {
		if err := look(); err != nil {
			fmt.Fprintln(os.Stderr, "child:", err)
			os.Exit(1)
		}
		serve()
		os.Exit(0)
	}()
	runtime.LockOSThread()
	unix.RawSyscall(unix.SYS_EXIT, 0, 0, 0)
	return errors.New("main thread goes on")
}

// mapInside is mapExec in a mount namespace and a root directory of its own.
func mapInside(path string) error {
	dir, name := filepath.Split(path)
	err := errors.Join(
		unix.Unshare(unix.CLONE_NEWNS),
		unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	if err != nil {
		return err
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return errors.Join(
		unix.Mount("tmpfs", dir, "tmpfs", 0, ""),
		os.WriteFile(path, content, 0o755),
		unix.Chroot(dir), unix.Chdir("/"),
		mapExec("/"+name))
}

func mapExec(path string) error {
	fd, err := unix.Open(path, unix.O_RDONLY, 0)
	if err != nil {
		return err
	}
	return mapFD(fd, 0, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE)
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
	return mapFD(fd, 0, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_SHARED)
}

// compile builds a C source.
func compile(t testing.TB, source string, flags ...string) string {
	t.Helper()
	need.Tool(t, "cc")
	exe := filepath.Join(t.TempDir(), strings.TrimSuffix(filepath.Base(source), ".c"))
	if err := testproc.Build(exe, source, flags...); err != nil {
		t.Fatal(err)
	}
	return exe
}

// compileGo builds a Go program that says "ready" and waits. Without flags it is linked by
// the Go linker alone.
func compileGo(t testing.TB, flags ...string) string {
	t.Helper()
	need.Tool(t, "go")
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

// waitZombie waits until p's leader has exited, and returns what p is then.
func waitZombie(t *testing.T, p *Process) Info {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); ; {
		if i := info(t, p); i.Zombie() {
			return i
		}
		if time.Now().After(deadline) {
			t.Fatal("leader does not exit")
		}
	}
}
