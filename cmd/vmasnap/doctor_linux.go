package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/pflag"

	"github.com/vmasnap/vmasnap/recorder"
)

func doctorCommand() command {
	return command{
		name:    "doctor",
		summary: "tell what works here, and what to grant or upgrade for the rest",
		help: `Tries on this machine, with these privileges, what taking a snapshot and following changes
need. Exit status 4 if not even a snapshot is possible.`,
		setup: func(flags *pflag.FlagSet) action {
			asJSON := flags.Bool("json", false, "print JSON")
			var color colorFlag
			color.declare(flags)
			return func(_ context.Context, s *streams, args []string) error {
				if len(args) > 0 {
					return usageError("takes no arguments, got %q", args[0])
				}
				findings, ready := recorder.Examine("")
				out := bufio.NewWriter(s.out)
				if *asJSON {
					if err := doctorJSON(out, findings); err != nil {
						return outputError(err)
					}
				} else {
					doctorText(out, color.style(s.out), findings)
				}
				if !ready {
					return finish(out, unsupported(errors.New("no snapshot is possible here")))
				}
				return finish(out, nil)
			}
		},
	}
}

// doctorText prints for people; out keeps the error.
func doctorText(out *bufio.Writer, st style, findings []recorder.Finding) {
	topic := ""
	for _, f := range findings {
		if f.Topic != topic {
			topic = f.Topic
			fmt.Fprintln(out, st.bold(map[string]string{
				"snapshot": "Taking a snapshot", "follow": "Following changes"}[topic]))
		}
		verdict := fmt.Sprintf("%-7s", f.Health)
		switch f.Health {
		case recorder.Works:
			verdict = st.good(verdict)
		case recorder.Limited:
			verdict = st.warn(verdict)
		case recorder.Missing:
			verdict = st.bad(verdict)
		}
		fmt.Fprintf(out, "  %s  %-18s %s\n", verdict, f.Name, printable(f.Details))
		if f.Remedy != "" {
			fmt.Fprintf(out, "           %-18s -> %s\n", "", f.Remedy)
		}
	}
}

func doctorJSON(w io.Writer, findings []recorder.Finding) error {
	type row struct {
		Topic   string `json:"topic"`
		Name    string `json:"name"`
		Health  string `json:"health"`
		Details string `json:"details"`
		Remedy  string `json:"remedy,omitempty"`
	}
	rows := make([]row, len(findings))
	for i, f := range findings {
		rows[i] = row{f.Topic, f.Name, f.Health.String(), f.Details, f.Remedy}
	}
	return writeJSON(w, rows)
}
