package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
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

// misleading are the characters that change the order in which a terminal shows a line.
// encoding/json leaves them as they are.
var misleading = regexp.MustCompile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")

// writeJSON writes v as one line, with the conventions of docs/format.md.
func writeJSON(w io.Writer, v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	// Outside of strings they cannot occur.
	line := misleading.ReplaceAllFunc(b.Bytes(), func(c []byte) []byte {
		r, _ := utf8.DecodeRune(c)
		return fmt.Appendf(nil, "\\u%04x", r)
	})
	_, err := w.Write(line)
	return err
}
