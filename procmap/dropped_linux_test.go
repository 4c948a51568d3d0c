package procmap

import (
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vmasnap/vmasnap/internal/need"
)

// collectGarbage returns after the cleanups of all that was unreachable at the call.
func collectGarbage(t *testing.T) {
	t.Helper()
	done := make(chan struct{})
	func() {
		sentinel := new([256]*int)
		runtime.AddCleanup(sentinel, func(done chan struct{}) { close(done) }, done)
	}()
	for range 1000 {
		runtime.GC()
		select {
		case <-done:
			// Cleanups run in no particular order: give the others of the same queue time.
			runtime.GC()
			time.Sleep(10 * time.Millisecond)
			return
		case <-time.After(time.Millisecond):
		}
	}
	t.Fatal("no cleanup runs")
}

// takeSpares empties the list of spare buffers.
func takeSpares() (spares []*buffers) {
	for {
		select {
		case b := <-spareBuffers:
			spares = append(spares, b)
		default:
			return spares
		}
	}
}

// TestDroppedKeepsName: a name stays what it was although its Maps was dropped without
// Close, and whatever other Maps do.
func TestDroppedKeepsName(t *testing.T) {
	need.Query(t, Supported())
	takeSpares()
	// A function of its own, so that nothing on the stack keeps the Maps.
	first := func() (v VMA) {
		m, err := Open(os.Getpid(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Next(&v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	v := first()
	want := strings.Clone(string(v.Name))
	if want == "" {
		t.Fatal("the first VMA has no name")
	}
	collectGarbage(t)
	for range cap(spareBuffers) + 1 {
		m := openTest(t, os.Getpid(), Options{AllFile: true, AnonExec: true, VDSO: true})
		for _, err := range m.All() {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if string(v.Name) != want {
		t.Errorf("name became %q, was %q", v.Name, want)
	}
}

// TestCloseStopsCleanup: after Close the buffers belong to the next Maps, so the cleanup of
// the one that was closed must leave them alone.
func TestCloseStopsCleanup(t *testing.T) {
	takeSpares()
	func() {
		for range 8 {
			m, err := Open(os.Getpid(), Options{})
			if err != nil {
				t.Fatal(err)
			}
			takeSpares() // a Maps with buffers of its own each time
			defer m.Close()
		}
	}()
	collectGarbage(t)
	spares := takeSpares()
	if len(spares) == 0 {
		t.Fatal("Close keeps no buffers")
	}
	seen := map[*buffers]bool{}
	for _, b := range spares {
		if seen[b] {
			t.Error("the same buffers are spare twice")
		}
		seen[b] = true
		if b.pin == (runtime.Pinner{}) {
			t.Error("spare buffers are not pinned")
		}
	}
	for b := range seen {
		b.release()
	}
}
