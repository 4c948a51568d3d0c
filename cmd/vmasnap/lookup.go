package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/vmasnap/vmasnap/replay"
	"github.com/vmasnap/vmasnap/replay/symbols"
)

func lookupCommand() command {
	return command{
		name:    "lookup",
		args:    "[FILE] [PID:ADDR[@TIME] ...]",
		summary: "translate addresses to file, offset and build ID",
		help: `Answers, from the recording, what was mapped at each address: one line an address, in the
order of the questions. Without arguments after FILE it reads questions from standard input, one
a line: PID:ADDR, PID:ADDR@TIME, PID ADDR or PID ADDR TIME, or what --fields names. Addresses are
hexadecimal, with or without 0x. Without TIME a question is about the end, or the time of --at. A
FILE whose name has a colon needs a slash in front: ./a:b. Empty lines and lines that begin with #
are passed over; the first that is no question ends the command, with status 2, behind the answers
to those before.

perf record -a -k CLOCK_MONOTONIC's samples, for example, are asked by

  perf script -F pid,time,ip -G | vmasnap lookup FILE --fields pid,time,addr

` + aboutTimes + `

--symbols adds the function and how far into it the address is, from the symbol table of the file
with the recorded build ID: at its path, below --root, in --debug-dir, in /usr/lib/debug and in
the cache of debuginfod's clients. A file with another build ID is never used; that is said.`,
		setup: func(flags *pflag.FlagSet) action {
			var l lookup
			at := atFlag(flags)
			fields := flags.StringSlice("fields", nil, "what the fields of a line of standard input are: pid, addr, time, or _ for one that says nothing")
			var find symbols.Options
			wantSymbols := flags.Bool("symbols", false, "add functions")
			flags.StringSliceVar(&find.Roots, "root", nil, "look for the files of --symbols below this `DIR` instead of at their paths, such as a mounted image")
			flags.StringSliceVar(&find.Dirs, "debug-dir", nil, "look for them in this `DIR` too: .build-id/xx/yyyy.debug, xx/yyyy.debug, or by name")
			flags.BoolVar(&find.RawNames, "raw-names", false, "leave names of C++ and Rust functions mangled")
			flags.BoolVar(&l.answers.json, "json", false, "print JSON lines")
			strict := flags.Bool("strict", false, "exit with status 3 if an answer is uncertain or a process was not walked")
			return func(_ context.Context, s *streams, args []string) error {
				name, questions := splitLookupArgs(args)
				if name == "-" && len(questions) == 0 {
					return usageError("standard input cannot be both FILE and questions: give PID:ADDR arguments")
				}
				if err := l.parse.setFields(*fields); err != nil {
					return err
				}
				for _, dir := range slices.Concat(find.Roots, find.Dirs) {
					if info, err := os.Stat(dir); err != nil || !info.IsDir() {
						return usageError("%s is no directory", printable(dir))
					}
				}
				if *wantSymbols {
					find.SkipRecorded = len(find.Roots) > 0 // it is of another machine
					l.functions = newFunctions(find, s.err)
				} else if len(find.Roots)+len(find.Dirs) > 0 || find.RawNames {
					return usageError("--root, --debug-dir and --raw-names go with --symbols")
				}
				err := l.open(s, name, *at)
				if _, notHex := parseAddress(name); errors.Is(err, fs.ErrNotExist) && (notHex == nil || strings.Contains(name, ":")) {
					return fmt.Errorf("%w (a question is PID:ADDR)", err)
				}
				if err != nil {
					return err
				}
				defer l.library.Close()
				l.out = bufio.NewWriterSize(s.out, 1<<16)
				if len(questions) > 0 {
					err = l.arguments(questions)
				} else {
					err = l.lines(s.in)
				}
				if err := finish(l.out, err); err != nil {
					return err
				}
				if l.damage != nil {
					return told()
				}
				if *strict && l.doubtful > 0 {
					return &exitError{code: exitIncomplete, err: fmt.Errorf("%s that cannot be certain, or about processes that were not walked", plural(l.doubtful, "answer"))}
				}
				return nil
			}
		},
	}
}

