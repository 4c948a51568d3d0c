package recorder_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"
	"reflect"
	"testing"
	"time"

	"github.com/vmasnap/vmasnap/bpfmmap"
	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/internal/need"
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

// A program that runs for long, such as a profiler, follows the machine and asks meanwhile what was
// mapped when a sample was taken. It takes what vmasnap record takes, and no file.
func ExampleRecorder_Run_history() {
	history := replay.NewHistory(time.Minute)
	end, err := follow(history)
	if err != nil {
		log.Fatal(err)
	}
	// A sample, here of ourselves; it is asked about later, from any goroutine.
	sampled, code := recorder.Now(), uint64(reflect.ValueOf(follow).Pointer())
	time.Sleep(time.Second)
	a := history.Lookup(uint32(os.Getpid()), sampled, code)
	fmt.Println(a.Miss, a.Mapping.File.Path, a.Offset, a.Uncertain)
	if err := end(); err != nil {
		log.Fatal(err)
	}
}

// follow lets the history know of all that happens until end is called. It returns when the history
// knows what is mapped.
func follow(history *replay.History) (end func() error, err error) {
	rec, err := recorder.New(recorder.Options{Follow: &recorder.FollowOptions{RaisePriority: true}})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	known, done := make(chan struct{}), make(chan error, 1)
	first := true
	go func() {
		_, err := rec.Run(ctx, recorder.SinkFunc(func(r format.Record) error {
			err := history.Write(r)
			if walk, ok := r.(*format.SnapshotEnd); ok && walk.PID == 0 && first {
				close(known) // everything is known from here on
				first = false
			}
			return err
		}))
		done <- errors.Join(err, rec.Close())
	}()
	select {
	case <-known:
	case err := <-done:
		cancel()
		return nil, errors.Join(errors.New("recording ended"), err)
	}
	return func() error { cancel(); return <-done }, nil
}

// TestExampleHistory runs what the example does.
func TestExampleHistory(t *testing.T) {
	history := replay.NewHistory(time.Minute)
	end, err := follow(history)
	if errors.Is(err, bpfmmap.ErrNotSupported) || errors.Is(err, fs.ErrPermission) {
		need.Skip(t, need.BPF, err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	a := history.Lookup(uint32(os.Getpid()), recorder.Now(), uint64(reflect.ValueOf(follow).Pointer()))
	if a.Miss != replay.Hit || a.Uncertain || a.Mapping.File.Path == "" {
		t.Errorf("%+v", a)
	}
	if history.Len() < 2 {
		t.Errorf("%d processes", history.Len())
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}
