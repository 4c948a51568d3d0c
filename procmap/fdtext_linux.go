package procmap

import (
	"fmt"
	"io"

	"golang.org/x/sys/unix"
)

// fdText is a Parser over the text of an open maps file. It reads with pread, so it neither
// uses nor moves the file position, which is shared with whoever else has the descriptor.
type fdText struct {
	Parser
	fd   uintptr
	off  int64
	byte [1]byte // for checkAlive; a variable of its own would be allocated
}

func (t *fdText) restart() {
	t.off = 0
	t.Reset((*fdReader)(t))
}

// next fills in v from the next line that belongs to the address space.
func (t *fdText) next(v *VMA) error {
	for {
		err := t.Next(v)
		if err != nil || !v.gate() {
			return err
		}
	}
}

// checkAlive returns ErrGone if the address space does not exist. Once gone it never comes
// back, so if it exists after a text has been read, the text was not cut short.
func (t *fdText) checkAlive() error {
	n, err := pread(t.fd, t.byte[:], 0)
	if err == nil && n == 0 {
		err = fmt.Errorf("read maps: %w", ErrGone)
	}
	return err
}

// fdReader is the io.Reader of an fdText.
type fdReader fdText

func (r *fdReader) Read(b []byte) (int, error) {
	n, err := pread(r.fd, b, r.off)
	if err == nil && n == 0 {
		err = io.EOF
	}
	r.off += int64(n)
	return n, err
}

// pread reads from a maps file. Once the address space is gone, the kernel tells ESRCH if
// the process has been waited for, but else, after exec or as a zombie, just the end.
func pread(fd uintptr, b []byte, off int64) (int, error) {
	for {
		n, err := unix.Pread(int(fd), b, off)
		switch err {
		case nil:
			return n, nil
		case unix.EINTR:
			continue
		case unix.ESRCH:
			err = ErrGone
		}
		return 0, fmt.Errorf("read maps: %w", err)
	}
}

// longNames finds in the text the names that are too long for the ioctl. It moves through
// the text along with a walk, so that a walk reads the text no more than once however many
// such names there are.
type longNames struct {
	text fdText
	line VMA // the line last read
}

// restart makes the next lookup read the text from its beginning.
func (l *longNames) restart() { l.line = VMA{Start: ^uint64(0)} }

// lookup sets the name of v, or NameUnknown.
func (l *longNames) lookup(v *VMA) {
	v.NameUnknown = true
	if v.Start < l.line.Start {
		l.line = VMA{}
		l.text.restart()
	}
	for l.line.End <= v.Start {
		if l.text.next(&l.line) != nil {
			l.line = VMA{Start: v.Start, End: ^uint64(0)} // no more lines: matches nothing
			return
		}
	}
	if l.line.Start <= v.Start && l.line.sameFile(v) {
		v.Name, v.Deleted, v.NameUnknown = l.line.Name, l.line.Deleted, l.line.NameUnknown
	}
}
