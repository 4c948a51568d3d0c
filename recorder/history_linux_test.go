package recorder

import (
	"fmt"
	"math"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/replay"
)

// historyWriters is how many processes log what they do, among others that do not.
const historyWriters = 6

// historyLeast is how many comparisons there are of each, at moments that no loss makes uncertain.
const historyLeast = 100

// TestHistory compares the recording with logs of processes that know what they did, and when:
// between any two steps of one the replayed state is what it had mapped then.
func TestHistory(t *testing.T) {
	for _, source := range []Source{SourceAuto, SourceIter} {
		t.Run(source.String(), func(t *testing.T) {
			logs := filepath.Join(tempDir(t), "log")
			tr := startTrouble(t, "--seed", "11", "--procs", strconv.Itoa(fromEnv(t, "VMASNAP_TEST_PROCS", 40)), "--threads", "2", "--pause", "5000",
				"--log", logs, "--logged", fmt.Sprint(historyWriters))
			r := startRecording(t, tr, order{Source: source})
			r.await("walk")
			begun := Now()
			var held map[uint32]bool
			// On a busy machine it takes a while before everybody has done something.
			for pause := 2 * time.Second; ; pause *= 2 {
				time.Sleep(pause)
				held = tr.hold()
				if fewestSteps(t, logs, begun) > 2*historyLeast {
					break
				}
				tr.proceed()
			}
			r.await("settle")
			out := r.stop()
			histories := make(map[uint32]*history)
			for i := range historyWriters {
				l := readTroubleLog(t, fmt.Sprintf("%s.%d", logs, i))
				pid := l.steps[0].pid
				if !held[pid] {
					t.Errorf("process %d of log %d has ended", pid, i)
				}
				histories[pid] = &history{tr: tr, pid: pid, steps: l.steps}
			}
			s := r.each(func(s *replay.Session, rec format.Record) {
				if h := histories[rec.Head().PID]; h != nil {
					h.record(s, rec)
				}
			})
			var sum tally
			for _, h := range histories {
				h.upTo(s, ^uint64(0))
				h.report(t, s)
				sum.add(h.tally)
			}
			// What got lost is rare where the reader is in time.
			if sum.uncertain*20 > sum.checks {
				t.Errorf("%d of %d comparisons are uncertain", sum.uncertain, sum.checks)
			}
			t.Logf("%s: %d moments compared (%d times) with %d mappings, %d of them under another name, %d uncertain; %s",
				out.Hooks, sum.moments, sum.checks, sum.mappings, sum.renamed, sum.uncertain, out.losses())
		})
	}
}

// fewestSteps returns how many steps each process has logged since begun, ns, at least.
func fewestSteps(t *testing.T, logs string, begun uint64) int {
	t.Helper()
	fewest := math.MaxInt
	for i := range historyWriters {
		n := 0
		for _, s := range readTroubleLog(t, fmt.Sprintf("%s.%d", logs, i)).steps {
			if s.before > begun {
				n++
			}
		}
		fewest = min(fewest, n)
	}
	return fewest
}

// history goes through the log of one process beside the recording of it.
type history struct {
	tr    *trouble
	pid   uint32
	steps []logged

	next  int          // step that has not been applied to model
	model replay.Space // what was mapped after the steps before next

	since uint64 // end of the first walk: what is told of the time before is not whole; 0 = not walked
	left  uint32 // mappings of a walk under way to come
	last  uint64 // time of the record before

	tally
	mistakes []mistake
}

// tally counts moments between two steps, and what was compared then.
type tally struct{ moments, checks, mappings, renamed, uncertain int }

func (t *tally) add(u tally) {
	t.moments, t.checks, t.mappings = t.moments+u.moments, t.checks+u.checks, t.mappings+u.mappings
	t.renamed, t.uncertain = t.renamed+u.renamed, t.uncertain+u.uncertain
}

// mistake is a difference between log and recording.
type mistake struct {
	time uint64
	text string
}

// record takes notice of a record about the process that is about to be applied.
func (h *history) record(s *replay.Session, rec format.Record) {
	now := rec.Head().Time
	if h.left > 0 {
		h.left-- // the records of a walk belong together
	} else {
		h.upTo(s, now)
		h.last = now
	}
	if p, ok := rec.(*format.Process); ok {
		h.left = p.VMAs
		if h.since == 0 && p.Status == format.WalkComplete {
			h.since = p.Time + p.WalkTime
			for h.next < len(h.steps) && h.steps[h.next].before < h.since {
				h.advance()
			}
		}
	}
}

func (h *history) advance() {
	h.steps[h.next].apply(&h.model)
	h.next++
}

// upTo compares the state, which is that after all records before the time now, with the log
// between the steps that are over by then.
func (h *history) upTo(s *replay.Session, now uint64) {
	if h.since == 0 {
		return
	}
	// A record came in the pause after the latest step: it may not have changed anything. The
	// first walk may have been in the middle of a step.
	if h.next > 0 && h.last > max(h.since, h.steps[h.next-1].after) && (h.next == len(h.steps) || h.last < h.steps[h.next].before) {
		h.compare(s)
	}
	for h.next < len(h.steps) && h.steps[h.next].after < now {
		h.advance()
		h.moments++
		h.compare(s)
	}
}

func (h *history) compare(s *replay.Session) {
	h.checks++
	p, step := s.Process(h.pid), &h.steps[h.next-1]
	if p == nil {
		h.mistakes = append(h.mistakes, mistake{step.after, "no such process"})
		return
	}
	if p.UncertainSince != 0 || !p.Known {
		h.uncertain++
		return
	}
	h.mappings += h.model.Len()
	for _, d := range replay.Compare(p.Space, &h.model) {
		if d.Verdict == replay.Renamed && h.tr.moves(d.A.File.Path) && h.tr.moves(d.B.File.Path) {
			h.renamed++
			continue
		}
		h.mistakes = append(h.mistakes, mistake{step.after, fmt.Sprintf("after step %d at %d, %s of %x-%x (result %d): %s at %x-%x: recorded %s, was %s",
			h.next-1, step.after, step.name, step.lo, step.hi, step.result, d.Verdict, d.Start, d.End, d.A, d.B)})
		return
	}
}

// report fails the test for each mistake at a moment of which the recording does not say
// itself that something was lost about then.
func (h *history) report(t *testing.T, s *replay.Session) {
	t.Helper()
	wrong := 0
	for _, m := range h.mistakes {
		excused := false
		for i := range s.Losses {
			l := &s.Losses[i]
			excused = excused || (l.PID == 0 || l.PID == h.pid) && l.From <= m.time && (l.Repaired == 0 || m.time <= l.Repaired)
		}
		if excused {
			h.uncertain++
		} else if wrong++; wrong <= 3 {
			t.Errorf("process %d: %s", h.pid, m.text)
		}
	}
	if wrong > 0 {
		t.Errorf("process %d: %d of %d comparisons are wrong", h.pid, wrong, h.checks)
	}
	if h.checks-h.uncertain < historyLeast {
		t.Errorf("process %d: %d of %d comparisons are uncertain; %d steps from %d to %d, the first complete walk was over at %d",
			h.pid, h.uncertain, h.checks, len(h.steps), h.steps[0].before, h.steps[len(h.steps)-1].after, h.since)
	}
}
