package recorder

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/vmasnap/vmasnap/bpfmmap"
	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/procmap"
)

// openFollower is bpfmmap.Open. Tests put a kernel here that does what they say.
var openFollower = func(o bpfmmap.Options) (follower, error) { return bpfmmap.Open(o) }

// open loads what following takes. Nothing is attached yet.
func (r *Recorder) open() error {
	o := r.options.Follow
	if o == nil {
		return nil
	}
	switch {
	case r.options.AllFile || r.options.AnonExec || r.options.VDSO:
		return errors.New("follow changes: only executable, file-backed VMAs are followed, not what AllFile, AnonExec and VDSO add: they are for a snapshot alone")
	case !r.mount.OwnPIDs || r.mount.PIDNamespace != initialPIDNamespace:
		return fmt.Errorf("follow changes: %w: the kernel names processes by their numbers in the initial pid namespace, and %s is of another one", procmap.ErrNotSupported, r.options.ProcFS)
	case o.Cgroup != "" && len(r.options.PIDs) > 0:
		return errors.New("follow changes: of some processes and of a cgroup: choose one")
	}
	f, err := openFollower(bpfmmap.Options{Hooks: o.Hooks, RingSize: o.RingSize, Some: r.some()})
	if err != nil {
		return fmt.Errorf("follow changes: %w", explain(err))
	}
	r.follower = f
	r.notes = append(r.notes, f.Notes()...)
	return nil
}

// initialPIDNamespace is PROC_PID_INIT_INO of include/linux/proc_ns.h.
const initialPIDNamespace = 0xEFFFFFFC

// some reports whether only some processes are followed.
func (r *Recorder) some() bool { return r.options.PIDs != nil || r.options.Follow.Cgroup != "" }

// Notes says what the user should know about how this machine is recorded.
func (r *Recorder) Notes() []string { return r.notes }

// Close frees what following takes. Run must have returned.
func (r *Recorder) Close() error {
	var err error
	if r.follower != nil {
		err = r.follower.Close()
	}
	if r.iterator != nil {
		err = errors.Join(err, r.iterator.Close())
	}
	return err
}

// How long the reader of the ring sleeps. The kernel side wakes it up early when the ring
// fills; otherwise it is the reader who looks, because waking it costs each statement more
// than making it does.
const (
	pauseWalking = time.Millisecond       // marks are waited for
	pauseBusy    = 5 * time.Millisecond   // events came a moment ago
	pauseIdle    = 250 * time.Millisecond // the longest, after a while without events
)

const (
	// batch is how many events are taken in before anything else is looked after.
	batch = 4096
	// endPatience bounds how long the end waits for a repair.
	endPatience = 3 * time.Second
	// ringPatience bounds how long it takes for what is in the ring by then, which is read as
	// fast as it can be. What is left after that is lost.
	ringPatience = 30 * time.Second
)

// follow records until ctx ends: attach, snapshot, and from then on every change.
func (r *Recorder) follow(ctx context.Context, sink Sink) (Stats, error) {
	o := r.options.Follow
	l := &live{
		Recorder: r, table: newTable(), f: r.follower, sink: sink,
		walked: procmap.NewFiles(procmap.FilesOptions{Mode: r.options.BuildID, ProcFS: r.options.ProcFS}),
		losses: losses{seen: make(map[lossDoor]uint64), checked: Now(), polled: Now()},
		begun:  time.Now(),
	}
	l.stats.Live = LiveStats{Lost: make(map[format.LostReason]uint64), NoBuildID: make(map[format.BuildIDOrigin]int)}
	l.files = newLiveFiles(r, r.follower, &l.stats.Live)
	go l.files.resolve()
	defer close(l.files.ask)
	if o.RaisePriority {
		restore, err := raisePriority()
		if err != nil {
			r.notes = append(r.notes, fmt.Sprintf("priority is not raised: %v; a busy machine may starve the recorder, and statements get lost", err))
		}
		defer restore()
	}
	if err := r.attach(); err != nil {
		return l.stats, err
	}
	if o.DropCapabilities {
		if err := dropCapabilities(); err != nil {
			r.notes = append(r.notes, fmt.Sprintf("capabilities are kept: %v", err))
		}
	}
	err := error(nil)
	if l.some() {
		err = l.attached()
	}
	if err == nil {
		err = l.run(ctx)
	}
	l.stats.Live.Events = l.events
	l.stats.Live.Unrepaired = l.repairing()
	if l.shot != nil && l.shot.crew != nil && l.shot.crew.stop != nil {
		close(l.shot.crew.stop)
	}
	return l.stats, err
}

