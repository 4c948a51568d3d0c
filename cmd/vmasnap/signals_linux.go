package main

import (
	"context"
	"os"
	"os/signal"
	"sync"

	"golang.org/x/sys/unix"
)

// endings are the signals that end a recording.
var endings = []os.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP}

// endable returns a context that one of endings ends, and a channel that a second one closes. After
// that the default action is back. A signal that is ignored, as SIGHUP under nohup, stays so.
func endable(ctx context.Context) (context.Context, <-chan struct{}, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	hurry, signals := make(chan struct{}), make(chan os.Signal, 2)
	for _, sig := range endings {
		if !signal.Ignored(sig) {
			signal.Notify(signals, sig)
		}
	}
	go func() {
		if _, ok := <-signals; !ok {
			return
		}
		cancel()
		if _, ok := <-signals; ok {
			signal.Stop(signals)
			close(hurry)
		}
	}()
	return ctx, hurry, sync.OnceFunc(func() {
		signal.Stop(signals)
		close(signals)
		cancel()
	})
}
