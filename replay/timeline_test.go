package replay

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/vmasnap/vmasnap/format"
)

func TestTimeline(t *testing.T) {
	wall := time.Date(2026, 11, 20, 18, 0, 0, 0, time.UTC)
	l := Timeline{Start: 5e9, End: 15e9, Clocks: format.Clocks{Monotonic: 4e9, Realtime: uint64(wall.UnixNano())}}
	for _, test := range []struct {
		text string
		want uint64
		err  string // what the error says
	}{
		{"start", 5e9, ""}, {"end", 15e9, ""}, {"+1.5s", 6.5e9, ""}, {"-2s", 13e9, ""}, {"+0s", 5e9, ""}, {"-250ms", 14.75e9, ""},
		{"50%", 10e9, ""}, {"0%", 5e9, ""}, {"100%", 15e9, ""}, {"12.5%", 6.25e9, ""},
		{"2026-11-20T18:00:03Z", 7e9, ""}, {"2026-11-20T19:00:03.25+01:00", 7.25e9, ""}, {"7000000001", 7_000_000_001, ""},
		{"7.000001", 7_000_001_000, ""}, {"14.5", 14.5e9, ""}, {"4.0", 0, "outside"}, {"7.1234567890", 0, "9 digits"}, {"99999999999999.0", 0, "behind the point"},
		{"+11s", 0, "outside of the recording, which is of 2026-11-20T18:00:01.000Z to 2026-11-20T18:00:11.000Z (+10s)"},
		{"-11s", 0, "outside"}, {"-10h", 0, "outside"}, {"+400000h", 0, "outside"}, {"+4000000h", 0, "want a number with a unit"}, {"2026-11-20T18:00:00Z", 0, "outside"},
		{"1970-01-01T00:00:00Z", 0, "outside"}, {"9999-01-01T00:00:00Z", 0, "outside"}, {"1", 0, "outside"},
		{"99999999999999999999", 0, "64 bits"}, {"101%", 0, "0 to 100"}, {"NaN%", 0, "0 to 100"}, {"-1%", 0, "unit"}, {"x%", 0, "0 to 100"},
		{"+5", 0, "as in +1.5s"}, {"-", 0, "unit behind the -"}, {"+-1s", 0, "unit"}, {"", 0, "want +1.5s"}, {"noon", 0, "want +1.5s"},
		{"2026-11-20 18:00:03", 0, "2026-11-20T18:00:00Z"},
	} {
		got, err := l.Parse(test.text)
		if got != test.want || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%q: %d, %v, want %d, %q", test.text, got, err, test.want, test.err)
		}
		if errors.Is(err, ErrOutside) != strings.HasPrefix(test.err, "outside") {
			t.Errorf("%q: %v", test.text, err)
		}
	}
	for _, test := range []struct {
		text     string
		from, to uint64
		err      string
	}{
		{"+1s..+2s", 6e9, 7e9, ""}, {"..", 5e9, 15e9, ""}, {"..50%", 5e9, 10e9, ""}, {"-1s..", 14e9, 15e9, ""}, {"start..end", 5e9, 15e9, ""},
		{"2026-11-20T17:00:00Z..2026-11-20T18:00:02Z", 5e9, 6e9, ""}, {"+9s..+99s", 14e9, 15e9, ""}, {"+1s..+1s", 6e9, 6e9, ""},
		{"+2s..+1s", 0, 0, "1s before"}, {"+1s", 0, 0, "A..B"}, {"+20s..+30s", 0, 0, "outside"}, {"x..+1s", 0, 0, "want +1.5s"}, {"+1s..x", 0, 0, "want +1.5s"},
	} {
		from, to, err := l.ParseRange(test.text)
		if from != test.from || to != test.to || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%q: %d to %d, %v, want %d to %d, %q", test.text, from, to, err, test.from, test.to, test.err)
		}
	}
	if got := l.Wall(7.5e9); !got.Equal(wall.Add(3500 * time.Millisecond)) {
		t.Errorf("wall clock %v", got)
	}
	l.Clocks = format.Clocks{}
	if _, err := l.Parse("2026-11-20T18:00:03Z"); err == nil || !strings.Contains(err.Error(), "time of the day") {
		t.Error(err)
	}
	if got := l.String(); got != "5000000000 to 15000000000 ns (+10s)" || !l.Wall(7e9).IsZero() {
		t.Errorf("%s, %v", got, l.Wall(7e9))
	}
}
