package recorder

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/procmap"
)

// Recorder takes snapshots of one machine.
type Recorder struct {
	options Options
	source  procmap.Source // never SourceAuto
	mount   procmap.MountInfo
	host    *format.Host

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
	r := &Recorder{options: o, source: o.Source, walkProcess: (*snapshot).walk}
	var err error
	if r.mount, err = procmap.Mount(o.ProcFS); err != nil {
		return nil, fmt.Errorf("find out what %s shows: %w; mount proc there", o.ProcFS, err)
	}
	noIoctl := errors.New("the text source has none")
	if o.Source != procmap.SourceMaps {
		noIoctl = supported(o.ProcFS)
		switch {
		case noIoctl == nil:
			r.source = procmap.SourceIoctl
		case o.Source == procmap.SourceAuto:
			r.source = procmap.SourceMaps
		default:
			return nil, fmt.Errorf("use source %s: %w", o.Source, noIoctl)
		}
	}
	if noIoctl != nil && o.BuildID == procmap.BuildIDKernel {
		return nil, fmt.Errorf("use build IDs of the kernel: %w; choose auto, file or none", noIoctl)
	}
	host, err := r.describeHost()
	if err != nil {
		return nil, err
	}
	r.host = host
	return r, nil
}

// Host returns the record that describes the machine and the recording. The caller writes
// it first: format.NewWriter takes it.
func (r *Recorder) Host() *format.Host { return r.host }

// Run takes one snapshot and writes it to sink: SnapshotBegin, each process with its
// mappings, SnapshotEnd. It returns within moments of ctx's end, whatever hangs, with what
// was counted up to then and ctx's error; goroutines that hang in the kernel are left to
// end by themselves.
func (r *Recorder) Run(ctx context.Context, sink Sink) (Stats, error) {
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
	err := s.take(ctx)
	s.stats.Elapsed = time.Since(begun)
	return s.stats, err
}
