package recorder

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/procmap"
)

// shot is a snapshot within a live recording: of the whole machine, as at the start and for
// a keyframe, or of one process. Processes are walked while the ring is read, and each is
// written at the second mark of its walk, whole. What the marks show to be no truth is walked
// again.
type shot struct {
	id   uint32
	kind format.SnapshotKind
	pid  uint32 // 0: of every process

	space *liveSpace // that is repaired; nil: whatever pid has

	losses   uint64 // losses.generation when it began
	prepared chan prepared
	pids     []int
	begun    bool   // the mark was seen at which all is known of the processes to walk
	since    uint64 // the number of that event

	crew        *snapshot // the workers of this round
	nextWatch   time.Time
	round       int
	outstanding map[int]struct{} // of this round, not settled yet
	again       []int            // for the next round
	born        map[int]struct{} // children of processes that had not been told yet, walked besides
	early       []int            // of which these came before anything was walked
	deadline    time.Time        // of a pass of the iterator
	stats       Stats
	distinct    map[fileKey]struct{}
	failed      error
	incomplete  bool // one that lives could not be walked
}

// prepared is what a snapshot needs to know before it walks.
type prepared struct {
	pids []int
	err  error
}

// startShot begins a snapshot, of one process if pid is not 0.
func (l *live) startShot(kind format.SnapshotKind, pid uint32) error {
	l.plan.shots++
	sh := &shot{
		id: l.plan.shots, kind: kind, pid: pid, losses: l.losses.generation, prepared: make(chan prepared, 2),
		stats: Stats{
			Hidden: l.mount.Hidden, Processes: make(map[format.WalkStatus]int),
			BuildIDs: make(map[format.BuildIDOrigin]int),
		},
		distinct: make(map[fileKey]struct{}),
	}
	l.shot = sh
	begin := &format.SnapshotBegin{Common: format.Common{Time: l.now, PID: pid, TID: pid}, ID: sh.id, Kind: kind, Source: l.host.Source}
	if err := l.sink.Write(begin); err != nil {
		return err
	}
	go func() {
		pids, err := l.prepare(sh)
		sh.prepared <- prepared{pids, err}
		if err == nil {
			err = l.f.Mark(uint64(sh.id)*markKinds + markReady)
		}
		if err != nil {
			sh.prepared <- prepared{err: err}
		}
	}()
	return nil
}

// prepare finds out whom to walk. It runs beside the reader of the ring.
func (l *live) prepare(sh *shot) ([]int, error) {
	switch {
	case sh.pid != 0:
		return []int{int(sh.pid)}, nil
	case l.some():
		return l.options.PIDs, nil
	}
	if err := l.f.List(uint64(sh.id)); err != nil {
		return nil, err
	}
	pids, err := procmap.PIDs(l.options.ProcFS, nil)
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	return pids, nil
}

// ready starts the walks: the ring has been read to where everything is known about the
// processes that were listed.
func (sh *shot) ready(l *live) error {
	p := <-sh.prepared
	sh.pids = p.pids
	if sh.pid == 0 && l.some() {
		pids := slices.Clone(sh.pids)
		for pid := range maps.Keys(l.processes) {
			pids = append(pids, int(pid))
		}
		sh.pids = pids
	}
	sh.pids = slices.Sorted(slices.Values(sh.pids))
	for _, pid := range sh.early {
		if _, listed := slices.BinarySearch(sh.pids, pid); !listed {
			sh.bear(pid)
		}
	}
	sh.pids = slices.AppendSeq(sh.pids, maps.Keys(sh.born))
	sh.pids = slices.Compact(slices.Sorted(slices.Values(sh.pids)))
	sh.stats.Listed = len(sh.pids)
	sh.begun, sh.since = true, l.events
	sh.start(l, sh.pids)
	return nil
}

// start begins a round over pids.
func (sh *shot) start(l *live, pids []int) {
	sh.round++
	sh.again = nil
	sh.outstanding = make(map[int]struct{}, len(pids))
	for _, pid := range pids {
		sh.outstanding[pid] = struct{}{}
	}
	s := &snapshot{Recorder: l.Recorder, files: l.walked}
	s.pids = pids
	s.between = l.between
	s.deliver = func(_ context.Context, w *walk) error { return sh.giveUp(l, w) }
	sh.crew = s
	sh.nextWatch = time.Now().Add(s.watchPeriod())
	if l.iterator != nil && sh.pid == 0 && sh.round == 1 {
		sh.deadline = time.Now().Add(l.options.WalkTimeout)
		s.stop, s.results = make(chan struct{}), make(chan *walk, 1)
		go func() {
			if err := l.between(0, func() []*walk { return s.iterate() }); err != nil {
				s.results <- &walk{unmarked: true}
			}
		}()
		return
	}
	s.begin()
}

