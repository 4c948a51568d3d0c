package main

import (
	"context"
	"errors"
	"fmt"

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
				var err error
				if *asJSON {
					err = doctorJSON(s, findings)
				} else {
					err = doctorText(s, color.style(s.out), findings)
				}
				if err != nil {
					return outputError(err)
				}
				if !ready {
					return unsupported(errors.New("no snapshot is possible here"))
				}
				return nil
			}
		},
	}
}

func doctorText(s *streams, st style, findings []recorder.Finding) error {
	topic := ""
	for _, f := range findings {
		if f.Topic != topic {
			topic = f.Topic
			fmt.Fprintln(s.out, st.bold(map[string]string{
				"snapshot": "Taking a snapshot", "follow": "Following changes (not built in yet)"}[topic]))
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
		if _, err := fmt.Fprintf(s.out, "  %s  %-18s %s\n", verdict, f.Name, printable(f.Details)); err != nil {
			return err
		}
		if f.Remedy != "" {
			fmt.Fprintf(s.out, "           %-18s -> %s\n", "", f.Remedy)
		}
	}
	return nil
}

func doctorJSON(s *streams, findings []recorder.Finding) error {
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
	return writeJSON(s.out, rows)
}
