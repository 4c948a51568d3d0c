package recorder

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"golang.org/x/sys/unix"

	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/procmap"
)

// walkTries is how often a process whose address space is replaced under the walk is tried.
const walkTries = 4

// walk is what a worker brings home of one process.
type walk struct {
	process format.Process
	mmaps   []format.Mmap
	info    procmap.Info
	fatal   error // the recorder's own trouble, not the process's

	pid      int  // in a live recording
	unmarked bool // the same: a mark could not be made, so that it is worth nothing
}

// usualVMAs is room for the executable VMAs of most processes, so that most walks allocate
// their records once.
const usualVMAs = 24

var (
	// errReplaced: the walk saw the end of the address space, or of the thread, that it had
	// opened, while the process goes on.
	errReplaced = errors.New("address space was replaced")
	// errEndless: the process maps as fast as the walk goes.
	errEndless = errors.New("walk does not come to an end")
)

// walk walks the process until it held still for the time that took.
func (s *snapshot) walk(j *job) *walk {
	w := &walk{}
	for range walkTries {
		err := s.walkOnce(w, j)
		s.conclude(w, j, err)
		if !errors.Is(err, errReplaced) || s.stopped() {
			break
		}
	}
	return w
}

// walkOnce fills w in from one pass over the process: what it is, then what it has mapped.
// The walk is bound to the address space of the moment in which maps is opened. An exec
// later on ends it with ErrGone, unless another process still uses that address space (a
// vfork child that goes its own way); that one, and an exec before, show in the
// fingerprint, which is compared at the end with what it was at the start.
func (s *snapshot) walkOnce(w *walk, j *job) error {
	w.mmaps = w.mmaps[:0]
	w.process = format.Process{Common: format.Common{Time: Now()}}
	p, err := procmap.OpenProcess(s.options.ProcFS, j.pid)
	if err != nil {
		return err
	}
	defer p.Close()
	j.steps.Add(1)
	if err := w.look(p); err != nil {
		return err
	}
	j.tell(&w.info)
	// With only itself left, a zombie has no address space. With others, the leader has
	// exited and its threads live on.
	if w.info.KernelThread || w.info.Zombie() && w.info.Threads <= 1 {
		return nil
	}
	if w.info.Zombie() {
		return s.walkThread(w, j, p)
	}
	return s.walkMaps(w, j, p)
}

// look reads what the process is. To be out of descriptors is the recorder's own trouble; what
// else could not be read is left out of the record.
func (w *walk) look(p *procmap.Process) error {
	if err := p.Info(&w.info); err != nil {
		return err
	}
	if outOfFiles(w.info.Err) {
		return w.info.Err
	}
	return nil
}

func outOfFiles(err error) bool { return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) }

// walkThread lets a thread answer in the place of its leader, which has exited. Such
// threads may end as fast as they are found; that is no end of the process.
func (s *snapshot) walkThread(w *walk, j *job, leader *procmap.Process) error {
	thread, err := leader.LiveThread()
	if err == nil {
		defer thread.Close()
		if err = w.look(thread); err == nil {
			err = s.walkMaps(w, j, thread)
		}
	}
	if errors.Is(err, procmap.ErrGone) {
		return errReplaced
	}
	return err
}

// walkMaps takes the VMAs down.
func (s *snapshot) walkMaps(w *walk, j *job, p *procmap.Process) error {
	maps, err := procmap.OpenAt(p.Fd(), s.mapsOptions())
	if err != nil {
		return err
	}
	defer maps.Close()
	w.process.Source = formatSource(maps.Source())
	content := s.options.content()
	if w.mmaps == nil {
		w.mmaps = make([]format.Mmap, 0, usualVMAs)
	}
	var v procmap.VMA
	for {
		err := maps.Next(&v)
		if n := j.steps.Add(1); n%4096 == 0 && Now()-w.process.Time > s.walkLimit() {
			return errEndless
		}
		switch {
		case errors.Is(err, io.EOF):
			return s.replaced(w, p)
		case errors.Is(err, procmap.ErrGone):
			if err := s.replaced(w, p); err != nil {
				return err
			}
			return errReplaced
		case err != nil:
			return err
		case s.stopped():
			return errReplaced
		}
		w.cut(v.Start)
		kind := formatKind(v.Kind())
		if kind&content == 0 {
			if kind == format.ContentAnonExec {
				w.process.ExcludedAnonExec++
			} else {
				w.process.ExcludedVDSO++
			}
			continue
		}
		var file *procmap.File
		if v.FileBacked() {
			file = s.files.Resolve(p, maps, &v)
		}
		w.mmaps = append(w.mmaps, format.Mmap{})
		fillMmap(&w.mmaps[len(w.mmaps)-1], &v, kind, file)
	}
}

