package recorder

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/vmasnap/vmasnap/bpfmmap"
	"github.com/vmasnap/vmasnap/format"
)

// plan says which snapshot comes next.
type plan struct {
	shots   uint32 // that were begun
	initial bool   // the first one is complete

	whole   bool                    // statements were lost: every process is to be walked
	spaces  map[*liveSpace]struct{} // statements about these were lost
	adopted []uint32                // processes that are to be walked, one by one

	notBefore time.Time     // of repairs
	pause     time.Duration // after the next one that does not help
	keyframe  time.Time     // when the next one is due; zero = never
	crowded   uint64        // live.events after which it is due sooner
	failures  int           // snapshots in a row that could not begin
}

// Between repairs, while losses go on: a repair costs the machine a walk of all processes,
// and is worth nothing if the ring is full again meanwhile.
const (
	minPause = 100 * time.Millisecond
	maxPause = 30 * time.Second
)

func (p *plan) first(sh *shot) bool { return !p.initial && sh.pid == 0 }

func (p *plan) repair(s *liveSpace) {
	if p.spaces == nil {
		p.spaces = make(map[*liveSpace]struct{})
	}
	p.spaces[s] = struct{}{}
}

// adopt has a process walked alone, unless all are to be walked.
func (p *plan) adopt(pid uint32) {
	if !p.whole {
		p.adopted = append(p.adopted, pid)
	}
}

// advance begins the next snapshot if there is cause and none is under way, and looks after
// the one that is.
func (l *live) advance(ctx context.Context) error {
	now := time.Now()
	if l.shot == nil {
		return l.next(now)
	}
	done, err := l.shot.poll(ctx, l)
	if err != nil || !done {
		return err
	}
	sh := l.shot
	l.shot = nil
	if sh.failed != nil {
		l.plan.failures++
		if l.plan.failures > 20 {
			return fmt.Errorf("begin snapshot: %w", sh.failed)
		}
		l.plan.whole = true
		l.plan.wait(now)
	}
	if sh.pid == 0 && sh.failed == nil {
		// A program may have been skipped while the walks went on.
		if err := l.pollMisses(); err != nil {
			return err
		}
	}
	if err := sh.finish(l); err != nil {
		return err
	}
	if err := l.attached(); err != nil { // the end of the first listing may have been lost
		return err
	}
	if sh.overtaken(l) && l.losses.last != nil {
		again := *l.losses.last
		again.Time, again.Count, again.CPU = Now(), 0, -1
		if err := l.sink.Write(&again); err != nil {
			return err
		}
	}
	if sh.failed == nil {
		l.concluded(sh, now)
	}
	return nil
}

// concluded draws the conclusions from a complete snapshot.
func (l *live) concluded(sh *shot, now time.Time) {
	p := &l.plan
	p.failures = 0
	if sh.pid == 0 {
		live := l.stats.Live
		elapsed := l.stats.Elapsed
		l.stats = sh.stats
		l.stats.Live, l.stats.Elapsed = live, elapsed
		if !p.initial {
			p.initial = true
			l.stats.Live.Begun = true
			l.stats.Elapsed = time.Since(l.begun)
		}
		if l.options.Follow.Keyframe > 0 {
			p.keyframe = now.Add(l.options.Follow.Keyframe)
			p.crowded = l.events + max(minCrowd, crowd*uint64(sh.stats.Listed+sh.stats.VMAs))
		}
	}
	switch {
	case sh.overtaken(l) || sh.incomplete && sh.kind == format.SnapshotRepair:
		p.wait(now)
		if sh.pid != 0 && sh.losses == l.losses.generation {
			if process := l.processes[sh.pid]; process != nil && process.space != nil {
				p.repair(process.space)
			}
		} else {
			p.whole = true
		}
	case sh.pid == 0:
		p.pause, l.losses.unrepaired = 0, false
	case sh.space != nil && sh.space.asked != sh.id:
		// That process has ended. Another may have the same address space.
		if i := slices.IndexFunc(sh.space.members, func(pid uint32) bool { return pid != sh.pid }); i >= 0 {
			p.adopted = append(p.adopted, sh.space.members[i])
		}
	}
}

// wait puts the next repair off, longer each time.
func (p *plan) wait(now time.Time) {
	p.notBefore = now.Add(p.pause)
	p.pause = min(max(2*p.pause, minPause), maxPause)
}

// Whoever asks a recording for a moment replays it from the last keyframe on. So one is due, too,
// when there is this many times as much to replay as the snapshot had records, and more than is
// replayed in 50 ms.
const (
	crowd    = 8
	minCrowd = 250_000
)

// maxRepairs is how many address spaces are repaired one by one before all are.
const maxRepairs = 64

