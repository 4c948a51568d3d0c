package main

import (
	"bufio"
	"context"
	"fmt"
	"slices"

	"github.com/spf13/pflag"

	"github.com/vmasnap/vmasnap/replay"
)

func diffCommand() command {
	return command{
		name:    "diff",
		args:    "A [B]",
		summary: "what is mapped now that was not before: two recordings, times or processes",
		help: `Prints how B differs from A: which processes are gone, new, or have executed another program,
and in the others which files were loaded, unloaded, upgraded (same path, other build),
deleted, renamed, or have other permissions. A and B are

  two files                      diff A B
  one file at two times          diff A --at T1 --at T2
  two processes of one file      diff A --pid P1 --pid P2
  or all at once                 diff A B --at T1 --at T2 --pid P1 --pid P2

where the first --at or --pid is A's and the second B's; a single one is for both. Exit status 1
if they differ.

Processes of one boot of one machine are matched by pid and start time, others by executable,
name, and rank among their like. Files are matched by what they are, so that where they are
mapped is no difference, unless --addresses makes it one. A process of which the address space
is not known on one side cannot be compared and is listed as unknown; one about which
statements were lost as uncertain. Kernel threads and zombies are left out.

` + aboutTimes,
		setup: func(flags *pflag.FlagSet) action {
			var d diff
			flags.StringSliceVar(&d.by, "by", []string{"process"}, "tables to print: process, file, build-id, cgroup")
			flags.IntVar(&d.limit, "limit", 20, "rows of each table; 0 is all of them")
			flags.StringArrayVar(&d.at, "at", nil, "the state at this `TIME` instead of at the end; twice: of A and of B")
			flags.VarP(&d.pids, "pid", "p", "this process; twice: of A and of B")
			flags.BoolVar(&d.options.Addresses, "addresses", false, "another address is a difference")
			comm := flags.String("comm", "", "only processes whose name matches this pattern")
			path := flags.String("path", "", "only files whose path matches this pattern")
			flags.StringVar(&d.options.Filter.BuildID, "build-id", "", "only files with this build ID; its beginning is enough")
			asJSON := flags.Bool("json", false, "print one JSON document")
			strict := flags.Bool("strict", false, "exit with status 3 if something could not be compared")
			d.color.declare(flags)
			return func(_ context.Context, s *streams, args []string) error {
				if err := d.parse(args, *comm, *path); err != nil {
					return err
				}
				if *asJSON && !flags.Changed("limit") {
					d.limit = 0
				}
				if err := d.compare(s); err != nil {
					return err
				}
				out := bufio.NewWriter(s.out)
				if *asJSON {
					if err := d.printJSON(out); err != nil {
						return err
					}
				} else {
					d.print(out, d.color.style(s.out))
				}
				return finish(out, d.status(*strict))
			}
		},
	}
}

// diff is one invocation of the command.
type diff struct {
	by      []string
	limit   int
	at      []string
	pids    pidsFlag
	options replay.DiffOptions
	color   colorFlag

	names [2]string // of the files; the second is "" if there is one
	sides [2]*diffSide
	*replay.Diff
}

// diffSide is A or B.
type diffSide struct {
	*state
	name string
	sum  replay.Summary
	pid  uint32 // 0 = all
}

func (d *diff) parse(args []string, comm, path string) error {
	for i, by := range d.by {
		if !slices.Contains([]string{"process", "file", "build-id", "cgroup"}, by) || slices.Contains(d.by[:i], by) {
			return usageError("--by %q: want process, file, build-id or cgroup, each once", by)
		}
	}
	switch {
	case len(d.by) == 0:
		return usageError("--by: want process, file, build-id or cgroup")
	case d.limit < 0:
		return usageError("--limit %d: want 0 or more", d.limit)
	case len(args) > 2:
		return usageError("takes two FILEs, got %q too", args[2])
	case len(d.at) > 2:
		return usageError("--at %q: there are two already", d.at[2])
	case slices.Contains(d.at, ""):
		return usageError("--at: want a time")
	case len(d.pids) > 2:
		return usageError("--pid %d: there are two already", d.pids[2])
	case len(args) < 2 && len(d.at) < 2 && len(d.pids) < 2:
		return usageError("wants two FILEs, or of one two --at or two --pid")
	case len(args) == 2 && args[0] == "-" && args[1] == "-":
		return usageError("standard input cannot be both A and B")
	}
	d.names[0] = defaultFile
	copy(d.names[:], args)
	f, err := parseFilter(comm, path)
	f.BuildID = d.options.Filter.BuildID
	d.options.Filter = f
	return err
}

// of returns what a flag says of side i: the second time it is given it is of B.
func of[T any](flag []T, i int) (v T) {
	if len(flag) > 0 {
		v = flag[min(i, len(flag)-1)]
	}
	return v
}

// compare reads both sides and compares them.
func (d *diff) compare(s *streams) error {
	var states [2]*state
	var err error
	switch {
	case d.names[1] != "":
		for i, name := range d.names {
			if states[i], err = loadAt(s, name, of(d.at, i), (*replay.Recording).Replay); err != nil {
				return err
			}
		}
	case len(d.at) == 2:
		d.names[1] = d.names[0]
		l, err := openLibrary(s, d.names[0]) // once: it may be a pipe
		if err != nil {
			return err
		}
		defer l.Close()
		for i, at := range d.at {
			if states[i], err = l.at(s, at, (*replay.Recording).Replay); err != nil {
				return err
			}
		}
	default:
		d.names[1] = d.names[0]
		if states[0], err = loadAt(s, d.names[0], of(d.at, 0), (*replay.Recording).Replay); err != nil {
			return err
		}
		states[1] = states[0]
	}
	for i, st := range states {
		d.sides[i] = &diffSide{state: st, name: label(d.names[i]), sum: st.summary(), pid: of(d.pids, i)}
	}
	a, b := d.sides[0], d.sides[1]
	if a.pid == 0 {
		d.Diff = replay.DiffSessions(a.Session, b.Session, d.options)
		return nil
	}
	var processes [2]*replay.Process
	for i, side := range d.sides {
		if processes[i] = side.Process(side.pid); processes[i] == nil {
			return fmt.Errorf("process %d is not there %s: vmasnap script --pid %[1]d %[3]s tells what was recorded of it", side.pid, side.when, side.name)
		}
	}
	d.Diff = replay.DiffProcesses(a.Session, b.Session, processes[0], processes[1], d.options)
	return nil
}

// status returns how the command ends.
func (d *diff) status(strict bool) error {
	early := d.sides[0].sum.Early || d.sides[1].sum.Early
	switch {
	case d.sides[0].damage != nil || d.sides[1].damage != nil:
		return told()
	case strict && (early || !d.Complete() || d.Same() && d.Summary.Same == 0):
		return &exitError{code: exitIncomplete}
	case !d.Same():
		return &exitError{code: exitFound}
	}
	return nil
}
