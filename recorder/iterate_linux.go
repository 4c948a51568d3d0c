package recorder

import (
	"context"

	"github.com/vmasnap/vmasnap/bpfmmap"
	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/procmap"
)

// iterated is what one pass of the iterator has found of one process: through its first
// thread, because it shows others too that have file descriptors of their own.
type iterated struct {
	tid      uint32
	mm       uint64
	mmaps    []format.Mmap
	end      uint64 // of the last one
	replaced bool   // the process had an exec meanwhile

	anonExec, vdso uint32 // seen and left out
}

// join makes room for a VMA that begins below the end of the last one: the two have become one
// since. It reports whether that can be.
func (p *iterated) join(start uint64) bool {
	if len(p.mmaps) == 0 {
		return false
	}
	last := &p.mmaps[len(p.mmaps)-1]
	if start < last.Start || start > last.Start+last.Length {
		return false
	}
	if last.Length = start - last.Start; last.Length == 0 {
		p.mmaps = p.mmaps[:len(p.mmaps)-1]
	}
	return true
}

// iterate lets the iterator look at all processes at once, and then at what each of them is.
// A process that the iterator did not show has nothing mapped, or is not shown to us: the
// other sources say which.
func (s *snapshot) iterate() []*walk {
	spaces, err := s.pass()
	walks := make([]*walk, 0, len(s.pids))
	for _, pid := range s.pids {
		w := &walk{pid: pid}
		switch found := spaces[uint32(pid)]; {
		case err != nil:
			w.fatal = err
		case found == nil:
			w = s.walkProcess(s, &job{pid: pid, began: Now()})
			w.pid = pid
		default:
			s.describe(w, found)
		}
		walks = append(walks, w)
	}
	return walks
}

// iterateAll is walkAll by the iterator.
func (s *snapshot) iterateAll(ctx context.Context) error {
	for _, w := range s.iterate() {
		if err := s.deliver(ctx, w); err != nil {
			return err
		}
	}
	return nil
}

// pass reads the iterator once.
func (s *snapshot) pass() (map[uint32]*iterated, error) {
	spaces := make(map[uint32]*iterated)
	err := s.iterator.All(func(pid, tid uint32, mm uint64, v *bpfmmap.VMA, f *bpfmmap.File) error {
		p := spaces[pid]
		switch {
		case p == nil:
			p = &iterated{tid: tid, mm: mm}
			spaces[pid] = p
		case p.mm != mm:
			p.replaced = true
			return nil
		case p.tid != tid:
			return nil
		case v.Start < p.end && !p.join(v.Start):
			p.replaced = true
			return nil
		}
		if p.end = v.End; f == nil {
			if v.Kernel {
				p.vdso++
			} else {
				p.anonExec++
			}
			return nil
		}
		m := format.Mmap{Walked: true}
		fillLive(&m, v, &liveFile{File: *f})
		s.identify(&m, int(pid), v, f)
		p.mmaps = append(p.mmaps, m)
		return nil
	})
	return spaces, err
}

// identify finds the build ID of m's file.
func (s *snapshot) identify(m *format.Mmap, pid int, v *bpfmmap.VMA, f *bpfmmap.File) {
	vma := procmap.VMA{
		Start: v.Start, End: v.End, Offset: v.Offset, Major: f.Major, Minor: f.Minor, Inode: f.Inode,
		Name: []byte(f.Path), Deleted: v.Deleted,
	}
	p, err := procmap.OpenProcess(s.options.ProcFS, pid)
	if err == nil {
		defer p.Close()
	}
	file := s.files.Resolve(p, nil, &vma)
	m.BuildID, m.GoBuildID = format.MakeBuildID(file.BuildID), file.GoBuildID
	m.BuildIDOrigin = format.BuildIDOrigin(file.Origin)
}

// describe makes the walk of one process of what the iterator found of it.
func (s *snapshot) describe(w *walk, found *iterated) {
	j := &job{pid: w.pid, began: Now()}
	w.process.Time = j.began
	p, err := procmap.OpenProcess(s.options.ProcFS, w.pid)
	if err == nil {
		defer p.Close()
		if err = w.look(p); err == nil && w.info.Zombie() && w.info.Threads > 1 {
			err = s.throughThread(w, p)
		}
	}
	w.mmaps = found.mmaps
	w.process.ExcludedAnonExec, w.process.ExcludedVDSO = found.anonExec, found.vdso
	if err == nil && found.replaced {
		err = errReplaced
	}
	w.process.Source = format.SourceIter
	s.conclude(w, j, err)
}

// throughThread lets a thread say what the process is whose leader has exited.
func (s *snapshot) throughThread(w *walk, leader *procmap.Process) error {
	thread, err := leader.LiveThread()
	if err != nil {
		return err
	}
	defer thread.Close()
	return w.look(thread)
}
