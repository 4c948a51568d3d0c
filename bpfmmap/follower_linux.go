package bpfmmap

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
)

// Follower follows the changes of address spaces. Open makes one. Its methods may be called
// from several goroutines, but for Read, which is for one.
type Follower struct {
	rung     rung
	notes    []string
	programs *ebpf.Collection
	reader   *ringbuf.Reader
	record   ringbuf.Record // of Read
	deadline atomic.Int64   // of Read: Unix ns, 0 = none

	listing sync.Mutex // held by List and Adopt: the programs' variables are about one at a time
	chosen  *ebpf.Map  // the processes that are followed, if only some are
	list    *link.Iter
	adopt   *link.Iter
	some    bool

	losses *ebpf.Memory
	misses atomic.Uint64
	epoch  atomic.Uint32

	attaching sync.Mutex // guards links
	links     []link.Link

	use    sync.RWMutex // held for reading while something is asked of programs, for writing by Close
	closed bool
}

// Open loads the programs of the chosen rung; nothing is attached yet. With HooksAuto it is the
// best rung that loads and that is safe on this kernel. An error says of every rung why not;
// ErrNotSupported and fs.ErrPermission show through. Requires CAP_BPF and CAP_PERFMON.
func Open(o Options) (*Follower, error) {
	defer raiseMemlock()()
	programs, r, notes, err := climb(o)
	if err != nil {
		return nil, err
	}
	f := &Follower{rung: r, notes: notes, programs: programs, chosen: programs.Maps["chosen"], some: o.Some}
	if err := f.prepare(); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// prepare makes what the methods need, once the programs are loaded.
func (f *Follower) prepare() (err error) {
	if f.losses, err = f.programs.Maps["losses"].Memory(); err != nil {
		return fmt.Errorf("map loss counters: %w", err)
	}
	// Paths end at the root of who asks, which is this program.
	if _, err = f.programs.Programs["note_root"].Run(nil); err != nil {
		return fmt.Errorf("note root directory: %w", err)
	}
	if f.list, err = link.AttachIter(link.IterOptions{Program: f.programs.Programs["list"]}); err != nil {
		return fmt.Errorf("prepare listing: %w", err)
	}
	if f.adopt, err = link.AttachIter(link.IterOptions{Program: f.programs.Programs["adopt"]}); err != nil {
		return fmt.Errorf("prepare adoption: %w", err)
	}
	if f.reader, err = ringbuf.NewReader(f.programs.Maps["events"]); err != nil {
		return fmt.Errorf("open ring buffer: %w", err)
	}
	f.reader.SetDeadline(time.Now())
	return nil
}

// Hooks returns which rung was chosen: never HooksAuto.
func (f *Follower) Hooks() Hooks { return f.rung.hooks }

// Notes returns what the user should know of the rung on this kernel.
func (f *Follower) Notes() []string { return slices.Clone(f.notes) }

// Attach attaches everything. From its return on, every change is in the ring, or is counted as
// lost.
func (f *Follower) Attach() error {
	done, err := f.using()
	if err != nil {
		return fmt.Errorf("attach hooks: %w", err)
	}
	defer done()
	f.attaching.Lock()
	defer f.attaching.Unlock()
	if f.links != nil {
		return errors.New("attach hooks: they are attached already")
	}
	links, err := f.rung.attach(f.programs)
	f.links = links
	if err != nil {
		return fmt.Errorf("attach hooks: %w", err)
	}
	return nil
}

// using keeps Close away until done is called. It fails if Close was there first.
func (f *Follower) using() (done func(), err error) {
	f.use.RLock()
	if f.closed {
		f.use.RUnlock()
		return nil, os.ErrClosed
	}
	return f.use.RUnlock, nil
}

// NewEpoch has every file that is mapped from now on described anew by TypeFile before it is
// referred to.
func (f *Follower) NewEpoch() {
	// The variable is in memory that is shared with the programs: this cannot fail while the
	// object has it, which Open would have noticed.
	_ = f.programs.Variables["epoch"].Set(f.epoch.Add(1))
}

// Close detaches and unloads everything. A Read that waits returns os.ErrClosed, and so does
// every method that is called later. A second call does nothing.
func (f *Follower) Close() error {
	f.use.Lock()
	defer f.use.Unlock()
	if f.closed {
		return nil
	}
	f.closed = true
	var errs []error
	for _, l := range f.links {
		errs = append(errs, l.Close())
	}
	for _, it := range []*link.Iter{f.list, f.adopt} {
		if it != nil {
			errs = append(errs, it.Close())
		}
	}
	if f.reader != nil {
		errs = append(errs, f.reader.Close())
	}
	f.programs.Close()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("detach hooks: %w", err)
	}
	return nil
}
