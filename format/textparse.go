package format

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ParseText is the inverse of AppendText. The fields may come in any order, and those that
// are missing are zero. An error names the field and the column, of which the first is 1.
func ParseText(line []byte) (Record, error) {
	var p textParser
	if err := p.split(strings.TrimSpace(string(line))); err != nil {
		return nil, fmt.Errorf("parse text: %w", err)
	}
	if len(p.tokens) == 0 {
		return nil, errors.New("parse text: empty line")
	}
	kind := p.tokens[0].key
	r := newRecord(kind)
	if r == nil || !p.tokens[0].bare {
		return nil, fmt.Errorf("parse text: %q is no record type", kind)
	}
	p.tokens[0].used = true // the name is no field
	visit(r, &p)
	if p.err != nil {
		return nil, fmt.Errorf("parse text: %s: %w", kind, p.err)
	}
	for _, t := range p.tokens {
		if !t.used {
			return nil, fmt.Errorf("parse text: %s: column %d: field %q is unknown or came before", kind, t.column, t.key)
		}
	}
	return r, nil
}

// newRecord returns an empty record of the type that is called kind in the text form.
func newRecord(kind string) Record {
	if kind == "unknown" {
		return new(Unknown)
	}
	switch Type(max(0, slices.Index(typeNames, kind))) {
	case TypeHost:
		return new(Host)
	case TypeProcess:
		return new(Process)
	case TypeMmap:
		return new(Mmap)
	case TypeClear:
		return new(Clear)
	case TypeComm:
		return new(Comm)
	case TypeFork:
		return new(Fork)
	case TypeExec:
		return new(Exec)
	case TypeExit:
		return new(Exit)
	case TypeLost:
		return new(Lost)
	case TypeSnapshotBegin:
		return new(SnapshotBegin)
	case TypeSnapshotEnd:
		return new(SnapshotEnd)
	case TypeClock:
		return new(Clock)
	case TypeEnd:
		return new(End)
	}
	return nil
}

// token is one word of a line: key, or key=value.
type token struct {
	key, value string
	column     int
	bare, used bool
}

// textParser is the visitor behind ParseText. It keeps the first error.
type textParser struct {
	tokens []token
	err    error
}

// split cuts a line into tokens.
func (p *textParser) split(s string) error {
	for i := 0; ; {
		for i < len(s) && s[i] == ' ' {
			i++
		}
		if i == len(s) {
			return nil
		}
		t := token{column: i + 1}
		word := s[i:]
		if n := strings.IndexAny(word, " ="); n < 0 || word[n] == ' ' {
			t.key, _, _ = strings.Cut(word, " ")
			t.bare = true
			i += len(t.key)
		} else {
			t.key = word[:n]
			i += n + 1
			if strings.HasPrefix(s[i:], `"`) {
				q, err := strconv.QuotedPrefix(s[i:])
				if err != nil {
					return fmt.Errorf("column %d: %s: quoted string: %w", i+1, t.key, err)
				}
				t.value = q
			} else {
				t.value, _, _ = strings.Cut(s[i:], " ")
			}
			i += len(t.value)
			if i < len(s) && s[i] != ' ' {
				return fmt.Errorf("column %d: %s: want a space behind the string", i+1, t.key)
			}
		}
		p.tokens = append(p.tokens, t)
	}
}

// field parses the value of key, if the line has it, with f.
func (p *textParser) field(key string, f func(value string) error) {
	for i := range p.tokens {
		t := &p.tokens[i]
		if t.used || t.key != key || p.err != nil {
			continue
		}
		t.used = true
		err := errors.New("want a value")
		if !t.bare {
			err = f(t.value)
		}
		if err != nil {
			p.err = fmt.Errorf("column %d: %s: %w", t.column, key, err)
		}
		return
	}
}

