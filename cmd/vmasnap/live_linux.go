package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/procmap"
	"github.com/vmasnap/vmasnap/recorder"
	"github.com/vmasnap/vmasnap/replay"
)

// checkLive walks every recorded process that still runs and prints how the machine differs
// from the recording's last state.
func checkLive(ctx context.Context, out io.Writer, recorded *replay.Session, limit int) (differs bool, err error) {
	now, err := liveState(ctx, recorded)
	if err != nil {
		return false, err
	}
	var compared, mappings, gone, skipped int
	var verdicts [4]int
	listed := 0
	for p := range recorded.Processes() {
		if !p.Known {
			skipped++
			continue
		}
		if p.Status() == format.WalkKernelThread || p.Status() == format.WalkZombie {
			continue
		}
		live := now.Process(p.PID)
		if live == nil || live.StartTime != p.StartTime || live.Status() == format.WalkZombie {
			gone++
			continue
		}
		if !live.Known {
			skipped++
			fmt.Fprintf(out, "process %d %s: not compared: walk %s\n", p.PID, printable(p.Comm), live.Status())
			continue
		}
		compared++
		mappings += live.Space.Len()
		for _, d := range replay.Compare(p.Space, live.Space) {
			verdicts[d.Verdict]++
			if listed++; limit == 0 || listed <= limit {
				fmt.Fprintf(out, "process %d %s: %s\n", p.PID, printable(p.Comm), describe(&d, "recorded", "now"))
			}
		}
	}
	if limit > 0 && listed > limit {
		fmt.Fprintf(out, "... and %s more differences; --limit 0 shows all\n", count(listed-limit))
	}
	fmt.Fprintf(out, "live: %d processes compared, %s mappings: %d missing, %d extra, %d differing, %d renamed or unlinked since; %d processes gone, %d not comparable\n",
		compared, count(mappings), verdicts[replay.Missing], verdicts[replay.Extra], verdicts[replay.Differs], verdicts[replay.Renamed], gone, skipped)
	return verdicts[replay.Missing]+verdicts[replay.Extra]+verdicts[replay.Differs] > 0, nil
}

// liveState takes a snapshot of the recorded processes, asking for the same kinds of VMAs,
// and applies it: the machine's state in the recording's terms. Another machine is an error.
func liveState(ctx context.Context, recorded *replay.Session) (*replay.Session, error) {
	c := recorded.Host.Content
	o := recorder.Options{
		BuildID:  procmap.BuildIDMode(recorded.Host.BuildID),
		AllFile:  c&format.ContentDataFile != 0,
		AnonExec: c&format.ContentAnonExec != 0,
		VDSO:     c&format.ContentVDSO != 0,
		PIDs:     []int{},
	}
	for p := range recorded.Processes() {
		o.PIDs = append(o.PIDs, int(p.PID))
	}
	rec, err := recorder.New(o)
	if err != nil {
		return nil, notPermitted(err)
	}
	if was, is := recorded.Host.BootID, rec.Host().BootID; was != "" && is != "" && was != is {
		return nil, errors.New("the recording is of another machine, or from before a restart: boot IDs differ")
	}
	ctx, stop := interruptible(ctx)
	defer stop()
	state := replay.NewSession()
	if _, err := rec.Run(ctx, recorder.SinkFunc(func(r format.Record) error { state.Apply(r); return nil })); err != nil {
		return nil, fmt.Errorf("walk the running processes: %w", err)
	}
	return state, nil
}
