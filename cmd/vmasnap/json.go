package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// jsonName returns a name as a JSON string, and its bytes besides when the string cannot
// hold them: the rule of docs/format.md for names that are not UTF-8.
func jsonName(name string) (text string, exact []byte) {
	if utf8.ValidString(name) {
		return name, nil
	}
	return string([]rune(name)), []byte(name) // one U+FFFD for each bad byte
}

// writeJSON writes v as one line, with the conventions of docs/format.md. What encoding/json
// leaves as it is, but a terminal would obey or not show, is escaped too: outside of strings
// it cannot occur.
func writeJSON(w io.Writer, v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	line := make([]byte, 0, b.Len())
	for _, r := range b.String() {
		switch {
		case unicode.IsPrint(r) || r == '\n':
			line = utf8.AppendRune(line, r)
		case r <= 0xFFFF:
			line = fmt.Appendf(line, "\\u%04x", r)
		default:
			high, low := utf16.EncodeRune(r)
			line = fmt.Appendf(line, "\\u%04x\\u%04x", high, low)
		}
	}
	_, err := w.Write(line)
	return err
}
