package main

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/replay"
)

func reportCommand() command {
	return command{
		name:    "report",
		args:    "[FILE...]",
		summary: "sum up a recording: its health first, then what was mapped",
		help: `Prints for each FILE (vmasnap.data) the host, how the recording was made, what is missing in
it, and tables of processes, files and build IDs. --by limits it to some of the tables. In
patterns * matches any run of characters, slashes included.

With --html the report is a page by itself, to be opened in a browser, without a network: the tables
sort and filter, and for each process, also those that have ended, it has a picture of the address
space at any time, and a time line of what was mapped.

With --at the tables are of that time. With --time they are of all processes that lived, and of
all that was mapped, at some time of that range, and what is summed up is the state at its end.
` + aboutTimes + `

With --across there is one report of all FILEs: which builds of the files of --path or --build-id
there are, on which hosts, and which processes have them mapped.`,
		setup: func(flags *pflag.FlagSet) action {
			var r report
			flags.StringSliceVar(&r.by, "by", []string{"process", "file", "build-id"}, "tables to print: process, file, build-id")
			flags.StringVar(&r.sort, "sort", "", "sort rows by name, mappings, size, processes or pid (default: mappings)")
			flags.IntVar(&r.limit, "limit", 20, "rows of each table; 0 is all of them")
			flags.VarP(&r.pids, "pid", "p", "only these processes")
			comm := flags.String("comm", "", "only processes whose name matches this pattern")
			path := flags.String("path", "", "only files whose path matches this pattern")
			flags.StringVar(&r.filter.BuildID, "build-id", "", "only files with this build ID; its beginning is enough")
			asJSON := flags.Bool("json", false, "print one JSON document a FILE")
			across := flags.Bool("across", false, "one report of all FILEs: which builds exist, and who maps them")
			page := flags.String("html", "", "write one page that shows FILE in a browser to this `FILE`; - is standard output")
			flags.Var(&r.at, "at", "the state at this `TIME` instead of at the end")
			flags.Var(&r.span, "time", "all that was there in this `RANGE` of time, A..B")
			strict := flags.Bool("strict", false, "exit with status 3 if a recording is incomplete")
			r.color.declare(flags)
			return func(_ context.Context, s *streams, args []string) error {
				if err := r.parse(*comm, *path); err != nil {
					return err
				}
				if *asJSON && !flags.Changed("limit") {
					r.limit = 0 // a program does not tire of reading
				}
				if len(args) == 0 {
					args = []string{defaultFile}
				}
				if flags.Changed("html") {
					for _, name := range []string{"json", "by", "sort", "limit", "color", "across"} {
						if flags.Changed(name) {
							return usageError("--html and --%s: want one of them", name)
						}
					}
					if len(args) > 1 {
						return usageError("--html takes one FILE, got %q too", args[1])
					}
					sum, damage, err := r.writePage(s, args[0], *page)
					if err != nil {
						return err
					}
					return verdict(damage != nil, *strict && len(sum.Incomplete()) > 0)
				}
				out := bufio.NewWriter(s.out)
				st := r.color.style(s.out)
				if *across {
					return finish(out, r.across(s, out, st, args, *asJSON, *strict))
				}
				damaged, incomplete := false, false
				for i, name := range args {
					session, sum, damage, err := r.load(s, name)
					if err != nil {
						return err
					}
					damaged = damaged || damage != nil
					incomplete = incomplete || len(sum.Incomplete()) > 0
					if *asJSON {
						err = r.printJSON(out, name, session, sum)
					} else {
						if i > 0 {
							fmt.Fprintln(out)
						}
						r.print(out, st, name, session, sum)
					}
					if err = cmp.Or(err, out.Flush()); err != nil {
						return outputError(err)
					}
				}
				return verdict(damaged, *strict && incomplete)
			}
		},
	}
}

// verdict ends the command when everything is printed.
func verdict(damaged, incomplete bool) error {
	switch {
	case damaged:
		return told()
	case incomplete:
		return &exitError{code: exitIncomplete}
	}
	return nil
}

// report is one invocation of the command.
type report struct {
	by     []string
	sort   string
	limit  int
	at     momentFlag
	span   momentFlag
	pids   pidsFlag
	filter replay.Filter
	color  colorFlag
}

func (r *report) parse(comm, path string) error {
	for i, by := range r.by {
		if !slices.Contains([]string{"process", "file", "build-id"}, by) || slices.Contains(r.by[:i], by) {
			return usageError("--by %q: want process, file or build-id, each once", by)
		}
	}
	if len(r.by) == 0 {
		return usageError("--by: want process, file or build-id")
	}
	if !slices.Contains([]string{"", "name", "mappings", "size", "processes", "pid"}, r.sort) {
		return usageError("--sort %q: want name, mappings, size, processes or pid", r.sort)
	}
	if r.limit < 0 {
		return usageError("--limit %d: want 0 or more", r.limit)
	}
	if r.at != "" && r.span != "" {
		return usageError("--at and --time: want one of them")
	}
	f, err := parseFilter(comm, path)
	f.BuildID, f.PIDs = r.filter.BuildID, r.pids
	r.filter = f
	return err
}