// poll looks after the walks under way. It reports whether the snapshot is complete.
func (sh *shot) poll(ctx context.Context, l *live) (done bool, err error) {
	if !sh.begun {
		select {
		case p := <-sh.prepared:
			if p.err != nil {
				sh.failed = p.err
				return true, nil
			}
			sh.prepared <- p // for ready
		default:
		}
		return false, nil
	}
	for more := true; more; {
		select {
		case w := <-sh.crew.results:
			if w.unmarked {
				if err := sh.unmarked(l, w); err != nil {
					return false, err
				}
			}
		default:
			more = false
		}
	}
	now := time.Now()
	if !sh.deadline.IsZero() && now.After(sh.deadline) {
		// The iterator waits for somebody's lock. The others are walked without it.
		sh.deadline = time.Time{}
		sh.retry(&walk{})
	}
	if now.After(sh.nextWatch) {
		sh.nextWatch = now.Add(sh.crew.watchPeriod())
		if _, err := sh.crew.watch(ctx); err != nil {
			return false, err
		}
	}
	if l.options.Progress != nil && l.plan.first(sh) {
		l.options.Progress(sh.stats.Listed-len(sh.outstanding)-len(sh.again), sh.stats.Listed)
	}
	if len(sh.outstanding) > 0 {
		return false, nil
	}
	close(sh.crew.stop)
	// Of a child that has ended meanwhile everything is told, and after a loss all are for the
	// next snapshot: they may be born faster than they are walked.
	sh.again = slices.DeleteFunc(sh.again, func(pid int) bool {
		_, born := sh.born[pid]
		return born && (sh.overtaken(l) || l.processes[uint32(pid)] == nil)
	})
	if len(sh.again) > 0 {
		sh.start(l, sh.again)
		return false, nil
	}
	return true, nil
}

// bear notes that the process was born during the snapshot.
func (sh *shot) bear(pid int) {
	if sh.born == nil {
		sh.born = make(map[int]struct{})
	}
	sh.born[pid] = struct{}{}
}

// unmarked takes in a walk of which the ring, being full, has no marks.
func (sh *shot) unmarked(l *live, w *walk) error {
	if err := l.checkLosses(); err != nil {
		return err
	}
	if w.pid == 0 || !sh.overtaken(l) {
		sh.retry(w)
		return nil
	}
	return sh.settle(l, &unit{pid: uint32(w.pid), known: l.processes[uint32(w.pid)] != nil}, w, l.now)
}

// overtaken reports whether something was lost since the snapshot began. Then it proves nothing
// any more, and the next one is as good as certain; but on a machine that makes statements
// faster than they can be read it is all there is, for now. So it goes on, takes what it finds
// for the truth at the first try, and the loss is told again at its end.
func (sh *shot) overtaken(l *live) bool { return sh.losses != l.losses.generation }

// retry puts a process whose walk came to nothing, or all of a pass of the iterator, on the
// list of the next round.
func (sh *shot) retry(w *walk) {
	if w.pid != 0 {
		if _, ok := sh.outstanding[w.pid]; ok {
			delete(sh.outstanding, w.pid)
			sh.again = append(sh.again, w.pid)
		}
		return
	}
	sh.again = slices.AppendSeq(sh.again, maps.Keys(sh.outstanding))
	clear(sh.outstanding)
}

// adopt has a new process walked too. It reports whether that is still possible.
func (sh *shot) adopt(pid uint32) bool {
	if sh.pid != 0 || sh.round >= walkTries {
		return false
	}
	if !sh.begun {
		sh.early = append(sh.early, int(pid))
		return true
	}
	if _, listed := slices.BinarySearch(sh.pids, int(pid)); listed {
		return true // it was there before its birth was told
	}
	sh.bear(int(pid))
	sh.again = append(sh.again, int(pid))
	sh.stats.Listed++
	return true
}

// giveUp takes in that the kernel gives no answer about a process.
func (sh *shot) giveUp(l *live, w *walk) error {
	if _, ok := sh.outstanding[w.pid]; !ok {
		return nil
	}
	delete(sh.outstanding, w.pid)
	if p := l.processes[uint32(w.pid)]; p != nil && p.space != nil {
		p.space.asked = sh.id
	}
	return sh.write(l, w, l.now)
}

