package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/recorder"
	"github.com/vmasnap/vmasnap/replay"
)

func TestMain(m *testing.M) {
	if beMapper() {
		return
	}
	os.Exit(m.Run())
}

func testPopulation(tb testing.TB) *population {
	tb.Helper()
	p, err := startPopulation(defaultProcs())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(p.stop)
	return p
}

// compileLimit builds limit.c.
func compileLimit(tb testing.TB) string {
	tb.Helper()
	if _, err := exec.LookPath("cc"); err != nil {
		tb.Fatalf("needs a C compiler: %v", err)
	}
	binary := filepath.Join(tb.TempDir(), "limit")
	if err := compile(binary); err != nil {
		tb.Fatal(err)
	}
	return binary
}

// TestSameVMAs: all contenders see the same VMAs of processes that hold still.
func TestSameVMAs(t *testing.T) {
	t.Setenv("VMASNAP_BENCH_PROCS", "10")
	p := testPopulation(t)
	want := 0
	for _, w := range walkers {
		got, err := w.open(p)()
		if err != nil {
			t.Fatalf("%s: %v", w.name, err)
		}
		if w.blind {
			continue
		}
		if want == 0 {
			want = got.own
		}
		if got.own != want || want < 10 {
			t.Errorf("%s sees %d VMAs, %s %d", w.name, got.own, walkers[0].name, want)
		}
	}
	for _, what := range loopKinds {
		l, err := startLimit(compileLimit(t), what, p)
		if err != nil {
			t.Fatal(err)
		}
		defer l.stop()
		if _, got, err := l.pass(); err != nil || got.own != want || got.all < want {
			t.Errorf("the C loop (%s) sees %+v, %s %d: %v", what, got, walkers[0].name, want, err)
		}
	}

	// A run in which they do not agree is none.
	wrong := walker{name: "wrong", open: func(*population) func() (tally, error) {
		return func() (tally, error) { return tally{all: want + 1, own: want + 1}, nil }
	}}
	tools := tools{limit: compileLimit(t)}
	if err := tools.compareWalkers(p, []walker{wrong}, 1); err == nil || !strings.Contains(err.Error(), "C loop") {
		t.Errorf("error is %v, want the C loop to differ", err)
	}
}

// TestEachLine: lines that come in pieces, and one that does not fit.
func TestEachLine(t *testing.T) {
	for text, fits := range map[string]bool{"": true, "a\nbcd\n\nefg\n": true, "a\nbcdefgh\n": false} {
		f, err := os.CreateTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		got := ""
		_, err = eachLine(int(f.Fd()), make([]byte, 4), func(line []byte) bool {
			got += string(line) + "\n"
			return true
		})
		if (err == nil) != fits || fits && got != text || !fits && !errors.Is(err, errLongLine) {
			t.Errorf("%q: got %q, %v", text, got, err)
		}
	}
}

// TestPopulationDies: one that is never ready does not hold up the run for ever.
func TestPopulationDies(t *testing.T) {
	dir := t.TempDir()
	// Asked for its name, the first program tells that of the second, which never says "r".
	for name, text := range map[string]string{"python3": "echo " + dir + "/dies", "dies": "read x"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	old := readyTimeout
	defer func() { readyTimeout = old }()
	readyTimeout = 100 * time.Millisecond
	if p, err := startPopulation(2); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("error is %v, want os.ErrDeadlineExceeded", err)
		if err == nil {
			p.stop()
		}
	}
}

// TestSameAnswers: all ways to resolve addresses agree.
func TestSameAnswers(t *testing.T) {
	m, err := startMapper(700, 3, compileLimit(t))
	if err != nil {
		t.Fatal(err)
	}
	defer m.stop()
	batches, err := makeBatches(m.pid)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range batches {
		want := uint64(0)
		for i, r := range resolvers {
			sum, calls, err := r.resolve(m.pid, b.addrs)
			if err != nil {
				t.Fatalf("%s, %s: %v", b.name, r.name, err)
			}
			if i == 0 {
				want = sum
				if calls != b.hit {
					t.Errorf("%s: %d VMAs hit, want %d", b.name, calls, b.hit)
				}
			}
			if sum != want {
				t.Errorf("%s, %s: %#x, want %#x", b.name, r.name, sum, want)
			}
		}
	}
}

func benchmarkWalkers(b *testing.B, p *population, skip string) {
	for _, w := range walkers {
		if skip != "" && strings.HasPrefix(w.name, skip) {
			continue
		}
		b.Run(name(w.name), func(b *testing.B) {
			pass := w.open(p)
			vmas := 0
			b.ReportAllocs()
			for b.Loop() {
				t, err := pass()
				if err != nil {
					b.Fatal(err)
				}
				vmas += t.all
			}
			report(b, vmas)
		})
	}
}

