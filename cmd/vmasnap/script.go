package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/vmasnap/vmasnap/format"
)

func scriptCommand() command {
	return command{
		name:    "script",
		args:    "[FILE]",
		summary: "print every record as text or as JSON lines",
		help: `Prints the records of FILE (vmasnap.data; "-" is standard input) in their order, one a
line. The text form can be read back by the Go packages; both are described in
docs/format.md. A recording that was cut off is printed up to the cut.

--time prints the records of that time, the host before them, and the losses that were noticed
later but began before its end. ` + aboutTimes,
		setup: func(flags *pflag.FlagSet) action {
			form := flags.StringP("format", "f", "text", "text or jsonl")
			var pids pidsFlag
			flags.VarP(&pids, "pid", "p", "only records of these processes")
			var span momentFlag
			flags.Var(&span, "time", "only records of this `RANGE` of time, A..B")
			types := flags.StringSlice("type", nil, "only records of these types: host, process, mmap, ...")
			return func(_ context.Context, s *streams, args []string) error {
				name, err := oneFile(args)
				if err != nil {
					return err
				}
				appendRecord := format.AppendText
				switch *form {
				case "text":
				case "jsonl":
					appendRecord = format.AppendJSON
				default:
					return usageError("--format %q: want text or jsonl", *form)
				}
				wanted, err := parseTypes(*types)
				if err != nil {
					return err
				}
				if flags.Changed("type") && len(wanted) == 0 {
					return usageError("--type: want at least one type")
				}
				keep := func(r format.Record) bool {
					return (len(pids) == 0 || slices.Contains(pids, r.Head().PID)) &&
						(len(wanted) == 0 || slices.Contains(wanted, r.Type()))
				}
				var records iter.Seq2[format.Record, error]
				var damage error // elsewhere in the recording
				if flags.Changed("time") {
					l, err := openLibrary(s, name)
					if err != nil {
						return err
					}
					defer l.Close()
					damage = l.Damage()
					if records, err = l.between(string(span)); err != nil {
						return err
					}
				} else {
					rec, err := openRecording(s, name)
					if err != nil {
						return err
					}
					defer rec.Close()
					records = rec.All()
				}
				out := bufio.NewWriterSize(s.out, 1<<16)
				err = printRecords(out, name, records, keep, appendRecord)
				if err == nil && damage != nil {
					err = told()
				}
				return finish(out, err)
			}
		},
	}
}

func printRecords(w io.Writer, name string, records iter.Seq2[format.Record, error], keep func(format.Record) bool, appendRecord func([]byte, format.Record) []byte) error {
	var line []byte
	for r, err := range records {
		if err != nil {
			return fmt.Errorf("read %s: %w", label(name), err)
		}
		if !keep(r) {
			continue
		}
		line = append(appendRecord(line[:0], r), '\n')
		if _, err := w.Write(line); err != nil {
			return outputError(err)
		}
	}
	return nil
}

// parseTypes translates record type names.
func parseTypes(names []string) ([]format.Type, error) {
	types := make([]format.Type, 0, len(names))
	for _, name := range names {
		t, err := format.ParseType(strings.TrimSpace(name))
		if err != nil {
			return nil, usageError("--type: %w", err)
		}
		types = append(types, t)
	}
	return types, nil
}
