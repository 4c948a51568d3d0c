package procmap

import (
	"errors"
	"io"
	"os"
	"testing"

	"github.com/vmasnap/vmasnap/internal/need"
)

// TestAllocations: a walk, a point query and a build ID allocate nothing.
func TestAllocations(t *testing.T) {
	eachSource(t, func(t *testing.T, source Source) {
		o := Options{Source: source, AllFile: true, AnonExec: true, VDSO: true, BuildID: true}
		m := openTest(t, os.Getpid(), o)
		var v VMA
		walk := func() {
			m.Rewind()
			for m.Next(&v) == nil {
			}
		}
		if n := testing.AllocsPerRun(10, walk); n != 0 {
			t.Errorf("a walk allocates %v times", n)
		}
		m.Rewind()
		if err := m.Next(&v); err != nil {
			t.Fatal(err)
		}
		file := v.Clone()
		find := func() {
			if err := m.Find(file.Start, &v); err != nil {
				t.Error(err)
			}
			if err := m.Find(0, &v); !errors.Is(err, ErrNoVMA) {
				t.Error(err)
			}
		}
		if n := testing.AllocsPerRun(10, find); n != 0 {
			t.Errorf("Find allocates %v times", n)
		}
		if source == SourceMaps {
			return
		}
		buildID := func() {
			if _, err := m.BuildID(&file); err != nil {
				t.Error(err)
			}
		}
		if n := testing.AllocsPerRun(10, buildID); n != 0 {
			t.Errorf("BuildID allocates %v times", n)
		}
	})
}

func benchmarkWalk(b *testing.B, role string, o Options) {
	if o.Source == SourceIoctl {
		need.Query(b, Supported())
	}
	m := startChild(b, role).open(o)
	var v VMA
	vmas := 0
	b.ReportAllocs()
	for b.Loop() {
		m.Rewind()
		err := m.Next(&v)
		for ; err == nil; err = m.Next(&v) {
			vmas++
		}
		if !errors.Is(err, io.EOF) {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(vmas)/b.Elapsed().Seconds(), "VMAs/s")
}

func BenchmarkWalk(b *testing.B) {
	b.Run("usual", func(b *testing.B) { benchmarkWalk(b, "hold", Options{Source: SourceIoctl}) })
	b.Run("buildid", func(b *testing.B) {
		benchmarkWalk(b, "elf", Options{Source: SourceIoctl, BuildID: true})
	})
	b.Run("60000", func(b *testing.B) { benchmarkWalk(b, "many", Options{Source: SourceIoctl}) })
}

func BenchmarkWalkText(b *testing.B) {
	b.Run("usual", func(b *testing.B) { benchmarkWalk(b, "hold", Options{Source: SourceMaps}) })
	b.Run("60000", func(b *testing.B) { benchmarkWalk(b, "many", Options{Source: SourceMaps}) })
}

func BenchmarkFind(b *testing.B) {
	for _, source := range []Source{SourceIoctl, SourceMaps} {
		b.Run(source.String(), func(b *testing.B) {
			if source == SourceIoctl {
				need.Query(b, Supported())
			}
			m := startChild(b, "hold").open(Options{Source: source})
			var v VMA
			if err := m.Next(&v); err != nil {
				b.Fatal(err)
			}
			addr := v.Start + 1
			b.ReportAllocs()
			for b.Loop() {
				if err := m.Find(addr, &v); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		m, err := Open(os.Getpid(), Options{})
		if err != nil {
			b.Fatal(err)
		}
		m.Close()
	}
}
