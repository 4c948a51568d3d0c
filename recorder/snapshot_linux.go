package recorder

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/procmap"
)

// snapshot is one Run: workers walk processes, the goroutine that called Run writes what
// they bring and watches over them.
type snapshot struct {
	*Recorder
	sink  Sink
	stats Stats

	files    *procmap.Files // shared by the workers
	sharing  sharing
	distinct map[fileKey]struct{}

	// deliver takes in the walk of one process. In a live recording those alone go through
	// it that were given up, and between puts marks into the ring around each walk.
	deliver func(context.Context, *walk) error
	between func(pid uint32, find func() []*walk) error

	pids    []int
	next    atomic.Int64 // index of the next process to walk
	stop    chan struct{}
	results chan *walk
	workers []*worker
}

// fileKey tells files apart as a reader of the recording does.
type fileKey struct {
	path         string
	deleted      bool
	major, minor uint32
	inode        uint64
}

// worker walks one process after the other.
type worker struct {
	job  atomic.Pointer[job] // nil between two processes
	done chan struct{}       // closed when the worker has ended

	// What the watcher saw last.
	seenJob   *job
	seenSteps uint64
	quiet     int  // how often it saw the same
	relieved  bool // another worker has been started meanwhile
}

// job is the walk of one process. Whoever swaps settled to true first, the worker or the
// watcher, answers for the process.
type job struct {
	pid     int
	steps   atomic.Uint64 // grows with every answer of the kernel
	told    atomic.Pointer[procmap.Info]
	settled atomic.Bool
	began   uint64 // CLOCK_MONOTONIC ns
}

// tell publishes what is known of the process, in case the walk is given up.
func (j *job) tell(i *procmap.Info) {
	told := *i
	j.told.Store(&told)
	j.steps.Add(1)
}

// take runs the whole snapshot.
func (s *snapshot) take(ctx context.Context) error {
	if s.options.PIDs != nil {
		s.pids = slices.Compact(slices.Sorted(slices.Values(s.options.PIDs)))
	} else {
		var err error
		if s.pids, err = procmap.PIDs(s.options.ProcFS, nil); err != nil {
			return fmt.Errorf("list processes: %w", err)
		}
	}
	s.stats.Listed = len(s.pids)
	now := Now()
	begin := &format.SnapshotBegin{Common: format.Common{Time: now}, Source: s.host.Source}
	if err := s.sink.Write(begin); err != nil {
		return err
	}
	walk := s.walkAll
	if s.iterator != nil {
		walk = s.iterateAll
	}
	if err := walk(ctx); err != nil {
		return err
	}
	end := &format.SnapshotEnd{Common: format.Common{Time: Now()}, Mmaps: uint64(s.stats.VMAs), Files: uint64(s.stats.Files)}
	for status, n := range s.stats.Processes {
		end.Processes[status] = uint32(n)
	}
	return s.sink.Write(end)
}

// walkAll brings every process to the sink, in the order in which the walks end.
func (s *snapshot) walkAll(ctx context.Context) error {
	s.begin()
	defer s.stopWorkers()
	tick := time.NewTicker(s.watchPeriod())
	defer tick.Stop()
	flushing := time.NewTicker(flushInterval)
	defer flushing.Stop()
	for done := 0; done < len(s.pids); {
		var err error
		select {
		case w := <-s.results:
			err = s.deliver(ctx, w)
			done++
		case <-tick.C:
			var n int
			n, err = s.watch(ctx)
			done += n
		case <-flushing.C:
			err = flush(s.sink)
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		if s.options.Progress != nil {
			s.options.Progress(done, len(s.pids))
		}
	}
	return nil
}

// maxResults is how many walks wait for the goroutine that writes them: enough for what ends
// while a batch of events is taken in.
const maxResults = 64

// begin starts the workers.
func (s *snapshot) begin() {
	s.stop = make(chan struct{})
	s.results = make(chan *walk, maxResults)
	for range min(s.options.Workers, len(s.pids)) {
		s.startWorker()
	}
}

// perform walks one process.
func (s *snapshot) perform(j *job) *walk {
	w := &walk{pid: j.pid}
	if s.between == nil {
		return s.walkProcess(s, j)
	}
	err := s.between(uint32(j.pid), func() []*walk {
		w = s.walkProcess(s, j)
		w.pid = j.pid
		return []*walk{w}
	})
	if err != nil {
		w.unmarked = true
	}
	return w
}

func (s *snapshot) startWorker() {
	w := &worker{done: make(chan struct{})}
	s.workers = append(s.workers, w)
	go func() {
		defer close(w.done)
		for {
			i := int(s.next.Add(1)) - 1
			select {
			case <-s.stop:
				return
			default:
			}
			if i >= len(s.pids) {
				return
			}
			j := &job{pid: s.pids[i], began: Now()}
			w.job.Store(j)
			result := s.perform(j)
			if j.settled.Swap(true) {
				return // given up: another worker has taken over
			}
			w.job.Store(nil)
			select {
			case s.results <- result:
			case <-s.stop:
				return
			}
		}
	}()
}

// stopGrace is how long workers get to notice that the snapshot is over. One step of a walk
// takes microseconds; what takes longer hangs in the kernel.
const stopGrace = 500 * time.Millisecond

// stopWorkers ends the workers and waits for those that do not hang.
func (s *snapshot) stopWorkers() {
	close(s.stop)
	grace := time.NewTimer(stopGrace)
	defer grace.Stop()
	for _, w := range s.workers {
		select {
		case <-w.done:
		case <-grace.C:
			return
		}
	}
}

// stopped reports whether the snapshot is over, for a worker in the middle of a walk.
func (s *snapshot) stopped() bool {
	select {
	case <-s.stop:
		return true
	default:
		return false
	}
}

// emit writes one process and its mappings, and counts them.
func (s *snapshot) emit(ctx context.Context, w *walk) error {
	if w.fatal != nil {
		return w.fatal
	}
	s.share(ctx, w)
	p := &w.process
	p.VMAs = uint32(len(w.mmaps))
	s.stats.Processes[p.Status]++
	s.stats.ExcludedAnonExec += int(p.ExcludedAnonExec)
	s.stats.ExcludedVDSO += int(p.ExcludedVDSO)
	if err := s.sink.Write(p); err != nil {
		return err
	}
	for i := range w.mmaps {
		m := &w.mmaps[i]
		s.stats.VMAs++
		s.stats.countFile(s.distinct, m)
		if err := s.sink.Write(m); err != nil {
			return err
		}
	}
	return nil
}

// countFile counts the file of m once; distinct are those that were counted.
func (st *Stats) countFile(distinct map[fileKey]struct{}, m *format.Mmap) {
	if m.Kind&format.ContentFiles == 0 {
		return
	}
	key := fileKey{m.Path, m.Deleted, m.Major, m.Minor, m.Inode}
	if _, known := distinct[key]; !known {
		distinct[key] = struct{}{}
		st.Files++
		st.BuildIDs[m.BuildIDOrigin]++
	}
}
