package bpfmmap

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vmasnap/vmasnap/internal/need"
	"github.com/vmasnap/vmasnap/procmap"
)

// isolated runs the test in a process with a mount namespace of its own, in which it returns an
// empty directory; what is mounted there ends with it. In this process it returns "" once that
// has ended.
func isolated(t *testing.T) (dir string) {
	t.Helper()
	const variable = "VMASNAP_TEST_ISOLATED"
	if name, dir, _ := strings.Cut(os.Getenv(variable), "="); name == t.Name() {
		return dir
	}
	need.Root(t, "to mount file systems")
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v=true")
	cmd.Env = append(os.Environ(), variable+"="+t.Name()+"="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS} // Go makes all mounts private
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("in a mount namespace of its own: %v\n%s", err, out)
	}
	// The need that skipped it there was not a required one, or it had failed.
	if bytes.Contains(out, []byte("\n--- SKIP: "+t.Name()+" ")) {
		need.Skip(t, need.BPF, fmt.Sprintf("what a mount namespace of its own lacks:\n%s", out))
	}
	if bytes.Contains(out, []byte("--- SKIP: ")) {
		t.Logf("%s", out)
	}
	return ""
}

// pathCase maps a file in a way that makes its path special.
type pathCase struct {
	name string
	do   func(t *testing.T, dir string) // dir is empty, and its own
}

// TestPaths compares the paths of all kinds of files with what the kernel itself prints.
func TestPaths(t *testing.T) {
	if dir := isolated(t); dir != "" {
		testPaths(t, dir)
	}
}

// TestPathsBelowRoot is TestPaths for a program whose root directory is not the machine's: it
// sees some of the files below its own root, and others it does not.
func TestPathsBelowRoot(t *testing.T) {
	dir := isolated(t)
	if dir == "" {
		return
	}
	root, outside := filepath.Join(dir, "root"), filepath.Join(dir, "outside")
	must(t, os.Mkdir(root, 0o755))
	write(t, outside)
	file, err := os.Open(outside)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	must(t, unix.Mount("/", root, "", unix.MS_BIND|unix.MS_REC, ""))
	must(t, unix.Chroot(root))
	must(t, os.Chdir("/"))
	t.Run("outside", func(t *testing.T) {
		f := attachHere(t, Options{})
		m := newModel()
		mapFile(t, file)
		until(t, f, 2, m.apply)
		m.compare(t, os.Getpid())
	})
	testPaths(t, dir)
}

func testPaths(t *testing.T, dir string) {
	f := attachHere(t, Options{})
	m := newModel()
	for _, c := range pathCases {
		t.Run(c.name, func(t *testing.T) {
			own := filepath.Join(dir, c.name)
			must(t, os.Mkdir(own, 0o755))
			c.do(t, own)
			until(t, f, 2, m.apply)
			m.compare(t, os.Getpid())
		})
	}
	f.Losses(func(cpu int, l Loss, total uint64) { t.Errorf("CPU %d lost %d: %s", cpu, total, l) })
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// write makes a file of two pages.
func write(t *testing.T, path string) {
	t.Helper()
	must(t, os.WriteFile(path, make([]byte, 2*os.Getpagesize()), 0o755))
}

// mapFile maps it executable until the test ends.
func mapFile(t *testing.T, f *os.File) {
	t.Helper()
	b, err := unix.Mmap(int(f.Fd()), 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE)
	must(t, err)
	t.Cleanup(func() { must(t, unix.Munmap(b)) })
}

// mapPath opens and maps it.
func mapPath(t *testing.T, path string) {
	t.Helper()
	f, err := os.Open(path)
	must(t, err)
	defer f.Close()
	mapFile(t, f)
}

// named makes and maps a file of that name.
func named(name string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		write(t, filepath.Join(dir, name))
		mapPath(t, filepath.Join(dir, name))
	}
}

// nested makes n directories, one in the other, with a file at the end, and maps that.
func nested(n int, name string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY, 0)
		must(t, err)
		for range n {
			must(t, unix.Mkdirat(fd, name, 0o755))
			next, err := unix.Openat(fd, name, unix.O_PATH|unix.O_DIRECTORY, 0)
			must(t, err)
			unix.Close(fd)
			fd = next
		}
		file, err := unix.Openat(fd, "leaf", unix.O_CREAT|unix.O_RDWR, 0o755)
		must(t, err)
		unix.Close(fd)
		f := os.NewFile(uintptr(file), "leaf")
		defer f.Close()
		must(t, f.Truncate(int64(os.Getpagesize())))
		mapFile(t, f)
	}
}

