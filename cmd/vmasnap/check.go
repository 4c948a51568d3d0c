package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/pflag"

	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/replay"
)

func checkCommand() command {
	return command{
		name:    "check",
		args:    "[FILE]",
		summary: "verify a recording, or hold it against the running machine",
		help: `Reads all of FILE and verifies its structure, checksums, order and counts; exit status 1 if
it is not sound, or if a walk found something else than what had been followed until then.
With --live every recorded process that still runs is walked again and
compared with what replaying the recording gives: missing mappings (only the machine has
them), extra ones (only the recording), and differing ones.`,
		setup: func(flags *pflag.FlagSet) action {
			live := flags.Bool("live", false, "compare with the running machine (on Linux)")
			list := flags.Int("limit", 20, "problems, losses and differences to list; 0 is all of them")
			return func(ctx context.Context, s *streams, args []string) error {
				name, err := oneFile(args)
				if err != nil {
					return err
				}
				if *list < 0 {
					return usageError("--limit %d: want 0 or more", *list)
				}
				out := bufio.NewWriter(s.out)
				rec, err := openRecording(s, name)
				if err != nil {
					if errors.Is(err, format.ErrCorrupt) || errors.Is(err, format.ErrTruncated) {
						fmt.Fprintf(out, "%s: %s: %s\n", printable(name), soundness(err), printable(err.Error()))
						return finish(out, &exitError{code: exitFound})
					}
					return err
				}
				defer rec.Close()
				problems := 0
				session := replay.Check(rec.Reader, func(p *replay.Problem) {
					if problems++; *list > 0 && problems > *list {
						return
					}
					fmt.Fprintf(out, "%s: %s: %s\n", printable(name), soundness(p), printable(p.Error()))
				})
				// The Reader says again what ended Check: the end, or a problem that has been told.
				if _, err := rec.Read(); !errors.Is(err, io.EOF) && !errors.Is(err, format.ErrCorrupt) && !errors.Is(err, format.ErrTruncated) {
					return finish(out, fmt.Errorf("read %s: %w", rec.name, err))
				}
				if *list > 0 && problems > *list {
					fmt.Fprintf(out, "%s: ... and %s more problems; --limit 0 shows all\n", printable(name), count(problems-*list))
				}
				if problems == 0 {
					st := &session.Stats
					fmt.Fprintf(out, "%s: sound: %s records, %s mappings, %d processes at the end, %s statements lost\n",
						printable(name), count(int(st.Records)), count(int(st.Mmaps)), session.Len(), count(int(st.Lost)))
					sum := session.Summary()
					for _, missing := range sum.Incomplete() {
						fmt.Fprintf(out, "%s: missing: %s\n", printable(name), missing)
					}
				}
				differs := checkFollowed(out, printable(name), session, *list)
				if *live {
					var now bool
					now, err = checkLive(ctx, out, session, *list)
					differs = differs || now
				}
				if err == nil && (problems > 0 || differs) {
					err = &exitError{code: exitFound}
				}
				return finish(out, err)
			}
		},
	}
}

// checkFollowed tells what was lost while changes were followed, and whether later walks found
// what had been followed. It reports whether they did not.
func checkFollowed(out io.Writer, name string, s *replay.Session, limit int) (drifted bool) {
	if s.Host == nil || s.Host.Hooks == format.HooksNone {
		return false
	}
	listed := func(n int) int {
		if limit > 0 {
			return min(n, limit)
		}
		return n
	}
	for i := range s.Losses[:listed(len(s.Losses))] {
		fmt.Fprintf(out, "%s: lost: %s\n", name, lossText(&s.Losses[i], s.Host))
	}
	if more := int(s.Stats.LossWindows) - listed(len(s.Losses)); more > 0 {
		fmt.Fprintf(out, "%s: lost: ... and in %s more windows of time\n", name, count(more))
	}
	for i := range s.Drifts[:listed(len(s.Drifts))] {
		fmt.Fprintln(out, driftLine(&s.Drifts[i], s.Host))
	}
	fmt.Fprintf(out, "%s: followed: %s; %s\n", name, followedText(&s.Stats), driftText(&s.Stats))
	return s.Stats.Drift > 0
}

// soundness puts a verdict into words: a recorder that was killed leaves a truncated file,
// which is good up to the cut.
func soundness(err error) string {
	if errors.Is(err, format.ErrTruncated) {
		return "truncated"
	}
	return "not sound"
}
