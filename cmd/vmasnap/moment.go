package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"

	"github.com/spf13/pflag"

	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/replay"
)

// aboutTimes is the section of the commands' help about times.
const aboutTimes = `A time is +1.5s since the start, -2s before the end, 50%, start, end, RFC 3339 as in
2026-11-20T18:00:00.5Z, or CLOCK_MONOTONIC in ns or, as 1234.567890, in seconds; a range is
A..B, where nothing for A or B is the start or the end.`

// atFlag declares --at.
func atFlag(flags *pflag.FlagSet) *string {
	var at momentFlag
	flags.Var(&at, "at", "the state at this `TIME` instead of at the end")
	return (*string)(&at)
}

// momentFlag is a time or a range, "" if the flag is not given: a variable of a script that is
// empty by mistake is not the end.
type momentFlag string

// String implements pflag.Value.
func (m *momentFlag) String() string { return string(*m) }

// Set implements pflag.Value.
func (m *momentFlag) Set(s string) error {
	if s == "" {
		return errors.New("want a time")
	}
	*m = momentFlag(s)
	return nil
}

// Type implements pflag.Value.
func (m *momentFlag) Type() string { return "time" }

// library is a recording that can be asked for any time.
type library struct {
	*replay.Recording
	timeline replay.Timeline
	name     string
	file     *os.File
	spooled  bool // file is a temporary one
}

// openLibrary opens a recording; "-" is standard input. What is not a file, but a pipe, is copied
// into one first.
func openLibrary(s *streams, name string) (*library, error) {
	l := &library{name: label(name)}
	var err error
	if name == "-" {
		err = l.spool(s.in)
	} else {
		err = l.open(name)
	}
	if err != nil {
		return nil, err
	}
	info, err := l.file.Stat()
	if err == nil {
		l.Recording, err = replay.Open(l.file, info.Size())
	}
	if err != nil {
		l.Close()
		return nil, fmt.Errorf("read %s: %w", l.name, err)
	}
	l.timeline = l.Timeline()
	if damage := l.Damage(); damage != nil {
		fmt.Fprintf(s.err, "vmasnap: warning: read %s: %s; what precedes is used\n", l.name, printable(damage.Error()))
	}
	return l, nil
}

func (l *library) open(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("open recording: %w", err)
	}
	l.file = f
	info, err := f.Stat()
	if err == nil && info.Mode().IsRegular() {
		return nil
	}
	defer f.Close()
	if err == nil && info.IsDir() {
		return fmt.Errorf("%s is a directory: want a recording", name)
	}
	if err != nil {
		return fmt.Errorf("open recording: %w", err)
	}
	return l.spool(f)
}

// spool copies r into a temporary file.
func (l *library) spool(r io.Reader) error {
	f, err := os.CreateTemp("", "vmasnap-*")
	if err != nil {
		return fmt.Errorf("keep %s: %w", l.name, err)
	}
	l.file, l.spooled = f, true
	if _, err := io.Copy(f, r); err != nil {
		l.Close()
		return fmt.Errorf("keep %s in %s: %w", l.name, f.Name(), err)
	}
	return nil
}

// Close implements io.Closer.
func (l *library) Close() error {
	err := l.file.Close()
	if l.spooled {
		err = errors.Join(err, os.Remove(l.file.Name()))
	}
	return err
}

// parse returns the time that a flag names.
func (l *library) parse(flag, text string) (uint64, error) {
	t, err := l.timeline.Parse(text)
	if err != nil {
		return 0, usageError("--%s: %w", flag, err)
	}
	return t, nil
}

// between returns the Host and the records of the times that --time names.
func (l *library) between(span string) (iter.Seq2[format.Record, error], error) {
	from, to, err := l.timeline.ParseRange(span)
	if err != nil {
		return nil, usageError("--time: %w", err)
	}
	return func(yield func(format.Record, error) bool) {
		if !yield(l.Host(), nil) {
			return
		}
		l.Between(from, to)(yield)
	}, nil
}

// state is a recording's at one time.
type state struct {
	*replay.Session
	summary func() replay.Summary
	when    string // in sentences: "at the end of x"
	damage  error  // that was in the way, or that the recording has elsewhere
}

// moment is replay.Recording.At, or, for whoever wants to know what was lost all the time before,
// Replay.
type moment func(*replay.Recording, uint64) (*replay.Cursor, error)

// loadAt returns the state of a recording at a time as --at names it, or at its end if that is "".
// What stands before a damage is used, with a warning.
func loadAt(s *streams, name, at string, get moment) (*state, error) {
	if at == "" {
		session, damage, err := load(s, name)
		if err != nil {
			return nil, err
		}
		return &state{session, session.Summary, "at the end of " + name, damage}, nil
	}
	l, err := openLibrary(s, name)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	return l.at(s, at, get)
}

// at returns the state at a time as --at names it.
func (l *library) at(s *streams, at string, get moment) (*state, error) {
	t, err := l.parse("at", at)
	if err != nil {
		return nil, err
	}
	c, err := get(l.Recording, t)
	return l.state(s, c, at, err)
}

// state makes a state of a cursor, and of what was in its way.
func (l *library) state(s *streams, c *replay.Cursor, at string, damage error) (*state, error) {
	var bad *format.FormatError
	switch {
	case damage == nil:
	case c == nil || !errors.Is(damage, format.ErrTruncated) && !errors.As(damage, &bad):
		return nil, fmt.Errorf("read %s: %w", l.name, damage)
	case l.Damage() == nil: // else it was told when the library was opened
		fmt.Fprintf(s.err, "vmasnap: warning: read %s: %s; what precedes is used\n", l.name, printable(damage.Error()))
	}
	if sum := c.Summary(); sum.Early {
		fmt.Fprintf(s.err, "vmasnap: warning: %s: %s is before the first snapshot was complete: what it had not told of by then is not known\n", l.name, at)
	}
	return &state{c.Session, c.Summary, fmt.Sprintf("at %s in %s", at, l.name), cmp.Or(damage, l.Damage())}, nil
}