// next begins the snapshot that is due.
func (l *live) next(now time.Time) error {
	p := &l.plan
	late := now.Before(p.notBefore) || l.losses.open != nil
	switch {
	case !p.initial && !(late && p.failures > 0):
		p.whole, p.spaces = false, nil
		return l.startShot(format.SnapshotInitial, 0)
	case (p.whole || len(p.spaces) > maxRepairs) && !late:
		p.whole, p.spaces = false, nil
		l.walked.Forget()
		l.stats.Live.Repairs++
		return l.startShot(format.SnapshotRepair, 0)
	case len(p.adopted) > 0:
		pid := p.adopted[0]
		p.adopted = p.adopted[1:]
		if l.processes[pid] == nil {
			return nil
		}
		return l.startShot(format.SnapshotInitial, pid)
	case len(p.spaces) > 0 && !late:
		for s := range p.spaces {
			delete(p.spaces, s)
			if len(s.members) > 0 && l.spaces[s.mm] == s {
				l.stats.Live.Repairs++
				err := l.startShot(format.SnapshotRepair, slices.Concat(s.tellers, s.members)[0])
				l.shot.space = s
				return err
			}
		}
	case !p.keyframe.IsZero() && (now.After(p.keyframe) || l.events > p.crowded):
		p.spaces = nil // told anew like everything else
		l.walked.Forget()
		l.stats.Live.Keyframes++
		return l.startShot(format.SnapshotKeyframe, 0)
	}
	return nil
}

// losses are the statements that never came.
type losses struct {
	seen    map[lossDoor]uint64
	checked uint64 // CLOCK_MONOTONIC ns
	polled  uint64 // the same, of recursion_misses

	// generation grows with every loss that may concern any process: what was found out
	// before is worth nothing.
	generation uint64
	// Counters are ahead of the ring, which has yet to be read to where the loss was. A mark
	// says where: until it is reached nothing can be repaired. At it the loss is told
	// again, for the sake of the processes that came to be in between.
	open       *format.Lost
	last       *format.Lost // the newest, open or not
	marked     bool
	unrepaired bool
}

type lossDoor struct {
	cpu    int
	reason bpfmmap.Loss
}

// checkLosses reads the counters of the kernel side and writes what has come to them.
func (l *live) checkLosses() error {
	var err error
	now := Now()
	l.f.Losses(func(cpu int, reason bpfmmap.Loss, total uint64) {
		door := lossDoor{cpu, reason}
		n := total - l.losses.seen[door]
		if n == 0 || err != nil {
			return
		}
		l.losses.seen[door] = total
		from := l.losses.checked
		switch reason {
		case bpfmmap.LossLock, bpfmmap.LossTorn:
			return // an event of its own says whose
		case bpfmmap.LossRecursion:
			from = l.losses.polled
		}
		err = l.lose(&format.Lost{
			Common: format.Common{Time: now}, Count: n, From: from, CPU: int32(cpu), Reason: formatLoss(reason),
		})
	})
	l.losses.checked = now
	if l.losses.open != nil && !l.losses.marked && err == nil {
		l.losses.marked = l.f.Mark(l.losses.generation*markKinds+markLost) == nil // or later: the ring is full
	}
	return err
}

// lose writes that statements about any process may be missing.
func (l *live) lose(lost *format.Lost) error {
	if lost.Time == 0 {
		lost.Time = Now()
		lost.From = l.losses.checked
	}
	l.losses.generation++
	l.losses.unrepaired, l.plan.whole = true, true
	l.losses.open, l.losses.last, l.losses.marked = lost, lost, false
	l.count(lost)
	return l.sink.Write(lost)
}

// reached takes in that the ring has been read to where the last loss was noticed.
func (l *live) reached(at, generation uint64) error {
	if l.losses.open == nil || generation != l.losses.generation {
		return nil // more was lost since
	}
	again := *l.losses.open
	again.Time, again.Count, again.CPU = at, 0, -1
	l.losses.open = nil
	l.losses.generation++
	l.plan.whole = true
	return l.sink.Write(&again)
}

func (l *live) count(lost *format.Lost) {
	l.stats.Live.Lost[lost.Reason] += lost.Count
}

// pollMisses asks the kernel which programs it has skipped.
func (l *live) pollMisses() error {
	now := Now()
	if err := l.f.PollMisses(); err != nil {
		return fmt.Errorf("read recursion_misses: %w", err)
	}
	err := l.checkLosses()
	l.losses.polled = now
	return err
}

// formatLoss translates the kernel side's doors of loss.
func formatLoss(reason bpfmmap.Loss) format.LostReason {
	switch reason {
	case bpfmmap.LossRing:
		return format.LostRing
	case bpfmmap.LossLock:
		return format.LostLock
	case bpfmmap.LossMap:
		return format.LostMap
	case bpfmmap.LossTorn:
		return format.LostTorn
	case bpfmmap.LossRecursion:
		return format.LostRecursion
	}
	return format.LostUnknown
}
