package recorder

import (
	"time"

	"github.com/vmasnap/vmasnap/bpfmmap"
	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/procmap"
)

// liveFiles are the files that events refer to, with the build IDs that user space finds.
type liveFiles struct {
	files, older map[uint64]*liveFile // by the kernel side's id; of this epoch, and of the one before
	newEpoch     func()
	resolver     *procmap.Files
	procfs       string
	ask          chan *liveFile // for the one goroutine that reads files
	slow         time.Time      // until when nobody waits for it
	stats        *LiveStats
}

// liveFile is one file under one name.
type liveFile struct {
	bpfmmap.File
	asked    bool
	answered chan struct{} // closed when found is there
	found    *procmap.File
	settled  bool // found, or the waiting was given up

	// What is asked for: a VMA that maps the file.
	pid uint32
	vma procmap.VMA
}

const (
	// maxLiveFiles is how many files an epoch describes. Two epochs are remembered.
	maxLiveFiles = 1 << 13
	// buildIDPatience bounds how long the ring waits for the build ID of a new file, and
	// slowPause how long it does not wait at all once that was not enough: a file may be on
	// a server that does not answer.
	buildIDPatience = 100 * time.Millisecond
	slowPause       = 10 * time.Second
)

func newLiveFiles(r *Recorder, f follower, stats *LiveStats) *liveFiles {
	return &liveFiles{
		files: make(map[uint64]*liveFile), newEpoch: f.NewEpoch,
		resolver: procmap.NewFiles(procmap.FilesOptions{Mode: r.options.BuildID, ProcFS: r.options.ProcFS}),
		procfs:   r.options.ProcFS, ask: make(chan *liveFile, 1024), stats: stats,
	}
}

// learn takes in the description of a file.
func (l *liveFiles) learn(f *bpfmmap.File) {
	if l.known(f.ID) != nil {
		return // two processors saw it first
	}
	if len(l.files) >= maxLiveFiles {
		l.older, l.files = l.files, make(map[uint64]*liveFile)
		l.newEpoch()
	}
	l.files[f.ID] = &liveFile{File: *f, answered: make(chan struct{})}
}

// known returns the file id, or nil.
func (l *liveFiles) known(id uint64) *liveFile {
	if f := l.files[id]; f != nil {
		return f
	}
	f := l.older[id]
	if f != nil {
		l.files[id] = f
	}
	return f
}

// use returns the file that v maps in process pid, with its build ID if that can be had in
// time.
func (l *liveFiles) use(v *bpfmmap.VMA, pid uint32) *liveFile {
	f := l.known(v.File)
	if f == nil || f.settled {
		return f
	}
	now := time.Now()
	if !f.asked {
		f.asked = true
		l.stats.Files++
		f.pid = pid
		f.vma = procmap.VMA{
			Start: v.Start, End: v.End, Offset: v.Offset, Major: f.Major, Minor: f.Minor, Inode: f.Inode,
			Flags: procmap.Executable, Name: []byte(f.Path), Deleted: v.Deleted,
		}
		select {
		case l.ask <- f:
		default:
			f.asked = false // so many at once: the next use asks again
			return f
		}
	}
	if l.wait(f, now) {
		f.settled, f.vma = true, procmap.VMA{}
		if f.found.BuildID == "" && f.found.GoBuildID == "" {
			l.stats.NoBuildID[format.BuildIDOrigin(f.found.Origin)]++
		}
	}
	return f
}

// wait reports whether the answer is there, for which it waits a moment.
func (l *liveFiles) wait(f *liveFile, now time.Time) bool {
	select {
	case <-f.answered:
		return true
	default:
	}
	if now.Before(l.slow) {
		return false
	}
	patience := time.NewTimer(buildIDPatience)
	defer patience.Stop()
	select {
	case <-f.answered:
		return true
	case <-patience.C:
		l.slow = now.Add(slowPause)
		return false
	}
}

// resolve reads files until ask is closed. It is a goroutine of its own, because a read may
// never come back.
func (l *liveFiles) resolve() {
	for f := range l.ask {
		f.found = l.look(f)
		close(f.answered)
	}
}

// look finds the build ID through the process that maps the file, or, if that is gone, at the
// file's path.
func (l *liveFiles) look(f *liveFile) *procmap.File {
	p, err := procmap.OpenProcess(l.procfs, int(f.pid))
	if err != nil {
		return l.resolver.Look(nil, nil, &f.vma)
	}
	defer p.Close()
	m, err := procmap.OpenAt(p.Fd(), procmap.Options{})
	if err != nil {
		return l.resolver.Look(p, nil, &f.vma)
	}
	defer m.Close()
	return l.resolver.Look(p, m, &f.vma)
}
