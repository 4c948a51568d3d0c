package replay

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"
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

// FuzzTimeline: what is understood is a time of the recording or outside of it, and each way to write
// a time of it down is read as that time.
func FuzzTimeline(f *testing.F) {
	wall := uint64(time.Date(2026, 11, 20, 18, 0, 0, 0, time.UTC).UnixNano())
	for _, text := range []string{
		"start", "+1.5s", "-2s", "12.5%", "2026-11-20T19:00:03.25+01:00", "7000000001", "7.000001", "+1s..-2s", "..", "99999999999999999999", "-",
	} {
		f.Add(text, uint64(5e9), uint64(10e9), uint64(4e9), wall, uint64(2e9+1))
	}
	f.Fuzz(func(t *testing.T, text string, start, span, monotonic, wall, at uint64) {
		l := Timeline{Start: start, End: start + min(span, ^start), Clocks: format.Clocks{Monotonic: monotonic, Realtime: wall}}
		span = l.End - l.Start
		got, err := l.Parse(text)
		where, outside, bad := l.Locate(text)
		if (err == nil) != (bad == nil && !outside) || outside != errors.Is(err, ErrOutside) || err == nil && got != where {
			t.Fatalf("%q of %s: %d, %v; but %d, %t, %v", text, &l, got, err, where, outside, bad)
		}
		if bad == nil && outside != (where < l.Start || where > l.End) {
			t.Fatalf("%q of %s: %d, outside %t", text, &l, where, outside)
		}
		if from, to, err := l.ParseRange(text); err == nil && (from < l.Start || from > to || to > l.End) {
			t.Fatalf("%q of %s: %d to %d", text, &l, from, to)
		}
		at = l.Start + at%max(span, 1)
		forms := []string{strconv.FormatUint(at, 10)}
		if at/1e9 < math.MaxUint64/1_000_000_000 {
			forms = append(forms, fmt.Sprintf("%d.%09d", at/1e9, at%1e9))
		}
		if d := time.Duration(at - l.Start); d >= 0 {
			forms = append(forms, "+"+d.String())
		}
		if d := time.Duration(l.End - at); d >= 0 {
			forms = append(forms, "-"+d.String())
		}
		since := int64(at - monotonic)
		if now := int64(wall) + since; wall != 0 && int64(wall) > 0 && (since >= 0) == (at >= monotonic) && (now >= int64(wall)) == (since >= 0) {
			forms = append(forms, l.Wall(at).Format(time.RFC3339Nano))
		}
		for _, form := range forms {
			if got, err := l.Parse(form); err != nil || got != at {
				t.Fatalf("%q of %s: %d, %v, want %d", form, &l, got, err, at)
			}
			if from, to, err := l.ParseRange(form + ".." + forms[0]); err != nil || from != at || to != at {
				t.Fatalf("%q of %s to itself: %d to %d, %v", form, &l, from, to, err)
			}
		}
		for _, percent := range []uint64{0, 1 + at%99, 100} {
			hi, lo := bits.Mul64(span, percent)
			part, _ := bits.Div64(hi, lo, 100)
			want, slack := l.Start+part, 1+span>>50
			if percent == 0 || percent == 100 {
				slack = 0
			}
			got, err := l.Parse(fmt.Sprintf("%d%%", percent))
			if err != nil || max(got, want)-min(got, want) > slack {
				t.Fatalf("%d%% of %s: %d, %v, want %d", percent, &l, got, err, want)
			}
		}
	})
}
