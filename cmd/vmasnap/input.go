package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/replay"
)

// defaultFile is what record writes and what the others read when nothing is said.
const defaultFile = "vmasnap.data"

// recording is an opened file.
type recording struct {
	*format.Reader
	name string
	io.Closer
}

// openRecording opens a recording; "-" is standard input.
func openRecording(s *streams, name string) (*recording, error) {
	var (
		r      io.Reader = s.in
		closer io.Closer = io.NopCloser(nil)
	)
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("open recording: %w", err)
		}
		if info, err := f.Stat(); err == nil && info.IsDir() {
			f.Close()
			return nil, fmt.Errorf("%s is a directory: want a recording", name)
		}
		r, closer = f, f
	}
	reader, err := format.NewReader(r, format.ReaderOptions{})
	if err != nil {
		closer.Close()
		return nil, fmt.Errorf("read %s: %w", label(name), err)
	}
	return &recording{reader, label(name), closer}, nil
}

// label is what messages call the file of that name.
func label(name string) string {
	if name == "-" {
		return "standard input"
	}
	return name
}

// load opens a recording and applies it whole. One that is damaged or cut off is used as
// far as it goes, with a warning; the damage is in the second result.
func load(s *streams, name string) (*replay.Session, error, error) {
	rec, err := openRecording(s, name)
	if err != nil {
		return nil, nil, err
	}
	defer rec.Close()
	session, damage := replay.Load(rec.Reader)
	if damage != nil {
		damage = fmt.Errorf("read %s: %w", rec.name, damage)
		fmt.Fprintf(s.err, "vmasnap: warning: %s; what precedes is used\n", printable(damage.Error()))
	}
	return session, damage, nil
}

// oneFile returns the one optional FILE argument.
func oneFile(args []string) (string, error) {
	switch len(args) {
	case 0:
		return defaultFile, nil
	case 1:
		return args[0], nil
	}
	return "", usageError("takes one FILE, got %q too", args[1])
}

// parsePID parses a process id.
func parsePID(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q is no process id", s)
	}
	return uint32(n), nil
}

// parseAddress parses an address: hexadecimal, with or without 0x, as /proc and perf
// print it.
func parseAddress(s string) (uint64, error) {
	digits, cut := strings.CutPrefix(s, "0x")
	if !cut {
		digits = strings.TrimPrefix(s, "0X")
	}
	n, err := strconv.ParseUint(digits, 16, 64)
	if errors.Is(err, strconv.ErrRange) {
		return 0, fmt.Errorf("address %q is longer than 64 bits", s)
	}
	if err != nil {
		return 0, fmt.Errorf("%q is no hexadecimal address", s)
	}
	return n, nil
}

// pidsFlag is a list of process ids: -p 1,2 -p 3.
type pidsFlag []uint32

// String implements pflag.Value.
func (p *pidsFlag) String() string {
	var b []string
	for _, pid := range *p {
		b = append(b, strconv.FormatUint(uint64(pid), 10))
	}
	return strings.Join(b, ",")
}

// Set implements pflag.Value.
func (p *pidsFlag) Set(s string) error {
	for part := range strings.SplitSeq(s, ",") {
		pid, err := parsePID(strings.TrimSpace(part))
		if err != nil {
			return err
		}
		*p = append(*p, pid)
	}
	return nil
}

// Type implements pflag.Value.
func (p *pidsFlag) Type() string { return "pid,..." }

// parseFilter parses --comm and --path.
func parseFilter(comm, path string) (f replay.Filter, err error) {
	if comm != "" {
		if f.Comm, err = replay.ParseGlob(comm); err != nil {
			return f, usageError("--comm: %w", err)
		}
	}
	if path != "" {
		if f.Path, err = replay.ParseGlob(path); err != nil {
			return f, usageError("--path: %w", err)
		}
	}
	return f, nil
}
