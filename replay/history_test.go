package replay

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/vmasnap/vmasnap/format"
)

// asked counts questions to a History.
type asked struct{ all, hits, doubts int }

// past asks, while records are written, what was so some time ago. It must be what a Session says
// that was given the records up to then.
func (n *asked) past(t *testing.T, records []format.Record, rng *rand.Rand) {
	t.Helper()
	const keep = 200 * 1000 // ns: as many records
	h := NewHistory(keep)
	for i, r := range records {
		if err := h.Write(r); err != nil {
			t.Fatal(err)
		}
		if i%40 != 39 {
			continue
		}
		now := r.Head().Time
		back := rng.Uint64N(keep)
		if now-records[1].Head().Time <= back {
			continue
		}
		at := now - back
		next := slices.IndexFunc(records, func(r format.Record) bool { return r.Head().Time > at })
		if m, ok := records[next].(*format.Mmap); ok && m.Walked {
			continue // a walk is of one time, but in these recordings
		}
		want := naive(records[:i+1], at)
		for pid := range uint32(14) {
			for place := range uint64(32) {
				addr := place*page + 7
				got, a := h.Lookup(pid, at, addr), want.Lookup(pid, addr)
				n.all++
				since := want.incomplete()
				if a.Process != nil {
					since = a.Process.UncertainSince
				}
				if a.Uncertain && since > at {
					a.Uncertain = false // it was not yet
				}
				if got.Uncertain != a.Uncertain {
					t.Fatalf("record %d, process %d at %d, %d ns ago: uncertain %t, want %t", i, pid, at, back, got.Uncertain, a.Uncertain)
				}
				if got.Miss != a.Miss || got.Offset != a.Offset || a.Miss == Hit && *got.Mapping.File != *a.Mapping.File {
					t.Fatalf("record %d, %d:%#x at %d, %d ns ago: %+v, want %+v", i, pid, addr, at, back, got, a)
				}
				if a.Miss == Hit {
					n.hits++
				}
				if a.Uncertain {
					n.doubts++
				}
			}
		}
	}
	if a := h.Lookup(1, 1, 0); a.Miss != TooOld {
		t.Errorf("before the beginning: %s", a.Miss)
	}
}

// TestHistoryPast asks for the past of random machines.
func TestHistoryPast(t *testing.T) {
	var n asked
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 3))
		program := make([]byte, 4*300)
		for i := range program {
			program[i] = byte(rng.Uint32())
		}
		t.Run(fmt.Sprint(seed), func(t *testing.T) { n.past(t, play(t, program).records, rng) })
	}
	if n.hits < 3_000 || n.doubts < 10_000 {
		t.Errorf("%+v", n)
	}
}

// FuzzHistory lets the fuzzer choose the machine's fate, and what is asked.
func FuzzHistory(f *testing.F) {
	f.Add(busy, uint64(1))
	f.Fuzz(func(t *testing.T, program []byte, seed uint64) {
		new(asked).past(t, play(t, program[:min(len(program), 1200)]).records, rand.New(rand.NewPCG(seed, 3)))
	})
}

// TestHistoryForgets: memory is that of the time that is kept.
func TestHistoryForgets(t *testing.T) {
	h := NewHistory(time.Second)
	if err := h.Write(&format.Exec{Common: format.Common{Time: 1e9, PID: 1, TID: 1}}); err != nil {
		t.Fatal(err)
	}
	for i := range uint64(200_000) {
		now := 1e9 + i*100_000 // 20 s
		m := &format.Mmap{Common: format.Common{Time: now, PID: 1, TID: 1}, Start: i % 50 * page, Length: page, Inode: i, Kind: format.ContentExecFile}
		fork := &format.Fork{Common: format.Common{Time: now, PID: 2 + uint32(i%100), TID: 2 + uint32(i%100)}, PPID: 1, StartTime: i}
		exit := &format.Exit{Common: format.Common{Time: now, PID: 2 + uint32(i%100), TID: 2 + uint32(i%100)}, Group: true}
		for _, r := range []format.Record{m, fork, exit} {
			if err := h.Write(r); err != nil {
				t.Fatal(err)
			}
		}
	}
	changes, lives := 0, 0
	for _, past := range h.space {
		changes += len(past.log)
	}
	for _, l := range h.lives {
		lives += len(l)
	}
	if changes < 9_000 || changes > 14_000 || lives > 14_000 || len(h.space) != 1 {
		t.Errorf("%d changes, %d processes, %d address spaces are kept", changes, lives, len(h.space))
	}
}

// TestHistoryRace asks from several goroutines while records are written.
func TestHistoryRace(t *testing.T) {
	h := NewHistory(time.Second)
	done := make(chan struct{})
	var wg sync.WaitGroup
	for g := range 3 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(g), 4))
			for n := 0; ; n++ {
				select {
				case <-done:
					return
				default:
				}
				a := h.Lookup(rng.Uint32N(14), 1e9+rng.Uint64N(1e7), rng.Uint64N(32)*page)
				if a.Miss == Hit && a.Mapping.File.Path == "" {
					t.Errorf("%+v", a)
				}
			}
		})
	}
	rng := rand.New(rand.NewPCG(9, 9))
	program := make([]byte, 4*500)
	for i := range program {
		program[i] = byte(rng.Uint32())
	}
	for _, r := range play(t, program).records {
		if err := h.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	close(done)
	wg.Wait()
	if h.Len() == 0 {
		t.Error("no processes")
	}
}
