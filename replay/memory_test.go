package replay

import (
	"runtime"
	"strings"
	"testing"

	"github.com/vmasnap/vmasnap/format"
)

// allocated returns the bytes that fn allocates and how many of them are live behind it.
func allocated(fn func() any) (total, live int64) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	kept := fn()
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(kept)
	return int64(after.TotalAlloc - before.TotalAlloc), int64(after.HeapAlloc) - int64(before.HeapAlloc)
}

// TestForksCostLittle applies the file of an attacker: many forks of a large process. Each
// fork may cost a Process, but not a part of the address space.
func TestForksCostLittle(t *testing.T) {
	const mappings, forks = 400_000, 20_000
	s := NewSession()
	m := format.Mmap{Length: page, Path: "/a", Kind: format.ContentExecFile}
	for m.Start = page; m.Start <= mappings*2*page; m.Start += 2 * page {
		m.PID = 1
		s.Apply(&m)
	}
	total, _ := allocated(func() any {
		for pid := range uint32(forks) {
			s.Apply(&format.Fork{Common: format.Common{PID: pid + 2}, PPID: 1})
		}
		return s
	})
	if each := total / forks; each > 1024 {
		t.Errorf("a fork of %d mappings costs %d bytes", mappings, each)
	}
	if n := s.Process(forks + 1).Space.Len(); n != mappings {
		t.Errorf("the last child has %d mappings", n)
	}
}

// TestMemoryOfMappings holds doc.go to its figures.
func TestMemoryOfMappings(t *testing.T) {
	const n = 1 << 16
	for _, tc := range []struct {
		name string
		at   func(i uint64) uint64
		most int64 // bytes a mapping
	}{
		{"in the order of a walk", func(i uint64) uint64 { return i }, 70},
		{"in any order", func(i uint64) uint64 { return i * 0x9e37 % n }, 85},
	} {
		_, live := allocated(func() any {
			s := new(Space)
			for i := range uint64(n) {
				at := tc.at(i) * 2 * page
				s.Set(Mapping{Start: at, End: at + page, File: testFiles['a']})
			}
			if s.Len() != n {
				t.Fatalf("%d mappings", s.Len())
			}
			return s
		})
		if t.Logf("%s: %d bytes a mapping", tc.name, live/n); live/n > tc.most {
			t.Errorf("%s: %d bytes a mapping, at most %d wanted", tc.name, live/n, tc.most)
		}
	}
}

// TestMemoryOfRecords measures what each kind of record can cost at most, live, for a byte
// of the record stream: doc.go has the figure.
func TestMemoryOfRecords(t *testing.T) {
	const n = 20_000
	head := func(i uint32) format.Common { return format.Common{PID: i + 1, TID: i + 1} }
	for _, tc := range []struct {
		name string
		rec  func(i uint32) []format.Record
		most int64 // bytes for a byte of the record stream
	}{
		{"mappings", func(i uint32) []format.Record {
			return []format.Record{&format.Mmap{Common: head(0), Start: uint64(i) * 2 * page, Length: page}}
		}, 2},
		{"files", func(i uint32) []format.Record {
			return []format.Record{&format.Mmap{Common: head(0), Start: uint64(i) * 2 * page, Length: page, Inode: uint64(i)}}
		}, 8},
		{"processes of one mapping", func(i uint32) []format.Record {
			return []format.Record{&format.Mmap{Common: head(i), Start: page, Length: page}}
		}, 8},
		{"orphans", func(i uint32) []format.Record { return []format.Record{&format.Comm{Common: head(i)}} }, 8},
		{"walks", func(i uint32) []format.Record { return []format.Record{&format.Process{Common: head(i)}} }, 8},
		{"forks", func(i uint32) []format.Record { return []format.Record{&format.Fork{Common: head(i + 1), PPID: 1}} }, 8},
		{"forks of orphans", func(i uint32) []format.Record {
			return []format.Record{&format.Fork{Common: head(2 * i), PPID: 2*i + 2, SharesVM: true}}
		}, 8},
		{"drifts that many statements explain in part", func(i uint32) []format.Record {
			if i < maxFresh {
				return []format.Record{
					&format.Process{Common: head(0), Status: format.WalkComplete, VMAs: 1},
					&format.Mmap{Common: head(0), Length: 1 << 40, Inode: uint64(i % 2), Walked: true, Kind: format.ContentExecFile},
				}
			}
			if i > maxFresh+1000 {
				return nil // enough
			}
			return []format.Record{&format.Clear{Common: head(0), Start: uint64(i) * 2 * page, Length: page}}
		}, 8},
		{"forks that change", func(i uint32) []format.Record {
			return []format.Record{&format.Fork{Common: head(i + 1), PPID: 1}, &format.Clear{Common: head(i + 1), Length: page}}
		}, 140},
		{"forks that split", func(i uint32) []format.Record {
			return []format.Record{&format.Fork{Common: head(i + 1), PPID: 1}, &format.Clear{Common: head(i + 1), Start: page, Length: page}}
		}, 180},
	} {
		var raw []byte
		size := int64(0)
		_, live := allocated(func() any {
			s := NewSession()
			if strings.HasPrefix(tc.name, "forks that ") {
				for i := range uint64(65_530) { // the default of vm.max_map_count
					s.Apply(&format.Mmap{Common: head(0), Start: i * 4 * page, Length: 3 * page})
				}
			}
			for i := range uint32(n) {
				for _, r := range tc.rec(i) {
					raw, _ = format.AppendRecord(raw[:0], r)
					size += int64(len(raw))
					s.Apply(r)
				}
			}
			return s
		})
		if t.Logf("%s: %.1f bytes for a byte", tc.name, float64(live)/float64(size)); live > tc.most*size {
			t.Errorf("%s: %d bytes for %d, at most %d for one wanted", tc.name, live, size, tc.most)
		}
	}
}
