package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// progress draws a bar on standard error while a snapshot is taken, if that is a terminal
// and the snapshot takes long enough to be waited for.
type progress struct {
	w     io.Writer // nil: draw nothing
	begun time.Time
	last  time.Time
	drawn bool
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

// clear removes the bar.
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
