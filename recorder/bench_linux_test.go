package recorder

import (
	"io"
	"testing"

	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/internal/need"
	"github.com/vmasnap/vmasnap/procmap"
)

// BenchmarkSnapshot records the whole machine into a file that nobody keeps.
func BenchmarkSnapshot(b *testing.B) {
	for _, source := range bothSources {
		b.Run(source.String(), func(b *testing.B) { benchmarkSnapshot(b, source) })
	}
}

func benchmarkSnapshot(b *testing.B, source Source) {
	if source == SourceIoctl {
		need.Query(b, procmap.Supported())
	}
	rec, err := New(Options{Source: source})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	var processes, vmas int
	for b.Loop() {
		w, err := format.NewWriter(io.Discard, rec.Host(), format.WriterOptions{})
		if err != nil {
			b.Fatal(err)
		}
		stats, err := rec.Run(b.Context(), w)
		if err != nil {
			b.Fatal(err)
		}
		if err := w.Close(); err != nil {
			b.Fatal(err)
		}
		processes += stats.Listed
		vmas += stats.VMAs
	}
	b.ReportMetric(float64(vmas)/b.Elapsed().Seconds(), "vmas/s")
	b.ReportMetric(float64(processes)/b.Elapsed().Seconds(), "processes/s")
}
