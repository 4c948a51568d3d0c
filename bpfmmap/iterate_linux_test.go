package bpfmmap

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"testing"

	"github.com/vmasnap/vmasnap/internal/need"
	"github.com/vmasnap/vmasnap/procmap"
)

func openIter(t testing.TB) *Iterator {
	t.Helper()
	it, err := OpenIterator()
	if err != nil {
		need.Skip(t, need.BPF, "BPF: "+err.Error())
	}
	t.Cleanup(func() {
		if err := it.Close(); err != nil {
			t.Error(err)
		}
	})
	return it
}

// iterated returns all that the iterator tells, as lines of the model.
func iterated(t testing.TB, it *Iterator) map[int][]string {
	t.Helper()
	all := make(map[int]*lines)
	tids := make(map[int]uint32)
	err := it.All(func(pid, tid uint32, mm uint64, v *VMA, f *File) error {
		p := int(pid)
		if f == nil {
			return nil
		}
		if all[p] == nil {
			all[p], tids[p] = new(lines), tid
		}
		if tids[p] != tid || mm == 0 {
			t.Errorf("process %d: thread %d after %d, space %x", pid, tid, tids[p], mm)
		}
		all[p].add(v.Start, v.End, v.Offset, asKernel(v.Prot, v.Shared, f.Major, f.Minor, f.Inode, f.Path, v.Deleted))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	done := make(map[int][]string)
	for pid, l := range all {
		done[pid] = l.done()
	}
	return done
}

// TestIterator compares the iterator with the ioctl, or the text, for every process that holds
// still meanwhile.
func TestIterator(t *testing.T) {
	need.Root(t, "to look into every process")
	it := openIter(t)
	p := startSteps(t)
	tell(t, p, "many")
	child := tell(t, p, "leader-exits")
	for range 2 { // files are described anew
		pids, err := procmap.PIDs("", nil)
		if err != nil {
			t.Fatal(err)
		}
		before := make(map[int][]string)
		for _, pid := range pids {
			before[pid], _ = walk(pid) // nothing of one that has ended
		}
		got := iterated(t, it)
		compared := 0
		for _, pid := range pids {
			want, err := walk(pid)
			if err != nil || !slices.Equal(want, before[pid]) {
				continue // it moves or has ended
			}
			compared++
			if !slices.Equal(got[pid], want) {
				t.Errorf("process %d:\n got %q\nwant %q", pid, got[pid], want)
			}
		}
		if compared < 2 || before[p.PID] == nil || before[os.Getpid()] == nil {
			t.Errorf("compared %d processes only", compared)
		}
		if len(got[child]) == 0 {
			t.Error("a process without its first thread was left out")
		}
	}
}

// TestIteratorUntyped compares the programs for older kernels with those that this one gets.
func TestIteratorUntyped(t *testing.T) {
	typed := openIter(t)
	k, err := thisKernel()
	if err != nil {
		t.Fatal(err)
	}
	untyped, err := openIterator(k, iterUntypedObject)
	if err != nil {
		t.Fatal(err)
	}
	defer untyped.Close()
	p := startSteps(t)
	got, want := iterated(t, untyped)[p.PID], iterated(t, typed)[p.PID]
	if len(want) == 0 || !slices.Equal(got, want) {
		t.Errorf("untyped %q\ntyped %q", got, want)
	}
}

// TestIteratorStops returns the error of who is told.
func TestIteratorStops(t *testing.T) {
	it := openIter(t)
	err := it.All(func(uint32, uint32, uint64, *VMA, *File) error { return fs.ErrInvalid })
	if !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("all: %v", err)
	}
	if err := it.Close(); err != nil {
		t.Error(err)
	}
	if err := it.All(nil); !errors.Is(err, os.ErrClosed) {
		t.Errorf("all after close: %v", err)
	}
}

// TestIteratorClosedWalking closes it from inside a walk, which goes on to its end.
func TestIteratorClosedWalking(t *testing.T) {
	it := openIter(t)
	var before, after int
	err := it.All(func(uint32, uint32, uint64, *VMA, *File) error {
		if before++; before > 1 {
			after++
			return nil
		}
		return it.Close()
	})
	if err != nil || after == 0 {
		t.Errorf("%d VMAs after close, error %v", after, err)
	}
	if it.link != nil {
		t.Error("the programs are still loaded")
	}
	if err := it.All(nil); !errors.Is(err, os.ErrClosed) {
		t.Errorf("all after close: %v", err)
	}
}

func BenchmarkIterator(b *testing.B) {
	it := openIter(b)
	n := 0
	for b.Loop() {
		err := it.All(func(uint32, uint32, uint64, *VMA, *File) error { n++; return nil })
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "VMAs/s")
}
