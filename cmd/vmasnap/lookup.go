package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/spf13/pflag"

	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/replay"
)

func lookupCommand() command {
	return command{
		name:    "lookup",
		args:    "[FILE] [PID:ADDR ...]",
		summary: "translate addresses to file, offset and build ID",
		help: `Answers, from the recording, what was mapped at each address: one line an address, in the
order of the questions. Without PID:ADDR arguments it reads lines "PID:ADDR" or "PID ADDR"
from standard input. Addresses are hexadecimal, with or without 0x. A FILE whose name has a
colon needs a slash in front: ./a:b.

` + aboutTimes,
		setup: func(flags *pflag.FlagSet) action {
			asJSON := flags.Bool("json", false, "print JSON lines")
			at := atFlag(flags)
			strict := flags.Bool("strict", false, "exit with status 3 if an answer is uncertain or a process was not walked")
			return func(_ context.Context, s *streams, args []string) error {
				name, questions := splitLookupArgs(args)
				if name == "-" && len(questions) == 0 {
					return usageError("standard input cannot be both FILE and questions: give PID:ADDR arguments")
				}
				session, err := loadAt(s, name, *at)
				if _, notHex := parseAddress(name); errors.Is(err, fs.ErrNotExist) && (notHex == nil || strings.Contains(name, ":")) {
					return fmt.Errorf("%w (a question is PID:ADDR)", err)
				}
				if err != nil {
					return err
				}
				out := bufio.NewWriterSize(s.out, 1<<16)
				l := lookup{session: session.Session, out: out, json: *asJSON}
				if len(questions) > 0 {
					err = l.arguments(questions)
				} else {
					err = l.lines(s.in)
				}
				if err := finish(out, err); err != nil {
					return err
				}
				if session.damage != nil {
					return told()
				}
				if *strict && l.doubtful > 0 {
					return &exitError{code: exitIncomplete, err: fmt.Errorf("%d answers are uncertain or about processes that were not walked", l.doubtful)}
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
	session  *replay.Session
	out      *bufio.Writer
	json     bool
	doubtful int
}

// arguments answers each argument.
func (l *lookup) arguments(questions []string) error {
	for i, q := range questions {
		pid, addr, err := parseQuestion(q)
		if err != nil {
			return usageError("argument %d: %w", i+1, err)
		}
		if err := l.answer(pid, addr); err != nil {
			return outputError(err)
		}
	}
	return nil
}

// lines answers each line of r. Whenever it has to wait for more, what is answered is
// written, so that another program can put one question after the other.
func (l *lookup) lines(r io.Reader) error {
	in := bufio.NewReaderSize(r, 1<<16)
	for n := 1; ; n++ {
		if in.Buffered() == 0 {
			if err := l.out.Flush(); err != nil {
				return outputError(err)
			}
		}
		line, err := in.ReadSlice('\n')
		if len(line) == 0 && errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read standard input, line %d: %w", n, err)
		}
		q := strings.TrimSpace(string(line))
		if q == "" || q[0] == '#' {
			continue
		}
		pid, addr, err := parseQuestion(q)
		if err != nil {
			return fmt.Errorf("standard input, line %d: %w", n, err)
		}
		if err := l.answer(pid, addr); err != nil {
			return outputError(err)
		}
	}
}

// parseQuestion parses PID:ADDR or PID ADDR.
func parseQuestion(q string) (pid uint32, addr uint64, err error) {
	first, second, ok := strings.Cut(q, ":")
	if !ok {
		f := strings.Fields(q)
		if len(f) != 2 {
			return 0, 0, fmt.Errorf("%q is not PID:ADDR", q)
		}
		first, second = f[0], f[1]
	}
	if pid, err = parsePID(strings.TrimSpace(first)); err != nil {
		return 0, 0, err
	}
	addr, err = parseAddress(strings.TrimSpace(second))
	return pid, addr, err
}

// answer prints the answer to one question. The error is the output's.
func (l *lookup) answer(pid uint32, addr uint64) error {
	a := l.session.Lookup(pid, addr)
	if a.Uncertain || a.Miss == replay.NotWalked {
		l.doubtful++
	}
	line := answerLine{PID: pid, Address: hex(addr), Uncertain: a.Uncertain}
	if a.Miss == replay.Hit {
		m := &a.Mapping
		line.hit(m.File, m.Start, m.End, a.Offset, m.Perm())
	} else {
		line.Miss, line.Why = a.Miss.String(), a.Explain(l.session.Host)
	}
	return line.print(l.out, l.json)
}

// answerLine is the answer about one address, as lookup and query print it. The names of
// its fields are those of the JSON schema in docs/format.md.
type answerLine struct {
	PID       uint32 `json:"pid"`
	Address   string `json:"addr"`
	Path      string `json:"path,omitempty"`
	PathBytes []byte `json:"path_bytes,omitempty"` // base64, when Path is not UTF-8
	Offset    string `json:"offset,omitempty"`     // bytes into the file
	Start     string `json:"start,omitempty"`
	End       string `json:"end,omitempty"`
	Prot      string `json:"prot,omitempty"`
	Dev       string `json:"dev,omitempty"`
	Inode     uint64 `json:"inode,omitempty,string"`
	BuildID   string `json:"build_id,omitempty"`
	GoBuildID string `json:"go_build_id,omitempty"`
	GoBytes   []byte `json:"go_build_id_bytes,omitempty"`
	Deleted   bool   `json:"deleted,omitempty"`
	Uncertain bool   `json:"uncertain,omitempty"`
	Miss      string `json:"miss,omitempty"`
	Why       string `json:"why,omitempty"`
}

// hit fills in that f is mapped at [start, end), and at offset bytes into it what was asked.
func (a *answerLine) hit(f *replay.File, start, end, offset uint64, prot string) {
	a.Path, a.PathBytes = jsonName(f.Path)
	a.Offset, a.Start, a.End = hex(offset), hex(start), hex(end)
	a.Prot, a.Dev, a.Inode = prot, format.Device(f.Major, f.Minor), f.Inode
	a.BuildID, a.Deleted = f.BuildID.String(), f.Deleted
	a.GoBuildID, a.GoBytes = jsonName(f.GoBuildID)
}

func (a *answerLine) print(w io.Writer, asJSON bool) error {
	if asJSON {
		return writeJSON(w, a)
	}
	if a.Miss != "" {
		_, err := fmt.Fprintf(w, "%d:%s ? (%s)%s\n", a.PID, a.Address, a.Why, mark(a.Uncertain, " [uncertain]"))
		return err
	}
	name := a.Path
	if a.PathBytes != nil {
		name = string(a.PathBytes)
	}
	if name == "" {
		name = "[anonymous]"
	}
	id := ""
	switch {
	case a.BuildID != "":
		id = " build_id=" + a.BuildID
	case a.GoBuildID != "":
		id = " go_build_id=" + printable(a.GoBuildID)
	}
	_, err := fmt.Fprintf(w, "%d:%s %s+%s (%s-%s %s%s)%s%s\n", a.PID, a.Address, printable(name), a.Offset,
		a.Start, a.End, a.Prot, id, mark(a.Deleted, " (deleted)"), mark(a.Uncertain, " [uncertain]"))
	return err
}

func mark(set bool, text string) string {
	if set {
		return text
	}
	return ""
}

func hex(n uint64) string { return fmt.Sprintf("%#x", n) }
