package symbols_test

import (
	"os"
	"testing"

	"github.com/vmasnap/vmasnap/replay/symbols"
)

// benchFile returns the test binary itself, which is a Go program, or the file that the
// environment variable VMASNAP_BENCH_ELF names.
func benchFile(b *testing.B) symbols.File {
	b.Helper()
	path := os.Getenv("VMASNAP_BENCH_ELF")
	if path == "" {
		var err error
		if path, err = os.Executable(); err != nil {
			b.Fatal(err)
		}
	}
	return recorded(b, path)
}

func BenchmarkOpen(b *testing.B) {
	file := benchFile(b)
	b.ReportAllocs()
	for b.Loop() {
		table, err := symbols.NewFinder(symbols.Options{}).Open(file)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(table.Len()), "functions")
	}
}

func BenchmarkFind(b *testing.B) {
	f, file := symbols.NewFinder(symbols.Options{}), benchFile(b)
	st, err := os.Stat(file.Path)
	if err != nil {
		b.Fatal(err)
	}
	found, off, size := 0, uint64(0), uint64(st.Size())
	ask := func() {
		if _, err := f.Find(file, off); err == nil {
			found++
		}
		off = (off + 0x12345) % size
	}
	for range 1000 {
		ask()
	}
	found, off = 0, 0
	b.ReportAllocs()
	for b.Loop() {
		ask()
	}
	b.ReportMetric(float64(found)/float64(b.N), "found/op")
}
