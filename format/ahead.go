package format

import "sync"

// Bounds of what is fetched ahead, whichever is reached first: enough that the goroutine which does
// it is not woken for each frame, little enough to be no more memory than a large frame.
const (
	aheadFrames = 8
	aheadBytes  = 8 << 20
)

// ahead fetches frames of a source while the records of earlier ones are read. Its goroutine ends
// when there is enough, and another is begun when half of that is gone: one that nobody reads from any
// more leaves nothing behind. While a goroutine fetches, split and dec are its own.
type ahead struct {
	src   *zstdSource
	mu    sync.Mutex
	come  *sync.Cond
	ready []fetched
	busy  bool     // a goroutine fetches
	free  [][]byte // buffers that nobody uses
}

func newAhead(s *zstdSource) *ahead {
	a := &ahead{src: s}
	a.come = sync.NewCond(&a.mu)
	return a
}

// next returns the next frame, and takes back the buffer of the last one.
func (a *ahead) next(done []byte) fetched {
	a.mu.Lock()
	defer a.mu.Unlock()
	if done != nil {
		a.free = append(a.free, done)
	}
	a.begin()
	for len(a.ready) == 0 {
		a.come.Wait()
	}
	f := a.ready[0]
	a.ready = append(a.ready[:0], a.ready[1:]...)
	return f
}

// begin has a goroutine fetch if no more than half of the frames are there. Behind one that somebody
// has to look at first nothing can be fetched.
func (a *ahead) begin() {
	if n := len(a.ready); a.busy || n > aheadFrames/2 || n > 0 && !a.ready[n-1].more() {
		return
	}
	a.busy = true
	go a.fetch()
}

func (a *ahead) fetch() {
	for more := true; more; {
		var buf []byte
		a.mu.Lock()
		if n := len(a.free); n > 0 {
			buf, a.free = a.free[n-1], a.free[:n-1]
		}
		a.mu.Unlock()
		f := a.src.fetch(buf)
		a.mu.Lock()
		a.ready = append(a.ready, f)
		bytes := 0
		for i := range a.ready {
			bytes += len(a.ready[i].raw)
		}
		more = f.more() && len(a.ready) < aheadFrames && bytes < aheadBytes
		a.busy = more
		a.come.Signal()
		a.mu.Unlock()
	}
}
