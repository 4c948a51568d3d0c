package main

import (
	"testing"
	"time"

	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/replay"
)

func TestWords(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -999: "-999", -1000: "-1,000"} {
		if got := count(n); got != want {
			t.Errorf("count(%d) is %q, want %q", n, got, want)
		}
	}
	for n, want := range map[uint64]string{
		0: "0 bytes", 1023: "1023 bytes", 1024: "1.0 KiB", 1536: "1.5 KiB", 1 << 20: "1.0 MiB", 1<<64 - 1: "16.0 EiB",
	} {
		if got := bytesOf(n); got != want {
			t.Errorf("bytesOf(%d) is %q, want %q", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		1234: "1µs", 1234567: "1.2ms", 1234567890: "1.23s", 12345678901: "12.3s",
	} {
		if got := roundDuration(d).String(); got != want {
			t.Errorf("roundDuration(%d) is %s, want %s", d, got, want)
		}
	}
}

// TestDescribe: files of one name are told apart by what differs.
func TestDescribe(t *testing.T) {
	file := replay.File{Path: "/lib/a.so", Inode: 7, BuildID: format.MakeBuildID("\xaa")}
	other := file
	other.BuildID = format.MakeBuildID("\xbb")
	d := replay.Difference{Verdict: replay.Differs, Start: 0x1000, End: 0x2000,
		A: replay.Mapping{Start: 0x1000, End: 0x2000, File: &file, Prot: 5, Flags: format.MapPrivate}, B: replay.Mapping{Start: 0x1000, End: 0x2000, File: &other, Prot: 5, Flags: format.MapPrivate}}
	want := "differs 0x1000-0x2000 followed r-xp /lib/a.so+0x0 (00:00 inode 7 build ID aa) walked r-xp /lib/a.so+0x0 (00:00 inode 7 build ID bb)"
	if got := describe(&d, "followed", "walked"); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	d.A = replay.Mapping{}
	if got, want := describe(&d, "followed", "walked"), "differs 0x1000-0x2000 walked r-xp /lib/a.so+0x0"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
