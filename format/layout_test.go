package format

import (
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestLayout pins the byte tables of docs/format.md: 8 bytes a group, in the order of the
// tables. Every field has a value of its own, so that a field that moves is seen.
func TestLayout(t *testing.T) {
	c := Common{Time: 0x0807060504030201, PID: 0x0c0b0a09, TID: 0x100f0e0d}
	const head = " 0102030405060708 090a0b0c0d0e0f10 "
	clocks := Clocks{Monotonic: 0x11, Boottime: 0x12, Realtime: 0x13, Perf: 0x14, Uncertainty: 0x15, PerfUncertainty: 0x16}
	const clocksHex = "1100000000000000 1200000000000000 1300000000000000 1400000000000000 1500000016000000 "
	tests := []struct {
		r    Record
		want string
	}{
		{&Host{Common: c, Clocks: clocks, PageSize: 4096, CPUs: 0x17, PIDNamespace: 0x18, MountNamespace: 0x19, Source: 3, Hooks: 2, BuildID: 1, Content: 5, Hidden: true,
			Hostname: "h", Release: "re", KernelVersion: "kve", Arch: "arch", BootID: "bi", Tool: "t", Command: "c d"},
			"0100000001009000" + head + "564d41534e415000 0100000000100000 " + clocksHex +
				"1800000000000000 1900000000000000 1700000005000000 0302010000000000 " +
				"0100680200726503 006b766504006172 6368020062690100 7403006320640000"},
		{&Process{Common: c, PPID: 0x11, SharesPID: 0x12, StartTime: 0x13, PIDNamespace: 0x14, MountNamespace: 0x15, UID: 0x16, GID: 0x17, Threads: 0x18, NSPID: 0x19,
			Snapshot: 0x1a, Status: 1, Source: 2, Errno: 0x1b, WalkTime: 0x1c, VMAs: 0x1d, ExcludedAnonExec: 0x1e, ExcludedVDSO: 0x1f, ExeDeleted: true,
			Comm: "c", Exe: "e", Root: "/", Cgroup: "g"},
			"0200000001007800" + head + "1300000000000000 1400000000000000 1500000000000000 1c00000000000000 1100000012000000 1600000017000000 " +
				"1800000019000000 1a0000001b000000 1d0000001e000000 1f00000001020000 0100630100650100 2f01006700000000"},
		{&Mmap{Common: c, Start: 0x11, Length: 0x12, Offset: 0x13, Major: 0x14, Minor: 0x15, Inode: 0x16, Generation: 0x17, Prot: 5, Flags: 2, Kind: 1, BuildIDOrigin: 2,
			BuildID: MakeBuildID([]byte{0xaa, 0xbb}), GoBuildID: "go", Deleted: true, HasGeneration: true, Walked: true, Path: "/a"},
			"0300000007006800" + head + "0000000000000011 1200000000000000 1300000000000000 1600000000000000 1700000000000000 1400000015000000 " +
				"0500000002000000 0100000002000000 0200aabb0200676f 02002f6100000000"},
		{&Clear{c, 0x11, 0x12}, "0400000000002800" + head + "0000000000000011 1200000000000000"},
		{&Comm{c, "sh"}, "0500000000002000" + head + "0200736800000000"},
		{&Fork{c, 0x11, 0x12, 0x13, 0x14, true, true}, "0600000003003000" + head + "1300000000000000 1400000000000000 1100000012000000"},
		{&Exec{c, 0x11, "sh", "/s"}, "0700000000002800" + head + "1100000000000000 0200736802002f73"},
		{&Exit{c, 0x11, true}, "0800000001002000" + head + "1100000000000000"},
		{&Lost{c, 0x11, 0x12, -1, 2}, "0900000000003000" + head + "1100000000000000 1200000000000000 ffffffff02000000"},
		{&SnapshotBegin{c, 0x11, 1, 2}, "0a00000000002000" + head + "1100000001020000"},
		{&SnapshotEnd{c, 0x11, [numWalkStatus]uint32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 0x12, 0x13},
			"0b00000000005800" + head + "1200000000000000 1300000000000000 110000000a000000 0100000002000000 0300000004000000 0500000006000000 0700000008000000 090000000a000000"},
		{&Clock{c, clocks}, "0c00000000004000" + head + strings.TrimSpace(clocksHex)},
		{&End{c, 1, 0x11, 0x12, 0x13}, "0d00000000003800" + head + "1100000000000000 1200000000000000 1300000000000000 0100000000000000"},
		{&Unknown{c, 0x1000, 0x2345, []byte("abcdefgh")}, "0010000045232000" + head + "6162636465666768"},
	}
	for _, test := range tests {
		b, err := AppendRecord(nil, test.r)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := hex.EncodeToString(b), strings.ReplaceAll(test.want, " ", ""); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", test.r.Type(), got, want)
		}
	}
}

// TestIndexLayout pins the bytes of the index.
func TestIndexLayout(t *testing.T) {
	f := Frame{Offset: 0x11, Size: 0x12, RawOffset: 0x13, RawSize: 0x14, Records: 0x15, MinTime: 0x16, MaxTime: 0x17, HasSnapshot: true, HasLost: true}
	entry := f.appendEntry(nil)
	const wantEntry = "1100000000000000 1300000000000000 1600000000000000 1700000000000000 1200000014000000 1500000003000000"
	if got := hex.EncodeToString(entry); got != strings.ReplaceAll(wantEntry, " ", "") {
		t.Errorf("entry %s", got)
	}
	sum := newIndexSum()
	sum.add(&f, entry)
	if got := string(appendIndexHeader(nil)); got != "VMASNIDX\x01\x00\x30\x00\x00\x00\x00\x00" {
		t.Errorf("header %q", got)
	}
	footer := sum.appendFooter(nil)
	const wantFooter = "0100000000000000 1400000000000000 1500000000000000 68000000"
	if got := hex.EncodeToString(footer); !strings.HasPrefix(got, strings.ReplaceAll(wantFooter, " ", "")) || string(footer[32:]) != "VMASNEND" {
		t.Errorf("footer %s", got)
	}
}

// TestWorkedExample compares the bytes that docs/format.md explains with the encoder's.
func TestWorkedExample(t *testing.T) {
	doc, err := os.ReadFile("../docs/format.md")
	if err != nil {
		t.Fatal(err)
	}
	want, err := AppendRecord(nil, testMmap())
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(doc), "TestWorkedExample")
	table, _, _ = strings.Cut(table, "\n## ")
	var got []byte
	for line := range strings.Lines(table) {
		var at int
		if _, err := fmt.Sscanf(line, "%d", &at); err != nil {
			continue
		}
		if at != len(got) {
			t.Errorf("offset %d stands at %d", at, len(got))
		}
		b, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(line[12:min(len(line), 38)]), " ", ""))
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		got = append(got, b...)
	}
	if string(got) != string(want) {
		t.Errorf("got  %x\nwant %x", got, want)
	}
}
