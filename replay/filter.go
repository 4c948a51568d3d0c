package replay

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/vmasnap/vmasnap/format"
)

// Filter selects processes and mappings. The zero value selects everything; the conditions
// that are set must all hold.
type Filter struct {
	PIDs    []uint32 // any of these processes
	Comm    *Glob    // the process's name
	Path    *Glob    // the mapped file's path
	BuildID string   // the beginning of a GNU build ID in hex, or of a Go build ID
}

// Process reports whether f selects p, mappings aside.
func (f *Filter) Process(p *Process) bool {
	return (len(f.PIDs) == 0 || slices.Contains(f.PIDs, p.PID)) && (f.Comm == nil || f.Comm.Match(p.Comm))
}

// File reports whether f selects mappings of file.
func (f *Filter) File(file *File) bool {
	return (f.Path == nil || f.Path.Match(file.Path)) && (f.BuildID == "" || f.matchBuildID(file.BuildID, file.GoBuildID))
}

func (f *Filter) matchBuildID(id format.BuildID, goID string) bool {
	return !id.IsZero() && strings.HasPrefix(id.String(), strings.ToLower(f.BuildID)) || goID != "" && strings.HasPrefix(goID, f.BuildID)
}

// Files reports whether f has a condition on files, so that a process without a selected
// mapping is of no interest.
func (f *Filter) Files() bool { return f.Path != nil || f.BuildID != "" }

// Glob is a shell pattern for names: * is any run of characters, a slash included, ? is any
// one character, [a-z] and [!a-z] are classes, and \ takes the next character literally, but
// not within a class. A ] is one of a class if it comes first; [:alpha:] means nothing. The pattern
// is UTF-8; each byte of a name that is not is a character.
type Glob struct{ re *regexp.Regexp }

// classQuoter quotes what regexp understands within a class, but a shell pattern does not.
var classQuoter = strings.NewReplacer(`\`, `\\`, `[`, `\[`, `]`, `\]`)

// ParseGlob compiles a pattern. It must match the whole name.
func ParseGlob(pattern string) (*Glob, error) {
	if !utf8.ValidString(pattern) {
		return nil, fmt.Errorf("parse pattern %q: not UTF-8", pattern)
	}
	var b strings.Builder
	b.WriteString(`(?s)\A`)
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; c {
		case '*':
			b.WriteString(`.*`)
		case '?':
			b.WriteByte('.')
		case '[':
			class, not := pattern[i+1:], ""
			if class != "" && (class[0] == '!' || class[0] == '^') {
				class, not = class[1:], "^"
			}
			n := strings.IndexByte(class[min(1, len(class)):], ']') // the first character may be a ]
			if n < 0 {
				return nil, fmt.Errorf("parse pattern %q: [ at byte %d has no ]", pattern, i)
			}
			b.WriteString("[" + not + classQuoter.Replace(class[:n+1]) + "]")
			i = len(pattern) - len(class) + n + 1
		case '\\':
			if i++; i == len(pattern) {
				return nil, fmt.Errorf("parse pattern %q: nothing behind the last \\", pattern)
			}
			b.WriteString(regexp.QuoteMeta(pattern[i : i+1]))
		default:
			b.WriteString(regexp.QuoteMeta(pattern[i : i+1]))
		}
	}
	b.WriteString(`\z`)
	re, err := regexp.Compile(b.String())
	if err != nil {
		return nil, fmt.Errorf("parse pattern %q: %w", pattern, err)
	}
	return &Glob{re}, nil
}

// Match reports whether the whole name matches.
func (g *Glob) Match(name string) bool { return g.re.MatchString(name) }
