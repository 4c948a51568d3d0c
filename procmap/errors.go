package procmap

import (
	"errors"
	"fmt"
	"io/fs"
)

// Errors to test for with errors.Is. Besides these, io.EOF ends a walk, os.ErrClosed comes
// after Close, and fs.ErrNotExist and fs.ErrPermission keep their meaning.
var (
	// ErrGone: the address space does not exist (any more). The process has exited or
	// executed a program since the descriptor was opened, or never had an address space: a
	// kernel thread, a zombie, a process whose first thread has exited (its other threads'
	// /proc/PID/task/TID have a maps file that answers). To open a process that does not
	// exist is fs.ErrNotExist besides.
	ErrGone = errors.New("address space is gone")

	// ErrNoVMA: nothing is mapped at the address.
	ErrNoVMA = errors.New("no VMA covers the address")

	// ErrChanged: something else is mapped there now.
	ErrChanged = errors.New("mapping has changed")

	// ErrNotSupported: the kernel or the source cannot do it. The error is an
	// *UnsupportedError.
	ErrNotSupported = errors.New("not supported")

	// ErrSyntax: the text is not that of /proc/PID/maps. The error is a *ParseError.
	ErrSyntax = errors.New("malformed maps line")
)

// goneError is an ErrGone that says more.
type goneError string

const (
	errNoProcess goneError = "no such process" // fs.ErrNotExist besides
	errEnded     goneError = "process has ended"
)

func (e goneError) Error() string { return string(e) }

// Is makes errors.Is find ErrGone and, where a number leads nowhere, fs.ErrNotExist.
func (e goneError) Is(target error) bool {
	return target == ErrGone || e == errNoProcess && target == fs.ErrNotExist
}

// UnsupportedError names a missing feature. It is both ErrNotSupported and
// errors.ErrUnsupported.
type UnsupportedError struct {
	Feature  string // for example "PROCMAP_QUERY"
	Requires string // for example "Linux 6.11"
}

func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("%s not supported: requires %s", e.Feature, e.Requires)
}

// Is makes errors.Is find ErrNotSupported and errors.ErrUnsupported.
func (e *UnsupportedError) Is(target error) bool {
	return target == ErrNotSupported || target == errors.ErrUnsupported
}

// ParseError tells where the text of /proc/PID/maps is wrong. It is ErrSyntax if the text
// is malformed and io.ErrUnexpectedEOF if its last line has no end.
type ParseError struct {
	Line   int   // 1 is the first
	Offset int64 // bytes from the start of the text to the place of the error
	Msg    string
	Err    error
}

func (e *ParseError) Error() string {
	return fmt.Sprintf("parse maps line %d, offset %d: %s", e.Line, e.Offset, e.Msg)
}

func (e *ParseError) Unwrap() error { return e.Err }
