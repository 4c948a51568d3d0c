package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/pflag"

	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/procmap"
	"github.com/vmasnap/vmasnap/replay"
)

func queryCommand() command {
	return command{
		name:    "query",
		args:    "-p PID ADDR...",
		summary: "ask the running kernel what is mapped at an address",
		help: `The question of lookup, put to the live process: one ioctl an address, and one more for a
build ID. Whatever is mapped there is shown, executable or not. Addresses are hexadecimal.
Needs Linux 6.11; on older kernels --source=maps reads the text for each address.`,
		setup: func(flags *pflag.FlagSet) action {
			var pids pidsFlag
			flags.VarP(&pids, "pid", "p", "the `PID` of the process (required)")
			asJSON := flags.Bool("json", false, "print JSON lines")
			source := procmap.SourceAuto
			flags.TextVar(&source, "source", source, "auto, ioctl or maps")
			mode := procmap.BuildIDAuto
			flags.TextVar(&mode, "build-id", mode, "who is asked for build IDs: auto, kernel, file or none")
			return func(_ context.Context, s *streams, args []string) error {
				if len(pids) != 1 || len(args) == 0 {
					return usageError("wants one --pid and at least one ADDR")
				}
				addrs := make([]uint64, len(args))
				for i, arg := range args {
					var err error
					if addrs[i], err = parseAddress(arg); err != nil {
						return usageError("%w", err)
					}
				}
				out := bufio.NewWriter(s.out)
				q := query{pid: pids[0], out: out, json: *asJSON}
				return finish(out, q.run(addrs, source, mode))
			}
		},
	}
}

// query asks one process.
type query struct {
	pid  uint32
	out  *bufio.Writer
	json bool
}

func (q *query) run(addrs []uint64, source procmap.Source, mode procmap.BuildIDMode) error {
	p, err := procmap.OpenProcess("/proc", int(q.pid))
	if err != nil {
		return notPermitted(err)
	}
	defer p.Close()
	maps, err := procmap.OpenAt(p.Fd(), procmap.Options{Source: source})
	if err != nil {
		return notPermitted(fmt.Errorf("process %d: %w", q.pid, err))
	}
	defer maps.Close()
	files := procmap.NewFiles(procmap.FilesOptions{Mode: mode})
	said := answers{json: q.json}
	var text []byte
	for _, addr := range addrs {
		line := answer{pid: q.pid, addr: addr}
		var v procmap.VMA
		switch err := maps.Find(addr, &v); {
		case errors.Is(err, procmap.ErrNoVMA):
			line.miss, line.why = replay.NoMapping.String(), "nothing is mapped there"
		case errors.Is(err, procmap.ErrGone):
			return whyGone(p, err)
		case err != nil:
			return notPermitted(fmt.Errorf("query %#x: %w", addr, err))
		default:
			f := replay.File{Path: string(v.Name), Major: v.Major, Minor: v.Minor, Inode: v.Inode}
			if v.FileBacked() {
				known := files.Resolve(p, maps, &v)
				f.Path, f.Deleted = known.Path, known.Deleted
				f.BuildID, f.GoBuildID = format.MakeBuildID(known.BuildID), known.GoBuildID
			}
			line.file = newFileText(&f)
			line.start, line.end, line.offset, line.prot = v.Start, v.End, addr-v.Start+v.Offset, v.Flags.String()
		}
		text = said.append(text[:0], &line)
		if _, err := q.out.Write(text); err != nil {
			return outputError(err)
		}
	}
	return nil
}

// whyGone says why a process has no address space.
func whyGone(p *procmap.Process, err error) error {
	var i procmap.Info
	switch {
	case p.Info(&i) != nil:
		return fmt.Errorf("process %d has ended", p.PID())
	case i.KernelThread:
		return fmt.Errorf("process %d is a kernel thread: it has no address space", p.PID())
	case i.Zombie():
		return fmt.Errorf("process %d has exited and waits to be reaped: it has no address space", p.PID())
	}
	return fmt.Errorf("process %d: %w", p.PID(), err)
}

// notPermitted gives what the kernel refuses, or does not have, its own exit status.
func notPermitted(err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return unsupported(fmt.Errorf("%w: it takes CAP_SYS_PTRACE and every capability that the process has; vmasnap doctor tells more", err))
	case errors.Is(err, procmap.ErrNotSupported):
		return unsupported(err)
	}
	return err
}
