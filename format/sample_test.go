package format

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

const nasty = "/a b/\x00\x1b[31m\n\"\\\u202e\u2028\xff\xfe/日本.so"

func testHost() *Host {
	return &Host{
		Common:   Common{Time: 1000, PID: 0, TID: 0},
		Clocks:   Clocks{Monotonic: 1000, Boottime: 2000, Realtime: 1763633000123456789, Perf: 3000, Uncertainty: 40, PerfUncertainty: 50},
		PageSize: 4096, CPUs: 8, PIDNamespace: 4026531836, MountNamespace: 4026531841,
		Source: SourceIoctl, Hooks: HooksKprobe, BuildID: BuildIDFile, Content: ContentExecFile | ContentVDSO | 0x100, Hidden: true,
		Hostname: "box", Release: "6.12.0", KernelVersion: "#1 SMP", Arch: "x86_64",
		BootID: "0f", Tool: "vmasnap 1.0", Command: "vmasnap record -o x",
	}
}

func testMmap() *Mmap {
	return &Mmap{
		Common: Common{Time: 123, PID: 7, TID: 8},
		Start:  0x7f1234560000, Length: 0x1000, Offset: 0x2000, Major: 8, Minor: 0x101, Inode: 1<<63 + 1, Generation: 9,
		Prot: ProtRead | ProtExec, Flags: MapPrivate, Kind: ContentExecFile,
		BuildIDOrigin: BuildIDByKernel, BuildID: MakeBuildID([]byte("\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14")),
		GoBuildID: "a/b/c", Deleted: true, HasGeneration: true, Walked: true, Path: "/usr/lib/libc.so.6",
	}
}

// samples returns records of every type, full, empty and strange.
func samples() []Record {
	c := Common{Time: 1<<64 - 1, PID: 1<<32 - 1, TID: 5}
	odd := testMmap()
	odd.Path, odd.GoBuildID = nasty, nasty
	odd.Prot, odd.Flags, odd.Kind, odd.BuildIDOrigin = 0xf0000007, 0x803, 0x80000000, 77
	odd.Major = 1<<32 - 1
	return []Record{
		testHost(), &Host{}, testMmap(), odd, &Mmap{},
		&Process{
			Common: c, PPID: 2, SharesPID: 3, StartTime: 4, PIDNamespace: 5, MountNamespace: 6, UID: 7, GID: 1<<32 - 1,
			Threads: 9, NSPID: 10, Snapshot: 11, Status: WalkRaced, Source: SourceIter, Errno: 13, WalkTime: 14, VMAs: 15,
			ExcludedAnonExec: 16, ExcludedVDSO: 17, ExeDeleted: true, Blank: true, Comm: "a b", Exe: nasty, Root: "/", Cgroup: "/user.slice",
		}, &Process{},
		&Clear{c, 1, 2}, &Clear{}, &Comm{c, nasty}, &Comm{},
		&Fork{c, 1, 2, 3, 0x100, true, true}, &Fork{}, &Exec{c, 1, "x", nasty}, &Exec{},
		&Exit{c, 256, true}, &Exit{}, &Lost{c, 1, 2, -1, LostTorn}, &Lost{}, &Lost{c, 1, 2, 7, 200},
		&SnapshotBegin{c, 1, SnapshotRepair, SourceMaps}, &SnapshotBegin{},
		&SnapshotEnd{c, 1, [numWalkStatus]uint32{1, 2, 0, 4, 5, 6, 7, 8, 9, 10}, 11, 12}, &SnapshotEnd{},
		&Clock{c, testHost().Clocks}, &Clock{}, &End{c, EndSignal, 1, 2, 3}, &End{},
		&Unknown{c, 99, 0xabcd, []byte("01234567")}, &Unknown{c, 0, 0, nil},
	}
}

