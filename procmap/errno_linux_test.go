package procmap

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vmasnap/vmasnap/internal/need"
)

func TestErrno(t *testing.T) {
	for _, test := range []struct {
		errno unix.Errno
		is    error
		text  string
	}{
		{unix.ESRCH, ErrGone, "address space is gone"},
		{unix.ENOTTY, ErrNotSupported, "requires Linux 6.11"},
		{unix.ENOTTY, errors.ErrUnsupported, "PROCMAP_QUERY not supported"},
		{unix.EPERM, fs.ErrPermission, "seccomp"},
		{unix.EACCES, fs.ErrPermission, "seccomp"},
		{unix.ENOSYS, unix.ENOSYS, "seccomp"},
		{unix.E2BIG, unix.E2BIG, "larger"},
		{unix.ENAMETOOLONG, unix.ENAMETOOLONG, "longer"},
		{unix.EINVAL, unix.EINVAL, "flag"},
		{unix.EFAULT, unix.EFAULT, "buffers"},
		{unix.ENOMEM, unix.ENOMEM, "memory"},
		{unix.EIO, unix.EIO, "unexpected"},
	} {
		t.Run(unix.ErrnoName(test.errno), func(t *testing.T) {
			k := &fakeKernel{}
			m := k.mustOpen(t, Options{Source: SourceIoctl})
			k.before = func(int, *procmapQuery) unix.Errno { return test.errno }
			file := text(0x1000, 0x2000, 1)
			_, idErr := m.BuildID(&file)
			for call, err := range map[string]error{
				"next": m.Next(new(VMA)), "find": m.Find(0, new(VMA)), "build ID": idErr,
			} {
				if !errors.Is(err, test.is) || !strings.Contains(err.Error(), test.text) {
					t.Errorf("%s: %v, want %v", call, err, test.is)
				}
			}
		})
	}
}

func TestEINTRIsTriedAgain(t *testing.T) {
	k := &fakeKernel{vmas: []VMA{text(0x1000, 0x2000, 1)}}
	m := k.mustOpen(t, Options{})
	k.before = func(call int, _ *procmapQuery) unix.Errno {
		if call < 3 {
			return unix.EINTR
		}
		return 0
	}
	if err := m.Next(new(VMA)); err != nil {
		t.Error(err)
	}
}

func TestSourceChoice(t *testing.T) {
	for _, test := range []struct {
		errno unix.Errno
		ask   Source
		want  Source // SourceAuto: an error
		next  bool   // an error of the first Next instead of Open
	}{
		{0, SourceAuto, SourceIoctl, false},
		{unix.ESRCH, SourceAuto, SourceIoctl, false},
		{unix.ENOTTY, SourceAuto, SourceMaps, false},
		{unix.EPERM, SourceAuto, SourceMaps, false},
		{unix.EACCES, SourceAuto, SourceMaps, false},
		{unix.ENOSYS, SourceAuto, SourceMaps, false},
		{unix.ENOMEM, SourceAuto, SourceAuto, false},
		{0, SourceIoctl, SourceIoctl, false},
		{unix.ESRCH, SourceIoctl, SourceIoctl, false},
		{unix.ENOTTY, SourceIoctl, SourceIoctl, true},
		{unix.EPERM, SourceIoctl, SourceIoctl, true},
		{0, SourceMaps, SourceMaps, false},
		{unix.ENOTTY, SourceMaps, SourceMaps, false},
	} {
		asked := 0
		k := &fakeKernel{before: func(int, *procmapQuery) unix.Errno { asked++; return test.errno }}
		m, err := k.open(t, Options{Source: test.ask}, nil)
		if (asked == 1) != (test.ask == SourceAuto) {
			t.Errorf("%s, errno %d: asked %d times", test.ask, test.errno, asked)
		}
		switch {
		case test.want == SourceAuto:
			if err == nil {
				t.Errorf("%s, errno %d: no error", test.ask, test.errno)
			}
		case err != nil:
			t.Errorf("%s, errno %d: %v", test.ask, test.errno, err)
		case m.Source() != test.want:
			t.Errorf("%s, errno %d: source %s, want %s", test.ask, test.errno, m.Source(), test.want)
		case test.next && !errors.Is(m.Next(new(VMA)), queryKind(test.errno)):
			t.Errorf("%s, errno %d: the first Next does not tell", test.ask, test.errno)
		}
	}
}

// queryKind is what a query that the kernel answers with errno is for errors.Is.
func queryKind(errno unix.Errno) error {
	if errno == unix.ENOTTY {
		return ErrNotSupported
	}
	return fs.ErrPermission
}

// TestTextFallback: the kernel has no query, and the options hold for the text all the same.
func TestTextFallback(t *testing.T) {
	k := &fakeKernel{before: func(int, *procmapQuery) unix.Errno { return unix.ENOTTY }}
	m, err := k.open(t, Options{AnonExec: true}, []byte(
		"1000-2000 r-xp 00000000 08:01 7 /lib/a.so\n"+
			"2000-3000 r--p 00001000 08:01 7 /lib/a.so\n"+
			"4000-5000 r-xp 00000000 00:00 0 \n"+
			"6000-7000 r-xp 00000000 00:00 0 [vdso]\n"+
			"ffff0000-ffff1000 r-xp 00000000 00:00 0 [vectors]\n"+
			"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]\n"))
	if err != nil {
		t.Fatal(err)
	}
	vmas, err := collect(m)
	if err != nil {
		t.Fatal(err)
	}
	checkStarts(t, vmas, 0x1000, 0x4000)
	for _, gate := range []uint64{0xffff0000, 0xffffffffff600000} {
		if err := m.Find(gate, new(VMA)); !errors.Is(err, ErrNoVMA) {
			t.Errorf("find the gate area at %#x: %v", gate, err)
		}
	}
}

func TestSupported(t *testing.T) {
	need.Query(t, Supported())
	for errno, want := range map[unix.Errno]error{
		unix.ENOTTY: ErrNotSupported, unix.EPERM: fs.ErrPermission, unix.EACCES: fs.ErrPermission,
	} {
		err := probe("/proc", func(uintptr, *procmapQuery) unix.Errno { return errno })
		if !errors.Is(err, want) {
			t.Errorf("%s: %v", unix.ErrnoName(errno), err)
		}
	}
	// A proc that does not show this process says nothing about the kernel.
	support.Lock()
	support.known = false
	support.Unlock()
	if err := SupportedAt(t.TempDir()); err != nil {
		t.Errorf("without this process there: %v", err)
	}
}
