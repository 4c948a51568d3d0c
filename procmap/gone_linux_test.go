package procmap

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vmasnap/vmasnap/internal/need"
)

// eachSource runs a test with both sources.
func eachSource(t *testing.T, run func(t *testing.T, source Source)) {
	for _, source := range []Source{SourceIoctl, SourceMaps} {
		t.Run(source.String(), func(t *testing.T) {
			if source == SourceIoctl {
				need.Query(t, Supported())
			}
			run(t, source)
		})
	}
}

func checkGone(t *testing.T, m *Maps) {
	t.Helper()
	var v VMA
	for range 2 {
		m.Rewind()
		if err := m.Next(&v); !errors.Is(err, ErrGone) {
			t.Errorf("next: %v, want ErrGone", err)
		}
	}
	if err := m.Find(0x400000, &v); !errors.Is(err, ErrGone) {
		t.Errorf("find: %v, want ErrGone", err)
	}
	if m.Source() == SourceIoctl {
		file := VMA{Start: 0x400000, End: 0x401000, Inode: 1}
		if _, err := m.BuildID(&file); !errors.Is(err, ErrGone) {
			t.Errorf("build ID: %v, want ErrGone", err)
		}
	}
}

func TestGoneAfterExec(t *testing.T) {
	eachSource(t, func(t *testing.T, source Source) {
		c := startChild(t, "hold")
		m := c.open(Options{Source: source})
		if vmas, err := collect(m); err != nil || len(vmas) == 0 {
			t.Fatalf("before exec: %d VMAs, %v", len(vmas), err)
		}
		c.exec()
		checkGone(t, m)
		if vmas, err := collect(c.open(Options{Source: source})); err != nil || len(vmas) == 0 {
			t.Errorf("opened after exec: %d VMAs, %v", len(vmas), err)
		}
	})
}

func TestGoneAfterExit(t *testing.T) {
	eachSource(t, func(t *testing.T, source Source) {
		c := startChild(t, "hold")
		dir, err := os.Open(c.path("."))
		if err != nil {
			t.Fatal(err)
		}
		defer dir.Close()
		m := c.open(Options{Source: source})
		c.End()
		checkGone(t, m)
		if _, err := OpenAt(int(dir.Fd()), Options{Source: source}); !errors.Is(err, ErrGone) {
			t.Errorf("open in the directory: %v, want ErrGone", err)
		}
		if _, err := Open(c.PID, Options{Source: source}); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("open by number: %v, want fs.ErrNotExist", err)
		}
	})
}

// TestGoneDuringWalk: the text must not just end.
func TestGoneDuringWalk(t *testing.T) {
	eachSource(t, func(t *testing.T, source Source) {
		c := startChild(t, "zoo")
		m := c.open(Options{Source: source, AllFile: true})
		var v VMA
		if err := m.Next(&v); err != nil {
			t.Fatal(err)
		}
		c.End()
		if _, err := collect(m); !errors.Is(err, ErrGone) {
			t.Errorf("rest of the walk: %v, want ErrGone", err)
		}
	})
}

func TestGoneZombie(t *testing.T) {
	eachSource(t, func(t *testing.T, source Source) {
		c := startChild(t, "hold")
		c.kill()
		checkGone(t, c.open(Options{Source: source}))
	})
}

// TestFromFileOverSocket queries with a descriptor that has been received.
func TestFromFileOverSocket(t *testing.T) {
	eachSource(t, func(t *testing.T, source Source) {
		c := startChild(t, "hold")
		f, err := os.Open(c.path("maps"))
		if err != nil {
			t.Fatal(err)
		}
		received := passFile(t, f)
		f.Close()
		m, err := FromFile(received, Options{Source: source})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		got, err := walkLines(m)
		if err != nil {
			t.Fatal(err)
		}
		want, err := walkLines(c.open(Options{Source: source}))
		if err != nil {
			t.Fatal(err)
		}
		diffLines(t, got, want)
		c.End()
		checkGone(t, m)
	})
}

