package procmap

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Find fills in v with the VMA that covers addr, of any Kind: the filters among the options
// apply to Next only. If nothing is mapped there the error is ErrNoVMA. All of v is
// overwritten; its Name and BuildID are valid until the next call on m.
//
// With SourceIoctl it costs one system call. With SourceMaps it reads the text up to addr.
func (m *Maps) Find(addr uint64, v *VMA) error {
	if m.file == nil {
		*v = VMA{}
		return os.ErrClosed
	}
	step := m.findQuery
	if m.source == SourceMaps {
		step = m.findLine
	}
	err := step(addr, v)
	if err != nil {
		*v = VMA{}
	}
	return err
}

func (m *Maps) findQuery(addr uint64, v *VMA) error {
	m.long.restart() // Next may have read it long ago
	err := m.ask(addr, queryCovering, v)
	if err == nil && v.Start > addr {
		return fmt.Errorf("query address %#x: answer starts at %#x: %w", addr, v.Start, errBadAnswer)
	}
	return err
}

func (m *Maps) findLine(addr uint64, v *VMA) error {
	m.find.restart()
	for {
		err := m.find.next(v)
		if errors.Is(err, io.EOF) {
			if err = m.find.checkAlive(); err == nil {
				err = ErrNoVMA
			}
		}
		switch {
		case err != nil:
			return err
		case v.Start > addr:
			return ErrNoVMA
		case v.End > addr:
			return nil
		}
	}
}

// BuildID asks the kernel for the build ID of the file that v maps. It returns nil without
// an error if the file has none that the kernel finds, or if v has no file. The error is
// ErrChanged if the file is no longer mapped at v.Start as it was: a split or merged VMA
// will do, another device, inode or offset will not.
//
// The bytes are valid until the next call on m. If m filled v in, v.Name stays valid.
//
// Requires at least Linux 6.11; SourceMaps gives ErrNotSupported.
func (m *Maps) BuildID(v *VMA) ([]byte, error) {
	if m.file == nil {
		return nil, os.ErrClosed
	}
	if m.source == SourceMaps {
		return nil, &UnsupportedError{
			Feature:  "build ID with source maps",
			Requires: "source ioctl, Linux 6.11",
		}
	}
	if !v.FileBacked() {
		return nil, nil
	}
	var now VMA
	m.bufs.prepare(v.Start, queryCovering, false, true)
	if errno := m.call(); errno == unix.ENOENT {
		return nil, fmt.Errorf("read build ID at %#x: %w", v.Start, ErrChanged)
	} else if errno != 0 {
		return nil, fmt.Errorf("read build ID: %w", queryError(v.Start, errno))
	}
	if err := m.bufs.answer(&now); err != nil {
		return nil, fmt.Errorf("read build ID: %w", err)
	}
	if now.Start > v.Start || now.End <= v.Start || !now.sameFile(v) {
		return nil, fmt.Errorf("read build ID at %#x: %w", v.Start, ErrChanged)
	}
	return now.BuildID, nil
}

// ask fills in v with the answer about addr, with the name and, if the options say so, the
// build ID. A name that is too long for the ioctl comes from the text.
func (m *Maps) ask(addr, flags uint64, v *VMA) error {
	m.bufs.prepare(addr, flags, true, m.opts.BuildID)
	errno := m.call()
	tooLong := errno == unix.ENAMETOOLONG
	if tooLong {
		m.bufs.prepare(addr, flags, false, m.opts.BuildID)
		errno = m.call()
	}
	switch errno {
	case 0:
	case unix.ENOENT:
		return ErrNoVMA
	default:
		return queryError(addr, errno)
	}
	if err := m.bufs.answer(v); err != nil {
		return err
	}
	if v.End <= addr {
		return fmt.Errorf("query address %#x: answer ends at %#x: %w", addr, v.End, errNoAdvance)
	}
	if tooLong {
		m.long.lookup(v)
	}
	return nil
}

func (m *Maps) call() unix.Errno {
	errno := m.query.do(m.fd, &m.bufs.query)
	runtime.KeepAlive(m) // its cleanup unpins the buffers, its file's closes the descriptor
	return errno
}
