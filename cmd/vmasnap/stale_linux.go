package main

import (
	"context"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/procmap"
	"github.com/vmasnap/vmasnap/recorder"
	"github.com/vmasnap/vmasnap/replay"
)

// snapshotNow takes a snapshot of this machine, into memory.
func snapshotNow(ctx context.Context, pids []uint32) (*replay.Session, error) {
	var o recorder.Options
	for _, pid := range pids {
		o.PIDs = append(o.PIDs, int(pid))
	}
	rec, err := recorder.New(o)
	if err != nil {
		return nil, notPermitted(err)
	}
	defer rec.Close()
	s := replay.NewSession()
	s.Apply(rec.Host())
	_, err = rec.Run(ctx, recorder.SinkFunc(func(r format.Record) error {
		s.Apply(r)
		return nil
	}))
	if err != nil {
		return nil, notPermitted(err)
	}
	s.Apply(&format.End{})
	return s, nil
}

// thisBoot reports whether a recording is of this machine, as it has been running since.
func thisBoot(h *format.Host) bool {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return err == nil && h != nil && h.BootID != "" && strings.TrimSpace(string(id)) == h.BootID
}

// stillThere reports whether the process lives.
func stillThere(p *replay.Process) bool {
	q, err := procmap.OpenProcess("/proc", int(p.PID))
	if err != nil {
		return false
	}
	defer q.Close()
	var i procmap.Info
	return q.Info(&i) == nil && (p.StartTime == 0 || i.StartTime == p.StartTime)
}

func inodeOf(info fs.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Ino
	}
	return 0
}