// passFile sends f over a Unix socket and returns the descriptor that arrives.
func passFile(t *testing.T, f *os.File) *os.File {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var conns [2]*net.UnixConn
	for i, fd := range pair {
		end := os.NewFile(uintptr(fd), "socket")
		conn, err := net.FileConn(end)
		end.Close()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conns[i] = conn.(*net.UnixConn)
	}
	if _, _, err := conns[0].WriteMsgUnix([]byte{0}, unix.UnixRights(int(f.Fd())), nil); err != nil {
		t.Fatal(err)
	}
	oob := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := conns[1].ReadMsgUnix(make([]byte, 1), oob)
	if err != nil {
		t.Fatal(err)
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(messages) != 1 {
		t.Fatalf("%d control messages, %v", len(messages), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fds[0]), "received maps")
}

func TestFromFileRefuses(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if _, err := FromFile(r, Options{}); !errors.Is(err, unix.EINVAL) {
		t.Errorf("pipe: %v", err)
	}
	if _, err := r.Stat(); err != nil {
		t.Errorf("the descriptor was closed: %v", err)
	}
	status, err := os.Open("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	defer status.Close()
	if _, err := FromFile(status, Options{Source: SourceIoctl}); !errors.Is(err, ErrNotSupported) {
		t.Errorf("another file of procfs, ioctl: %v", err)
	}
	m, err := FromFile(status, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Next(new(VMA)); !errors.Is(err, ErrSyntax) {
		t.Errorf("another file of procfs, text: %v", err)
	}
}

func TestOpenErrors(t *testing.T) {
	for _, pid := range []int{-1, 0, 1 << 30} {
		if _, err := Open(pid, Options{}); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("pid %d: %v", pid, err)
		}
	}
	if _, err := Open(os.Getpid(), Options{ProcFS: t.TempDir()}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no procfs there: %v", err)
	}
	if _, err := Open(os.Getpid(), Options{Source: 9}); err == nil {
		t.Error("source 9 is accepted")
	}

	// With SourceIoctl, Open does not ask: the first Next tells that nobody answers.
	dir := t.TempDir()
	if err := errors.Join(os.Mkdir(dir+"/1", 0o700), os.WriteFile(dir+"/1/maps", nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	m := openTest(t, 1, Options{ProcFS: dir, Source: SourceIoctl})
	if err := m.Next(new(VMA)); !errors.Is(err, ErrNotSupported) {
		t.Errorf("next: %v, want ErrNotSupported", err)
	}
}

func TestClose(t *testing.T) {
	eachSource(t, func(t *testing.T, source Source) {
		m := openTest(t, os.Getpid(), Options{Source: source})
		// The end of the walk must not hide that m is closed.
		if _, err := collect(m); err != nil {
			t.Fatal(err)
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		v := text(0x1000, 0x2000, 1)
		_, idErr := m.BuildID(&v)
		for name, err := range map[string]error{
			"next": m.Next(&v), "find": m.Find(0, &v), "build ID": idErr, "close": m.Close(),
		} {
			if !errors.Is(err, os.ErrClosed) {
				t.Errorf("%s: %v, want os.ErrClosed", name, err)
			}
		}
	})
}

// TestDropped: a Maps that is not closed must be collected, with its pin and descriptor.
func TestDropped(t *testing.T) {
	const dropped = 100
	first := countFiles(t)
	for range dropped {
		m, err := Open(os.Getpid(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Next(new(VMA)); err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
	}
	for range 100 { // cleanups run in a goroutine some time after a collection
		runtime.GC()
		runtime.Gosched()
		if countFiles(t) < first+dropped/2 {
			return
		}
	}
	t.Errorf("%d descriptors are still open", countFiles(t)-first)
}

func countFiles(t *testing.T) int {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}
