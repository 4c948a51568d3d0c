package procmap

import (
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// fakeKernel answers queries from a list of VMAs as the kernel does.
type fakeKernel struct {
	t     *testing.T
	vmas  []VMA
	calls int
	// before, if set, runs before each query, with its number from 0. What it returns
	// is returned instead of an answer, unless it is 0.
	before func(call int, q *procmapQuery) unix.Errno
}

// open returns a Maps over k. The text is what its descriptor reads.
func (k *fakeKernel) open(t *testing.T, o Options, text []byte) (*Maps, error) {
	t.Helper()
	k.t = t
	path := filepath.Join(t.TempDir(), "maps")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	m, err := newMaps(f, o, k.query, o.Source == SourceAuto)
	if err != nil {
		f.Close()
		return nil, err
	}
	t.Cleanup(func() { m.Close() })
	k.calls = 0 // Open may have asked once
	return m, nil
}

func (k *fakeKernel) mustOpen(t *testing.T, o Options) *Maps {
	t.Helper()
	m, err := k.open(t, o, nil)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func (k *fakeKernel) query(_ uintptr, q *procmapQuery) unix.Errno {
	call := k.calls
	k.calls++
	if q.size != 104 || (q.vmaNameSize == 0) != (q.vmaNameAddr == 0) ||
		(q.buildIDSize == 0) != (q.buildIDAddr == 0) ||
		q.vmaNameSize != 0 && q.vmaNameSize != 4096 || q.buildIDSize != 0 && q.buildIDSize < 20 {
		k.t.Errorf("malformed query %+v", *q)
	}
	if k.before != nil {
		if errno := k.before(call, q); errno != 0 {
			return errno
		}
	}
	for i := range k.vmas {
		v := &k.vmas[i]
		perms := q.queryFlags & 0xf
		switch {
		case v.End <= q.queryAddr, uint64(v.Flags)&perms != perms,
			q.queryFlags&queryFileBacked != 0 && !v.FileBacked():
			continue
		case q.queryFlags&queryCoveringOrNext == 0 && v.Start > q.queryAddr:
			return unix.ENOENT
		case v.NameUnknown && q.vmaNameSize != 0:
			return unix.ENAMETOOLONG
		}
		q.vmaStart, q.vmaEnd, q.vmaOffset = v.Start, v.End, v.Offset
		q.vmaFlags, q.vmaPageSize = uint64(v.Flags), 4096
		q.devMajor, q.devMinor, q.inode = v.Major, v.Minor, v.Inode
		q.vmaNameSize, q.buildIDSize = 0, 0
		return 0
	}
	return unix.ENOENT
}

// text returns an executable mapping of file number inode.
func text(start, end, inode uint64) VMA {
	return VMA{Start: start, End: end, Offset: start, Flags: Readable | Executable, Major: 8, Inode: inode}
}

func checkStarts(t *testing.T, vmas []VMA, want ...uint64) {
	t.Helper()
	var got []uint64
	for _, v := range vmas {
		got = append(got, v.Start)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("VMAs start at %#x, want %#x", got, want)
	}
}

func TestWalkWhileMappingsChange(t *testing.T) {
	a, b, c := text(0x1000, 0x2000, 1), text(0x3000, 0x4000, 2), text(0x5000, 0x6000, 3)
	for name, test := range map[string]struct {
		after []VMA // from the second query on
		want  []uint64
	}{
		"nothing":                  {[]VMA{a, b, c}, []uint64{0x1000, 0x3000, 0x5000}},
		"next is unmapped":         {[]VMA{a, c}, []uint64{0x1000, 0x5000}},
		"all are unmapped":         {nil, []uint64{0x1000}},
		"delivered is unmapped":    {[]VMA{b, c}, []uint64{0x1000, 0x3000, 0x5000}},
		"delivered grows upwards":  {[]VMA{text(0x1000, 0x2800, 1), b, c}, []uint64{0x1000, 0x1000, 0x3000, 0x5000}},
		"next merges with it":      {[]VMA{text(0x1000, 0x4000, 1), c}, []uint64{0x1000, 0x1000, 0x5000}},
		"next grows downwards":     {[]VMA{text(0x1800, 0x4000, 2), c}, []uint64{0x1000, 0x1800, 0x5000}},
		"next is split":            {[]VMA{text(0x3000, 0x3800, 2), text(0x3800, 0x4000, 2), c}, []uint64{0x1000, 0x3000, 0x3800, 0x5000}},
		"new one below is missed":  {[]VMA{text(0x800, 0x900, 4), a, b, c}, []uint64{0x1000, 0x3000, 0x5000}},
		"new one above is seen":    {[]VMA{a, b, c, text(0x7000, 0x8000, 4)}, []uint64{0x1000, 0x3000, 0x5000, 0x7000}},
		"delivered moves upwards":  {[]VMA{b, c, text(0x7000, 0x8000, 1)}, []uint64{0x1000, 0x3000, 0x5000, 0x7000}},
		"last one moves downwards": {[]VMA{text(0x800, 0x900, 3), a, b}, []uint64{0x1000, 0x3000}},
	} {
		t.Run(name, func(t *testing.T) {
			k := &fakeKernel{vmas: []VMA{a, b, c}}
			m := k.mustOpen(t, Options{})
			k.before = func(call int, _ *procmapQuery) unix.Errno {
				if call == 1 {
					k.vmas = test.after
				}
				return 0
			}
			vmas, err := collect(m)
			if err != nil {
				t.Fatal(err)
			}
			checkStarts(t, vmas, test.want...)
			k.vmas = []VMA{text(0x9000, 0xa000, 9)}
			if err := m.Next(new(VMA)); !errors.Is(err, io.EOF) {
				t.Errorf("after the end: %v", err)
			}
		})
	}
}

func TestWalkGoneInTheMiddle(t *testing.T) {
	k := &fakeKernel{vmas: []VMA{text(0x1000, 0x2000, 1), text(0x3000, 0x4000, 2)}}
	m := k.mustOpen(t, Options{})
	k.before = func(call int, _ *procmapQuery) unix.Errno {
		if call == 1 {
			return unix.ESRCH
		}
		return 0
	}
	vmas, err := collect(m)
	if !errors.Is(err, ErrGone) {
		t.Errorf("%v, want ErrGone", err)
	}
	checkStarts(t, vmas, 0x1000)
}

func TestWalkRefusesToStandStill(t *testing.T) {
	for name, bad := range map[string]VMA{
		"answer below the address": text(0x800, 0x900, 1),
		"the same answer again":    text(0x1000, 0x2000, 1),
		"empty answer":             text(0x3000, 0x3000, 1),
		"backwards answer":         text(0x4000, 0x3000, 1),
		"end wraps to 0":           text(0x4000, 0, 1),
	} {
		t.Run(name, func(t *testing.T) {
			k := &fakeKernel{vmas: []VMA{text(0x1000, 0x2000, 1)}}
			m := k.mustOpen(t, Options{})
			m.query = func(fd uintptr, q *procmapQuery) unix.Errno {
				if k.calls == 0 {
					return k.query(fd, q)
				}
				q.vmaStart, q.vmaEnd, q.vmaNameSize = bad.Start, bad.End, 0
				q.vmaFlags, q.inode = uint64(Executable), 1
				return 0
			}
			vmas, err := collect(m)
			if !errors.Is(err, io.ErrNoProgress) && !errors.Is(err, errBadAnswer) {
				t.Errorf("error %v", err)
			}
			checkStarts(t, vmas, 0x1000)
		})
	}
}

func TestFindRefusesNeighbours(t *testing.T) {
	m := new(fakeKernel).mustOpen(t, Options{})
	m.query = func(_ uintptr, q *procmapQuery) unix.Errno {
		q.vmaStart, q.vmaEnd, q.vmaNameSize = 0x3000, 0x4000, 0
		return 0
	}
	for addr, want := range map[uint64]error{0x2fff: errBadAnswer, 0x3000: nil, 0x3fff: nil, 0x4000: errNoAdvance} {
		if err := m.Find(addr, new(VMA)); !errors.Is(err, want) {
			t.Errorf("find %#x: %v, want %v", addr, err, want)
		}
	}
}

func TestTopOfAddressSpace(t *testing.T) {
	const top = math.MaxUint64
	k := &fakeKernel{vmas: []VMA{text(0x1000, 0x2000, 1), text(top-0xfff, top, 2)}}
	m := k.mustOpen(t, Options{})
	vmas, err := collect(m)
	if err != nil {
		t.Fatal(err)
	}
	checkStarts(t, vmas, 0x1000, top-0xfff)
	var v VMA
	if err := m.Find(top-1, &v); err != nil || v.Inode != 2 {
		t.Errorf("find below the top: %+v, %v", v, err)
	}
	if err := m.Find(top, &v); !errors.Is(err, ErrNoVMA) {
		t.Errorf("find the top: %v", err)
	}
}

func TestQueryFlags(t *testing.T) {
	for _, o := range allOptions() {
		want := uint64(0x10)
		if !o.AllFile {
			want |= 0x04
		}
		if !o.AnonExec && !o.VDSO {
			want |= 0x20
		}
		k := &fakeKernel{}
		m := k.mustOpen(t, o)
		k.before = func(_ int, q *procmapQuery) unix.Errno {
			if q.queryFlags != want {
				t.Errorf("%+v: flags %#x, want %#x", o, q.queryFlags, want)
			}
			return 0
		}
		if err := m.Next(new(VMA)); !errors.Is(err, io.EOF) {
			t.Error(err)
		}
	}
}

// TestLongNameLost: neither the ioctl nor the text has the name.
func TestLongNameLost(t *testing.T) {
	long := text(0x3000, 0x4000, 2)
	long.NameUnknown = true
	listed := text(0x3000, 0x4000, 2)
	listed.Name = []byte("/in the text")
	replaced := listed
	replaced.Inode = 9
	below := text(0x1000, 0x2000, 1)
	for name, test := range map[string]struct {
		text []VMA
		want string
	}{
		"listed":      {[]VMA{below, listed}, "/in the text"},
		"replaced":    {[]VMA{below, replaced}, ""},
		"unmapped":    {[]VMA{below}, ""},
		"nothing":     {nil, ""},
		"others only": {[]VMA{below, text(0x5000, 0x6000, 3)}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var lines []byte
			for i := range test.text {
				lines = AppendMapsLine(lines, &test.text[i])
			}
			k := &fakeKernel{vmas: []VMA{below, long, text(0x7000, 0x8000, 3)}}
			m, err := k.open(t, Options{}, lines)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				vmas, err := collect(m)
				if err != nil {
					t.Fatal(err)
				}
				checkStarts(t, vmas, 0x1000, 0x3000, 0x7000)
				v := vmas[1]
				if string(v.Name) != test.want || v.NameUnknown != (test.want == "") {
					t.Errorf("name %q, unknown %t", v.Name, v.NameUnknown)
				}
				m.Rewind()
			}
		})
	}
}