// settle takes in what the walk w, one of u, found, at u's second mark.
func (sh *shot) settle(l *live, u *unit, w *walk, at uint64) error {
	if _, ok := sh.outstanding[w.pid]; !ok {
		return nil // of an older snapshot, or given up meanwhile
	}
	if w.fatal != nil {
		return w.fatal
	}
	p := l.processes[uint32(w.pid)]
	lives := w.process.Status == format.WalkComplete || w.process.Status == format.WalkRaced
	ended := w.process.Status == format.WalkVanished || w.process.Status == format.WalkZombie
	overtaken := sh.overtaken(l)
	switch {
	case ended && p != nil:
		// Its end is on its way through the ring.
		delete(sh.outstanding, w.pid)
		return nil
	case p == nil && (ended || lives && u.known && !overtaken):
		// It has ended: before the listing, or its end is in the ring by now. A zombie has as
		// little left of an address space.
		return sh.vanish(l, w, at)
	case lives && !overtaken && !l.proves(u, w, p):
		if sh.round < walkTries {
			sh.retry(&walk{pid: w.pid})
			return nil
		}
		if p == nil {
			return sh.vanish(l, w, at)
		}
		w.process.Status = format.WalkRaced
	}
	if p == nil {
		p = l.find(uint32(w.pid)) // a kernel thread, one that may not be looked at, one whose birth was lost
	}
	if lives && overtaken && p.bound > sh.provenBy(l, u) {
		w.process.Status = format.WalkRaced // what it has since is told by statements
	}
	if w.process.Status == format.WalkRaced {
		w.mmaps = nil
	}
	delete(sh.outstanding, w.pid)
	if w.process.Status == format.WalkComplete && p.space != nil {
		if owner := sh.owner(l, p); owner != 0 {
			w.process.Status, w.process.SharesPID = format.WalkShared, owner
			w.process.ExcludedAnonExec, w.process.ExcludedVDSO = 0, 0
			w.mmaps = nil
		} else {
			for _, n := range u.log[p.space] {
				w.mmaps = overlay(w.mmaps, n.start, n.end, n.mmaps)
			}
		}
		p.space.tells(p.pid)
		p.space.last, p.space.filled = noVMA, nothing
	}
	if p.renamed > u.begun {
		w.process.Comm = p.comm
	}
	p.named, p.comm = true, w.process.Comm
	l.introduced(p)
	if p.space != nil {
		p.space.asked = sh.id
	}
	return sh.write(l, w, at)
}

// provenBy returns since which event a walk of an overtaken snapshot may be of another address
// space than the process has now.
func (sh *shot) provenBy(l *live, u *unit) uint64 {
	if l.losses.open != nil {
		return sh.since
	}
	return max(sh.since, u.begun)
}

// vanish settles a process that was listed, and has ended.
func (sh *shot) vanish(l *live, w *walk, at uint64) error {
	delete(sh.outstanding, w.pid)
	if _, born := sh.born[w.pid]; born || sh.kind != format.SnapshotInitial {
		return nil
	}
	w.process.Status, w.mmaps = format.WalkVanished, nil
	return sh.write(l, w, at)
}

// owner returns the process through which the address space of p has been told already, or 0
// where p is to tell it. The first who tells it in a snapshot of everything is its only teller.
func (sh *shot) owner(l *live, p *liveProcess) uint32 {
	s := p.space
	switch {
	case sh.pid != 0 && slices.Contains(s.tellers, p.pid):
		return 0 // told anew, of all tellers
	case sh.pid == 0 && s.shot != sh.id:
		s.shot, s.tellers = sh.id, s.tellers[:0]
	case sh.kind == format.SnapshotRepair && sh.pid != 0:
		// None of those who tell it live. The others are still to be told that they have it.
		s.tellers = s.tellers[:0]
		for _, other := range s.members {
			if other != p.pid {
				l.plan.adopt(other)
			}
		}
	}
	for _, other := range s.tellers {
		if other != p.pid {
			return other
		}
	}
	return 0
}

// write writes the process and its mappings as the truth at the given time.
func (sh *shot) write(l *live, w *walk, at uint64) error {
	p := &w.process
	p.Time, p.Snapshot, p.VMAs = at, sh.id, uint32(len(w.mmaps))
	st := &sh.stats
	st.Processes[p.Status]++
	st.ExcludedAnonExec += int(p.ExcludedAnonExec)
	st.ExcludedVDSO += int(p.ExcludedVDSO)
	switch p.Status {
	case format.WalkRaced, format.WalkTimeout, format.WalkFailed:
		sh.incomplete = true
		fallthrough
	case format.WalkDenied:
		known := l.processes[p.PID]
		p.Blank = known == nil || known.space == nil || len(known.space.tellers) == 0
	}
	if err := l.sink.Write(p); err != nil {
		return err
	}
	for i := range w.mmaps {
		m := &w.mmaps[i]
		m.Time, m.PID, m.TID, m.Walked = at, p.PID, p.TID, true
		st.VMAs++
		st.countFile(sh.distinct, m)
		if err := l.sink.Write(m); err != nil {
			return err
		}
	}
	return nil
}

// finish closes the snapshot.
func (sh *shot) finish(l *live) error {
	end := &format.SnapshotEnd{
		Common: format.Common{Time: l.now, PID: sh.pid, TID: sh.pid}, ID: sh.id,
		Mmaps: uint64(sh.stats.VMAs), Files: uint64(sh.stats.Files),
	}
	for status, n := range sh.stats.Processes {
		end.Processes[status] = uint32(n)
	}
	if sh.begun && sh.pid == 0 {
		sh.leftOver(l)
	}
	return l.sink.Write(end)
}

// leftOver looks after what a snapshot of everything has not told. Replay forgets the processes.
// An address space that was there before the walks, and whose processes have all ended before
// theirs, may be that of a child meanwhile (CLONE_VM), which is walked alone.
func (sh *shot) leftOver(l *live) {
	for _, p := range l.processes {
		if p.shot != sh.id {
			p.told, p.named = false, false
			if p.space != nil {
				p.space.silence(p.pid)
			}
		}
	}
	for _, s := range l.spaces {
		if len(s.members) > 0 && s.asked != sh.id && s.since <= sh.since {
			l.plan.repair(s)
		}
	}
}