// reported is what tables are of: the state at one time, or all that was there in a range.
type reported interface {
	ReportProcesses(replay.Filter) []replay.ProcessRow
	ReportFiles(replay.Filter) []replay.FileRow
	ReportBuildIDs(replay.Filter) []replay.BuildIDRow
}

// load reads what is to be reported, and what had been in the way, which is told.
func (r *report) load(s *streams, name string) (of reported, sum *replay.Summary, damage, err error) {
	if r.at == "" && r.span == "" {
		session, damage, err := load(s, name)
		if err != nil {
			return nil, nil, nil, err
		}
		sum := session.Summary()
		return session, &sum, damage, nil
	}
	l, err := openLibrary(s, name)
	if err != nil {
		return nil, nil, nil, err
	}
	defer l.Close()
	var c *replay.Cursor
	if r.span != "" {
		from, to, err := l.timeline.ParseRange(string(r.span))
		if err != nil {
			return nil, nil, nil, usageError("--time: %w", err)
		}
		var span *replay.Span
		if span, damage = l.During(from, to); span != nil {
			of, c = span, span.Cursor
		}
	} else {
		at, err := l.parse("at", string(r.at))
		if err != nil {
			return nil, nil, nil, err
		}
		c, damage = l.Replay(at) // for what it says of all the time before
		of = c
	}
	st, err := l.state(s, c, string(cmp.Or(r.at, r.span)), damage)
	if err != nil {
		return nil, nil, nil, err
	}
	all := st.summary()
	return of, &all, st.damage, nil
}

// print writes the report as text; out keeps the error.
func (r *report) print(out *bufio.Writer, st style, name string, s reported, sum *replay.Summary) {
	printHead(out, st, name, sum)
	for _, by := range r.by {
		var t *table
		var rows int
		what := by
		switch by {
		case "process":
			t, rows = r.processTable(s)
		case "file":
			t, rows = r.fileTable(s)
		case "build-id":
			t, rows = r.buildIDTable(s)
			what = "build ID"
		}
		fmt.Fprintln(out)
		if rows == 0 {
			fmt.Fprintf(out, "no %s%s\n", what, mark(r.filtered(), " matches"))
			continue
		}
		t.print(out, st)
		if left := rows - len(t.rows); left > 0 {
			fmt.Fprintf(out, "... and %s more; --limit 0 shows all\n", count(left))
		}
	}
}

// filtered reports whether rows may be missing because nobody wants to see them.
func (r *report) filtered() bool {
	return len(r.filter.PIDs) > 0 || r.filter.Comm != nil || r.filter.Files()
}

// headLine is one line of what the recording is and how far it can be trusted.
type headLine struct {
	Label string   `json:"label"`
	Text  string   `json:"text"`
	Level severity `json:"level,omitempty"`
}

// severity says how bad what a line says is.
type severity string

const (
	warning severity = "warn"
	bad     severity = "bad"
)

// printHead writes what the recording is and how far it can be trusted.
func printHead(w io.Writer, st style, name string, sum *replay.Summary) {
	fmt.Fprintf(w, "%s\n", st.bold(printable(name)))
	for _, l := range headLines(sum) {
		text := l.Text
		switch l.Level {
		case warning:
			text = st.warn(text)
		case bad:
			text = st.bad(text)
		}
		fmt.Fprintf(w, "  %-10s %s\n", l.Label, text)
	}
}

// headLines says what the recording is and how far it can be trusted.
func headLines(sum *replay.Summary) (lines []headLine) {
	h := sum.Host
	line := func(label, text string) { lines = append(lines, headLine{Label: label, Text: text}) }
	line("host", fmt.Sprintf("%s, Linux %s %s, %d CPUs", printable(h.Hostname), printable(h.Release), printable(h.Arch), h.CPUs))
	line("time", time.Unix(0, int64(h.Clocks.Realtime)).UTC().Format("2006-01-02 15:04:05.000 UTC"))
	if sum.At != 0 {
		line("at", sinceStart(sum.At, h))
	}
	line("recorder", fmt.Sprintf("%s: %s", printable(h.Tool), printable(h.Command)))
	line("source", fmt.Sprintf("%s, hooks %s, build IDs %s", h.Source, h.Hooks, h.BuildID))
	line("covers", fmt.Sprint(h.Content))
	if left := leftOut(sum); left != "" {
		line("left out", left)
	}
	line("processes", processTally(sum))
	line("mappings", fmt.Sprintf("%s in %s address spaces, of %s files (%d deleted, %d without build ID)",
		count(sum.Mappings), count(sum.Spaces), count(sum.Files), sum.Deleted, sum.NoBuildID))
	if h.Hooks != format.HooksNone {
		line("followed", followedText(&sum.Stats))
		line("walks", driftText(&sum.Stats))
	}
	for i := range sum.Losses[:min(len(sum.Losses), maxLossLines)] {
		lines = append(lines, headLine{"lost", lossText(&sum.Losses[i], h), bad})
	}
	if more := int(sum.Stats.LossWindows) - maxLossLines; more > 0 {
		lines = append(lines, headLine{"lost", fmt.Sprintf("... and in %s more windows of time", count(more)), bad})
	}
	for _, missing := range sum.Incomplete() {
		lines = append(lines, headLine{"missing", missing, warning})
	}
	return lines
}

