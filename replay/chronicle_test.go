package replay

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/vmasnap/vmasnap/format"
)

// at returns the life of a process that had that number at time t, and what it had mapped.
func (c *Chronicle) at(pid uint32, t uint64) (*Life, *Track) {
	for _, l := range c.Lives {
		if l.PID != pid || l.From > t || l.Ended != 0 && l.Ended <= t {
			continue
		}
		for _, had := range slices.Backward(l.Had) {
			if had.From <= t {
				return l, had.Track
			}
		}
	}
	return nil, nil
}

// told counts what chronicles say.
type told struct{ mappings, uncertain, ended int }

// chronicle compares what the Chronicle of a time says of times within it with the state as it
// was then.
func (n *told) chronicle(t *testing.T, r *Recording, records []format.Record, from, to uint64, times []uint64) {
	t.Helper()
	c, err := r.Chronicle(from, to, Filter{})
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range times {
		next := slices.IndexFunc(records, func(r format.Record) bool { return r.Head().Time > at })
		if next >= 0 {
			if m, ok := records[next].(*format.Mmap); ok && m.Walked {
				continue // a walk is of one time, but in these recordings
			}
		}
		want := naive(records, at)
		for pid := range uint32(14) {
			p := want.Process(pid)
			l, track := c.at(pid, at)
			if (p == nil) != (l == nil) {
				t.Fatalf("process %d at %d: %v, want %v", pid, at, l, p)
			}
			if p == nil {
				continue
			}
			var got, all []string
			for _, m := range track.At(at) {
				got = append(got, m.String())
			}
			for m := range p.Space.All() {
				all = append(all, m.String())
			}
			if !slices.Equal(got, all) {
				t.Fatalf("process %d at %d of %d to %d:\n%q, want\n%q", pid, at, from, to, got, all)
			}
			n.mappings += len(all)
			if l.Ended != 0 {
				n.ended++
			}
			if uncertain := doubts(track.Doubts).at(at) || doubts(c.Doubts).at(at); uncertain != (p.UncertainSince != 0) {
				t.Fatalf("process %d at %d: uncertain %t, since %d", pid, at, uncertain, p.UncertainSince)
			} else if uncertain {
				n.uncertain++
			}
		}
	}
}

// TestChronicle asks for random times of random machines.
func TestChronicle(t *testing.T) {
	var n told
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 5))
		program := make([]byte, 4*300)
		for i := range program {
			program[i] = byte(rng.Uint32())
		}
		records := play(t, program).records
		r := openBytes(t, frames(t, 20, records))
		span := r.End() - r.Start()
		from := r.Start() + rng.Uint64N(2)*rng.Uint64N(span/2)
		to := r.End() - rng.Uint64N(2)*rng.Uint64N(span/2)
		var times []uint64
		for range 30 {
			times = append(times, from+rng.Uint64N(to-from+1))
		}
		t.Run(fmt.Sprint(seed), func(t *testing.T) { n.chronicle(t, r, records, from, to, times) })
	}
	if n.mappings < 10_000 || n.uncertain < 500 || n.ended < 500 {
		t.Errorf("%+v", n)
	}
}

