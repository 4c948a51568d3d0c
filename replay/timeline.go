package replay

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/vmasnap/vmasnap/format"
)

// Timeline translates what people call a time into the time of a recording's records,
// CLOCK_MONOTONIC ns, and back.
type Timeline struct {
	Start, End uint64        // the recording's, CLOCK_MONOTONIC ns
	Clocks     format.Clocks // a reading of all clocks, by the recorder
}

// Timeline returns that of the recording.
func (r *Recording) Timeline() Timeline {
	return Timeline{Start: r.Start(), End: r.End(), Clocks: r.host.Clocks}
}

// ErrOutside: the recording is of another time. Its message says of which.
var ErrOutside = errors.New("outside of the recording")

// Parse returns the time that text names: "start", "end", "+1.5s" since the start, "-2s" before
// the end, "50%" of the way, RFC 3339 as in "2026-11-20T18:00:00.5Z", or CLOCK_MONOTONIC in ns or,
// with a point as in "1234.567890", in seconds. Where the recording does not have it the error is
// ErrOutside.
func (l *Timeline) Parse(text string) (uint64, error) {
	t, outside, err := l.Locate(text)
	if outside {
		return 0, fmt.Errorf("time %q: %w, which is of %s", text, ErrOutside, l)
	}
	return t, err
}

// Locate is Parse for those who go on where a time is outside of the recording.
func (l *Timeline) Locate(text string) (t uint64, outside bool, err error) {
	if t, err = l.parse(text); err != nil {
		return 0, false, fmt.Errorf("time %q: %w", text, err)
	}
	return t, t < l.Start || t > l.End, nil
}

// ParseRange returns the times that text, "A..B", names: each as Parse has it, where nothing is
// the start or the end. What the recording does not have of it is left out; ErrOutside says that
// nothing is left.
func (l *Timeline) ParseRange(text string) (from, to uint64, err error) {
	a, b, ok := strings.Cut(text, "..")
	if !ok {
		return 0, 0, fmt.Errorf("time %q: want a range A..B", text)
	}
	from, to = l.Start, l.End
	if a != "" {
		from, err = l.parse(a)
	}
	if b != "" && err == nil {
		to, err = l.parse(b)
	}
	switch {
	case err != nil:
		return 0, 0, fmt.Errorf("time %q: %w", text, err)
	case from > to:
		return 0, 0, fmt.Errorf("time %q: the end is %s before the beginning", text, time.Duration(from-to))
	case from > l.End || to < l.Start:
		return 0, 0, fmt.Errorf("time %q: %w, which is of %s", text, ErrOutside, l)
	}
	return max(from, l.Start), min(to, l.End), nil
}

// parse does not look whether the recording has the time.
func (l *Timeline) parse(text string) (uint64, error) {
	switch {
	case text == "start":
		return l.Start, nil
	case text == "end":
		return l.End, nil
	case strings.HasPrefix(text, "+"), strings.HasPrefix(text, "-"):
		return l.relative(text)
	case strings.HasSuffix(text, "%"):
		p, err := strconv.ParseFloat(strings.TrimSuffix(text, "%"), 64)
		if err != nil || !(p >= 0 && p <= 100) {
			return 0, errors.New("want a number from 0 to 100 before the %")
		}
		return l.Start + share(l.End-l.Start, p/100), nil
	case digits(text):
		ns, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return 0, errors.New("more ns than 64 bits hold")
		}
		if s := ns * 1_000_000_000; ns < l.Start && s/1_000_000_000 == ns && s+1_000_000_000 > l.Start && s <= l.End {
			return 0, fmt.Errorf("a number alone is ns, and of that time the recording has nothing: want %[1]d.0 for seconds", ns)
		}
		return ns, nil
	}
	if s, fraction, ok := strings.Cut(text, "."); ok && digits(s) && digits(fraction) {
		return seconds(s, fraction)
	}
	wall, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return 0, errors.New("want +1.5s, -2s, 50%, start, end, 2026-11-20T18:00:00Z, or CLOCK_MONOTONIC in ns or as 1234.567890 s")
	}
	if l.Clocks.Realtime == 0 {
		return 0, errors.New("the recording does not say what time of the day it was: use +1.5s, -2s or 50%")
	}
	ns := wall.Sub(time.Unix(0, int64(l.Clocks.Realtime)))
	return add(l.Clocks.Monotonic, ns), nil
}

// share returns that part of span, from 0 to 1. Of one that a float64 does not hold, the whole is no
// more than the span.
func share(span uint64, part float64) uint64 {
	if x := part * float64(span); x < float64(span) {
		return uint64(x)
	}
	return span
}

// seconds parses a time in seconds, as perf script prints it.
func seconds(whole, fraction string) (uint64, error) {
	s, err := strconv.ParseUint(whole, 10, 64)
	if err != nil || s >= math.MaxUint64/1_000_000_000 || len(fraction) > 9 {
		return 0, errors.New("want seconds of CLOCK_MONOTONIC with up to 9 digits behind the point")
	}
	ns, err := strconv.ParseUint((fraction + "000000000")[:9], 10, 64)
	return s*1_000_000_000 + ns, err
}

// relative parses a time relative to the start or the end.
func (l *Timeline) relative(text string) (uint64, error) {
	d, err := time.ParseDuration(text[1:])
	if err != nil || d < 0 {
		return 0, fmt.Errorf("want a number with a unit behind the %c, as in %[1]c1.5s, %[1]c200ms, %[1]c2m", text[0])
	}
	if text[0] == '+' {
		return add(l.Start, d), nil
	}
	return add(l.End, -d), nil
}

// add adds ns to a time without going over either end.
func add(t uint64, d time.Duration) uint64 {
	switch {
	case d < 0 && uint64(-d) > t:
		return 0
	case d > 0 && uint64(d) > math.MaxUint64-t:
		return math.MaxUint64
	}
	return t + uint64(d)
}

func digits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// Wall returns the wall-clock time of t in UTC, by the one reading of the clocks: if the clock was
// set afterwards it says what it would have shown. It is the zero time if there is none.
func (l *Timeline) Wall(t uint64) time.Time {
	if l.Clocks.Realtime == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(l.Clocks.Realtime)+int64(t-l.Clocks.Monotonic)).UTC()
}

// String says of what time the recording is.
func (l *Timeline) String() string {
	const layout = "2006-01-02T15:04:05.000Z07:00"
	lasts := time.Duration(l.End - l.Start).Round(time.Millisecond)
	if l.Clocks.Realtime == 0 {
		return fmt.Sprintf("%d to %d ns (+%s)", l.Start, l.End, lasts)
	}
	return fmt.Sprintf("%s to %s (+%s)", l.Wall(l.Start).Format(layout), l.Wall(l.End).Format(layout), lasts)
}