// number parses v, decimal or hexadecimal behind 0x, of the given bits.
func number(v string, bits int) (uint64, error) {
	base, digits := 10, v
	if rest, ok := strings.CutPrefix(v, "0x"); ok {
		base, digits = 16, rest
	}
	return strconv.ParseUint(digits, base, bits)
}

func (p *textParser) u64(key string, v *uint64, _ form) {
	p.field(key, func(s string) (err error) {
		*v, err = number(s, 64)
		return err
	})
}

func (p *textParser) u32(key string, v *uint32, _ form) {
	p.field(key, func(s string) error {
		n, err := number(s, 32)
		*v = uint32(n)
		return err
	})
}

func (p *textParser) u16(key string, v *uint16) {
	p.field(key, func(s string) error {
		n, err := number(s, 16)
		*v = uint16(n)
		return err
	})
}

func (p *textParser) i32(key string, v *int32) {
	p.field(key, func(s string) error {
		n, err := strconv.ParseInt(s, 10, 32)
		*v = int32(n)
		return err
	})
}

func (p *textParser) flag(key string, v *bool) {
	for i := range p.tokens {
		if t := &p.tokens[i]; t.key == key && t.bare && !t.used {
			t.used, *v = true, true
			return
		}
	}
}

func (p *textParser) str(key string, v *string) {
	p.field(key, func(s string) (err error) {
		if !strings.HasPrefix(s, `"`) {
			return errors.New("want a quoted string")
		}
		*v, err = strconv.Unquote(s)
		return err
	})
}

func (p *textParser) name(key string, v name) {
	p.field(key, func(s string) error { return v.UnmarshalText([]byte(s)) })
}

func (p *textParser) device(key string, major, minor *uint32) {
	p.field(key, func(s string) error {
		a, b, ok := strings.Cut(s, ":")
		n, err1 := strconv.ParseUint(a, 16, 32)
		m, err2 := strconv.ParseUint(b, 16, 32)
		if !ok || err1 != nil || err2 != nil {
			return fmt.Errorf("want hexadecimal major:minor, not %q", s)
		}
		*major, *minor = uint32(n), uint32(m)
		return nil
	})
}

func (p *textParser) perm(key string, prot *Prot, flags *MapFlags) {
	p.field(key, func(s string) (err error) {
		*prot, *flags, err = parsePerm(s)
		return err
	})
	p.u32("prot_bits", (*uint32)(prot), hexa)
	p.u32("flag_bits", (*uint32)(flags), hexa)
}

var errPerm = errors.New("want four letters such as r-xp")

// parsePerm parses what Mmap.Perm returns.
func parsePerm(s string) (prot Prot, flags MapFlags, err error) {
	if len(s) != 4 {
		return 0, 0, errPerm
	}
	for i, c := range [...]byte{'r', 'w', 'x'} {
		switch s[i] {
		case c:
			prot |= 1 << i
		case '-':
		default:
			return 0, 0, errPerm
		}
	}
	switch s[3] {
	case 's':
		return prot, MapShared, nil
	case 'p':
		return prot, MapPrivate, nil
	case '-':
		return prot, 0, nil
	}
	return 0, 0, errPerm
}

func (p *textParser) buildID(key string, v *BuildID) {
	p.field(key, func(s string) (err error) {
		*v, err = ParseBuildID(s)
		return err
	})
}

func (p *textParser) walks(key string, v *[numWalkStatus]uint32) {
	p.field(key, func(s string) error {
		for part := range strings.SplitSeq(s, ",") {
			status, count, _ := strings.Cut(part, ":")
			n, err := number(count, 32)
			i := slices.Index(walkStatusNames, status)
			if i < 0 || err != nil {
				return fmt.Errorf("want status:count, not %q", part)
			}
			v[i] = uint32(n)
		}
		return nil
	})
}

func (p *textParser) data(key string, v *[]byte) {
	p.field(key, func(s string) (err error) {
		if s == "" {
			return errors.New("want hexadecimal digits")
		}
		*v, err = hex.DecodeString(s)
		return err
	})
}
