package main

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/vmasnap/vmasnap/replay"
)

func staleCommand() command {
	return command{
		name:    "stale",
		args:    "[FILE]",
		summary: "tell who runs code that is not the code now on disk",
		help: `Compares the build IDs of what is mapped executable with those of the files that are at the
same paths now: those of FILE, or of a snapshot of this machine that is taken for it. What is on
disk is looked up in the mount namespace of each process, as long as it lives, or with --root
below that directory.

deleted: nothing is at the path any more. replaced: another file with another build is, as after
an upgrade. overwritten: the same file has another build in it. A build that was installed again
is nothing. temporary: memfd, shared memory, what is gone from below /tmp, /var/tmp or
/run, as natives are that were unpacked to run; not counted as stale. What was overwritten before
it was asked for is not seen on the running machine, where the kernel tells of the bytes there now.
 --by groups by file, process or unit (systemd unit or container).

Exit status 1 if any code is stale.`,
		setup: func(flags *pflag.FlagSet) action {
			var c stale
			at := atFlag(flags)
			flags.StringVar(&c.root, "root", "", "look up all paths below this `DIR`, such as a mounted image")
			flags.StringVar(&c.by, "by", "file", "group by file, process or unit")
			flags.VarP(&c.pids, "pid", "p", "only these processes")
			comm := flags.String("comm", "", "only processes whose name matches this pattern")
			path := flags.String("path", "", "only files whose path matches this pattern")
			flags.BoolVar(&c.all, "all", false, "list temporary code and what was not compared too")
			flags.BoolVar(&c.json, "json", false, "print JSON")
			strict := flags.Bool("strict", false, "exit with status 3 if something could not be compared and nothing was found")
			c.color.declare(flags)
			return func(ctx context.Context, s *streams, args []string) error {
				if !slices.Contains([]string{"file", "process", "unit"}, c.by) {
					return usageError("--by %q: want file, process or unit", c.by)
				}
				r := report{by: []string{"file"}, pids: c.pids}
				if err := r.parse(*comm, *path); err != nil {
					return err
				}
				session, err := c.session(ctx, s, args, *at)
				if err != nil {
					return err
				}
				for _, pid := range c.pids {
					if session.Process(pid) == nil {
						return fmt.Errorf("process %d is not there %s", pid, cmp.Or(session.when, "now"))
					}
				}
				disk, err := newDisk(session.Session, c.root, len(args) == 0)
				if err != nil {
					return err
				}
				found := session.Stale(disk, r.filter)
				out := bufio.NewWriter(s.out)
				if c.json {
					err = writeJSON(out, staleDocument(found))
				} else {
					c.print(out, c.color.style(s.out), found)
				}
				switch {
				case err != nil:
					err = outputError(err)
				case session.damage != nil:
					err = told()
				case found.Found():
					err = &exitError{code: exitFound}
				case *strict && (len(found.Unknown) > 0 || slices.ContainsFunc(found.Files, notCompared)):
					err = &exitError{code: exitIncomplete}
				}
				return finish(out, err)
			}
		},
	}
}

// stale is one invocation of the command.
type stale struct {
	root  string
	by    string
	pids  pidsFlag
	all   bool
	json  bool
	color colorFlag
}

// session returns the state to compare: of FILE, or a snapshot.
func (c *stale) session(ctx context.Context, s *streams, args []string, at string) (*state, error) {
	if len(args) > 0 {
		name, err := oneFile(args)
		if err != nil {
			return nil, err
		}
		return loadAt(s, name, at, (*replay.Recording).Replay)
	}
	if at != "" {
		return nil, usageError("--at is for a FILE")
	}
	session, err := snapshotNow(ctx, c.pids)
	if err != nil {
		return nil, err
	}
	return &state{Session: session, summary: session.Summary}, nil
}

func notCompared(f replay.StaleFile) bool { return f.Staleness == replay.NotCompared }

// shown reports whether the file is listed.
func (c *stale) shown(f *replay.StaleFile) bool {
	return c.all || f.Staleness != replay.Temporary && f.Staleness != replay.NotCompared
}

