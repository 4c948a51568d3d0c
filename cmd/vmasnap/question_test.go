package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/vmasnap/vmasnap/replay"
)

// parseSlowly is what questions.parse says that it does, without its haste.
func parseSlowly(q *questions, line string) (x question, err error) {
	fields := strings.FieldsFunc(line, func(c rune) bool { return c == ' ' || c == '\t' })
	names := q.fields
	if names == nil {
		names = []string{"pid", "addr", "time"}[:min(max(len(fields), 2), 3)]
		if pid, rest, ok := strings.Cut(line, ":"); ok && !strings.ContainsAny(pid, " \t") {
			addr, at, ok := strings.Cut(rest, "@")
			if ok && strings.TrimSpace(at) == "" {
				return x, errors.New("no time")
			}
			fields, names = []string{pid, strings.TrimSpace(addr), strings.TrimSpace(at)}, []string{"pid", "addr", "time"}
		}
	}
	if len(fields) != len(names) {
		return x, fmt.Errorf("%d fields", len(fields))
	}
	for i, text := range fields {
		switch names[i] {
		case "pid":
			var pid uint64
			pid, err = strconv.ParseUint(text, 10, 31)
			x.pid = uint32(pid)
		case "addr":
			x.addr, err = strconv.ParseUint(strings.TrimPrefix(strings.ToLower(text), "0x"), 16, 64)
		case "time":
			if text != "" {
				x.time, x.outside, err = q.timeline.Locate(strings.TrimSuffix(text, ":"))
			}
		}
		if err != nil {
			return x, err
		}
	}
	return x, nil
}

// FuzzQuestions: a line asks what it says, and each way to write a question down is read as that one.
func FuzzQuestions(f *testing.F) {
	for _, line := range []string{"12:7f00", "12:0x7f00@+1.5s", "12 7F00", "12\t 0X7f00  4.5:", "4.5: 12 7f00", "x 12 y 7f00", "12:7f00 @ 50%", "0:1", ":@", "99999999999:1"} {
		f.Add(line, byte(len(line)), uint32(12), uint64(0x7f00), uint64(4e9))
	}
	f.Fuzz(func(t *testing.T, line string, form byte, pid uint32, addr, at uint64) {
		q := questions{timeline: &replay.Timeline{Start: 2e9, End: 9e9}}
		if err := q.setFields([][]string{nil, {"pid", "time", "addr"}, {"_", "pid", "_", "addr"}}[form%3]); err != nil {
			t.Fatal(err)
		}
		got, err := q.parse([]byte(line))
		want, bad := parseSlowly(&q, line)
		if (err == nil) != (bad == nil) || err == nil && got != want {
			t.Fatalf("%q as %q: %+v, %v; want %+v, %v", line, q.fields, got, err, want, bad)
		}
		if at < 10 {
			at += 10 // those below would be seconds that the recording has
		}
		want = question{pid: pid % (1 << 31), addr: addr, time: at, outside: at < 2e9 || at > 9e9}
		q.fields = nil
		for _, form := range []string{"%d:%x@%d", "%d:%#x@%d", "%d %X %d", " %d\t%#X  %d:", "%d:%016x @ %d:"} {
			line := fmt.Sprintf(form, want.pid, want.addr, want.time)
			if got, err := q.parse([]byte(line)); err != nil || got != want {
				t.Fatalf("%q: %+v, %v, want %+v", line, got, err, want)
			}
		}
	})
}
