package main

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/vmasnap/vmasnap/replay"
)

// question asks what was mapped at an address.
type question struct {
	pid     uint32
	outside bool // time is not the recording's
	addr    uint64
	time    uint64 // CLOCK_MONOTONIC ns; 0 = that of --at
}

// questions parses the lines that ask.
type questions struct {
	timeline *replay.Timeline
	fields   []string // of a line: pid, addr, time, or _ for one that says nothing; nil: see parse
}

// setFields takes the value of --fields.
func (q *questions) setFields(names []string) error {
	for i, name := range names {
		if !slices.Contains([]string{"pid", "addr", "time", "_"}, name) {
			return usageError("--fields %q: want pid, addr, time, and _ for what says nothing", name)
		}
		if name != "_" && slices.Contains(names[:i], name) {
			return usageError("--fields: %s is there twice", name)
		}
	}
	if names != nil && !(slices.Contains(names, "pid") && slices.Contains(names, "addr")) {
		return usageError("--fields %s: want pid and addr among them", strings.Join(names, ","))
	}
	q.fields = names
	return nil
}

// parse parses PID:ADDR[@TIME], PID ADDR [TIME], or the fields that were asked for.
func (q *questions) parse(whole []byte) (question, error) {
	line := whole
	var pid, addr, at []byte
	if q.fields == nil {
		if p, rest, ok := bytes.Cut(line, colon); ok && bytes.IndexByte(p, ' ') < 0 && bytes.IndexByte(p, '\t') < 0 {
			pid = p
			addr, at, ok = bytes.Cut(rest, atSign)
			if at = bytes.TrimSpace(at); ok && len(at) == 0 {
				return question{}, fmt.Errorf("%q: want a time behind the @", whole)
			}
			return q.convert(pid, bytes.TrimSpace(addr), at)
		}
	}
	n := 0
	for rest := line; ; n++ {
		rest = bytes.TrimLeft(rest, " \t")
		if len(rest) == 0 {
			break
		}
		end := bytes.IndexAny(rest, " \t")
		if end < 0 {
			end = len(rest)
		}
		switch q.field(n) {
		case "pid":
			pid = rest[:end]
		case "addr":
			addr = rest[:end]
		case "time":
			at = rest[:end]
		}
		rest = rest[end:]
	}
	switch {
	case q.fields != nil && n != len(q.fields):
		return question{}, fmt.Errorf("%q has %d fields, and --fields names %d", whole, n, len(q.fields))
	case q.fields == nil && n != 2 && n != 3:
		return question{}, fmt.Errorf("%q: want PID:ADDR, PID:ADDR@TIME, PID ADDR or PID ADDR TIME", whole)
	}
	return q.convert(pid, addr, at)
}

var colon, atSign = []byte(":"), []byte("@")

// field names the field of that number.
func (q *questions) field(n int) string {
	switch {
	case q.fields != nil && n < len(q.fields):
		return q.fields[n]
	case q.fields == nil && n < 3:
		return [...]string{"pid", "addr", "time"}[n]
	}
	return "_"
}

func (q *questions) convert(pid, addr, at []byte) (question, error) {
	var x question
	var err error
	if x.pid, err = parsePIDBytes(pid); err != nil {
		return question{}, err
	}
	if x.addr, err = parseAddressBytes(addr); err != nil {
		return question{}, err
	}
	if len(at) == 0 {
		return x, nil
	}
	x.time, x.outside, err = q.timeOf(bytes.TrimSuffix(at, colon)) // perf script puts one behind its times
	return x, err
}

// timeOf parses a time. That the recording has none of it is no error: the other questions have
// answers.
func (q *questions) timeOf(at []byte) (t uint64, outside bool, err error) {
	if t, ok := parseDigits(at); ok && t >= q.timeline.Start && t <= q.timeline.End {
		return t, false, nil
	}
	return q.timeline.Locate(string(at))
}

// parseDigits parses a number without allocating anything.
func parseDigits(b []byte) (n uint64, ok bool) {
	if len(b) == 0 || len(b) > 19 {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + uint64(c-'0')
	}
	return n, true
}

func parsePIDBytes(b []byte) (uint32, error) {
	if n, ok := parseDigits(b); ok && n < 1<<31 { // perf's samples have 0, which is the idle task
		return uint32(n), nil
	}
	if n, err := strconv.ParseUint(string(b), 10, 31); err == nil {
		return uint32(n), nil // with more zeros than anybody writes
	}
	return parsePID(string(b))
}

func parseAddressBytes(b []byte) (n uint64, err error) {
	hex := b
	if len(hex) > 2 && hex[0] == '0' && (hex[1] == 'x' || hex[1] == 'X') {
		hex = hex[2:]
	}
	if len(hex) == 0 || len(hex) > 16 {
		return parseAddress(string(b))
	}
	for _, c := range hex {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return parseAddress(string(b))
		}
		n = n<<4 | uint64(c)
	}
	return n, nil
}
