package format

import (
	"reflect"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestTextRoundTrip(t *testing.T) {
	for _, want := range samples() {
		line := AppendText(nil, want)
		got, err := ParseText(line)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got  %s\nwant %s", AppendText(nil, got), line)
		}
		if !utf8.Valid(line) || strings.ContainsFunc(string(line), func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q is not safe to print", line)
		}
	}
}

func TestTextIsCanonical(t *testing.T) {
	const want = `mmap time=123 pid=7 tid=8 start=0x7f1234560000 len=0x1000 pgoff=0x2000 dev=08:101 ino=9223372036854775809 gen=9 has_gen prot=r-xp kind=exec-file deleted walked build_id_origin=kernel build_id=0102030405060708090a0b0c0d0e0f1011121314 go_build_id="a/b/c" path="/usr/lib/libc.so.6"`
	if got := string(AppendText(nil, testMmap())); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for line, want := range map[string]string{
		"  clear len=16   pid=3 ":                          "clear time=0 pid=3 tid=0 start=0x0 len=0x10",
		"comm comm=\"\\x1b\\u202e\"":                       `comm time=0 pid=0 tid=0 comm="\x1b\u202e"`,
		"mmap prot=r--s prot_bits=0x9 flag_bits=0x3":       "mmap time=0 pid=0 tid=0 start=0x0 len=0x0 pgoff=0x0 dev=00:00 ino=0 prot=r--s prot_bits=0x9 flag_bits=0x3 kind=none build_id_origin=not-asked",
		"snapshot-end processes=complete:2,timeout:1":      "snapshot-end time=0 pid=0 tid=0 id=0 processes=complete:2,timeout:1 mmaps=0 files=0",
		"unknown number=77 misc=0x1 data=0011223344556677": "unknown time=0 pid=0 tid=0 number=77 misc=0x1 data=0011223344556677",
	} {
		r, err := ParseText([]byte(line))
		if err != nil {
			t.Errorf("%s: %v", line, err)
		} else if got := string(AppendText(nil, r)); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestParseTextErrors(t *testing.T) {
	for line, want := range map[string]string{
		"":                                 "empty line",
		"mmap2 pid=1":                      `"mmap2" is no record type`,
		"mmap=3 pid=1":                     `"mmap" is no record type`,
		"mmap pid=x":                       "mmap: column 6: pid:",
		"mmap time=1 pid=4294967296":       "column 13: pid:",
		"mmap path=/x":                     "column 6: path: want a quoted string",
		`mmap path="/x`:                    "column 11: path: quoted string",
		`mmap path="/x"y`:                  "column 15: path: want a space",
		"mmap pth=1":                       `column 6: field "pth" is unknown`,
		"mmap pid=1 pid=2":                 `column 12: field "pid" is unknown or came before`,
		"mmap pid":                         "column 6: pid: want a value",
		"mmap deleted=1":                   `field "deleted"`,
		"mmap prot=rwx":                    "column 6: prot: want four letters",
		"mmap dev=8":                       "column 6: dev:",
		"mmap build_id=0":                  "column 6: build_id:",
		"mmap kind=exec":                   "column 6: kind:",
		"process status=bad":               "column 9: status:",
		"snapshot-end processes=nothing:1": "column 14: processes:",
		"unknown misc=0x10000":             "column 9: misc:",
	} {
		r, err := ParseText([]byte(line))
		if err == nil || !strings.Contains(err.Error(), want) || r != nil {
			t.Errorf("%q: got %v, want %q", line, err, want)
		}
	}
}

func TestReadText(t *testing.T) {
	const text = "# a comment\n\n  clear pid=1\r\n\tcomm pid=2\nbad\nclear\n"
	var pids []uint32
	var last error
	for r, err := range ReadText(strings.NewReader(text)) {
		if last = err; err == nil {
			pids = append(pids, r.Head().PID)
		}
	}
	if !reflect.DeepEqual(pids, []uint32{1, 2}) || last == nil || !strings.Contains(last.Error(), "line 5:") {
		t.Errorf("%v, %v", pids, last)
	}
}

func TestParseType(t *testing.T) {
	for want := TypeHost; want <= TypeEnd; want++ {
		if got, err := ParseType(want.String()); got != want || err != nil {
			t.Errorf("ParseType(%q) = %v, %v", want, got, err)
		}
	}
	if _, err := ParseType("unknown(99)"); err == nil {
		t.Error("a type without a name was parsed")
	}
}
