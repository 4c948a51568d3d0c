package replay_test

import (
	"fmt"
	"log"
	"strings"
	"sync"
	"time"

	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/replay"
)

// A program that records and asks at once: one goroutine writes, others ask of now and of some
// time ago. The example of package recorder has a live one.
func ExampleHistory() {
	history := replay.NewHistory(time.Minute)
	var asking sync.WaitGroup
	for rec, err := range format.ReadText(strings.NewReader(followed)) { // or recorder.Recorder.Run
		if err != nil {
			log.Fatal(err)
		}
		if err := history.Write(rec); err != nil {
			log.Fatal(err)
		}
		if rec.Type() == format.TypeFork {
			asking.Go(func() { // while writing goes on
				a := history.Lookup(42, 1_500_000_000, 0x7f2000000010)
				fmt.Printf("%s of %s had build ID %s\n", a.Mapping.File.Path, a.Comm, a.Mapping.File.BuildID)
			})
		}
	}
	asking.Wait()
	fmt.Println(history.Lookup(42, 500_000_000, 0x7f2000000010).Miss)
	fmt.Println(history.Lookup(42, 3_450_000_000, 0x7f2000000010).Uncertain)
	fmt.Println(history.Len(), "lives")
	// Output:
	// /opt/plugin.so of server had build ID aa01
	// too-old
	// true
	// 1 lives
}