func (c *stale) print(out *bufio.Writer, st style, r *replay.StaleReport) {
	var t *table
	switch c.by {
	case "process":
		t = c.byProcess(r)
	case "unit":
		t = c.byUnit(r)
	default:
		t = c.byFile(r)
	}
	if len(t.rows) > 0 {
		t.print(out, st)
		fmt.Fprintln(out)
	}
	counts := make(map[replay.Staleness]int)
	processes := make(map[*replay.Process]struct{})
	for i := range r.Files {
		f := &r.Files[i]
		counts[f.Staleness]++
		if f.Staleness != replay.Temporary && f.Staleness != replay.NotCompared {
			for _, p := range f.Processes {
				processes[p] = struct{}{}
			}
		}
	}
	fmt.Fprintf(out, "%s compared: %s; %s run stale code\n", plural(r.Compared, "file"), tally(counts), plural(len(processes), "process"))
	for _, line := range weaknesses(r, counts) {
		fmt.Fprintf(out, "%s\n", st.warn(line))
	}
}

// weaknesses says what the comparison cannot tell.
func weaknesses(r *replay.StaleReport, counts map[replay.Staleness]int) []string {
	var out []string
	if r.Unidentified > 0 {
		out = append(out, fmt.Sprintf("%s of them have no build ID that tells builds apart (none, or Go's \"redacted\"): only another inode is noticed, not what is written into them", count(r.Unidentified)))
	}
	if n := counts[replay.NotCompared]; n > 0 {
		out = append(out, fmt.Sprintf("%s could not be looked at; --all lists them", plural(n, "file")))
	}
	if n := len(r.Unknown); n > 0 {
		out = append(out, "of "+plural(n, "process")+" it is not known, or not certain, what is mapped: there may be more")
	}
	return append(out, "what interpreters read (scripts, byte code) is not mapped executable and not compared")
}

func (c *stale) byFile(r *replay.StaleReport) *table {
	t := newTable("STALE", ">PROCESSES", "MAPPED", "ON DISK", "FILE")
	for i := range r.Files {
		f := &r.Files[i]
		if !c.shown(f) {
			continue
		}
		t.row(staleWord(f), count(len(f.Processes)), buildIDCell(f.File.BuildID, f.File.GoBuildID, f.File.BuildIDOrigin), diskCell(f), printable(f.File.Path))
	}
	return t
}

func (c *stale) byProcess(r *replay.StaleReport) *table {
	t := newTable(">PID", "COMM", "UNIT", "STALE", "FILE")
	type row struct {
		p *replay.Process
		f *replay.StaleFile
	}
	var rows []row
	for i := range r.Files {
		for _, p := range r.Files[i].Processes {
			if c.shown(&r.Files[i]) {
				rows = append(rows, row{p, &r.Files[i]})
			}
		}
	}
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(a.p.PID, b.p.PID) })
	for _, x := range rows {
		t.row(fmt.Sprint(x.p.PID), printable(x.p.Comm), printable(unitOf(x.p)), staleWord(x.f), printable(x.f.File.Path))
	}
	return t
}

func (c *stale) byUnit(r *replay.StaleReport) *table {
	t := newTable("UNIT", ">PROCESSES", "STALE")
	type group struct {
		processes map[*replay.Process]struct{}
		files     map[string]struct{}
	}
	groups := make(map[string]*group)
	for i := range r.Files {
		f := &r.Files[i]
		if !c.shown(f) {
			continue
		}
		for _, p := range f.Processes {
			unit := cmp.Or(unitOf(p), "-")
			g := groups[unit]
			if g == nil {
				g = &group{make(map[*replay.Process]struct{}), make(map[string]struct{})}
				groups[unit] = g
			}
			g.processes[p] = struct{}{}
			g.files[printable(f.File.Path)] = struct{}{}
		}
	}
	for _, unit := range slices.Sorted(maps.Keys(groups)) {
		g := groups[unit]
		t.row(printable(unit), count(len(g.processes)), strings.Join(slices.Sorted(maps.Keys(g.files)), ", "))
	}
	return t
}

// unitOf names the unit or the container of a process.
func unitOf(p *replay.Process) string {
	if p.Walk == nil {
		return ""
	}
	return replay.Unit(p.Walk.Cgroup)
}

func staleWord(f *replay.StaleFile) string {
	return f.Staleness.String() + mark(f.Unproven, "?")
}

// diskCell says what is at the path now.
func diskCell(f *replay.StaleFile) string {
	switch {
	case f.Staleness == replay.NotCompared:
		return printable(f.Err.Error())
	case f.Now == replay.OnDisk{}:
		return "-"
	}
	if f.Now.BuildID.IsZero() && f.Now.GoBuildID == "" {
		return "(no build ID)"
	}
	return buildIDCell(f.Now.BuildID, f.Now.GoBuildID, 0)
}
