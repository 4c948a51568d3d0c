package recorder_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/recorder"
	"github.com/vmasnap/vmasnap/replay"
)

// A program that wants to know what is mapped needs no file: it gives the records to a
// Session and asks that.
func Example() {
	rec, err := recorder.New(recorder.Options{})
	if err != nil {
		log.Fatal(err)
	}
	state := replay.NewSession()
	stats, err := rec.Run(context.Background(), recorder.SinkFunc(func(r format.Record) error {
		state.Apply(r)
		return nil
	}))
	if err != nil {
		log.Fatal(err)
	}
	for _, missing := range stats.Incomplete() {
		log.Print(missing)
	}
	self := state.Process(uint32(os.Getpid()))
	for m := range self.Space.All() {
		fmt.Printf("%x-%x %s %s\n", m.Start, m.End, m.File.Path, m.File.BuildID)
	}
}
