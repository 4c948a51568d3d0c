package symbols

import (
	"debug/elf"
	"errors"
	"io/fs"
	"os"
	"slices"

	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/procmap"
)

// searcher gathers what the places have of one recorded file.
type searcher struct {
	file File
	best *Error // why a place will not do

	original *image // the file itself, stripped or not
	symtab   *list  // of the file itself or its debug file
	symtabOf *image
	open     []*os.File
}

// search opens the file that a recording names, and a debug file if that is the better source.
func search(file File, opts *Options) (*Table, *Error) {
	s := &searcher{file: file}
	defer s.close()
	if !file.hasID() && !opts.TrustPath {
		return nil, s.fail(NoBuildID, "", nil)
	}
	s.fail(NotFound, "", nil)
	for _, path := range opts.places(file) {
		s.try(path)
		if s.original != nil && s.symtab != nil {
			break
		}
	}
	t, err := s.table()
	if err != nil {
		return nil, err
	}
	t.rawNames = opts.RawNames
	return t, nil
}

func (s *searcher) close() {
	for _, f := range s.open {
		f.Close()
	}
}

// fail notes why a place will not do, and returns the reason that says most of all so far.
func (s *searcher) fail(why Reason, path string, err error) *Error {
	if s.best == nil || why >= s.best.Reason {
		s.best = &Error{File: s.file, Reason: why, Path: path, Err: err}
	}
	return s.best
}

// failRead notes an error of opening or reading a file. Those of the system name a path, those
// of its contents do not.
func (s *searcher) failRead(path string, err error) {
	var system *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case errors.As(err, &system):
		s.fail(NotReadable, path, err)
	default:
		s.fail(Damaged, path, err)
	}
}

// try looks at one place, and takes what it has if it is the recorded build.
func (s *searcher) try(path string) {
	st, err := os.Stat(path) // before it is opened: opening a FIFO waits
	if err != nil {
		s.failRead(path, err)
		return
	}
	if !st.Mode().IsRegular() {
		s.fail(NotReadable, path, errors.New("not a regular file"))
		return
	}
	if st.Size() == 0 { // debuginfod's clients note with an empty file what no server has
		return
	}
	f, err := os.Open(path)
	if err != nil {
		s.failRead(path, err)
		return
	}
	s.open = append(s.open, f)
	if !s.verify(f, st.Size()) {
		return
	}
	m, err := readImage(f, st.Size())
	if err != nil {
		s.failRead(path, err)
		return
	}
	m.path = path
	s.take(m)
}

// verify reports whether a file is the recorded build.
func (s *searcher) verify(f *os.File, size int64) bool {
	if !s.file.hasID() { // TrustPath
		return true
	}
	gnu, goID, err := procmap.ReadBuildIDs(f, size)
	switch id := format.MakeBuildID(gnu); {
	case !s.file.BuildID.IsZero() && id == s.file.BuildID:
		return true
	case s.file.BuildID.IsZero() && goID == s.file.GoBuildID:
		return true
	case err != nil && gnu == nil:
		s.failRead(f.Name(), err)
	default:
		if s.best.Reason < OtherBuildID {
			s.fail(OtherBuildID, f.Name(), nil).BuildID = id
			s.best.GoBuildID = goID
		}
	}
	return false
}

// take keeps what is better than what there was.
func (s *searcher) take(m *image) {
	if s.original == nil && !m.debug {
		s.original = m
	}
	if s.symtab != nil {
		return
	}
	l, err := m.readSymbols(elf.SHT_SYMTAB, Symtab, nil)
	switch {
	case err != nil:
		s.failRead(m.path, err)
	case l != nil && len(l.entries) > 0:
		s.symtab, s.symtabOf = l, m
	default:
		s.fail(NoSymbols, m.path, nil)
	}
}

// table joins the sources. Errors in one of them do no harm if there is another one.
func (s *searcher) table() (*Table, *Error) {
	t := &Table{}
	if m := s.symtabOf; m != nil && s.original != nil && !sameAddresses(s.original, m) {
		s.fail(Damaged, m.path, errors.New("its segments have other addresses than the original's"))
		s.symtab, s.symtabOf = nil, nil
	}
	if m := s.symtabOf; m != nil {
		t.lists, t.segments, t.paths = []*list{s.symtab}, wholeSegments(m), []string{m.path}
	}
	if m := s.original; m != nil {
		t.segments = m.segments
		if m != s.symtabOf {
			t.paths = append(t.paths, m.path)
		}
		s.addTo(t, m.readGo)
		s.addTo(t, func(better []*list) (*list, error) { return m.readSymbols(elf.SHT_DYNSYM, Dynsym, better) })
	}
	switch {
	case len(t.lists) == 0:
		return nil, s.best
	case len(t.segments) == 0 && s.original == nil:
		return nil, s.fail(NoOffsets, s.symtabOf.path, nil)
	}
	return t, nil
}

// addTo adds a source of the original to a table.
func (s *searcher) addTo(t *Table, read func(better []*list) (*list, error)) {
	l, err := read(t.lists)
	if err != nil {
		s.failRead(s.original.path, err)
	} else if l != nil && len(l.entries) > 0 {
		t.lists = append(t.lists, l)
	}
}

// sameAddresses reports whether a debug file's segments are where the original's are.
func sameAddresses(original, debug *image) bool {
	return slices.EqualFunc(original.segments, debug.segments, func(a, b segment) bool {
		return a.addr == b.addr && a.memSize == b.memSize
	})
}

// wholeSegments returns the segments whose offsets can be believed. In a file with its code
// that is all; eu-strip keeps those of the original in a debug file; objcopy cuts them off with
// the contents, and moves them.
func wholeSegments(m *image) (whole []segment) {
	for _, s := range m.segments {
		if !m.debug || s.fileSize > 0 && s.fileSize == s.memSize {
			whole = append(whole, s)
		}
	}
	return whole
}
