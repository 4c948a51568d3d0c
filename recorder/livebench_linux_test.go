package recorder

import (
	"io"
	"testing"
	"time"

	"github.com/vmasnap/vmasnap/bpfmmap"
	"github.com/vmasnap/vmasnap/format"
)

// BenchmarkLive takes in an mmap and the munmap after it, from the decoded event to the
// compressed frame.
func BenchmarkLive(b *testing.B) {
	w, err := format.NewWriter(io.Discard, &format.Host{PageSize: 4096}, format.WriterOptions{})
	if err != nil {
		b.Fatal(err)
	}
	r := &Recorder{options: Options{Follow: &FollowOptions{}}}
	l := &live{Recorder: r, table: newTable(), f: new(ring), sink: w, begun: time.Now()}
	l.stats.Live = LiveStats{Lost: make(map[format.LostReason]uint64), NoBuildID: make(map[format.BuildIDOrigin]int)}
	l.files = newLiveFiles(r, l.f, &l.stats.Live)
	go l.files.resolve()
	defer close(l.files.ask)
	events := []bpfmmap.Event{
		{Type: bpfmmap.TypeTasks, ID: 1},
		{Type: bpfmmap.TypeTask, MM: mmSelf, PID: self, TID: self},
		{Type: bpfmmap.TypeTasks, ID: 1, Last: true},
		{Type: bpfmmap.TypeFile, File: bpfmmap.File{ID: 7, Major: 8, Inode: 42, Path: "/usr/lib/x86_64-linux-gnu/libc.so.6"}},
	}
	for i := range events {
		if err := l.handle(&events[i]); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	now := Now()
	for i := range uint64(b.N) {
		start := 0x7f00_0000_0000 + i%4096<<16
		now += 2500
		set := state(mmSelf, self, start, start+0x10000, vma(start, start+0x10000))
		set.Time = now
		clear := state(mmSelf, self, start, start+0x10000)
		clear.Time = now + 1000
		if err := l.handle(&set); err != nil {
			b.Fatal(err)
		}
		if err := l.handle(&clear); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "mappings/s")
}
