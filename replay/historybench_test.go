package replay

import (
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vmasnap/vmasnap/format"
)

// BenchmarkHistory looks up addresses of the last second from as many goroutines as there are
// CPUs, while 100,000 statements a second about 200 processes are applied. An operation is a
// lookup; its latency is that of one in 64.
func BenchmarkHistory(b *testing.B) {
	const (
		processes = 200
		mappings  = 60
		rate      = 100_000 // statements a second
		start     = uint64(1e9)
	)
	h := NewHistory(10 * time.Second)
	write := func(r format.Record) {
		if err := h.Write(r); err != nil {
			b.Error(err)
		}
	}
	set := func(now uint64, pid, at uint32, inode uint64) *format.Mmap {
		return &format.Mmap{
			Common: format.Common{Time: now, PID: pid, TID: pid}, Start: uint64(at) * 16 * page, Length: 8 * page,
			Inode: inode, Kind: format.ContentExecFile, Prot: 5, Flags: format.MapPrivate, Path: "/usr/lib/libc.so.6",
		}
	}
	for pid := range uint32(processes) {
		write(&format.Exec{Common: format.Common{Time: start, PID: pid + 1, TID: pid + 1}})
		for at := range uint32(mappings) {
			write(set(start, pid+1, at, uint64(at)))
		}
	}
	stop := make(chan struct{})
	var writer sync.WaitGroup
	var now, applied atomic.Uint64
	now.Store(start)
	writer.Go(func() {
		rng := rand.New(rand.NewPCG(1, 1))
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		begun := time.Now()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			for due := uint64(time.Since(begun).Seconds() * rate); applied.Load() < due; {
				n := applied.Add(1)
				t := start + n*(1e9/rate)
				if n%2 == 0 {
					write(set(t, 1+rng.Uint32N(processes), rng.Uint32N(mappings), n%50))
				} else {
					pid := 1 + rng.Uint32N(processes)
					write(&format.Clear{Common: format.Common{Time: t, PID: pid, TID: pid}, Start: uint64(rng.Uint32N(mappings)) * 16 * page, Length: 8 * page})
				}
				now.Store(t)
			}
		}
	})
	time.Sleep(100 * time.Millisecond)
	begun, before := time.Now(), applied.Load()
	var mu sync.Mutex
	var latencies []time.Duration
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		rng := rand.New(rand.NewPCG(rand.Uint64(), 2))
		var own []time.Duration
		hits := 0
		for n := 0; pb.Next(); n++ {
			t := now.Load() - rng.Uint64N(min(1e9, now.Load()-start+1))
			var from time.Time
			if n%64 == 0 {
				from = time.Now()
			}
			a := h.Lookup(1+rng.Uint32N(processes), t, uint64(rng.Uint32N(mappings))*16*page+7)
			if n%64 == 0 {
				own = append(own, time.Since(from))
			}
			if a.Miss == Hit {
				hits++
			}
		}
		if hits == 0 && len(own) > 10 {
			b.Error("no hits")
		}
		mu.Lock()
		defer mu.Unlock()
		latencies = append(latencies, own...)
	})
	b.StopTimer()
	seconds := time.Since(begun).Seconds()
	b.ReportMetric(float64(applied.Load()-before)/seconds, "statements/s")
	close(stop)
	writer.Wait()
	slices.Sort(latencies)
	for _, q := range []struct {
		name string
		at   float64
	}{{"p50-ns", 0.5}, {"p99-ns", 0.99}, {"p99.9-ns", 0.999}, {"max-ns", 1}} {
		i := min(int(q.at*float64(len(latencies))), len(latencies)-1)
		b.ReportMetric(float64(latencies[i]), q.name)
	}
}
