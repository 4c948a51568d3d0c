package format

import (
	"encoding/binary"
	"strings"
	"testing"
	"unsafe"
)

func TestInterner(t *testing.T) {
	var in interner
	b := []byte("/usr/lib/libc.so.6")
	first := in.string(b)
	second := in.string(b)
	if b[0] = 'x'; first != "/usr/lib/libc.so.6" || unsafe.StringData(first) != unsafe.StringData(second) {
		t.Errorf("%q and %q: want one copy", first, second)
	}
	long := []byte(strings.Repeat("x", maxInternString+1))
	if s := in.string(long); s != string(long) || len(in.known) != 1 {
		t.Errorf("%d strings are kept", len(in.known))
	}
	if s := (*interner)(nil).string(b); s != string(b) {
		t.Errorf("without an interner: %q", s)
	}
	// Short strings reach the one bound, long ones the other.
	for _, size := range []int{4, maxInternString} {
		for i := range uint32(2 * maxInternStrings) {
			binary.LittleEndian.PutUint32(long, i)
			in.string(long[:size])
			if len(in.known) > maxInternStrings || in.bytes > maxInternBytes {
				t.Fatalf("%d strings of %d bytes are kept", len(in.known), in.bytes)
			}
		}
	}
}
