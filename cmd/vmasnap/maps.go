package main

import (
	"bufio"
	"context"
	"fmt"

	"github.com/spf13/pflag"

	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/procmap"
	"github.com/vmasnap/vmasnap/replay"
)

func mapsCommand() command {
	return command{
		name:    "maps",
		args:    "[FILE] --pid PID",
		summary: "print one process's mappings like /proc/PID/maps",
		help: `Prints what was mapped in one process, byte for byte as /proc/PID/maps has it for those
VMAs: by default the executable, file-backed ones. On a terminal names are escaped.

` + aboutTimes,
		setup: func(flags *pflag.FlagSet) action {
			var pids pidsFlag
			flags.VarP(&pids, "pid", "p", "the `PID` of the process (required)")
			at := atFlag(flags)
			return func(_ context.Context, s *streams, args []string) error {
				name, err := oneFile(args)
				if err != nil {
					return err
				}
				if len(pids) != 1 {
					return usageError("wants one --pid")
				}
				alone := func(r *replay.Recording, t uint64) (*replay.Cursor, error) { return r.AtProcess(t, pids[0]) }
				session, err := loadAt(s, name, *at, alone)
				if err != nil {
					return err
				}
				p := session.Process(pids[0])
				if p == nil {
					return fmt.Errorf("process %d is not there %s: vmasnap script --pid %[1]d %[3]s tells what was recorded of it", pids[0], session.when, name)
				}
				out := bufio.NewWriter(s.out)
				terminal := isTerminal(s.out)
				var line []byte
				for m := range p.Space.All() {
					v := vmaOf(&m)
					if terminal {
						v.Name = []byte(printable(m.File.Path))
					}
					line = procmap.AppendMapsLine(line[:0], &v)
					out.Write(line)
				}
				if p.UncertainSince != 0 {
					fmt.Fprintf(s.err, "vmasnap maps: process %d: uncertain since %s: statements were lost\n", p.PID, sinceStart(p.UncertainSince, session.Host))
				}
				if p.Known && p.Space.Len() == 0 {
					a := session.Lookup(p.PID, 0)
					fmt.Fprintf(s.err, "vmasnap maps: process %d: %s\n", p.PID, a.Explain(session.Host))
				}
				switch {
				case !p.Known:
					err = fmt.Errorf("the address space of process %d is not known: walk %s", p.PID, p.Status())
				case session.damage != nil:
					err = told()
				}
				return finish(out, err)
			}
		},
	}
}

// vmaOf is a recorded mapping as the kernel would show it.
func vmaOf(m *replay.Mapping) procmap.VMA {
	v := procmap.VMA{
		Start: m.Start, End: m.End, Offset: m.Offset,
		Major: m.File.Major, Minor: m.File.Minor, Inode: m.File.Inode,
		Name: []byte(m.File.Path), Deleted: m.File.Deleted,
	}
	for _, f := range []struct {
		set  bool
		flag procmap.Flags
	}{
		{m.Prot&format.ProtRead != 0, procmap.Readable},
		{m.Prot&format.ProtWrite != 0, procmap.Writable},
		{m.Prot&format.ProtExec != 0, procmap.Executable},
		{m.Flags&format.MapShared != 0, procmap.Shared},
	} {
		if f.set {
			v.Flags |= f.flag
		}
	}
	return v
}
