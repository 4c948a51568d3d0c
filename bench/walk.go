package main

import (
	"context"
	"io"
	"strconv"
	"syscall"

	"github.com/prometheus/procfs"

	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/procmap"
	"github.com/vmasnap/vmasnap/recorder"
)

// tally is how many executable file-backed VMAs a pass saw.
type tally struct {
	all int
	own int // of the population, which holds still: here everybody must agree
}

// walker makes passes over a machine.
type walker struct {
	name  string
	open  func(p *population) func() (tally, error)
	blind bool // it counts nothing
}

// nameIoctl is what the others are compared with.
const nameIoctl = "vmasnap ioctl"

var walkers = []walker{
	{name: nameIoctl, open: eachProcess(walkMaps(procmap.Options{Source: procmap.SourceIoctl}))},
	{name: "vmasnap ioctl, build ID of each file", open: func(p *population) func() (tally, error) {
		files := procmap.NewFiles(procmap.FilesOptions{})
		pass := eachProcess(walkFiles(files))(p)
		return func() (tally, error) {
			files.Forget()
			return pass()
		}
	}},
	{name: "vmasnap ioctl, build ID of each VMA", open: eachProcess(walkMaps(procmap.Options{Source: procmap.SourceIoctl, BuildID: true}))},
	{name: "vmasnap text", open: eachProcess(walkMaps(procmap.Options{Source: procmap.SourceMaps}))},
	{name: "text, parsed by hand", open: func(p *population) func() (tally, error) {
		t := textWalker{buf: make([]byte, 64<<10)}
		return eachProcess(func(pid int) (n int, err error) {
			err = t.walk(pid, func(*mapped) { n++ })
			return n, err
		})(p)
	}},
	{name: "text, read and thrown away", open: eachProcess(readOnly(make([]byte, 64<<10))), blind: true},
	{name: "prometheus/procfs", open: eachProcess(walkPrometheus)},
	{name: "recorder to zstd, 1 worker", open: record(1)},
	{name: "recorder to zstd, 2 workers", open: record(2)},
}

// eachProcess makes a pass of a function that walks one process. Processes that it cannot
// walk, kernel threads for example, count nothing.
func eachProcess(walk func(pid int) (int, error)) func(*population) func() (tally, error) {
	return func(p *population) func() (tally, error) {
		return func() (t tally, err error) {
			for _, pid := range p.all {
				n, err := walk(pid)
				own := p.isOwn[pid]
				if own && err != nil {
					return t, err
				}
				t.all += n
				if own {
					t.own += n
				}
			}
			return t, nil
		}
	}
}

func walkMaps(o procmap.Options) func(int) (int, error) {
	return func(pid int) (n int, err error) {
		m, err := procmap.Open(pid, o)
		if err != nil {
			return 0, err
		}
		defer m.Close()
		return countVMAs(m, nil)
	}
}

// countVMAs walks to the end, by way of each, if it is not nil.
func countVMAs(m *procmap.Maps, each func(*procmap.VMA)) (n int, err error) {
	var v procmap.VMA
	for {
		switch err := m.Next(&v); err {
		case nil:
			n++
			if each != nil {
				each(&v)
			}
		case io.EOF:
			return n, nil
		default:
			return n, err
		}
	}
}

func walkFiles(files *procmap.Files) func(int) (int, error) {
	return func(pid int) (n int, err error) {
		p, err := procmap.OpenProcess("/proc", pid)
		if err != nil {
			return 0, err
		}
		defer p.Close()
		m, err := procmap.OpenAt(p.Fd(), procmap.Options{Source: procmap.SourceIoctl})
		if err != nil {
			return 0, err
		}
		defer m.Close()
		return countVMAs(m, func(v *procmap.VMA) { files.Resolve(p, m, v) })
	}
}

func walkPrometheus(pid int) (n int, err error) {
	p, err := procfs.NewProc(pid)
	if err != nil {
		return 0, err
	}
	maps, err := p.ProcMaps()
	for _, m := range maps {
		if m.Perms.Execute && m.Inode != 0 {
			n++
		}
	}
	return n, err
}

// counter counts the mappings that pass through it.
type counter struct {
	*format.Writer
	p *population
	t tally
}

func (c *counter) Write(r format.Record) error {
	if m, ok := r.(*format.Mmap); ok {
		c.t.all++
		if c.p.isOwn[int(m.PID)] {
			c.t.own++
		}
	}
	return c.Writer.Write(r)
}

// record takes a whole snapshot: names, owners, cgroups, build IDs, compressed.
func record(workers int) func(*population) func() (tally, error) {
	return func(p *population) func() (tally, error) {
		return func() (tally, error) {
			r, err := recorder.New(recorder.Options{Workers: workers})
			if err != nil {
				return tally{}, err
			}
			w, err := format.NewWriter(io.Discard, r.Host(), format.WriterOptions{})
			if err != nil {
				return tally{}, err
			}
			c := &counter{Writer: w, p: p}
			if _, err := r.Run(context.Background(), c); err != nil {
				return tally{}, err
			}
			return c.t, w.Close()
		}
	}
}

// readOnly reads the text of every process and looks at none of it: no parser is faster.
func readOnly(buf []byte) func(int) (int, error) {
	return func(pid int) (int, error) {
		fd, err := syscall.Open("/proc/"+strconv.Itoa(pid)+"/maps", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
		if err != nil {
			return 0, err
		}
		defer syscall.Close(fd)
		for {
			if n, err := syscall.Read(fd, buf); n <= 0 || err != nil {
				return 0, err
			}
		}
	}
}
