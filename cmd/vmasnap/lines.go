package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"
)

const (
	maxLine  = 64 << 10  // bytes
	maxBatch = 128 << 10 // questions that are answered together
	// batchPatience is how long questions that are not in the order of their times wait for more:
	// a pass over the recording is dear.
	batchPatience = 50 * time.Millisecond
)

// piece is a run of whole lines.
type piece struct {
	lines []byte
	err   error // behind them
}

// pieces cuts r into runs of whole lines, in a goroutine of its own, as soon as they come.
func pieces(r io.Reader) <-chan piece {
	out := make(chan piece, 4)
	go func() {
		defer close(out)
		var rest []byte
		for {
			b := make([]byte, len(rest)+256<<10)
			n := copy(b, rest)
			got, err := r.Read(b[n:])
			b = b[:n+got]
			end := bytes.LastIndexByte(b, '\n') + 1
			if err != nil {
				end = len(b)
			}
			rest = b[end:]
			if err == nil && len(rest) > maxLine {
				err = fmt.Errorf("a line of more than %d bytes", maxLine)
			}
			out <- piece{b[:end], err}
			if err != nil {
				return
			}
		}
	}()
	return out
}

// lines answers each line of r, as soon as it has to wait for more, so that another program can
// put one question after the other.
func (l *lookup) lines(r io.Reader) error {
	in := pieces(r)
	n := 0
	for {
		p, ok := l.next(in)
		if !ok {
			if err := l.flush(); err != nil {
				return err
			}
			if p, ok = <-in; !ok {
				return nil
			}
		}
		for line := range bytes.Lines(p.lines) {
			n++
			line = bytes.TrimSpace(line)
			if len(line) == 0 || line[0] == '#' {
				continue
			}
			q, err := l.parse.parse(line)
			if err != nil {
				return errors.Join(l.flush(), fmt.Errorf("standard input, line %d: %w", n, err))
			}
			if l.batch = append(l.batch, q); len(l.batch) == maxBatch {
				if err := l.flush(); err != nil {
					return err
				}
			}
		}
		if p.err != nil && !errors.Is(p.err, io.EOF) {
			return errors.Join(l.flush(), fmt.Errorf("read standard input, line %d: %w", n+1, p.err))
		}
	}
}

// next returns what has come meanwhile, if anything has.
func (l *lookup) next(in <-chan piece) (piece, bool) {
	if len(l.batch) == 0 {
		p, ok := <-in
		return p, ok
	}
	select {
	case p, ok := <-in:
		return p, ok
	default:
	}
	if l.sorted() {
		return piece{}, false
	}
	select {
	case p, ok := <-in:
		return p, ok
	case <-time.After(batchPatience):
		return piece{}, false
	}
}