// chronicle replays records that are 1 s apart.
func chronicle(t *testing.T, f Filter, records ...format.Record) *Chronicle {
	t.Helper()
	records = append([]format.Record{&format.Host{PageSize: page, Hooks: format.HooksTracepoint}}, records...)
	for i, r := range records {
		r.Head().Time = uint64(i+1) * 1e9
	}
	r := openBytes(t, frames(t, 1000, records))
	c, err := r.Chronicle(r.Start(), r.End(), f)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestChronicleMarks is one short life.
func TestChronicleMarks(t *testing.T) {
	one, two := format.Common{PID: 1, TID: 1}, format.Common{PID: 2, TID: 2}
	c := chronicle(t, Filter{},
		&format.Process{Common: one, Status: format.WalkComplete, VMAs: 1, Comm: "parent"},
		&format.Mmap{Common: one, Start: page, Length: 4 * page, Path: "/a", Walked: true},
		&format.Fork{Common: two, PPID: 1, PTID: 1},
		&format.Clear{Common: two, Start: 2 * page, Length: page},
		&format.Exec{Common: two, Comm: "child", Exe: "/b"},
		&format.Mmap{Common: two, Start: page, Length: page, Path: "/b"},
		&format.Exit{Common: two, Group: true, Code: 256},
	)
	if len(c.Lives) != 2 {
		t.Fatalf("%d lives", len(c.Lives))
	}
	parent, child := c.Lives[0], c.Lives[1]
	if parent.Born || parent.Ended != 0 || len(parent.Had) != 1 || len(parent.Marks) != 2 || parent.Had[0].Track.Presences[0].Told != ToldWalk {
		t.Errorf("parent %+v", parent)
	}
	if !child.Born || child.From != 4e9 || child.Ended != 8e9 || !child.Exited || len(child.Had) != 2 || len(child.Marks) != 3 {
		t.Fatalf("child %+v", child)
	}
	type row struct{ start, end, from, to uint64 }
	for i, want := range [][]row{
		{{1, 5, 4, 5}, {1, 2, 5, 6}, {3, 5, 5, 6}}, // cut into two, until the exec
		{{1, 2, 7, 8}},
	} {
		var got []row
		for _, p := range child.Had[i].Track.Presences {
			got = append(got, row{p.Start / page, p.End / page, p.From / 1e9, p.To / 1e9})
		}
		if !slices.Equal(got, want) {
			t.Errorf("address space %d: %v, want %v", i, got, want)
		}
	}
	path, _ := ParseGlob("/b")
	if c := chronicle(t, Filter{Path: path},
		&format.Mmap{Common: one, Start: page, Length: page, Path: "/a"},
		&format.Mmap{Common: two, Start: page, Length: page, Path: "/b"},
	); len(c.Lives) != 1 || c.Lives[0].PID != 2 {
		t.Errorf("with a path: %d lives", len(c.Lives))
	}
}

// TestChronicleWalk: what a walk finds as it was followed goes on, even if the walk knows the file
// less well than the hooks; what it does not find was gone by then.
func TestChronicleWalk(t *testing.T) {
	one := format.Common{PID: 1, TID: 1}
	c := chronicle(t, Filter{},
		&format.Process{Common: one, Status: format.WalkComplete, Comm: "a"},
		&format.Mmap{Common: one, Start: page, Length: page, Path: "/a", HasGeneration: true, Generation: 3},
		&format.Mmap{Common: one, Start: 3 * page, Length: page, Path: "/b"},
		&format.Process{Common: one, Status: format.WalkComplete, VMAs: 1, Comm: "a"},
		&format.Mmap{Common: one, Start: page, Length: page, Path: "/a", Walked: true},
		&format.Clear{Common: one, Start: page, Length: page},
	)
	got := c.Lives[0].Had[0].Track.Presences
	if len(got) != 2 || got[0].From != 3e9 || got[0].To != 7e9 || !got[0].File.HasGeneration || got[1].To != 5e9 {
		for _, p := range got {
			t.Errorf("%s from %d to %d, %t", p.Mapping, p.From, p.To, p.File.HasGeneration)
		}
	}
}

// TestChronicleRoom: however much happens, what is kept is bounded, and what is left out counted.
func TestChronicleRoom(t *testing.T) {
	one := format.Common{PID: 1, TID: 1}
	const changes = 5 * maxPresences
	var records []format.Record
	for range changes {
		records = append(records, &format.Mmap{Common: one, Start: page, Length: page}, &format.Clear{Common: one, Start: page, Length: page},
			&format.Exec{Common: one})
	}
	for i := range uint32(chronicleMax / lifeCost) {
		child := format.Common{PID: i + 2, TID: i + 2}
		records = append(records, &format.Fork{Common: child, PPID: 1, PTID: 1}, &format.Mmap{Common: child, Start: page, Length: page},
			&format.Exit{Common: child, Group: true})
	}
	c := chronicle(t, Filter{}, records...)
	spent := 0
	for _, l := range c.Lives {
		spent += lifeCost + len(l.Marks) + len(l.Had)
		for _, had := range l.Had {
			spent += len(had.Track.Presences)
		}
	}
	if spent > chronicleMax || spent < chronicleMax/2 || c.Left == 0 || c.Left+len(c.Lives) != chronicleMax/lifeCost+1 {
		t.Errorf("%d lives of %d presences and marks, %d left out", len(c.Lives), spent, c.Left)
	}
	if l := c.Lives[0]; l.PID != 1 || len(l.Marks) != maxMarks || len(l.Had) != maxTenures || l.HadLeft != changes+1-maxTenures || l.MarksLeft != changes+chronicleMax/lifeCost-maxMarks {
		t.Errorf("process %d has %d marks, %d left out", l.PID, len(l.Marks), l.MarksLeft)
	}
	const thrice = 3 * maxPresences
	records = nil
	for range thrice {
		records = append(records, &format.Mmap{Common: one, Start: page, Length: page}, &format.Clear{Common: one, Start: page, Length: page})
	}
	if track := chronicle(t, Filter{}, records...).Lives[0].Had[0].Track; len(track.Presences) != maxPresences || track.Left != thrice-maxPresences {
		t.Errorf("%d presences, %d left out", len(track.Presences), track.Left)
	}
}
