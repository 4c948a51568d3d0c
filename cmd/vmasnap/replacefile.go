package main

import (
	"bufio"
	"cmp"
	"errors"
	"io"
	"os"
	"path/filepath"
)

// replaceFile makes a file of what write writes: all of it, or the file stays what it was. Its mode
// is 0600, because addresses defeat address space randomization. What is no regular file, a pipe
// or a device, is written to as it is.
func replaceFile(name string, write func(*bufio.Writer) error) error {
	info, err := os.Stat(name)
	if err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return errors.Join(writeAll(f, write), f.Close())
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-*")
	if err != nil {
		return err
	}
	err = writeAll(f, write)
	if err == nil {
		err = f.Sync()
	}
	err = cmp.Or(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

func writeAll(w io.Writer, write func(*bufio.Writer) error) error {
	out := bufio.NewWriter(w)
	return cmp.Or(write(out), out.Flush())
}
