package format

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestRecordRoundTrip(t *testing.T) {
	for _, want := range samples() {
		b, err := AppendRecord([]byte("before"), want)
		if err != nil {
			t.Fatalf("%T: %v", want, err)
		}
		b = b[len("before"):]
		if len(b)%8 != 0 {
			t.Errorf("%T: %d bytes", want, len(b))
		}
		got, n, err := DecodeRecord(append(b, 1, 2, 3))
		if err != nil || n != len(b) {
			t.Fatalf("%T: decoded %d of %d bytes: %v", want, n, len(b), err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got  %s\nwant %s", AppendText(nil, got), AppendText(nil, want))
		}
	}
}

func TestDecodeShort(t *testing.T) {
	for _, r := range samples() {
		b, err := AppendRecord(nil, r)
		if err != nil {
			t.Fatal(err)
		}
		for n := range b {
			if rec, _, err := DecodeRecord(b[:n]); !errors.Is(err, ErrTruncated) || rec != nil {
				t.Fatalf("%T cut to %d bytes: %v, %v", r, n, rec, err)
			}
		}
		if _, ok := r.(*Unknown); ok {
			continue
		}
		// A size that is smaller than the layout.
		b = b[:commonSize]
		b[6], b[7] = commonSize, 0
		if _, _, err := DecodeRecord(b); !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrNotRecording) {
			t.Errorf("%T of %d bytes: %v", r, len(b), err)
		}
	}
}

// TestRecordGrows checks the rule for minor versions: a record that is longer than the
// known layout, or has unknown misc bits, is read as if it were not.
func TestRecordGrows(t *testing.T) {
	for _, want := range samples() {
		if _, ok := want.(*Unknown); ok {
			continue
		}
		b, err := AppendRecord(nil, want)
		if err != nil {
			t.Fatal(err)
		}
		b = append(b, "new text"...)
		b[5] |= 0x80
		b[6], b[7] = byte(len(b)), byte(len(b)>>8)
		got, n, err := DecodeRecord(b)
		if err != nil || n != len(b) || !reflect.DeepEqual(got, want) {
			t.Errorf("%T: %v", want, err)
		}
	}
}

func TestSnapshotEndGrows(t *testing.T) {
	want := &SnapshotEnd{Processes: [numWalkStatus]uint32{1: 5}}
	b, err := AppendRecord(nil, want)
	if err != nil {
		t.Fatal(err)
	}
	b[44]++ // one more status
	b[6] += 8
	b = append(b, 9, 0, 0, 0, 0, 0, 0, 0)
	if got, _, err := DecodeRecord(b); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
}

// TestSnapshotEndOfManyStatuses has a count that the record is far too short for.
func TestSnapshotEndOfManyStatuses(t *testing.T) {
	b, err := AppendRecord(nil, &SnapshotEnd{})
	if err != nil {
		t.Fatal(err)
	}
	copy(b[44:], "\xff\xff\xff\xff")
	if _, _, err := DecodeRecord(b); !errors.Is(err, ErrCorrupt) {
		t.Error(err)
	}
}

func TestEncodeErrors(t *testing.T) {
	long := strings.Repeat("x", MaxRecordSize)
	tests := []struct {
		r    Record
		text string
	}{
		{&Mmap{Path: long}, "encode mmap record: too large: path has 65528 bytes"},
		{&Mmap{Path: long + long}, "path has 131056 bytes"},
		{&Process{Cgroup: long[:40000], Exe: long[:40001]}, "exe has 40001 bytes"},
		{&Unknown{RawType: 99, Data: make([]byte, 1<<16)}, "data has 65536 bytes"},
		{&Unknown{RawType: 99, Data: make([]byte, 7)}, "data has 7 bytes"},
		{&Unknown{RawType: TypeMmap}, "type 3 has a layout"},
		{nil, "nil"},
	}
	for _, test := range tests {
		b, err := AppendRecord([]byte("x"), test.r)
		if err == nil || !strings.Contains(err.Error(), test.text) || string(b) != "x" {
			t.Errorf("got %v, want %q", err, test.text)
		}
		if len(test.text) > 40 && !errors.Is(err, ErrTooLarge) {
			t.Errorf("%v is not ErrTooLarge", err)
		}
	}
	if b, err := AppendRecord(nil, &Mmap{Path: long[:MaxRecordSize-88-6]}); err != nil || len(b) != MaxRecordSize {
		t.Errorf("longest path: %d bytes, %v", len(b), err)
	}
	if _, err := AppendRecord(nil, &Mmap{Path: long[:MaxRecordSize-88-6+1]}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a path that is one byte longer: %v", err)
	}
}

func TestCommandIsCut(t *testing.T) {
	b, err := AppendRecord(nil, &Host{Command: strings.Repeat("y", 100_000)})
	if err != nil {
		t.Fatal(err)
	}
	r, _, err := DecodeRecord(b)
	if err != nil {
		t.Fatal(err)
	}
	if c := r.(*Host).Command; len(c) != maxCommand || !strings.HasSuffix(c, "y [cut]") {
		t.Errorf("%d bytes, ends in %q", len(c), c[len(c)-10:])
	}
}

func TestVersion(t *testing.T) {
	b, err := AppendRecord(nil, testHost())
	if err != nil {
		t.Fatal(err)
	}
	b[34] = 9 // minor
	if _, _, err := DecodeRecord(b); err != nil {
		t.Errorf("later minor version: %v", err)
	}
	b[32] = 2 // major
	if _, _, err := DecodeRecord(b); !errors.Is(err, ErrVersion) || errors.Is(err, ErrCorrupt) {
		t.Errorf("later major version: %v", err)
	}
}

func TestBuildID(t *testing.T) {
	b, err := AppendRecord(nil, &Mmap{BuildID: BuildID{strings.Repeat("z", MaxBuildID+1)}})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := DecodeRecord(b); !errors.Is(err, ErrCorrupt) {
		t.Errorf("build ID that is too long: %v", err)
	}
}

func TestNames(t *testing.T) {
	if len(walkStatusNames) != int(numWalkStatus) || len(buildIDOriginNames) != int(BuildIDFailed)+1 ||
		len(lostReasonNames) != int(LostTorn)+1 || len(snapshotKindNames) != int(SnapshotRepair)+1 ||
		len(endReasonNames) != int(EndError)+1 || len(typeNames) != int(TypeEnd)+1 {
		t.Error("a value has no name")
	}
	for s := range 256 {
		var got WalkStatus
		if err := got.UnmarshalText([]byte(WalkStatus(s).String())); err != nil || got != WalkStatus(s) {
			t.Errorf("status %d: %v, %v", s, got, err)
		}
	}
	for _, c := range []Content{0, 1, 15, 16, 1<<32 - 1} {
		var got Content
		if err := got.UnmarshalText([]byte(c.String())); err != nil || got != c {
			t.Errorf("content %v: %v, %v", c, got, err)
		}
	}
	for _, bad := range []string{"", "x", "1", "256", "-1"} {
		if err := new(Hooks).UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("hooks %q", bad)
		}
		if err := new(Content).UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("content %q", bad)
		}
	}
}

func TestEncodeAllocs(t *testing.T) {
	buf, m := make([]byte, 0, 1024), testMmap()
	if n := testing.AllocsPerRun(100, func() { _, _ = AppendRecord(buf, m) }); n != 0 {
		t.Errorf("AppendRecord: %v allocations", n)
	}
}
