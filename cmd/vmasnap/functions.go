package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/vmasnap/vmasnap/replay"
	"github.com/vmasnap/vmasnap/replay/symbols"
)

// functions adds function names to answers.
type functions struct {
	finder *symbols.Finder
	warn   io.Writer
	told   map[*replay.File]string // of files without symbols the reason
}

func newFunctions(o symbols.Options, warn io.Writer) *functions {
	return &functions{finder: symbols.NewFinder(o), warn: warn, told: make(map[*replay.File]string)}
}

// find adds to the line, which is about file, the function. That a file is there that must not be
// used is told once.
func (f *functions) find(line *answer, file *replay.File) {
	if why, known := f.told[file]; known {
		line.nameless = why
		return
	}
	s, err := f.finder.Find(symbols.File{Path: file.Path, BuildID: file.BuildID, GoBuildID: file.GoBuildID}, line.offset)
	var none *symbols.Error
	switch {
	case err == nil:
		line.function, line.into = printable(s.Name), s.Offset
	case errors.Is(err, symbols.NoFunction):
		line.nameless = symbols.NoFunction.Error()
	case errors.As(err, &none):
		line.nameless = none.Reason.Error()
		f.told[file] = line.nameless
		switch none.Reason {
		case symbols.OtherBuildID, symbols.Damaged, symbols.NotReadable:
			fmt.Fprintf(f.warn, "vmasnap: warning: %s\n", printable(err.Error()))
		}
	default:
		line.nameless = printable(err.Error())
	}
}
