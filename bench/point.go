package main

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"syscall"

	"github.com/vmasnap/vmasnap/procmap"
)

// A batch is sorted addresses of one process, to be resolved to file offsets, as a profiler
// has them after a while.
type batch struct {
	name  string
	addrs []uint64
	hit   int // VMAs that they are in
}

// makeBatches chooses addresses in the process's executable VMAs. The first batch has the
// shape of the one that came with the kernel's patches: 4,435 addresses, 699 of them
// different, in a process with 702 VMAs, for which 6 ioctls were enough, so that all lay in
// about as many VMAs. The second spreads them over every executable VMA.
func makeBatches(pid int) ([]batch, error) {
	m, err := procmap.Open(pid, procmap.Options{})
	if err != nil {
		return nil, err
	}
	defer m.Close()
	var vmas []procmap.VMA
	for v, err := range m.All() {
		if err != nil {
			return nil, err
		}
		vmas = append(vmas, v.Clone())
	}
	spread := func(total, unique, hit int) (addrs []uint64) {
		hit = min(hit, len(vmas))
		for i := range total {
			u := i % unique
			v := vmas[u%hit*len(vmas)/hit]
			addrs = append(addrs, v.Start+uint64(u/hit*16)%(v.End-v.Start))
		}
		slices.Sort(addrs)
		return addrs
	}
	return []batch{
		{"4,435 addresses, 699 different, in 6 VMAs", spread(4435, 699, 6), 6},
		{"4,435 addresses, 699 different, in every executable VMA", spread(4435, 699, len(vmas)), len(vmas)},
	}, nil
}

// resolveByQuery asks about each address that is not in the VMA that the address before it
// is in, or, if each is set, about every different address. It returns the sum of the file offsets,
// which all methods must agree on, and the number of queries.
func resolveByQuery(pid int, addrs []uint64, o procmap.Options, each bool) (sum uint64, asked int, err error) {
	m, err := procmap.Open(pid, o)
	if err != nil {
		return 0, 0, err
	}
	defer m.Close()
	var v procmap.VMA
	var last uint64
	for _, a := range addrs {
		if a >= v.End || each && a != last {
			asked++
			if err := m.Find(a, &v); err != nil {
				return 0, asked, err
			}
		}
		sum += a - v.Start + v.Offset
		last = a
	}
	return sum, asked, nil
}

// resolveByText does the same in one pass over the text: of a line without an address only
// the end of the range is parsed, and it stops after the last address.
func resolveByText(pid int, addrs []uint64, buf []byte) (sum uint64, reads int, err error) {
	fd, err := syscall.Open("/proc/"+strconv.Itoa(pid)+"/maps", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return 0, 0, err
	}
	defer syscall.Close(fd)
	reads, err = eachLine(fd, buf, func(line []byte) bool {
		dash := bytes.IndexByte(line, '-')
		space := dash + 1 + bytes.IndexByte(line[dash+1:], ' ')
		end := hex(line[dash+1 : space])
		if addrs[0] >= end {
			return true
		}
		start := hex(line[:dash])
		line = line[space+len(" r-xp "):]
		offset := hex(line[:bytes.IndexByte(line, ' ')])
		for len(addrs) > 0 && addrs[0] < end {
			sum += addrs[0] - start + offset
			addrs = addrs[1:]
		}
		return len(addrs) > 0
	})
	if err != nil || len(addrs) > 0 {
		return 0, reads, errors.Join(err, fmt.Errorf("%d addresses are not mapped", len(addrs)))
	}
	return sum, reads, nil
}

// resolvers are the methods of the comparison. Each opens /proc/PID/maps anew.
var resolvers = []struct {
	name    string
	resolve func(pid int, addrs []uint64) (sum uint64, calls int, err error)
}{
	{"ioctl for each VMA hit", func(pid int, addrs []uint64) (uint64, int, error) {
		return resolveByQuery(pid, addrs, procmap.Options{Source: procmap.SourceIoctl}, false)
	}},
	{"ioctl for each VMA hit, with build ID", func(pid int, addrs []uint64) (uint64, int, error) {
		return resolveByQuery(pid, addrs, procmap.Options{Source: procmap.SourceIoctl, BuildID: true}, false)
	}},
	{"ioctl for each different address", func(pid int, addrs []uint64) (uint64, int, error) {
		return resolveByQuery(pid, addrs, procmap.Options{Source: procmap.SourceIoctl}, true)
	}},
	{"one pass over the text", func(pid int, addrs []uint64) (uint64, int, error) {
		return resolveByText(pid, addrs, textBuffer)
	}},
}

var textBuffer = make([]byte, 64<<10)
