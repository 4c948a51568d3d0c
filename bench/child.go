package main

import (
	"fmt"
	"io"
	"os"
	"syscall"
)

// mapperVariable makes this program a mapper: see startMapper.
const mapperVariable = "VMASNAP_BENCH_MAPPER"

// beMapper reports whether this process is a mapper, and is one until standard input ends.
func beMapper() bool {
	how := os.Getenv(mapperVariable)
	if how == "" {
		return false
	}
	if err := mapAll(how); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Print("r")
	_, _ = io.Copy(io.Discard, os.Stdin)
	return true
}

// mapAll maps what how says. No two neighbours are alike, or the kernel would merge them.
func mapAll(how string) error {
	var n, every int
	var name string
	if _, err := fmt.Sscan(how, &n, &every, &name); err != nil {
		return err
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	for i := range n {
		fd, prot, flags := int(f.Fd()), syscall.PROT_READ, syscall.MAP_PRIVATE
		switch {
		case i%every == 0:
			prot |= syscall.PROT_EXEC
		case i%2 == 0: // the file, read-only
		default:
			fd, flags = -1, flags|syscall.MAP_ANON
			if i%4 == 1 {
				prot |= syscall.PROT_WRITE
			}
		}
		if _, err := syscall.Mmap(fd, 0, os.Getpagesize(), prot, flags); err != nil {
			return fmt.Errorf("map page %d: %w", i, err)
		}
	}
	return nil
}
