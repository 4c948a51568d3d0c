package format

import (
	"bytes"
	"unicode/utf8"
)

// lookalikes are files that people hand to vmasnap by mistake, by their first bytes.
var lookalikes = []struct{ magic, name string }{
	{"PERFILE2", "a perf.data file"},
	{"\x7fELF", "an ELF file"},
	{"\x1f\x8b", "a gzip file"},
	{"\xfd7zXZ\x00", "an xz file"},
	{"BZh", "a bzip2 file"},
	{"PK\x03\x04", "a zip file"},
	{"{", "JSON"},
	{"host time=", "the text form of a recording"},
}

// looksLike names what starts with b.
func looksLike(b []byte) string {
	for _, l := range lookalikes {
		if bytes.HasPrefix(b, []byte(l.magic)) {
			return l.name
		}
	}
	b = bytes.TrimRightFunc(b, func(r rune) bool { return r == utf8.RuneError }) // cut rune
	if utf8.Valid(b) && bytes.IndexFunc(b, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' && r != '\r' }) < 0 {
		return "text"
	}
	return "other binary data"
}
