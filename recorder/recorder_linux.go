package recorder

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/vmasnap/vmasnap/bpfmmap"
	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/procmap"
)

// Recorder takes snapshots of one machine.
type Recorder struct {
	options  Options
	source   procmap.Source    // of walks process by process; never SourceAuto
	iterator *bpfmmap.Iterator // of walks of all; nil without SourceIter
	mount    procmap.MountInfo
	host     *format.Host
	follower follower // nil for a snapshot alone
	notes    []string

	// walkProcess is (*snapshot).walk. Tests put a kernel here that does not answer.
	walkProcess func(*snapshot, *job) *walk
}

// supported is procmap.SupportedAt. Tests put a kernel without the ioctl here.
var supported = procmap.SupportedAt

// New looks at the machine and decides how it will be recorded. The error is one of
// procmap.ErrNotSupported's kind when o asks for what this kernel does not have.
func New(o Options) (*Recorder, error) {
	if o.Workers <= 0 {
		o.Workers = runtime.NumCPU()
	}
	if o.WalkTimeout <= 0 {
		o.WalkTimeout = DefaultWalkTimeout
	}
	o.ProcFS = cmp.Or(o.ProcFS, defaultProcFS)
	if _, err := o.Source.MarshalText(); err != nil {
		return nil, fmt.Errorf("use source: %w", err)
	}
	if _, err := o.BuildID.MarshalText(); err != nil {
		return nil, fmt.Errorf("use build ID mode: %w", err)
	}
	r := &Recorder{options: o, source: sources[o.Source], walkProcess: (*snapshot).walk}
	var err error
	if r.mount, err = procmap.Mount(o.ProcFS); err != nil {
		return nil, fmt.Errorf("find out what %s shows: %w; mount proc there", o.ProcFS, err)
	}
	noIoctl := errors.New("the text source has none")
	if o.Source != SourceMaps {
		noIoctl = supported(o.ProcFS)
		switch {
		case noIoctl == nil:
			r.source = procmap.SourceIoctl
		case o.Source != SourceIoctl:
			r.source = procmap.SourceMaps
		default:
			return nil, fmt.Errorf("use source %s: %w", o.Source, noIoctl)
		}
	}
	if noIoctl != nil && o.BuildID == procmap.BuildIDKernel {
		return nil, fmt.Errorf("use build IDs of the kernel: %w; choose auto, file or none", noIoctl)
	}
	if o.Source == SourceIter {
		if o.AllFile || o.AnonExec || o.VDSO {
			return nil, errors.New("use source iter: it knows executable, file-backed VMAs alone, not what AllFile, AnonExec and VDSO add; choose another source")
		}
		if r.iterator, err = bpfmmap.OpenIterator(); err != nil {
			return nil, fmt.Errorf("use source iter: %w", explain(err))
		}
	}
	if err = r.open(); err == nil {
		r.host, err = r.describeHost()
	}
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// Host returns the record that describes the machine and the recording. The caller writes
// it first: format.NewWriter takes it.
func (r *Recorder) Host() *format.Host { return r.host }

// Run takes one snapshot and writes it to sink: SnapshotBegin, each process with its
// mappings, SnapshotEnd. It returns within moments of ctx's end, whatever hangs, with what
// was counted up to then and ctx's error; goroutines that hang in the kernel are left to
// end by themselves.
//
// With Options.Follow it goes on: it attaches the hooks first, and after the snapshot writes
// every change as it comes, until ctx ends; then it reads what is left in the ring, and
// returns without an error. If PIDs were given it ends with the last of those processes and
// what they forked. A Recorder follows once.
func (r *Recorder) Run(ctx context.Context, sink Sink) (Stats, error) {
	if r.follower != nil {
		return r.follow(ctx, sink)
	}
	begun := time.Now()
	s := snapshot{
		Recorder: r,
		sink:     sink,
		stats: Stats{
			Hidden:    r.mount.Hidden,
			Processes: make(map[format.WalkStatus]int),
			BuildIDs:  make(map[format.BuildIDOrigin]int),
		},
		files:    procmap.NewFiles(procmap.FilesOptions{Mode: r.options.BuildID, ProcFS: r.options.ProcFS}),
		sharing:  sharing{spaces: new(procmap.Spaces)},
		distinct: make(map[fileKey]struct{}),
	}
	s.deliver = s.emit
	err := s.take(ctx)
	s.stats.Elapsed = time.Since(begun)
	return s.stats, err
}
