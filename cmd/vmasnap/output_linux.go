package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// output is where a recording goes.
type output struct {
	*os.File
	name string
}

// createOutput opens the file for a new recording: mode 0600, because addresses defeat
// ASLR, and never through a symbolic link. An existing file is kept as NAME.old.
func createOutput(s *streams, name string) (*output, error) {
	if name == "-" {
		f, ok := s.out.(*os.File)
		if !ok {
			return nil, errors.New("standard output is not a file")
		}
		if isTerminal(f) {
			return nil, errors.New("refusing to write a compressed recording to a terminal: use -o FILE or a pipe")
		}
		return &output{f, "standard output"}, nil
	}
	info, err := os.Lstat(name)
	switch {
	case name == "":
		return nil, usageError("--output: the name is empty")
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("create recording: %w", err)
	case info.Mode()&fs.ModeSymlink != 0:
		return nil, fmt.Errorf("create recording: %s is a symbolic link, which is not followed; name its target, or use -o - for standard output", name)
	case info.IsDir():
		return nil, fmt.Errorf("create recording: %s is a directory", name)
	case !info.Mode().IsRegular():
		return openSpecial(name)
	default:
		if err := os.Rename(name, name+".old"); err != nil {
			return nil, fmt.Errorf("keep the existing recording: %w", err)
		}
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("create recording: %w", err)
	}
	return &output{f, name}, nil
}

// openSpecial opens a device or a named pipe, which is written to as it is.
func openSpecial(name string) (*output, error) {
	// Without O_NONBLOCK the open of a pipe waits for a reader, deaf to signals.
	f, err := os.OpenFile(name, os.O_WRONLY|unix.O_NOFOLLOW|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if errors.Is(err, unix.ENXIO) {
		return nil, fmt.Errorf("open recording: %w (a pipe that nobody reads, or no such device)", err)
	}
	if err != nil {
		return nil, fmt.Errorf("open recording: %w", err)
	}
	// It may be another file by now.
	if info, err := f.Stat(); err != nil || info.Mode().IsRegular() {
		f.Close()
		return nil, fmt.Errorf("open recording: %s has changed meanwhile", name)
	}
	return &output{f, name}, nil
}