var pathCases = []pathCase{
	{"plain", named("plain")},
	{"newline", named("a\nb")},
	{"backslash", func(t *testing.T, dir string) {
		// The text of maps, to compare with, does not tell a backslash from an escaped newline.
		need.Query(t, procmap.Supported())
		named(`back\012slash`)(t, dir)
	}},
	{"bytes", named("\xff \x01")},
	{"says deleted", named("name (deleted)")},
	{"deep", nested(60, "d")},
	{"deeper", nested(900, "d")},
	{"long", nested(14, strings.Repeat("n", 250))},
	{"deleted", func(t *testing.T, dir string) {
		path := filepath.Join(dir, "gone")
		write(t, path)
		f, err := os.Open(path)
		must(t, err)
		defer f.Close()
		must(t, os.Remove(path))
		mapFile(t, f)
	}},
	{"replaced", func(t *testing.T, dir string) {
		path := filepath.Join(dir, "same")
		write(t, path)
		mapPath(t, path)
		write(t, path+".new")
		must(t, os.Rename(path+".new", path))
		mapPath(t, path)
		// What was stated about the first was true. It is deleted by now, which only a look
		// at it can tell, and that is for whoever asks: here, another statement.
		touch(t, "/same (deleted)")
	}},
	{"renamed", func(t *testing.T, dir string) {
		path := filepath.Join(dir, "before")
		write(t, path)
		f, err := os.Open(path)
		must(t, err)
		defer f.Close()
		must(t, os.Rename(path, filepath.Join(dir, "after")))
		mapFile(t, f)
	}},
	{"renamed directory", func(t *testing.T, dir string) {
		must(t, os.Mkdir(filepath.Join(dir, "before"), 0o755))
		write(t, filepath.Join(dir, "before", "file"))
		mapPath(t, filepath.Join(dir, "before", "file"))
		must(t, os.Rename(filepath.Join(dir, "before"), filepath.Join(dir, "after")))
		mapPath(t, filepath.Join(dir, "after", "file"))
		touch(t, "/after/file")
	}},
	{"two names", func(t *testing.T, dir string) {
		write(t, filepath.Join(dir, "one"))
		must(t, os.Link(filepath.Join(dir, "one"), filepath.Join(dir, "two")))
		mapPath(t, filepath.Join(dir, "one"))
		mapPath(t, filepath.Join(dir, "two"))
	}},
	{"memory file", func(t *testing.T, dir string) {
		fd, err := unix.MemfdCreate("of/memory", 0)
		must(t, err)
		f := os.NewFile(uintptr(fd), "memory")
		defer f.Close()
		must(t, f.Truncate(int64(os.Getpagesize())))
		mapFile(t, f)
	}},
	{"zero", func(t *testing.T, dir string) {
		b, err := unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_EXEC, unix.MAP_SHARED|unix.MAP_ANONYMOUS)
		must(t, err)
		t.Cleanup(func() { must(t, unix.Munmap(b)) })
		f, err := os.Open("/dev/zero")
		must(t, err)
		defer f.Close()
		// refused where /dev is mounted noexec
		_, _ = unix.Mmap(int(f.Fd()), 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE)
	}},
	{"other file system", func(t *testing.T, dir string) {
		must(t, unix.Mount("none", dir, "tmpfs", 0, ""))
		named("file")(t, dir)
	}},
	{"bind directory", func(t *testing.T, dir string) {
		must(t, os.MkdirAll(filepath.Join(dir, "from", "deep"), 0o755))
		must(t, os.Mkdir(filepath.Join(dir, "to"), 0o755))
		must(t, unix.Mount(filepath.Join(dir, "from"), filepath.Join(dir, "to"), "", unix.MS_BIND, ""))
		named("file")(t, filepath.Join(dir, "to", "deep"))
		mapPath(t, filepath.Join(dir, "from", "deep", "file"))
	}},
	{"bind file", func(t *testing.T, dir string) {
		write(t, filepath.Join(dir, "from"))
		write(t, filepath.Join(dir, "to"))
		must(t, unix.Mount(filepath.Join(dir, "from"), filepath.Join(dir, "to"), "", unix.MS_BIND, ""))
		mapPath(t, filepath.Join(dir, "to"))
	}},
	{"unmounted", func(t *testing.T, dir string) {
		must(t, unix.Mount("none", dir, "tmpfs", 0, ""))
		must(t, os.Mkdir(filepath.Join(dir, "sub"), 0o755))
		write(t, filepath.Join(dir, "sub", "file"))
		f, err := os.Open(filepath.Join(dir, "sub", "file"))
		must(t, err)
		defer f.Close()
		must(t, unix.Unmount(dir, unix.MNT_DETACH))
		mapFile(t, f)
	}},
	{"mounted over", func(t *testing.T, dir string) {
		write(t, filepath.Join(dir, "file"))
		f, err := os.Open(filepath.Join(dir, "file"))
		must(t, err)
		defer f.Close()
		must(t, unix.Mount("none", dir, "tmpfs", 0, ""))
		mapFile(t, f)
	}},
	{"moved mount", func(t *testing.T, dir string) {
		for _, name := range []string{"from", "to"} {
			must(t, os.Mkdir(filepath.Join(dir, name), 0o755))
		}
		must(t, unix.Mount("none", filepath.Join(dir, "from"), "tmpfs", 0, ""))
		named("file")(t, filepath.Join(dir, "from"))
		must(t, unix.Mount(filepath.Join(dir, "from"), filepath.Join(dir, "to"), "", unix.MS_MOVE, ""))
		mapPath(t, filepath.Join(dir, "to", "file"))
		touch(t, "/to/file")
	}},
	{"outside of its mount", func(t *testing.T, dir string) {
		must(t, os.MkdirAll(filepath.Join(dir, "from", "in"), 0o755))
		must(t, os.Mkdir(filepath.Join(dir, "to"), 0o755))
		write(t, filepath.Join(dir, "from", "in", "file"))
		must(t, unix.Mount(filepath.Join(dir, "from"), filepath.Join(dir, "to"), "", unix.MS_BIND, ""))
		f, err := os.Open(filepath.Join(dir, "to", "in", "file"))
		must(t, err)
		defer f.Close()
		must(t, os.Rename(filepath.Join(dir, "from", "in"), filepath.Join(dir, "out")))
		mapFile(t, f)
	}},
	{"overlay", func(t *testing.T, dir string) {
		must(t, unix.Mount("none", dir, "tmpfs", 0, ""))
		for _, name := range []string{"lower", "upper", "work", "merged"} {
			must(t, os.Mkdir(filepath.Join(dir, name), 0o755))
		}
		for _, name := range []string{"below", "copied", "deleted"} {
			write(t, filepath.Join(dir, "lower", name))
		}
		options := "lowerdir=" + dir + "/lower,upperdir=" + dir + "/upper,workdir=" + dir + "/work"
		if err := unix.Mount("none", filepath.Join(dir, "merged"), "overlay", 0, options); err == unix.ENODEV {
			need.Skip(t, need.Overlay, "overlayfs")
		} else if err != nil {
			t.Fatal(err)
		}
		merged := filepath.Join(dir, "merged")
		named("above")(t, merged)
		mapPath(t, filepath.Join(merged, "below"))
		write(t, filepath.Join(merged, "copied"))
		mapPath(t, filepath.Join(merged, "copied"))
		f, err := os.Open(filepath.Join(merged, "deleted"))
		must(t, err)
		defer f.Close()
		must(t, os.Remove(filepath.Join(merged, "deleted")))
		mapFile(t, f)
	}},
}

// touch has every mapping of this process whose line in maps ends so stated again: what a
// rename does to names that were told before is not an event.
func touch(t *testing.T, suffix string) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/maps")
	must(t, err)
	for line := range strings.Lines(string(text)) {
		var start, end uintptr
		if !strings.HasSuffix(strings.TrimSuffix(line, "\n"), suffix) {
			continue
		}
		if _, err := fmt.Sscanf(line, "%x-%x", &start, &end); err != nil {
			t.Fatal(err)
		}
		// A call that changes nothing is nothing to tell.
		for _, prot := range []uintptr{unix.PROT_READ, unix.PROT_READ | unix.PROT_EXEC} {
			_, _, errno := unix.Syscall(unix.SYS_MPROTECT, start, end-start, prot)
			if errno != 0 {
				t.Fatal(errno)
			}
		}
	}
}
