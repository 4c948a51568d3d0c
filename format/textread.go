package format

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"iter"
)

// maxTextLine is the longest line ReadText takes: a record of hex digits or escapes.
const maxTextLine = 8 * MaxRecordSize

// ReadText returns the records of a text, one a line. Lines that are blank or start with #
// are left out. It stops after an error, which names the line.
func ReadText(r io.Reader) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		lines := bufio.NewScanner(r)
		lines.Buffer(nil, maxTextLine)
		n := 0
		for lines.Scan() {
			n++
			line := bytes.TrimSpace(lines.Bytes())
			if len(line) == 0 || line[0] == '#' {
				continue
			}
			rec, err := ParseText(line)
			if err != nil {
				err = fmt.Errorf("line %d: %w", n, err)
			}
			if !yield(rec, err) || err != nil {
				return
			}
		}
		if err := lines.Err(); err != nil {
			yield(nil, fmt.Errorf("read line %d: %w", n+1, err))
		}
	}
}
