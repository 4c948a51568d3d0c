package format

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"unicode"
)

func TestJSON(t *testing.T) {
	for _, r := range samples() {
		line := AppendJSON(nil, r)
		var got map[string]any
		if err := json.Unmarshal(line, &got); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		if got["type"] != textName(r) || (got["schema"] == 1.0) != (r.Type() == TypeHost) {
			t.Errorf("%s", line)
		}
		if strings.ContainsAny(string(line), "\n\x1b\u202e\u2028") {
			t.Errorf("%q is not safe to print", line)
		}
		if m, ok := r.(*Mmap); ok && m.Path == nasty {
			b, err := base64.StdEncoding.DecodeString(got["path_bytes"].(string))
			if err != nil || string(b) != nasty || !strings.HasSuffix(got["path"].(string), "\ufffd\ufffd/日本.so") {
				t.Errorf("%s", line)
			}
		} else if got["path_bytes"] != nil {
			t.Errorf("%s", line)
		}
	}
}

func TestJSONForm(t *testing.T) {
	const want = `{"type":"mmap","time":123,"pid":7,"tid":8,"start":"0x7f1234560000","length":"0x1000","offset":"0x2000","dev":"08:101","inode":"9223372036854775809","generation":"9","has_generation":true,"prot":"r-xp","kind":"exec-file","deleted":true,"walked":true,"build_id_origin":"kernel","build_id":"0102030405060708090a0b0c0d0e0f1011121314","go_build_id":"a/b/c","path":"/usr/lib/libc.so.6"}`
	if got := string(AppendJSON(nil, testMmap())); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestJSONStrings compares the escaping with that of encoding/json for every byte and
// rune that is special.
func TestJSONStrings(t *testing.T) {
	var all []string
	for r := rune(0); r < 0x3000; r++ {
		all = append(all, "a"+string(r)+"b")
	}
	for b := range 256 {
		all = append(all, string([]byte{'x', byte(b)}), string([]byte{byte(b), 0xe2, 0x80}))
	}
	for _, s := range append(all, nasty, "\U0001f600", "\U000E0041", "") {
		line := appendJSONString(nil, s)
		var got, want string
		if err := json.Unmarshal(line, &got); err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, &want); err != nil || got != want {
			t.Errorf("%q: got %q, want %q", s, got, want)
		}
		if strings.ContainsFunc(string(line), func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q is not safe to print", line)
		}
	}
}