// walkLimit is how long, in ns, one pass may take although the kernel answers all the time.
// A process that maps ahead of the walk and unmaps behind it would never be done.
func (s *snapshot) walkLimit() uint64 { return 12 * uint64(s.options.WalkTimeout) }

// replaced returns an error unless the process still has the address space that was walked.
// The ioctl notices an exec by itself, the text just ends early. No numbers at all have
// both a process that is exiting and one that is in the middle of an exec; the next try
// tells them apart, and conclude after the last one.
func (s *snapshot) replaced(w *walk, p *procmap.Process) error {
	mm, err := p.MM()
	if err != nil {
		return err
	}
	if mm != w.info.MM || mm == (procmap.MMKey{}) {
		return errReplaced
	}
	return nil
}

// cut takes back what was said about addr and all above it. An answer that begins below the
// end of the one before it is about VMAs that have become one since, and is the truth.
func (w *walk) cut(addr uint64) {
	for n := len(w.mmaps); n > 0; n-- {
		m := &w.mmaps[n-1]
		if m.Start < addr {
			m.Length = min(m.Length, addr-m.Start)
			return
		}
		w.mmaps = w.mmaps[:n-1]
	}
}

// mapsOptions ask for the executable VMAs that will be left out too, so that they can be
// counted: what a recording does not have must not be a mystery.
func (s *snapshot) mapsOptions() procmap.Options {
	return procmap.Options{Source: s.source, AllFile: s.options.AllFile, AnonExec: true, VDSO: true}
}

// conclude turns the outcome of a pass into the process's record.
func (s *snapshot) conclude(w *walk, j *job, err error) {
	fillProcess(&w.process, &w.info, j.pid)
	p := &w.process
	p.WalkTime = Now() - p.Time
	switch {
	case outOfFiles(err):
		w.fatal = fmt.Errorf("%w: raise the limit (ulimit -n)", err)
	case errors.Is(err, procmap.ErrGone), errors.Is(err, fs.ErrNotExist):
		p.Status = format.WalkVanished
	case w.info.KernelThread:
		p.Status = format.WalkKernelThread
	case err == nil && w.info.Zombie():
		p.Status = format.WalkZombie
	case err == nil:
		p.Status = format.WalkComplete
	case errors.Is(err, errEndless):
		p.Status = format.WalkTimeout
	case errors.Is(err, errReplaced) && s.ended(&w.info):
		p.Status = format.WalkVanished
	case errors.Is(err, errReplaced):
		p.Status = format.WalkRaced
	case errors.Is(err, fs.ErrPermission):
		p.Status = format.WalkDenied
	default:
		p.Status = format.WalkFailed
	}
	if p.Status != format.WalkComplete {
		// Half an address space is no statement about the whole.
		w.mmaps = nil
		p.ExcludedAnonExec, p.ExcludedVDSO = 0, 0
	}
	var errno unix.Errno
	if (p.Status == format.WalkDenied || p.Status == format.WalkFailed) && errors.As(err, &errno) {
		p.Errno = uint32(errno)
	}
	for i := range w.mmaps {
		m := &w.mmaps[i]
		m.Time, m.PID, m.TID = p.Time, p.PID, p.TID
	}
}

// ended reports whether a process that was found without an address space has ended by now. It
// may also have been in the middle of an exec, and go on.
func (s *snapshot) ended(was *procmap.Info) bool {
	if was.MM != (procmap.MMKey{}) || was.Zombie() {
		return false
	}
	p, err := procmap.OpenProcess(s.options.ProcFS, was.PID)
	if err != nil {
		return errors.Is(err, procmap.ErrGone)
	}
	defer p.Close()
	var is procmap.Info
	if err := p.Info(&is); err != nil {
		return errors.Is(err, procmap.ErrGone)
	}
	return is.Zombie() && is.Threads <= 1
}

// timedOut is the record of a process whose walk was given up: what the worker has told of
// it. Nothing else that the worker wrote is touched, for it may still be writing.
func (s *snapshot) timedOut(j *job) *walk {
	w := &walk{pid: j.pid}
	if told := j.told.Load(); told != nil {
		w.info = *told
	}
	w.process = format.Process{
		Common: format.Common{Time: j.began},
		Status: format.WalkTimeout, Source: formatSource(s.source), WalkTime: Now() - j.began,
	}
	fillProcess(&w.process, &w.info, j.pid)
	return w
}
