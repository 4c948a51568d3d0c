package symbols

import (
	"strings"
	"sync"

	"github.com/ianlancetaylor/demangle"
)

// maxMangled is the longest name that is demangled, in bytes: the demangler recurses, and
// takes time that is quadratic in the length of a hostile one.
const maxMangled = 8 << 10

// demangled keeps the names of a list that were asked for, by their offset.
type demangled struct {
	mu       sync.RWMutex
	byOffset map[uint32]string
}

// name returns the name of a function as its source has it: C++ and Rust demangled as nm -C
// does, C and Go as they are.
func (l *list) name(e entry) string {
	raw := l.raw(e.name)
	if l.source == Pclntab || len(raw) > maxMangled || !mangled(raw) {
		return raw
	}
	l.mu.RLock()
	name, ok := l.byOffset[e.name]
	l.mu.RUnlock()
	if ok {
		return name
	}
	name = demangleName(raw)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byOffset == nil {
		l.byOffset = map[uint32]string{}
	}
	l.byOffset[e.name] = name
	return name
}

// mangled tells C++ (_Z, _GLOBAL_) and Rust (_R, and formerly _Z) from all others.
func mangled(s string) bool {
	return strings.HasPrefix(s, "_Z") || strings.HasPrefix(s, "_R") || strings.HasPrefix(s, "_GLOBAL_")
}

// demangleName returns the demangled name, or the name itself if it is none that is mangled.
func demangleName(raw string) (name string) {
	defer func() {
		if recover() != nil { // a name may be anything
			name = raw
		}
	}()
	return demangle.Filter(raw, demangle.MaxLength(16))
}