// snapshot returns a machine's mappings as a walk tells them: the same libraries in every
// process at random addresses.
func snapshot(processes, libs int) []Record {
	rng := rand.New(rand.NewPCG(1, 2))
	var files []*Mmap
	for i := range libs {
		id := make([]byte, 20)
		for j := range id {
			id[j] = byte(rng.Uint32())
		}
		files = append(files, &Mmap{
			Length: uint64(1+rng.IntN(400)) << 12, Offset: uint64(1+rng.IntN(60)) << 12, Major: 8, Minor: 1, Inode: uint64(1_000_000 + rng.IntN(500_000)),
			Prot: 5, Flags: MapPrivate, Kind: ContentExecFile, BuildIDOrigin: BuildIDByKernel, BuildID: MakeBuildID(id), Walked: true,
			Path: fmt.Sprintf("/usr/lib/x86_64-linux-gnu/lib%c%s.so.%d.%d", 'a'+i%26, strings.Repeat("oqv", i%5), rng.IntN(9), rng.IntN(40)),
		})
	}
	records := []Record{&SnapshotBegin{ID: 1, Source: SourceIoctl}}
	now := uint64(5_000_000_000_000)
	for p := range processes {
		pid := uint32(300 + 7*p)
		now += uint64(20_000 + rng.IntN(10_000))
		head := Common{Time: now, PID: pid, TID: pid}
		exe := fmt.Sprintf("/usr/bin/tool%d", rng.IntN(60))
		records = append(records, &Process{
			Common: head, PPID: 1, StartTime: uint64(rng.IntN(1e6)) * 10_000_000, PIDNamespace: 4026531836, MountNamespace: 4026531841,
			Threads: 1, NSPID: pid, Snapshot: 1, Status: WalkComplete, Source: SourceIoctl, WalkTime: uint64(10_000 + rng.IntN(9000)),
			VMAs: uint32(libs), Comm: exe[9:], Exe: exe, Root: "/", Cgroup: "/system.slice/" + exe[9:] + ".service",
		})
		at := 0x7f0000000000 + uint64(rng.IntN(1<<28))<<12
		for _, f := range files {
			if rng.IntN(4) == 0 {
				continue // not every process has every library
			}
			m := *f
			m.Common, m.Start = head, at
			at += m.Length + uint64(rng.IntN(64))<<12
			records = append(records, &m)
		}
	}
	return append(records, &SnapshotEnd{ID: 1})
}

// recording writes the records and flushes after every flush of them, if that is not 0.
func recording(tb testing.TB, o WriterOptions, flush int, records ...Record) []byte {
	tb.Helper()
	var file bytes.Buffer
	w, err := NewWriter(&file, testHost(), o)
	if err != nil {
		tb.Fatal(err)
	}
	for i, r := range records {
		if err := w.Write(r); err != nil {
			tb.Fatal(err)
		}
		if flush > 0 && i%flush == flush-1 {
			if err := w.Flush(); err != nil {
				tb.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return file.Bytes()
}

// readAll returns the text of every record and the error other than io.EOF. A Reader that reads
// ahead has to say the same.
func readAll(r io.Reader, o ReaderOptions) ([]string, error) {
	var again bytes.Buffer
	lines, err := readOnce(io.TeeReader(r, &again), o)
	o.Ahead = !o.Ahead
	if aheadLines, aheadErr := readOnce(&again, o); !slices.Equal(aheadLines, lines) || fmt.Sprint(aheadErr) != fmt.Sprint(err) {
		return nil, fmt.Errorf("%d records, %v, but with Ahead %t %d records, %v", len(lines), err, o.Ahead, len(aheadLines), aheadErr)
	}
	return lines, err
}

func readOnce(r io.Reader, o ReaderOptions) (lines []string, err error) {
	f, err := NewReader(r, o)
	if err != nil {
		return nil, err
	}
	for rec, err := range f.All() {
		if err != nil {
			return lines, err
		}
		lines = append(lines, string(AppendText(nil, rec)))
	}
	return lines, nil
}
