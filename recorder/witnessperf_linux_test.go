package recorder

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/vmasnap/vmasnap/internal/need"
	"github.com/vmasnap/vmasnap/internal/testproc"
)

// perfEvent is one event of perf's side-band.
type perfEvent struct {
	time     uint64 // CLOCK_MONOTONIC ns
	kind     string // MMAP2, COMM, FORK, EXIT or LOST
	pid, tid uint32

	ppid, ptid uint32 // FORK
	comm       string // COMM
	exec       bool   // COMM

	// MMAP2 of executable code of a file.
	start, length, offset uint64
	major, minor          uint32
	inode                 uint64
	path                  string // with " (deleted)"
}

func (e *perfEvent) String() string {
	if e.kind == "MMAP2" {
		return fmt.Sprintf("process %d at %d: %x+%x %x %x:%x %d %q", e.pid, e.time, e.start, e.length, e.offset, e.major, e.minor, e.inode, e.path)
	}
	return fmt.Sprintf("%s of %d/%d at %d, parent %d/%d, %q", e.kind, e.pid, e.tid, e.time, e.ppid, e.ptid, e.comm)
}

// perfRecording is perf, recording the whole machine's side-band.
type perfRecording struct {
	*testproc.Process
	t    *testing.T
	perf string
	file string
}

// startPerf starts perf and waits until it records.
func startPerf(t *testing.T) *perfRecording {
	t.Helper()
	need.Root(t, "perf events of the machine")
	p := &perfRecording{t: t, perf: need.Tool(t, "perf"), file: filepath.Join(tempDir(t), "perf.data")}
	// perf starts what it is given once its events are enabled.
	cmd := exec.Command(p.perf, "record", "-q", "-a", "-e", "dummy:u", "-k", "CLOCK_MONOTONIC", "-m", "8M", "-B", "-N", "-o", p.file,
		"--", "sh", "-c", "echo ready; exec cat")
	p.Process = testproc.Start(t, cmd)
	if p.Line != "ready" {
		t.Fatalf("perf says %q", p.Line)
	}
	return p
}

// stop ends perf and returns its events.
func (p *perfRecording) stop() []perfEvent {
	p.t.Helper()
	p.End()
	cmd := exec.Command(p.perf, "script", "-i", p.file, "--ns", "-F", "pid,tid,time", "--show-mmap-events", "--show-task-events", "--show-lost-events")
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	if err != nil {
		p.t.Fatal(err)
	}
	var events []perfEvent
	for line := range bytes.Lines(text) {
		e, err := parsePerf(strings.TrimSuffix(string(line), "\n"))
		if err != nil {
			p.t.Fatalf("perf script says %q: %v", line, err)
		}
		if e.kind != "" {
			events = append(events, e)
		}
	}
	return events
}

var (
	perfLine = regexp.MustCompile(`^\s*-?\d+/-?\d+\s+(\d+)\.(\d{9}):\s+PERF_RECORD_(\w+)(.*)$`)
	perfPair = regexp.MustCompile(`^\((\d+):(\d+)\):\((\d+):(\d+)\)$`)
	perfComm = regexp.MustCompile(`^( exec)?: (.*):(\d+)/(\d+)$`)
	perfMmap = regexp.MustCompile(`^ (-?\d+)/(-?\d+): \[0x([0-9a-f]+)\(0x([0-9a-f]+)\) @ (?:0x)?([0-9a-f]+) ([0-9a-f]+):([0-9a-f]+) (\d+) \d+\]: (\S{4}) (.*)$`)
)

// parsePerf parses a line of perf script. An event that is of no interest has no kind.
func parsePerf(line string) (perfEvent, error) {
	var e perfEvent
	head := perfLine.FindStringSubmatch(line)
	if head == nil {
		return e, fmt.Errorf("no record")
	}
	var err error
	number := func(text string, base, bits int) uint64 {
		n, failed := strconv.ParseUint(text, base, bits)
		if failed != nil {
			err = failed
		}
		return n
	}
	pid := func(text string) uint32 { return uint32(number(text, 10, 32)) }
	e.time = number(head[1]+head[2], 10, 64)
	switch kind, rest := head[3], head[4]; kind {
	case "FORK", "EXIT":
		m := perfPair.FindStringSubmatch(rest)
		if m == nil {
			return e, fmt.Errorf("no tasks")
		}
		e.kind, e.pid, e.tid, e.ppid, e.ptid = kind, pid(m[1]), pid(m[2]), pid(m[3]), pid(m[4])
	case "COMM":
		m := perfComm.FindStringSubmatch(rest)
		if m == nil {
			return e, fmt.Errorf("no name")
		}
		e.kind, e.exec, e.comm, e.pid, e.tid = kind, m[1] != "", m[2], pid(m[3]), pid(m[4])
	case "MMAP2":
		m := perfMmap.FindStringSubmatch(rest)
		if m == nil {
			return e, fmt.Errorf("no mapping")
		}
		if m[9][2] != 'x' || m[10][0] != '/' || strings.HasPrefix(m[10], "//anon") || m[1] == "-1" {
			return e, nil
		}
		e.kind, e.pid, e.tid = kind, pid(m[1]), pid(m[2])
		e.start, e.length, e.offset = number(m[3], 16, 64), number(m[4], 16, 64), number(m[5], 16, 64)
		e.major, e.minor, e.inode, e.path = uint32(number(m[6], 16, 32)), uint32(number(m[7], 16, 32)), number(m[8], 10, 64), m[10]
	case "LOST", "LOST_SAMPLES":
		e.kind = "LOST"
	}
	return e, err
}
