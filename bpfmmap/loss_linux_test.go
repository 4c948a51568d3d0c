package bpfmmap

import (
	"errors"
	"io/fs"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// total returns a counter, of all CPUs together.
func total(f *Follower, which Loss) (n uint64) {
	f.Losses(func(_ int, l Loss, total uint64) {
		if l == which {
			n += total
		}
	})
	return n
}

// TestOverflow lets the ring overflow: what is lost is counted, what was there before is read,
// and afterwards all goes on.
func TestOverflow(t *testing.T) {
	f := attachHere(t, Options{RingSize: 1})
	if got := f.programs.Maps["events"].MaxEntries(); int(got) != os.Getpagesize() {
		t.Fatalf("ring of %d bytes", got)
	}
	p := startSteps(t)
	m := newModel()
	until1 := func() {
		for f.Mark(1) != nil { // no room: make some
			var ev Event
			if err := f.Read(&ev); err != nil {
				t.Fatal(err)
			}
			m.apply(&ev)
		}
		var ev Event
		for ev.Type != TypeMark {
			if err := f.Read(&ev); err != nil {
				t.Fatal(err)
			}
			m.apply(&ev)
		}
	}
	until1()
	before := total(f, LossRing)
	for range 3 {
		tell(t, p, "many") // some 250 statements
	}
	lost := total(f, LossRing) - before
	if lost < 100 {
		t.Errorf("%d events lost", lost)
	}
	if err := f.Mark(2); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("mark a full ring: %v", err)
	}
	if err := f.List(3); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("list into a full ring: %v", err)
	}
	until1()
	before = total(f, LossRing)
	tell(t, p, "unmap")
	until1()
	if after := total(f, LossRing); after != before {
		t.Errorf("%d events lost with room", after-before)
	}
}

// TestNewEpoch has a file described once, and once more in a new epoch.
func TestNewEpoch(t *testing.T) {
	f := attachHere(t, Options{})
	p := startSteps(t)
	m := newModel()
	until(t, f, 1, m.apply)
	tell(t, p, "mmap")
	until(t, f, 1, m.apply)
	files := m.count[TypeFile]
	tell(t, p, "mmap")
	until(t, f, 1, m.apply)
	if m.count[TypeFile] != files {
		t.Errorf("a file was described again: %d, then %d", files, m.count[TypeFile])
	}
	f.NewEpoch()
	m.files = make(map[uint64]File)
	tell(t, p, "mmap")
	until(t, f, 1, m.apply)
	if m.count[TypeFile] != files+1 || len(m.errs) != 0 {
		t.Errorf("in a new epoch %d files were described: %v", m.count[TypeFile]-files, m.errs)
	}
}

// TestQuiet holds that what has nothing to do with text costs no event.
func TestQuiet(t *testing.T) {
	f := attachHere(t, Options{})
	m := newModel()
	until(t, f, 1, m.apply)
	for range 100 {
		b, err := unix.Mmap(-1, 0, 1<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(unix.Mprotect(b, unix.PROT_READ), unix.Munmap(b)); err != nil {
			t.Fatal(err)
		}
	}
	n := m.count[TypeState]
	until(t, f, 1, m.apply)
	// The first call of a process brings it whole. The heap may happen to look like text to
	// the filter, but not so often.
	if got := m.count[TypeState] - n; got > 50 {
		t.Errorf("%d statements about the heap", got)
	}
}

func TestPollMisses(t *testing.T) {
	f := attach(t, Options{})
	if err := f.PollMisses(); err != nil {
		t.Fatal(err)
	}
	var sum uint64
	infos, err := f.Programs()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range infos {
		sum += p.RecursionMisses
		if p.Instructions == 0 || p.Verified == 0 {
			t.Errorf("%+v", p)
		}
	}
	if got := total(f, LossRecursion); got > sum {
		t.Errorf("%d misses, the programs have %d", got, sum)
	}
	if len(infos) < 8 {
		t.Errorf("%d programs", len(infos))
	}
}

// TestOpenErrors asks for each rung: it is there, or the error says in a typed way why not.
func TestOpenErrors(t *testing.T) {
	for _, h := range []Hooks{HooksKprobe, HooksFentry, HooksTracepoint, HooksTracepoint + 1} {
		f, err := Open(Options{Hooks: h})
		if err == nil {
			if f.Hooks() != h {
				t.Errorf("asked for %s, got %s", h, f.Hooks())
			}
			f.Close()
			continue
		}
		if !errors.Is(err, ErrNotSupported) && !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%s: %v", h, err)
		}
		t.Log(err)
	}
}
