package recorder

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/replay"
)

// logged is a step of a process that logs what it does: see testdata/trouble/log.c.
type logged struct {
	before, after uint64 // CLOCK_MONOTONIC ns
	pid           uint32
	name          string
	lo, hi        uint64 // what it touched
	result        int64
	mapped        []replay.Mapping // in [lo, hi) afterwards; not clipped to it
}

// blink is a process that was there for a moment.
type blink struct {
	before, after uint64 // its birth, and its end
	pid           uint32
	way           string
}

// troubleLog is one log.
type troubleLog struct {
	steps  []logged
	blinks []blink
}

// readTroubleLog parses a log of the program of testdata/trouble.
func readTroubleLog(t testing.TB, name string) *troubleLog {
	t.Helper()
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	l := new(troubleLog)
	in := bufio.NewScanner(file)
	for in.Scan() {
		if err := l.parse(in.Text()); err != nil {
			t.Fatalf("%s: parse %q: %v", name, in.Text(), err)
		}
	}
	if err := in.Err(); err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *troubleLog) parse(line string) error {
	kind, rest, _ := strings.Cut(line, " ")
	switch kind {
	case "S":
		var s logged
		_, err := fmt.Sscanf(rest, "%d %d %d %s %x %x %d", &s.before, &s.after, &s.pid, &s.name, &s.lo, &s.hi, &s.result)
		l.steps = append(l.steps, s)
		return err
	case "B":
		var b blink
		_, err := fmt.Sscanf(rest, "%d %d %d %s", &b.before, &b.after, &b.pid, &b.way)
		l.blinks = append(l.blinks, b)
		return err
	case "M":
		m, err := parseMapped(rest)
		last := &l.steps[len(l.steps)-1]
		last.mapped = append(last.mapped, m)
		return err
	}
	return fmt.Errorf("line of kind %q", kind)
}

// parseMapped parses what follows M: START END PERM OFFSET DEV INODE PATH.
func parseMapped(text string) (replay.Mapping, error) {
	m := replay.Mapping{File: new(replay.File), Flags: format.MapPrivate, Kind: format.ContentExecFile}
	words := strings.SplitN(text, " ", 7)
	if len(words) != 7 {
		return m, fmt.Errorf("%d words", len(words))
	}
	_, err := fmt.Sscanf(strings.Join(words[:6], " "), "%x %x %s %x %x:%x %d",
		&m.Start, &m.End, new(string), &m.Offset, &m.File.Major, &m.File.Minor, &m.File.Inode)
	m.File.Path, m.File.Deleted = strings.CutSuffix(words[6], " (deleted)")
	for i, bit := range []format.Prot{format.ProtRead, format.ProtWrite, format.ProtExec} {
		if words[2][i] != '-' {
			m.Prot |= bit
		}
	}
	if words[2][3] == 's' {
		m.Flags = format.MapShared
	}
	return m, err
}

// apply brings a space that is as it was before the step to what it was after it.
func (s *logged) apply(space *replay.Space) {
	space.Clear(s.lo, s.hi)
	for _, m := range s.mapped {
		space.Set(m)
	}
}
