package symbols

import (
	"sync"

	"github.com/vmasnap/vmasnap/format"
)

// File is what a recording says of a mapped file. It is comparable.
type File struct {
	Path      string         // as it was in the recorded process, with slashes
	BuildID   format.BuildID // GNU build ID; zero = none
	GoBuildID string         // "" = none. Looked at only where there is no GNU build ID
}

// Options say where files are searched and how functions are named. The zero value searches
// this machine: the recorded path, /usr/lib/debug/.build-id and debuginfod's cache.
//
// Places are searched in the order recorded path, Roots, Dirs, /usr/lib/debug, cache.
type Options struct {
	// SkipRecorded leaves out the recorded path itself.
	SkipRecorded bool
	// SkipSystem leaves out /usr/lib/debug and the cache of debuginfod's clients, which is
	// $DEBUGINFOD_CACHE_PATH, $XDG_CACHE_HOME/debuginfod_client or
	// ~/.cache/debuginfod_client.
	SkipSystem bool
	// Roots are directories that hold a file system like the recorded one: the recorded path
	// is looked for below each of them, and so is usr/lib/debug.
	Roots []string
	// Dirs are directories that hold files as .build-id/xx/yyyy.debug, as xx/yyyy.debug, or by
	// the last element of the recorded path.
	Dirs []string
	// TrustPath takes a file for the recorded one by its path alone, if the recording has no
	// build ID of it. Names may be wrong then: it may be another version. Default: no symbols.
	TrustPath bool
	// RawNames leaves C++ and Rust names mangled.
	RawNames bool
}

// Finder finds functions. It keeps what it has opened, and what it could not find, until it is
// forgotten itself. All methods may be called by several goroutines at once.
type Finder struct {
	opts Options

	mu     sync.RWMutex
	tables map[File]*Table // by build ID, else by path
	failed map[File]*Error // by all of File: another path may lead there
}

// NewFinder makes a Finder. It opens nothing.
func NewFinder(opts Options) *Finder {
	return &Finder{opts: opts, tables: map[File]*Table{}, failed: map[File]*Error{}}
}

// Find returns the function at an offset of a file, in bytes. The error is an *Error, or
// NoFunction if the file has symbols but none there. Once the file is open, and its function
// was named before, Find does not allocate.
func (f *Finder) Find(file File, off uint64) (Symbol, error) {
	t, err := f.Open(file)
	if err != nil {
		return Symbol{}, err
	}
	s, ok := t.At(off)
	if !ok {
		return Symbol{}, NoFunction
	}
	return s, nil
}

// Open returns the functions of a file, which it reads the first time. The error is an *Error.
func (f *Finder) Open(file File) (*Table, error) {
	id := file.identity()
	f.mu.RLock()
	t, err := f.tables[id], f.failed[file]
	f.mu.RUnlock()
	if t == nil && err == nil {
		t, err = f.open(file, id)
	}
	if t == nil {
		return nil, err
	}
	return t, nil
}

// open reads the files of a recorded file, one recorded file at a time.
func (f *Finder) open(file, id File) (*Table, *Error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if t := f.tables[id]; t != nil {
		return t, nil
	}
	if err := f.failed[file]; err != nil {
		return nil, err
	}
	t, err := search(file, &f.opts)
	if err != nil {
		f.failed[file] = err
		return nil, err
	}
	f.tables[id] = t
	return t, nil
}

// identity returns what is known of a file beyond where it was: its best build ID alone, else
// its path.
func (f File) identity() File {
	switch {
	case !f.BuildID.IsZero():
		return File{BuildID: f.BuildID}
	case f.hasID():
		return File{GoBuildID: f.GoBuildID}
	default:
		return File{Path: f.Path}
	}
}

// hasID reports whether there is a build ID that tells builds apart: all that Bazel makes have
// the Go build ID "redacted".
func (f File) hasID() bool {
	return !f.BuildID.IsZero() || f.GoBuildID != "" && f.GoBuildID != "redacted"
}
