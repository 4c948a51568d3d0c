package replay

import (
	"bufio"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"

	"github.com/vmasnap/vmasnap/format"
)

// writeLong writes a recording of so many records: 1,000 processes with 60 mappings each, which
// are changed at random, and a keyframe after each 2 million records.
func writeLong(tb testing.TB, name string, records int) {
	tb.Helper()
	f, err := os.Create(name)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	out := bufio.NewWriterSize(f, 1<<20)
	w, err := format.NewWriter(out, &format.Host{Common: format.Common{Time: 1}, PageSize: page, Hooks: format.HooksKprobe}, format.WriterOptions{Level: 1})
	if err != nil {
		tb.Fatal(err)
	}
	const processes, mappings = 1000, 60
	rng := rand.New(rand.NewPCG(1, 1))
	now := uint64(1e9)
	m := format.Mmap{Kind: format.ContentExecFile, Prot: 5, Flags: format.MapPrivate, Major: 8}
	set := func(pid, at uint32, walked bool) *format.Mmap {
		m.Common = format.Common{Time: now, PID: pid, TID: pid}
		m.Start, m.Length, m.Walked = uint64(at)*16*page, 8*page, walked
		m.Inode = uint64(rng.Uint32N(500))
		m.Path = "/usr/lib/lib" + strconv.Itoa(int(m.Inode)) + ".so"
		return &m
	}
	n := 0
	write := func(r format.Record) {
		if err := w.Write(r); err != nil {
			tb.Fatal(err)
		}
		n++
	}
	for shot := uint32(1); n < records; shot++ {
		write(&format.SnapshotBegin{Common: format.Common{Time: now}, ID: shot, Kind: format.SnapshotKeyframe})
		for pid := range uint32(processes) {
			write(&format.Process{Common: format.Common{Time: now, PID: pid + 1, TID: pid + 1}, StartTime: 1, Snapshot: shot, Status: format.WalkComplete, VMAs: mappings, Comm: "x"})
			for at := range uint32(mappings) {
				write(set(pid+1, at, true))
			}
		}
		now += 1000
		write(&format.SnapshotEnd{Common: format.Common{Time: now}, ID: shot})
		for range min(2_000_000, records-n) {
			now += 10_000
			if pid, at := 1+rng.Uint32N(processes), rng.Uint32N(mappings); n%2 == 0 {
				write(set(pid, at, false))
			} else {
				write(&format.Clear{Common: format.Common{Time: now, PID: pid, TID: pid}, Start: uint64(at) * 16 * page, Length: 8 * page})
			}
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	if err := out.Flush(); err != nil {
		tb.Fatal(err)
	}
}

// BenchmarkAt asks a long recording for the state at random times in its middle. VMASNAP_TEST_RECORDS
// says how long; 20000000 is what docs/performance.md tells of.
func BenchmarkAt(b *testing.B) {
	records := 200_000
	if text := os.Getenv("VMASNAP_TEST_RECORDS"); text != "" {
		var err error
		if records, err = strconv.Atoi(text); err != nil {
			b.Fatal(err)
		}
	}
	name := filepath.Join(b.TempDir(), "long")
	writeLong(b, name, records)
	f, err := os.Open(name)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		b.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	applied := uint64(0)
	var c *Cursor
	b.ReportAllocs()
	for b.Loop() {
		r, err := Open(f, info.Size())
		if err != nil {
			b.Fatal(err)
		}
		length := r.End() - r.Start()
		if c, err = r.At(r.Start() + length/4 + rng.Uint64N(length/2)); err != nil {
			b.Fatal(err)
		}
		if c.Len() < 1000 {
			b.Fatalf("%d processes", c.Len())
		}
		applied += c.Stats.Records
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(applied)/float64(b.N), "records/op")
	b.ReportMetric(float64(applied)/b.Elapsed().Seconds(), "records/s")
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/1e6, "live-MB")
	b.ReportMetric(float64(info.Size())/1e6, "file-MB")
	runtime.KeepAlive(c)
}
