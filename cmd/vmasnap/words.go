package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// This file puts quantities into words.

// count groups digits: 12,345.
func count(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// bytesOf uses binary units: 4.2 KiB.
func bytesOf(n uint64) string {
	if n < 1024 {
		return fmt.Sprintf("%d bytes", n)
	}
	value, units := float64(n), "KMGTPE"
	unit := 0
	for value /= 1024; value >= 1024; value /= 1024 {
		unit++
	}
	return fmt.Sprintf("%.1f %ciB", value, units[unit])
}

// roundDuration keeps three digits or so.
func roundDuration(d time.Duration) time.Duration {
	switch {
	case d >= 10*time.Second:
		return d.Round(100 * time.Millisecond)
	case d >= time.Second:
		return d.Round(10 * time.Millisecond)
	case d >= time.Millisecond:
		return d.Round(100 * time.Microsecond)
	}
	return d.Round(time.Microsecond)
}

// tally lists how often each outcome occurred, in the order of the outcomes: "12 complete,
// 3 denied".
func tally[K interface {
	cmp.Ordered
	fmt.Stringer
}](counts map[K]int) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(counts)) {
		if counts[k] > 0 {
			parts = append(parts, fmt.Sprintf("%s %s", count(counts[k]), k))
		}
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// mark is text that is there if set.
func mark(set bool, text string) string {
	if set {
		return text
	}
	return ""
}

// hex is how addresses and offsets are written.
func hex(n uint64) string { return string(appendHex(nil, n)) }

// plural is a number of things: 1 process, 2 processes.
func plural(n int, thing string) string {
	switch {
	case n == 1:
	case strings.HasSuffix(thing, "s"):
		thing += "es"
	default:
		thing += "s"
	}
	return count(n) + " " + thing
}
