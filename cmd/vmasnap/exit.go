package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"syscall"
)

// The exit statuses. They are part of the command's interface: README.md documents them. record
// passes on those of the command that it records, which can be any.
const (
	exitDone        = 0
	exitFound       = 1 // the answer is "differs", "found" or "not sound"
	exitFailure     = 2 // wrong usage, or failed
	exitIncomplete  = 3 // done, but something was denied or lost; with --strict only
	exitUnsupported = 4 // not supported or not permitted here
)

// exitError ends the command with a status; without err it says nothing.
type exitError struct {
	code  int
	usage bool // point to the help text
	err   error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// usageError is for command lines that mean nothing.
func usageError(format string, args ...any) error {
	return &exitError{code: exitFailure, usage: true, err: fmt.Errorf(format, args...)}
}

// outputError is for standard output. A reader that has seen enough, head(1) for example, is
// no error.
func outputError(err error) error {
	if err == nil || errors.Is(err, syscall.EPIPE) {
		return nil
	}
	return fmt.Errorf("write output: %w", err)
}

// finish writes what out still holds and returns how the command ended. A bufio.Writer
// reports an error of an earlier write again: it is told once. It is told rather than an
// answer that was to be a status alone: whoever asked has not got the text.
func finish(out *bufio.Writer, err error) error {
	flushed := outputError(out.Flush())
	var exit *exitError
	if err == nil || errors.As(err, &exit) && exit.err == nil {
		return cmp.Or(flushed, err)
	}
	return err
}

// unsupported is for what this kernel, or these privileges, do not allow.
func unsupported(err error) error { return &exitError{code: exitUnsupported, err: err} }

// told ends a command as failed that has said why already.
func told() error { return &exitError{code: exitFailure} }
