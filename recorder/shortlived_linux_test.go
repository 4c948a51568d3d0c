package recorder

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/replay"
)

// shortLived is how many processes are born and die.
const shortLived = 5000

// life is what the recording has of one short-lived process.
type life struct {
	born    bool
	execs   []string
	command string // its last name
	ended   bool
	space   *replay.Space // at its end
}

// TestShortLived records processes that are gone after a millisecond or so, long before
// anybody could look them up. Each has its fork, its exec, exactly the mappings that it saw
// itself, with their paths, and its exit.
func TestShortLived(t *testing.T) {
	log := filepath.Join(tempDir(t), "log")
	tr := startTrouble(t, "--blinks", fmt.Sprint(shortLived), "--log", log)
	r := startRecording(t, nil, order{})
	r.await("walk")
	if line := tr.Tell("blink\n"); line != fmt.Sprintf("blinked %d", shortLived) {
		t.Fatalf("trouble says %q", line)
	}
	out := r.stop()
	blinks, steps := gatherBlinks(t, log)

	// A number may be used a second time: so a life is looked up by its time too.
	lives := make(map[*blink]*life)
	r.each(func(s *replay.Session, rec format.Record) {
		b := blinks.at(rec.Head().PID, rec.Head().Time)
		if b == nil {
			return
		}
		l := lives[b]
		if l == nil {
			l = new(life)
			lives[b] = l
		}
		switch rec := rec.(type) {
		case *format.Fork:
			l.born = true
		case *format.Exec:
			l.execs = append(l.execs, rec.Exe)
		case *format.Exit:
			if p := s.Process(rec.PID); rec.Group && p != nil {
				l.ended, l.space, l.command = true, p.Space.Clone(), p.Comm
			}
		}
	})

	program := filepath.Join(tr.dir, "still/prog")
	mappings, bad := 0, 0
	errorf := func(format string, args ...any) {
		if bad++; bad <= 20 {
			t.Errorf(format, args...)
		}
	}
	var durations []time.Duration
	for pid, list := range blinks {
		for _, b := range list {
			durations = append(durations, time.Duration(b.after-b.before))
			l, seen := lives[b], steps[b]
			if l == nil {
				errorf("process %d (%s): nothing is recorded", pid, b.way)
				continue
			}
			if !l.born || !l.ended || !slices.Equal(l.execs, []string{program}) || l.command != "prog" {
				errorf("process %d (%s): born %t, ended %t, executed %q, called %q", pid, b.way, l.born, l.ended, l.execs, l.command)
			}
			if !l.ended {
				continue
			}
			var model replay.Space
			seen.apply(&model)
			mappings += len(seen.mapped)
			for _, d := range replay.Compare(l.space, &model) {
				errorf("process %d (%s): %s at %x-%x: recorded %s, was %s", pid, b.way, d.Verdict, d.Start, d.End, d.A, d.B)
			}
		}
	}
	if bad > 20 {
		t.Errorf("and %d more", bad-20)
	}
	slices.Sort(durations)
	under := 0
	for _, d := range durations {
		if d < 2*time.Millisecond {
			under++
		}
	}
	t.Logf("%s: %d processes, of which %d for less than 2 ms (median %s), with %d mappings; %s",
		out.Hooks, len(durations), under, durations[len(durations)/2], mappings, out.losses())
}

// blinkTable has the short-lived processes by their numbers.
type blinkTable map[uint32][]*blink

// at returns the process that had the number at the time.
func (bt blinkTable) at(pid uint32, time uint64) *blink {
	for _, b := range bt[pid] {
		if b.before <= time && time <= b.after {
			return b
		}
	}
	return nil
}

// gatherBlinks reads the log of short-lived processes, and what each of them had mapped.
func gatherBlinks(t *testing.T, log string) (blinkTable, map[*blink]*logged) {
	t.Helper()
	l := readTroubleLog(t, log)
	table, steps := make(blinkTable), make(map[*blink]*logged)
	for i := range l.blinks {
		b := &l.blinks[i]
		table[b.pid] = append(table[b.pid], b)
	}
	for i := range l.steps {
		s := &l.steps[i]
		b := table.at(s.pid, s.before)
		if b == nil || steps[b] != nil || len(s.mapped) < 2 {
			t.Fatalf("process %d logs at %d %d mappings, and no such process is known", s.pid, s.before, len(s.mapped))
		}
		steps[b] = s
	}
	if len(l.blinks) != shortLived || len(steps) != shortLived {
		t.Fatalf("%d processes and %d logs, want %d", len(l.blinks), len(steps), shortLived)
	}
	return table, steps
}