// attached tells the caller, once, that every change is told from now on: of the whole machine
// that is when the first listing is complete, which ties events to processes.
func (l *live) attached() error {
	o := l.options.Follow
	if o.Attached == nil || l.announced {
		return nil
	}
	l.announced = true
	return o.Attached()
}

// attach puts the hooks in place and names those who are followed.
func (r *Recorder) attach() error {
	if err := r.follower.Attach(); err != nil {
		return fmt.Errorf("attach: %w", err)
	}
	if pids := r.options.PIDs; len(pids) > 0 {
		if err := r.follower.Adopt(pids...); err != nil {
			return fmt.Errorf("follow processes: %w", err)
		}
	}
	if path := r.options.Follow.Cgroup; path != "" {
		if err := r.follower.AdoptCgroup(path); err != nil {
			return fmt.Errorf("follow cgroup %s: %w", path, err)
		}
	}
	return nil
}

// run reads the ring, and looks after everything else in between.
func (l *live) run(ctx context.Context) error {
	second := time.NewTicker(time.Second)
	defer second.Stop()
	status := time.NewTicker(500 * time.Millisecond)
	defer status.Stop()
	pause := pauseBusy
	var ending time.Time
	for {
		n, err := l.read(pause)
		if err != nil {
			return err
		}
		if pause = min(2*pause, pauseIdle); n > 0 {
			pause = pauseBusy
		}
		if err := l.checkLosses(); err != nil {
			return err
		}
		if err := l.advance(ctx); err != nil {
			return err
		}
		if l.shot != nil || l.repairing() {
			pause = pauseWalking
		}
		select {
		case <-second.C:
			if err := l.eachSecond(); err != nil {
				return err
			}
		case <-status.C:
			l.status()
		default:
		}
		select {
		case <-l.options.Follow.Abort:
			return l.lose(&format.Lost{Count: 1, CPU: -1, Reason: format.LostRing})
		default:
		}
		if ending.IsZero() {
			if ctx.Err() != nil || l.deserted() {
				ending = time.Now()
				l.plan.notBefore = time.Time{}
			}
			continue
		}
		pause = pauseWalking
		if over, err := l.over(time.Since(ending)); err != nil || over {
			return err
		}
	}
}

// over reports whether the recording, which was to end so long ago, is complete: up to a mark in
// the ring, and repaired, if that does not take too long.
func (l *live) over(since time.Duration) (bool, error) {
	l.marked = l.marked || l.f.Mark(markEnding) == nil // or later: the ring is full
	switch {
	case !l.ended.IsZero() && (l.shot == nil && !l.repairing() || time.Since(l.ended) > endPatience):
		return true, nil
	case l.ended.IsZero() && since > ringPatience:
		lost := &format.Lost{Count: 1, CPU: -1, Reason: format.LostRing}
		return true, errors.Join(l.pollMisses(), l.lose(lost))
	}
	return false, nil
}

// repairing reports whether statements are missing that a snapshot will bring, if it may.
func (l *live) repairing() bool {
	return l.losses.unrepaired || len(l.plan.spaces) > 0 || len(l.plan.adopted) > 0 || l.shot != nil && l.shot.kind == format.SnapshotRepair
}

// read takes in what is in the ring, for which it waits if there is nothing.
func (l *live) read(pause time.Duration) (n int, err error) {
	var ev = &l.event
	begun := Now()
	l.f.SetDeadline(time.Now().Add(pause))
	for n < batch {
		err := l.f.Read(ev)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			l.now = max(l.now, begun) // all from before has been read
			return n, nil
		case err != nil:
			return n, fmt.Errorf("read ring: %w", err)
		}
		if err := l.handle(ev); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// eachSecond is what is done about once a second.
func (l *live) eachSecond() error {
	if err := l.pollMisses(); err != nil {
		return err
	}
	return flush(l.sink)
}

// status tells the caller how it goes.
func (l *live) status() {
	o := l.options.Follow
	if o.Status == nil {
		return
	}
	s := Status{
		Processes: len(l.processes), Mappings: int(l.stats.Live.Sets) + l.stats.VMAs, Events: l.events,
		Uncertain: l.repairing(),
	}
	for _, n := range l.stats.Live.Lost {
		s.Lost += n
	}
	o.Status(s)
}

// deserted reports whether those who are followed, and all that they forked, have ended.
func (l *live) deserted() bool {
	return l.options.PIDs != nil && l.plan.initial && len(l.processes) == 0 && l.shot == nil
}