// leftOut says what the recording does not cover, as far as it knows.
func leftOut(sum *replay.Summary) string {
	var parts []string
	if sum.Host.Content&format.ContentAnonExec == 0 {
		parts = append(parts, fmt.Sprintf("%s anonymous executable VMAs (JIT)", count(sum.ExcludedAnonExec)))
	}
	if sum.Host.Content&format.ContentVDSO == 0 {
		parts = append(parts, fmt.Sprintf("%s [vdso]", count(sum.ExcludedVDSO)))
	}
	if sum.Host.Content&format.ContentDataFile == 0 {
		parts = append(parts, "all that is not executable")
	}
	return strings.Join(parts, ", ")
}

// top sorts rows, equal ones as they come, and cuts them at the limit.
func top[T any](rows []T, limit int, compare func(a, b *T) int) []T {
	slices.SortStableFunc(rows, func(a, b T) int { return compare(&a, &b) })
	if limit > 0 && len(rows) > limit {
		rows = rows[:limit]
	}
	return rows
}

func (r *report) processes(s reported) (rows []replay.ProcessRow, all int) {
	rows = s.ReportProcesses(r.filter)
	return top(rows, r.limit, func(a, b *replay.ProcessRow) int {
		switch r.sort {
		case "name":
			return strings.Compare(a.Process.Comm, b.Process.Comm)
		case "size":
			return cmp.Compare(b.Bytes, a.Bytes)
		case "pid", "processes":
			return cmp.Compare(a.Process.PID, b.Process.PID)
		}
		return cmp.Compare(b.Mappings, a.Mappings)
	}), len(rows)
}

func (r *report) processTable(s reported) (*table, int) {
	rows, all := r.processes(s)
	t := newTable(">PID", "COMM", "WALK", ">MAPPINGS", ">SIZE", ">DELETED", "EXE")
	for _, row := range rows {
		p := row.Process
		t.row(fmt.Sprint(p.PID), printable(p.Comm), walkText(p), count(row.Mappings), bytesOf(row.Bytes), count(row.Deleted), exeText(p))
	}
	return t, all
}

// exeText is what process p executes.
func exeText(p *replay.Process) string { return printable(p.Exe) + mark(p.ExeDeleted(), " (deleted)") }

// pathText names a file.
func pathText(f *replay.File) string { return printable(cmp.Or(f.Path, "[anonymous]")) }

// compareUsage orders rows by --sort, the most used first; 0 leaves them as they come.
func (r *report) compareUsage(a, b *replay.Usage) int {
	switch r.sort {
	case "size":
		return cmp.Compare(b.Bytes, a.Bytes)
	case "processes":
		return cmp.Compare(b.Processes, a.Processes)
	case "", "mappings":
		return cmp.Compare(b.Mappings, a.Mappings)
	}
	return 0
}

func (r *report) files(s reported) (rows []replay.FileRow, all int) {
	rows = s.ReportFiles(r.filter) // by name
	return top(rows, r.limit, func(a, b *replay.FileRow) int { return r.compareUsage(&a.Usage, &b.Usage) }), len(rows)
}

func (r *report) fileTable(s reported) (*table, int) {
	rows, all := r.files(s)
	t := newTable(">PROCESSES", ">MAPPINGS", ">SIZE", "BUILD ID", "FILE")
	for _, row := range rows {
		t.row(count(row.Processes), count(row.Mappings), bytesOf(row.Bytes),
			buildIDCell(row.File.BuildID, row.File.GoBuildID, row.File.BuildIDOrigin),
			pathText(row.File)+mark(row.File.Deleted, " (deleted)"))
	}
	return t, all
}

func (r *report) buildIDs(s reported) (rows []replay.BuildIDRow, all int) {
	rows = s.ReportBuildIDs(r.filter)
	return top(rows, r.limit, func(a, b *replay.BuildIDRow) int {
		if r.sort == "name" {
			return slices.Compare(a.Paths, b.Paths)
		}
		return r.compareUsage(&a.Usage, &b.Usage)
	}), len(rows)
}

func (r *report) buildIDTable(s reported) (*table, int) {
	rows, all := r.buildIDs(s)
	t := newTable("BUILD ID", "ORIGIN", ">PROCESSES", ">MAPPINGS", "FILES")
	for _, row := range rows {
		var paths []string
		for _, p := range row.Paths {
			paths = append(paths, printable(p))
		}
		t.row(buildIDCell(row.BuildID, row.GoBuildID, row.Origin), row.Origin.String(),
			count(row.Processes), count(row.Mappings), strings.Join(paths, ", "))
	}
	return t, all
}

// buildIDCell is a build ID for a table, or in brackets why there is none.
func buildIDCell(id format.BuildID, goID string, origin format.BuildIDOrigin) string {
	switch {
	case !id.IsZero():
		return id.String()
	case goID != "":
		return "go:" + printable(goID)
	}
	return "(" + origin.String() + ")"
}