func report(b *testing.B, vmas int) {
	if vmas > 0 {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(vmas), "ns/VMA")
		b.ReportMetric(float64(vmas)/b.Elapsed().Seconds(), "VMAs/s")
	}
}

// name makes a sub-benchmark's name that benchstat can filter by.
func name(s string) string {
	return strings.NewReplacer(" ", "-", ",", "", "/", "-").Replace(s)
}

// BenchmarkWalk makes passes over every process of the machine.
func BenchmarkWalk(b *testing.B) {
	p := testPopulation(b)
	benchmarkWalkers(b, p, "")
	for _, what := range loopKinds {
		b.Run("bare-C-loop-"+what, func(b *testing.B) {
			l, err := startLimit(compileLimit(b), what, p)
			if err != nil {
				b.Fatal(err)
			}
			defer l.stop()
			vmas := 0
			for b.Loop() {
				_, n, err := l.pass()
				if err != nil {
					b.Fatal(err)
				}
				vmas += n.all
			}
			report(b, vmas)
		})
	}
}

// BenchmarkLarge walks one process with 60,000 VMAs.
func BenchmarkLarge(b *testing.B) {
	m, err := startMapper(60000, 20, compileLimit(b))
	if err != nil {
		b.Fatal(err)
	}
	defer m.stop()
	p := &population{own: []int{m.pid}, all: []int{m.pid}, isOwn: map[int]bool{m.pid: true}}
	benchmarkWalkers(b, p, "recorder")
}

// BenchmarkResolve finds the VMAs of addresses.
func BenchmarkResolve(b *testing.B) {
	m, err := startMapper(700, 3, compileLimit(b))
	if err != nil {
		b.Fatal(err)
	}
	defer m.stop()
	batches, err := makeBatches(m.pid)
	if err != nil {
		b.Fatal(err)
	}
	for i, batch := range batches {
		for _, r := range resolvers {
			b.Run([]string{"few", "all"}[i]+"/"+name(r.name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, _, err := r.resolve(m.pid, batch.addrs); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// capture takes a recording of the machine with the population on it.
func capture(b *testing.B) (file []byte, records []format.Record) {
	b.Helper()
	testPopulation(b)
	r, err := recorder.New(recorder.Options{})
	if err != nil {
		b.Fatal(err)
	}
	var out bytes.Buffer
	w, err := format.NewWriter(&out, r.Host(), format.WriterOptions{})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := r.Run(b.Context(), w); err != nil {
		b.Fatal(err)
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	in, err := format.NewReader(bytes.NewReader(out.Bytes()), format.ReaderOptions{})
	if err != nil {
		b.Fatal(err)
	}
	for rec, err := range in.All() {
		if err != nil {
			b.Fatal(err)
		}
		records = append(records, rec)
	}
	return out.Bytes(), records
}

// BenchmarkCapture writes, reads and replays a real recording.
func BenchmarkCapture(b *testing.B) {
	file, records := capture(b)
	host, rest := records[0].(*format.Host), records[1:]
	if end := len(rest) - 1; rest[end].Type() == format.TypeEnd {
		rest = rest[:end]
	}
	mmaps := 0
	for _, r := range rest {
		if r.Type() == format.TypeMmap {
			mmaps++
		}
	}
	per := func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(records)), "ns/record")
		b.ReportMetric(float64(len(file))/float64(mmaps), "B/mapping")
	}
	b.Run("write", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			w, err := format.NewWriter(io.Discard, host, format.WriterOptions{})
			if err != nil {
				b.Fatal(err)
			}
			for _, r := range rest {
				if err := w.Write(r); err != nil {
					b.Fatal(err)
				}
			}
			if err := w.Close(); err != nil {
				b.Fatal(err)
			}
		}
		per(b)
	})
	read := func(b *testing.B, all func(*format.Reader) error) {
		b.ReportAllocs()
		for b.Loop() {
			r, err := format.NewReader(bytes.NewReader(file), format.ReaderOptions{})
			if err != nil {
				b.Fatal(err)
			}
			if err := all(r); err != nil {
				b.Fatal(err)
			}
		}
		per(b)
	}
	b.Run("read", func(b *testing.B) {
		read(b, func(r *format.Reader) error {
			for _, err := range r.All() {
				if err != nil {
					return err
				}
			}
			return nil
		})
	})
	b.Run("replay", func(b *testing.B) {
		read(b, func(r *format.Reader) error {
			_, err := replay.Load(r)
			return err
		})
	})
}
