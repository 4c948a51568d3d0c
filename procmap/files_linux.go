package procmap

import "sync"

// FilesOptions configure a Files. The zero value asks everybody.
type FilesOptions struct {
	Mode   BuildIDMode // default BuildIDAuto
	ProcFS string      // where proc is mounted, for the reader's own entries; default "/proc"
}

// Files turns VMAs into Files. Each file is looked at once, through the first process that
// is found to map it, and then remembered by device, inode number and name. It is safe for
// concurrent use.
//
// A number can be given to a new file of the same name once the old one is neither linked
// nor mapped. Forget before each complete walk keeps that from being noticed late.
type Files struct {
	opt    FilesOptions
	shards [fileShards]fileShard
}

const (
	fileShards = 32
	// maxShard bounds the files that a shard remembers; then it starts anew.
	maxShard = 1 << 14
	// maxTries is how many processes are tried for a file that cannot be read through the
	// first one.
	maxTries = 4
)

// fileShard is padded so that two of them are in different cache lines.
type fileShard struct {
	mu    sync.RWMutex
	files map[fileKey]*fileEntry
	_     [32]byte
}

type fileKey struct {
	name         string
	inode        uint64
	major, minor uint32
	deleted      bool
	unknown      bool // VMA.NameUnknown
}

// fileEntry is what is known of a file. An entry is replaced, never changed.
type fileEntry struct {
	file  *File
	tries int
}

// NewFiles returns a Files that knows nothing yet.
func NewFiles(o FilesOptions) *Files {
	o.ProcFS = procRoot(o.ProcFS)
	f := &Files{opt: o}
	f.Forget()
	return f
}

// Forget makes f look at every file again. Files that were returned stay as they are.
func (f *Files) Forget() {
	for i := range f.shards {
		s := &f.shards[i]
		s.mu.Lock()
		s.files = make(map[fileKey]*fileEntry)
		s.mu.Unlock()
	}
}

// Resolve returns the File that v maps in p. The name and the deleted flag come from v; m
// is asked for the build ID with BuildIDAuto and BuildIDKernel, and may be nil. p may be
// nil as well: then only a file that the reader's own root has under the same name is read.
//
// It never fails: File.Origin says what went wrong. A file that was denied, gone or failed
// is tried again through the next few processes that map it.
//
// Reading a deleted file, or one of another mount namespace that is covered by a later
// mount, needs CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN (Linux 5.9; the latter before).
// Reading others' files needs PTRACE_MODE_READ on p, openat2 (Linux 5.6) and permission to
// read the file.
func (f *Files) Resolve(p *Process, m *Maps, v *VMA) *File {
	s := &f.shards[(v.Inode^uint64(v.Minor))%fileShards]
	s.mu.RLock()
	e := s.files[fileKey{string(v.Name), v.Inode, v.Major, v.Minor, v.Deleted, v.NameUnknown}]
	s.mu.RUnlock()
	if e != nil && (e.tries == 0 || e.tries >= maxTries) {
		return e.file
	}

	next := &fileEntry{file: f.look(p, m, v)}
	switch next.file.Origin {
	case OriginDenied, OriginGone, OriginFailed:
		next.tries = 1
		if e != nil {
			next.tries = e.tries + 1
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k := fileKey{string(v.Name), v.Inode, v.Major, v.Minor, v.Deleted, v.NameUnknown}
	if now := s.files[k]; now != nil && now != e && now.tries == 0 {
		return now.file // another worker was faster
	}
	if len(s.files) >= maxShard {
		clear(s.files)
	}
	s.files[k] = next
	return next.file
}
