package recorder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/vmasnap/vmasnap/bpfmmap"
	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/internal/need"
	"github.com/vmasnap/vmasnap/internal/testproc"
)

// BenchmarkFlood records a process that maps and unmaps file text, from the hooks to the
// compressed frames, with the default ring: 200,000 times a second, as fast as it can, and
// beside 100 processes that want the processors too. Run it with -benchtime 2000000x for 10 s of
// the first. It fails if anything is lost.
func BenchmarkFlood(b *testing.B) {
	need.Tool(b, "cc")
	flood := filepath.Join(b.TempDir(), "flood")
	if err := testproc.Build(flood, "../testdata/flood/flood.c"); err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name          string
		rate, burners int
	}{{"200k", 200_000, 0}, {"full", 0, 0}, {"busy", 0, 100}} {
		b.Run(c.name, func(b *testing.B) { benchmarkFlood(b, flood, c.rate, c.burners) })
	}
}

func benchmarkFlood(b *testing.B, flood string, rate, burners int) {
	attached := make(chan struct{})
	rec, err := New(Options{Follow: &FollowOptions{
		Hooks: bpfmmap.HooksAuto, RaisePriority: true,
		Attached: func() error { close(attached); return nil },
	}})
	if err != nil {
		need.Skip(b, need.BPF, err.Error())
	}
	defer rec.Close()
	w, err := format.NewWriter(io.Discard, rec.Host(), format.WriterOptions{})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	done := make(chan error, 1)
	var stats Stats
	go func() {
		var err error
		stats, err = rec.Run(ctx, w)
		done <- err
	}()
	select {
	case <-attached:
	case err := <-done:
		b.Fatal(errors.Join(errors.New("recording ended"), err))
	}
	p := testproc.Start(b, exec.Command(flood, fmt.Sprint(b.N), fmt.Sprint(rate), fmt.Sprint(burners)))
	time.Sleep(100 * time.Millisecond) // the snapshot is no part of it
	b.ResetTimer()
	took, err := strconv.ParseInt(p.Tell("go\n"), 10, 64)
	b.StopTimer()
	p.End()
	cancel()
	if err := errors.Join(err, <-done); err != nil {
		b.Fatal(err)
	}
	b.Log(rec.Notes())
	if len(stats.Live.Lost) > 0 {
		b.Errorf("lost %v of %d events", stats.Live.Lost, stats.Live.Events)
	}
	if stats.Live.Sets < uint64(b.N) {
		b.Errorf("%d statements about %d mappings", stats.Live.Sets, b.N)
	}
	b.ReportMetric(float64(b.N)/(float64(took)/1e9), "mappings/s")
}
