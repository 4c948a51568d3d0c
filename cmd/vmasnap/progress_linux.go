package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vmasnap/vmasnap/recorder"
)

// progress draws a bar on standard error while a snapshot is taken, if that is a terminal
// and the snapshot takes long enough to be waited for, and then how following goes.
type progress struct {
	w     io.Writer // nil: draw nothing
	begun time.Time
	last  time.Time
	drawn bool

	events uint64 // at last
}

const (
	progressDelay    = 200 * time.Millisecond // before the bar appears
	progressInterval = 50 * time.Millisecond
)

func newProgress(w io.Writer, quiet bool) *progress {
	p := &progress{begun: time.Now()}
	if !quiet && isTerminal(w) {
		p.w = w
	}
	return p
}

func (p *progress) show(done, total int) {
	if p.w == nil {
		return
	}
	now := time.Now()
	if now.Sub(p.begun) < progressDelay || now.Sub(p.last) < progressInterval {
		return
	}
	p.last, p.drawn = now, true
	const width = 30
	full := width * done / max(total, 1)
	fmt.Fprintf(p.w, "\r[%s%s] %d of %d processes ", strings.Repeat("=", full), strings.Repeat(" ", width-full), done, total)
}

// status draws how a recording that follows goes, in one line.
func (p *progress) status(s recorder.Status, written uint64) {
	if p.w == nil {
		return
	}
	now := time.Now()
	rate := float64(s.Events-p.events) / max(now.Sub(p.last), time.Millisecond).Seconds()
	p.last, p.events, p.drawn = now, s.Events, true
	lost := count(int(s.Lost)) + " lost"
	if s.Uncertain {
		lost += ", repairing"
	}
	fmt.Fprintf(p.w, "\r[ %s: %s processes, %s mappings, %s events/s, %s, %s; Ctrl-C ends ]\x1b[K",
		now.Sub(p.begun).Round(time.Second), count(s.Processes), count(s.Mappings), count(int(rate)), lost, bytesOf(written))
}

// clear removes what was drawn.
func (p *progress) clear() {
	if p.drawn {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

// cpuTime is what this process has used so far, user and system.
func cpuTime() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