// TestLongNameChanges: what was read of the text is not believed for what comes later.
func TestLongNameChanges(t *testing.T) {
	long := []VMA{text(0x1000, 0x2000, 1), text(0x3000, 0x4000, 2)}
	listed := slices.Clone(long)
	listed[0].Name, listed[1].Name = []byte("/first"), []byte("/second")
	for i := range long {
		long[i].NameUnknown = true
	}
	k := &fakeKernel{vmas: long}
	m, err := k.open(t, Options{}, []byte("5000-6000 r-xp 00000000 08:00 3 /third\n"))
	if err != nil {
		t.Fatal(err)
	}
	next := func(addr uint64, v *VMA) error { return m.Next(v) }
	for _, step := range []struct {
		ask  func(addr uint64, v *VMA) error
		vma  int
		text []VMA // from here on
		want string
	}{
		{next, 0, nil, ""},           // reads on to the third
		{next, 1, listed, "/second"}, // which is further than this
		{m.Find, 1, listed, "/second"},
		{m.Find, 1, listed[:1], ""},
		{m.Find, 0, listed[:1], "/first"},
	} {
		if step.text != nil {
			var lines []byte
			for i := range step.text {
				lines = AppendMapsLine(lines, &step.text[i])
			}
			if err := os.WriteFile(m.file.Name(), lines, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		var v VMA
		if err := step.ask(long[step.vma].Start, &v); err != nil {
			t.Fatal(err)
		}
		if v.Inode != long[step.vma].Inode || string(v.Name) != step.want || v.NameUnknown != (step.want == "") {
			t.Errorf("at %#x: name %q, unknown %t, want %q", v.Start, v.Name, v.NameUnknown, step.want)
		}
	}
}
