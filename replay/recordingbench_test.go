package replay

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"testing"

	"github.com/vmasnap/vmasnap/format"
)

// writeLong writes a recording of so many records: mappings of processes are changed at random, with
// keyframes as often as a recorder takes them.
func writeLong(tb testing.TB, name string, records int, processes, mappings uint32) {
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
	rng := rand.New(rand.NewPCG(1, 1))
	now, n := uint64(1e9), 0
	write := func(r format.Record) {
		if err := w.Write(r); err != nil {
			tb.Fatal(err)
		}
		n++
	}
	head := func(pid uint32) format.Common { return format.Common{Time: now, PID: pid + 1, TID: pid + 1} }
	m := format.Mmap{Kind: format.ContentExecFile, Prot: 5, Flags: format.MapPrivate, Major: 8, BuildIDOrigin: format.BuildIDByKernel}
	set := func(pid, at, inode uint32, walked bool) {
		m.Common = head(pid)
		m.Start, m.Length, m.Walked = uint64(at)*16*page, 8*page, walked
		m.Inode = uint64(inode)
		m.Path, m.BuildID = "/usr/lib/lib"+strconv.Itoa(int(inode))+".so", buildID(inode)
		write(&m)
	}
	inodes := make([][]uint32, processes) // what is mapped; 0 = nothing
	for pid := range inodes {
		inodes[pid] = make([]uint32, mappings)
	}
	for shot := uint32(1); n < records; shot++ {
		write(&format.SnapshotBegin{Common: format.Common{Time: now}, ID: shot, Kind: format.SnapshotKeyframe})
		for pid, inodes := range inodes {
			vmas := slices.DeleteFunc(slices.Clone(inodes), func(inode uint32) bool { return inode == 0 })
			write(&format.Process{Common: head(uint32(pid)), StartTime: 1, Snapshot: shot, Status: format.WalkComplete, VMAs: uint32(len(vmas)), Comm: "x"})
			for at, inode := range inodes {
				if inode != 0 {
					set(uint32(pid), uint32(at), inode, true)
				}
			}
		}
		now += 1000
		write(&format.SnapshotEnd{Common: format.Common{Time: now}, ID: shot})
		for range min(max(250_000, 8*int(processes*(1+mappings))), records-n) {
			now += 10_000
			pid, at := rng.Uint32N(processes), rng.Uint32N(mappings)
			if inode := &inodes[pid][at]; *inode == 0 || rng.Uint32N(4) == 0 {
				*inode = 1 + rng.Uint32N(500)
				set(pid, at, *inode, false)
			} else {
				*inode = 0
				write(&format.Clear{Common: head(pid), Start: uint64(at) * 16 * page, Length: 8 * page})
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

// buildID returns one for each file.
func buildID(inode uint32) format.BuildID {
	return format.MakeBuildID(binary.LittleEndian.AppendUint32(make([]byte, 16, 20), inode))
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
	writeLong(b, name, records, 1000, 60)
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

// BenchmarkReplay applies a recording from its beginning to its end, and, as decode, reads it alone.
func BenchmarkReplay(b *testing.B) {
	const records = 1_000_000
	for _, size := range []struct {
		name                string
		processes, mappings uint32
	}{{"small", 300, 18}, {"large", 1000, 60}} {
		name := filepath.Join(b.TempDir(), size.name)
		writeLong(b, name, records, size.processes, size.mappings)
		file, err := os.ReadFile(name)
		if err != nil {
			b.Fatal(err)
		}
		run := func(name string, apply func() func(format.Record)) {
			b.Run(name+"/"+size.name, func(b *testing.B) {
				n := 0
				b.ReportAllocs()
				for b.Loop() {
					in, err := format.NewReader(bytes.NewReader(file), format.ReaderOptions{Reuse: true, Ahead: true})
					if err != nil {
						b.Fatal(err)
					}
					apply := apply()
					for rec, err := range in.All() {
						if err != nil {
							b.Fatal(err)
						}
						apply(rec)
						n++
					}
				}
				b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "records/s")
			})
		}
		run("decode", func() func(format.Record) { return func(format.Record) {} })
		run("apply", func() func(format.Record) { return NewSession().Apply })
	}
}
