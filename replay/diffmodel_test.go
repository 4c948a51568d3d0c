package replay

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// mirrored checks that going back undoes what going forth does.
func mirrored(t testing.TB, a, b *Session, o DiffOptions) {
	t.Helper()
	d, back := DiffSessions(a, b, o), DiffSessions(b, a, o)
	if !slices.Equal(d.Gone, back.New) || !slices.Equal(d.New, back.Gone) {
		t.Errorf("gone %v and %v, new %v and %v", d.Gone, back.New, d.New, back.Gone)
	}
	for _, of := range []struct{ there, back []ProcessDiff }{{d.Changed, back.Changed}, {d.Unclear, back.Unclear}} {
		if there, back := pairsText(of.there, false), pairsText(of.back, true); !slices.Equal(there, back) {
			t.Errorf("forth\n%q\nand back\n%q", there, back)
		}
	}
	s, r := d.Summary, back.Summary
	r.Gone, r.New = r.New, r.Gone
	files := make(map[FileChange]int)
	for c, n := range r.Files {
		files[mirror(c)] = n
	}
	if !maps.Equal(s.Files, files) {
		t.Errorf("files %v forth, %v back", s.Files, r.Files)
	}
	s.Files, r.Files = nil, nil
	if fmt.Sprint(s) != fmt.Sprint(r) {
		t.Errorf("%+v forth, %+v back", s, r)
	}
}

// pairsText writes processes down, in the order of the older; swap says that this is B.
func pairsText(list []ProcessDiff, swap bool) []string {
	type line struct {
		pid  uint32
		text string
	}
	var lines []line
	for _, p := range list {
		a, b := p.A, p.B
		if swap {
			a, b = b, a
		}
		var files []string
		for _, f := range p.Files {
			c, was, now, wasMaps, nowMaps := f.Changes, f.A, f.B, f.Was, f.Now
			if swap {
				c, was, now, wasMaps, nowMaps = mirror(c), now, was, nowMaps, wasMaps
			}
			files = append(files, fmt.Sprintf("%s %+v %+v %v %v", c, was, now, wasMaps, nowMaps))
		}
		slices.Sort(files)
		lines = append(lines, line{a.PID, fmt.Sprintf("%d>%d %t %t %t %q", a.PID, b.PID, p.Executed, p.Unknown, p.Uncertain, files)})
	}
	slices.SortFunc(lines, func(a, b line) int { return cmp.Compare(a.pid, b.pid) })
	var out []string
	for _, l := range lines {
		out = append(out, l.text)
	}
	return out
}

// mirror is what has to be done to undo a change.
func mirror(c FileChange) FileChange {
	for _, two := range [][2]FileChange{{FileLoaded, FileUnloaded}, {FileDeleted, FileRelinked}} {
		switch c & (two[0] | two[1]) {
		case two[0]:
			c ^= two[0] | two[1]
		case two[1]:
			c ^= two[0] | two[1]
		}
	}
	return c
}

// TestDiffModel compares states of random machines with themselves, with later ones, and with
// those of other machines.
func TestDiffModel(t *testing.T) {
	var sum DiffSummary
	changed := 0
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 3))
		var states []*Session
		for range 2 {
			program := make([]byte, 4*200)
			for i := range program {
				program[i] = byte(rng.Uint32())
			}
			m := play(t, program)
			for range 3 {
				states = append(states, naive(m.records, m.records[rng.IntN(len(m.records))].Head().Time))
			}
			states = append(states, m.s)
		}
		for _, a := range states {
			for _, o := range []DiffOptions{{}, {Addresses: true}} {
				if d := DiffSessions(a, a, o); !d.Same() {
					t.Fatalf("seed %d: a state differs from itself: %s", seed, diffText(d))
				}
				for _, b := range states {
					mirrored(t, a, b, o)
				}
			}
			d := DiffSessions(states[0], a, DiffOptions{})
			d.Files()
			d.BuildIDs()
			d.Cgroups()
			changed += d.Summary.Changed
			sum.Gone += d.Summary.Gone
			sum.Executed += d.Summary.Executed
			sum.Uncertain += d.Summary.Uncertain
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	if changed < 100 || sum.Gone < 100 || sum.Executed < 20 || sum.Uncertain < 20 {
		t.Errorf("the model hardly does what it is for: %d changed, %+v", changed, sum)
	}
}

// TestDiffIsEmptyWhereCompareIs holds DiffSessions against Compare: with addresses, of two states
// of one machine, nothing differs in a process just if Compare finds nothing.
func TestDiffIsEmptyWhereCompareIs(t *testing.T) {
	equal, not := 0, 0
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 4))
		program := make([]byte, 4*200)
		for i := range program {
			program[i] = byte(rng.Uint32())
		}
		m := play(t, program)
		a := naive(m.records, m.records[rng.IntN(len(m.records))].Head().Time)
		for p := range a.Processes() {
			q := m.s.Process(p.PID)
			if q == nil || !p.is(q.StartTime) || !p.Known {
				continue
			}
			d := DiffProcesses(a, m.s, p, q, DiffOptions{Addresses: true})
			same := len(Compare(p.Space, q.Space)) == 0
			if d.Same() != same && d.Summary.Executed == 0 {
				t.Fatalf("seed %d, process %d: %s; but %v", seed, p.PID, diffText(d), Compare(p.Space, q.Space))
			}
			if same {
				equal++
			} else {
				not++
			}
		}
	}
	if equal < 20 || not < 20 {
		t.Errorf("%d equal, %d not", equal, not)
	}
}
