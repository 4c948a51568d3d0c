package format

import (
	"bytes"
	"io"
	"testing"
)

func BenchmarkEncode(b *testing.B) {
	buf, m := make([]byte, 0, 1024), testMmap()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := AppendRecord(buf, m); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

func BenchmarkDecode(b *testing.B) {
	raw, err := AppendRecord(nil, testMmap())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := DecodeRecord(raw); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkWriter writes one snapshot of 200 processes with 30 libraries.
func BenchmarkWriter(b *testing.B) {
	records := snapshot(200, 30)
	for _, level := range []struct {
		name string
		n    int
	}{{"fastest", 1}, {"default", 3}, {"better", 7}, {"best", 11}} {
		b.Run(level.name, func(b *testing.B) {
			w, err := NewWriter(io.Discard, testHost(), WriterOptions{Level: level.n})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				for _, r := range records {
					if err := w.Write(r); err != nil {
						b.Fatal(err)
					}
				}
				if err := w.Flush(); err != nil {
					b.Fatal(err)
				}
			}
			s := w.Stats()
			b.ReportMetric(float64(s.FileBytes)/float64(s.Mmaps), "B/mapping")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(s.Records), "ns/record")
		})
	}
}

func BenchmarkReader(b *testing.B) {
	records := snapshot(200, 30)
	file := recording(b, WriterOptions{}, 0, records...)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		r, err := NewReader(bytes.NewReader(file), ReaderOptions{})
		if err != nil {
			b.Fatal(err)
		}
		for _, err := range r.All() {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/record")
}

func BenchmarkAppendText(b *testing.B) {
	benchmarkAppend(b, AppendText)
}

func BenchmarkAppendJSON(b *testing.B) {
	benchmarkAppend(b, AppendJSON)
}

func benchmarkAppend(b *testing.B, f func([]byte, Record) []byte) {
	buf, m := make([]byte, 0, 4096), testMmap()
	b.ReportAllocs()
	for b.Loop() {
		f(buf, m)
	}
}

// TestBytesPerMapping holds the file to what docs/format.md says about its size.
func TestBytesPerMapping(t *testing.T) {
	records := snapshot(200, 30)
	mmaps := 0
	for _, r := range records {
		if r.Type() == TypeMmap {
			mmaps++
		}
	}
	per := float64(len(recording(t, WriterOptions{}, 0, records...))) / float64(mmaps)
	if per >= 12 {
		t.Errorf("%.1f bytes per mapping", per)
	}
}
