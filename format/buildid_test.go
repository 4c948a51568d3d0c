package format

import (
	"strings"
	"testing"
	"unsafe"
)

func TestMakeBuildID(t *testing.T) {
	type name string
	type raw []byte
	long := strings.Repeat("x", MaxBuildID+1)
	for _, tc := range []struct {
		what string
		got  BuildID
		want string
	}{
		{"none", MakeBuildID(""), ""},
		{"no bytes", MakeBuildID[[]byte](nil), ""},
		{"string", MakeBuildID("\x01\xff"), "\x01\xff"},
		{"bytes", MakeBuildID([]byte{1, 255}), "\x01\xff"},
		{"named string", MakeBuildID(name("\x01")), "\x01"},
		{"named bytes", MakeBuildID(raw{1}), "\x01"},
		{"long string", MakeBuildID(long), long[:MaxBuildID]},
		{"long bytes", MakeBuildID([]byte(long)), long[:MaxBuildID]},
	} {
		if tc.got.raw != tc.want || tc.got.IsZero() != (tc.want == "") {
			t.Errorf("%s: %q, want %q", tc.what, tc.got.raw, tc.want)
		}
	}
	b := []byte{1, 2}
	id := MakeBuildID(b)
	if b[0] = 9; id.String() != "0102" {
		t.Error("an ID changed with the slice that it was made of")
	}
	if s := strings.Clone("12345678"); unsafe.StringData(MakeBuildID(s).raw) != unsafe.StringData(s) {
		t.Error("a string was copied")
	}
}
