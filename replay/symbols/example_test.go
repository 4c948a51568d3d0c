package symbols_test

import (
	"errors"
	"fmt"
	"log"

	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/replay/symbols"
)

// A lookup says which file was mapped and the offset into it; a Finder says the function, if it
// finds that build. One Finder serves a whole program, and all its goroutines.
func ExampleFinder_Find() {
	finder := symbols.NewFinder(symbols.Options{
		SkipRecorded: true, SkipSystem: true, // the recording is of another machine,
		Roots: []string{"testdata"}, // of which this is a copy
	})
	for _, sample := range []struct {
		buildID string // as replay.File has it
		offset  uint64
	}{
		{"8ccc30a6e3c2f9601c3a0a382f99521efa7ed94e", 0x2da},
		{"8ccc30a6e3c2f9601c3a0a382f99521efa7ed94e", 0x10},
		{"0102030405060708090a0b0c0d0e0f1011121314", 0x2da},
	} {
		id, err := format.ParseBuildID(sample.buildID)
		if err != nil {
			log.Fatal(err)
		}
		symbol, err := finder.Find(symbols.File{Path: "/tiny.so", BuildID: id}, sample.offset)
		var why *symbols.Error
		switch {
		case err == nil:
			fmt.Printf("%s+%#x, from %s\n", symbol.Name, symbol.Offset, symbol.Source)
		case errors.Is(err, symbols.NoFunction):
			fmt.Println("no function is there")
		case errors.As(err, &why) && why.Reason == symbols.OtherBuildID:
			fmt.Println("another build is there:", why.BuildID)
		default:
			fmt.Println(err)
		}
	}
	// Output:
	// Shape::area(int) const+0x2, from .symtab
	// no function is there
	// another build is there: 8ccc30a6e3c2f9601c3a0a382f99521efa7ed94e
}

// A Table is a whole file: its functions by offset, or by address as nm prints it.
func ExampleFinder_Open() {
	id, err := format.ParseBuildID("8ccc30a6e3c2f9601c3a0a382f99521efa7ed94e")
	if err != nil {
		log.Fatal(err)
	}
	finder := symbols.NewFinder(symbols.Options{SkipRecorded: true, SkipSystem: true, Dirs: []string{"testdata"}})
	table, err := finder.Open(symbols.File{Path: "/usr/lib/tiny.so", BuildID: id})
	if err != nil {
		log.Fatal(err)
	}
	symbol, ok := table.AtAddress(0x2e1)
	fmt.Println(table.Len(), "functions;", symbol.Name, symbol.Size, ok)
	// Output: 4 functions; exported 52 true
}
