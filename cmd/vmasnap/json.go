package main

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/vmasnap/vmasnap/format"
)

// jsonName returns a name as a JSON string, and its bytes besides when the string cannot
// hold them: the rule of docs/format.md for names that are not UTF-8.
func jsonName(name string) (text string, exact []byte) {
	if utf8.ValidString(name) {
		return name, nil
	}
	return string([]rune(name)), []byte(name) // one U+FFFD for each bad byte
}

// jsonNames is jsonName of several names: the bytes are those of all, if one is not UTF-8.
func jsonNames(names []string) (texts []string, exact [][]byte) {
	lossy := false
	for _, name := range names {
		text, raw := jsonName(name)
		lossy = lossy || raw != nil
		texts = append(texts, text)
		exact = append(exact, []byte(name))
	}
	if !lossy {
		exact = nil
	}
	return texts, exact
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
	for _, r := range strings.TrimSuffix(b.String(), "\n") {
		line = format.AppendJSONRune(line, r)
	}
	_, err := w.Write(append(line, '\n'))
	return err
}