// splitLookupArgs tells a leading FILE from questions.
func splitLookupArgs(args []string) (file string, questions []string) {
	if len(args) > 0 {
		if pid, _, colon := strings.Cut(args[0], ":"); !colon || !digits(pid) {
			return args[0], args[1:]
		}
	}
	return defaultFile, args
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// lookup answers questions from one recording.
type lookup struct {
	library *library
	asker   *replay.Asker
	at      uint64 // of questions without a time, CLOCK_MONOTONIC ns
	parse   questions
	answers answers

	functions *functions // nil without --symbols
	out       *bufio.Writer
	streams   *streams
	doubtful  int
	damage    error

	batch []question
	text  []byte // the answers to the batch, in the order of their times
	line  []struct{ start, end int }
	order []int32
}

// open opens the recording, and looks at the time that questions are about which do not say so.
func (l *lookup) open(s *streams, name, at string) error {
	var err error
	if l.library, err = openLibrary(s, name); err != nil {
		return err
	}
	l.streams, l.damage = s, l.library.Damage()
	l.parse.timeline = &l.library.timeline
	l.asker = l.library.Ask()
	l.at = l.library.timeline.End
	if at == "" {
		return nil
	}
	if l.at, err = l.library.parse("at", at); err == nil {
		var st *state
		c, damage := l.asker.At(l.at)
		if st, err = l.library.state(s, c, at, damage); err == nil {
			l.damage = st.damage
		}
	}
	if err != nil {
		l.library.Close()
	}
	return err
}

// arguments answers each argument.
func (l *lookup) arguments(args []string) error {
	fields := l.parse.fields
	l.parse.fields = nil
	defer func() { l.parse.fields = fields }()
	for i, arg := range args {
		q, err := l.parse.parse([]byte(arg))
		if err != nil {
			return errors.Join(l.flush(), usageError("argument %d: %w", i+1, err))
		}
		l.batch = append(l.batch, q)
	}
	return l.flush()
}

// flush answers the batch: in the order of the times, so that one pass over the recording is
// enough, and prints the answers in that of the questions.
func (l *lookup) flush() error {
	l.text, l.line = l.text[:0], slices.Grow(l.line[:0], len(l.batch))[:len(l.batch)]
	sorted := l.sorted()
	if !sorted {
		l.order = l.order[:0]
		for i := range l.batch {
			l.order = append(l.order, int32(i))
		}
		slices.SortStableFunc(l.order, func(a, b int32) int { return l.earlier(l.batch[a], l.batch[b]) })
	}
	for n := range l.batch {
		i := n
		if !sorted {
			i = int(l.order[n])
		}
		start := len(l.text)
		if err := l.answer(&l.batch[i]); err != nil {
			return err
		}
		l.line[i] = struct{ start, end int }{start, len(l.text)}
	}
	if sorted {
		l.out.Write(l.text)
	} else {
		for _, at := range l.line {
			l.out.Write(l.text[at.start:at.end])
		}
	}
	l.batch = l.batch[:0]
	return outputError(l.out.Flush())
}

func (l *lookup) earlier(a, b question) int { return cmp.Compare(l.timeOf(&a), l.timeOf(&b)) }

// sorted reports whether the batch is in the order of its times.
func (l *lookup) sorted() bool { return slices.IsSortedFunc(l.batch, l.earlier) }

// timeOf returns the time that q is about.
func (l *lookup) timeOf(q *question) uint64 {
	if q.time == 0 {
		return l.at
	}
	return q.time
}

// answer appends the answer to q.
func (l *lookup) answer(q *question) error {
	line := answer{pid: q.pid, addr: q.addr, time: q.time}
	if q.outside {
		line.miss, line.why = "no-time", replay.ErrOutside.Error()
		l.text = l.answers.append(l.text, &line)
		l.doubtful++
		return nil
	}
	c, err := l.asker.At(l.timeOf(q))
	if err != nil && (l.damage == nil || c == nil) {
		st, err := l.library.state(l.streams, c, fmt.Sprint(l.timeOf(q)), err)
		if err != nil {
			return err
		}
		l.damage = st.damage
	}
	a := c.Lookup(q.pid, q.addr)
	line.uncertain = a.Uncertain
	if a.Uncertain || a.Miss == replay.NotWalked {
		l.doubtful++
	}
	if a.Miss == replay.Hit {
		m := &a.Mapping
		line.file = l.answers.file(m.File)
		line.start, line.end, line.offset, line.prot = m.Start, m.End, a.Offset, m.Perm()
		if l.functions != nil {
			l.functions.find(&line, m.File)
		}
	} else {
		line.miss, line.why = a.Miss.String(), a.Explain(c.Host)
		if a.Miss == replay.NoMapping && q.addr>>63 != 0 {
			line.why = "an address of the kernel"
		}
	}
	l.text = l.answers.append(l.text, &line)
	return nil
}
