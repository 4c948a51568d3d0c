package procmap

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// Maps is the address space of one process, to walk with Next and to ask with Find. The
// two do not disturb each other. A Maps is not safe for concurrent use; different Maps are
// independent, also those of the same process.
type Maps struct {
	opts    Options
	source  Source
	file    *os.File // nil after Close
	fd      uintptr
	query   queryFunc
	bufs    *buffers
	cleanup runtime.Cleanup

	flags uint64 // of the queries of Next
	addr  uint64 // which Next asks about next
	ended bool

	walk fdText    // Next, with SourceMaps
	find fdText    // Find, with SourceMaps
	long longNames // both, with SourceIoctl
}

// Open opens the address space of process pid, as it is named in the PID namespace of the
// procfs at o.ProcFS.
//
// That there is no address space (see ErrGone), or with SourceIoctl no PROCMAP_QUERY (see
// ErrNotSupported), is told by the first Next or Find, not here. SourceAuto asks once and
// reads the text where the kernel has no PROCMAP_QUERY or a policy blocks it; Source tells.
// The error is ErrGone and fs.ErrNotExist if there is no such process, and
// fs.ErrPermission if it may not be looked into.
//
// With SourceIoctl requires at least Linux 6.11.
func Open(pid int, o Options) (*Maps, error) {
	root := procRoot(o.ProcFS)
	m, err := openMaps(unix.AT_FDCWD, filepath.Join(root, strconv.Itoa(pid), "maps"), o)
	if none := noProcess(root, err); none != nil {
		return nil, fmt.Errorf("open process %d: %w", pid, none)
	}
	return m, err
}

// OpenAt is Open for the process or thread whose directory in procfs, /proc/PID or
// /proc/PID/task/TID, dirfd is a descriptor of. In contrast to a number, a directory cannot
// come to mean another process: if its own has been waited for, the error is ErrGone.
func OpenAt(dirfd int, o Options) (*Maps, error) {
	m, err := openMaps(dirfd, "maps", o)
	if goneErrno(err) {
		err = fmt.Errorf("open maps: %w", errEnded)
	}
	return m, err
}

func openMaps(dirfd int, path string, o Options) (*Maps, error) {
	fd, err := atOpen(dirfd, cname(path), unix.O_RDONLY)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	f := os.NewFile(uintptr(fd), path)
	m, err := newMaps(f, o, ioctlQuery, o.Source == SourceAuto)
	if err != nil {
		f.Close()
		return nil, err
	}
	return m, nil
}

// FromFile uses f, a descriptor of /proc/PID/maps that may come from another process. No
// privilege is needed. Close closes f; if FromFile fails, f stays open.
//
// Whoever sends a descriptor could send that of something else. FromFile refuses what is
// not on a procfs, and with SourceIoctl nothing is read unless it answers a query.
func FromFile(f *os.File, o Options) (*Maps, error) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &st); err != nil {
		return nil, fmt.Errorf("check maps descriptor: %w", err)
	}
	if st.Type != unix.PROC_SUPER_MAGIC {
		return nil, fmt.Errorf("check maps descriptor: file system type %#x is not procfs: %w",
			st.Type, unix.EINVAL)
	}
	return newMaps(f, o, ioctlQuery, o.Source != SourceMaps)
}

// newMaps makes a Maps of f. With try the kernel is asked once, which SourceAuto needs.
func newMaps(f *os.File, o Options, query queryFunc, try bool) (*Maps, error) {
	if o.Source > SourceMaps {
		return nil, fmt.Errorf("open maps: invalid source %s", o.Source)
	}
	m := &Maps{opts: o, source: o.Source, file: f, fd: f.Fd(), query: query, bufs: newBuffers()}
	if try {
		if err := m.choose(); err != nil {
			m.bufs.release()
			return nil, err
		}
	}
	// A Maps that is dropped without Close must not leave a pin behind. Its buffers are not
	// used again: a VMA that is still in use may alias them.
	m.cleanup = runtime.AddCleanup(m, (*buffers).unpin, m.bufs)

	m.flags = queryCoveringOrNext
	if !o.AllFile {
		m.flags |= queryExecutable
	}
	if !o.AnonExec && !o.VDSO {
		m.flags |= queryFileBacked
	}
	m.walk.fd, m.find.fd, m.long.text.fd = m.fd, m.fd, m.fd
	m.Rewind()
	return m, nil
}

// choose sets m.source to what the options ask for and the kernel has.
func (m *Maps) choose() error {
	m.bufs.prepare(0, queryCoveringOrNext, false, false)
	errno := m.call()
	switch {
	case m.source == SourceAuto && queryMissing(errno):
		m.source = SourceMaps
		return nil
	case errno == 0, errno == unix.ENOENT, errno == unix.ESRCH:
		m.source = SourceIoctl
		return nil
	}
	return queryError(0, errno)
}

// Source returns the source in use: SourceIoctl or SourceMaps.
func (m *Maps) Source() Source { return m.source }

// Close releases the descriptor. The contents of VMAs that were not cloned are void.
func (m *Maps) Close() error {
	if m.file == nil {
		return os.ErrClosed
	}
	m.cleanup.Stop()
	m.bufs.release()
	f := m.file
	m.file = nil
	return f.Close()
}

// Rewind makes Next start over.
func (m *Maps) Rewind() {
	m.addr = 0
	m.ended = false
	m.walk.restart()
	m.long.restart()
}

// Next fills in v with the next VMA that the options select, in the order of addresses. All
// of v is overwritten; its Name and BuildID are valid until the next call on m.
//
// At the end the error is io.EOF, until Rewind. ErrGone means that the address space has
// disappeared and that VMAs may be missing. After an error other than these, Next may be
// called again with SourceIoctl, and asks again about the same address. See the package
// comment for what a walk means while the process goes on.
func (m *Maps) Next(v *VMA) error {
	if m.file == nil {
		*v = VMA{}
		return os.ErrClosed
	}
	step := m.nextQuery
	if m.source == SourceMaps {
		step = m.nextLine
	}
	for {
		err := step(v)
		if err == nil && m.opts.wants(v) {
			return nil
		}
		if err != nil {
			*v = VMA{}
			return err
		}
	}
}

func (m *Maps) nextQuery(v *VMA) error {
	if m.ended {
		return io.EOF
	}
	err := m.ask(m.addr, m.flags, v)
	if errors.Is(err, ErrNoVMA) {
		m.ended = true
		return io.EOF
	}
	if err != nil {
		return err
	}
	m.addr = v.End
	return nil
}

func (m *Maps) nextLine(v *VMA) error {
	err := m.walk.next(v)
	if errors.Is(err, io.EOF) {
		if gone := m.walk.checkAlive(); gone != nil {
			return gone
		}
	}
	return err
}

// All returns an iterator over what Next delivers from here on. The VMA is the same one
// each time. An error other than io.EOF is the last element, with a nil VMA.
func (m *Maps) All() iter.Seq2[*VMA, error] {
	return func(yield func(*VMA, error) bool) {
		var v VMA
		for {
			err := m.Next(&v)
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(&v, nil) {
				return
			}
		}
	}
}
