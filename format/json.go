package format

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// JSONSchema is the version of the JSON form, which a host line carries as "schema".
// Within it keys may be added; a reader should ignore those that it does not know.
const JSONSchema = 1

// AppendJSON appends r as one JSON object to dst, without a newline. The keys are those of
// the text form but for length, offset, inode and generation; docs/format.md has the
// schema. Numbers whose every bit counts are strings. A string that is not UTF-8 has U+FFFD
// for each bad byte, and its bytes in base64 under the same key with "_bytes" appended.
func AppendJSON(dst []byte, r Record) []byte {
	p := jsonPrinter{b: append(dst, `{"type":"`...)}
	p.b = append(p.b, textName(r)...)
	p.b = append(p.b, '"')
	if r.Type() == TypeHost {
		p.b = strconv.AppendUint(append(p.b, `,"schema":`...), JSONSchema, 10)
	}
	visit(r, &p)
	return append(p.b, '}')
}

// jsonPrinter is the visitor behind AppendJSON. The object has a member before the first
// field.
type jsonPrinter struct{ b []byte }

// key appends a comma and the key, which is spelled out where the text form is terse.
func (p *jsonPrinter) key(key string) {
	switch key {
	case "len":
		key = "length"
	case "pgoff":
		key = "offset"
	case "ino":
		key = "inode"
	case "gen":
		key = "generation"
	case "has_gen":
		key = "has_generation"
	}
	p.b = append(p.b, `,"`...)
	p.b = append(p.b, key...)
	p.b = append(p.b, `":`...)
}

func (p *jsonPrinter) u64(key string, v *uint64, f form) {
	if *v == 0 && f&always == 0 {
		return
	}
	p.key(key)
	if f&(hexa|exact) == 0 {
		p.b = appendNumber(p.b, *v, f)
		return
	}
	p.b = append(appendNumber(append(p.b, '"'), *v, f), '"')
}

func (p *jsonPrinter) u32(key string, v *uint32, f form) {
	wide := uint64(*v)
	p.u64(key, &wide, f)
}

func (p *jsonPrinter) u16(key string, v *uint16) {
	wide := uint64(*v)
	p.u64(key, &wide, hexa)
}

func (p *jsonPrinter) i32(key string, v *int32) {
	if *v != 0 {
		p.key(key)
		p.b = strconv.AppendInt(p.b, int64(*v), 10)
	}
}

func (p *jsonPrinter) flag(key string, v *bool) {
	if *v {
		p.key(key)
		p.b = append(p.b, "true"...)
	}
}

func (p *jsonPrinter) str(key string, v *string) {
	if *v == "" {
		return
	}
	p.key(key)
	p.b = appendJSONString(p.b, *v)
	if !utf8.ValidString(*v) {
		p.bytes(key+"_bytes", []byte(*v))
	}
}

func (p *jsonPrinter) bytes(key string, v []byte) {
	p.key(key)
	p.b = base64.StdEncoding.AppendEncode(append(p.b, '"'), v)
	p.b = append(p.b, '"')
}

// appendJSONString appends s in quotes, with U+FFFD for each byte that is not UTF-8.
func appendJSONString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		r, n := rune(s[i]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRuneInString(s[i:])
		}
		bad := r == utf8.RuneError && n == 1
		if !bad && r != '"' && r != '\\' && unicode.IsPrint(r) {
			i += n
			continue
		}
		dst = append(dst, s[start:i]...)
		switch r {
		case '"', '\\':
			dst = append(dst, '\\', byte(r))
		case '\n':
			dst = append(dst, `\n`...)
		case '\t':
			dst = append(dst, `\t`...)
		default:
			dst = AppendJSONRune(dst, r)
		}
		i += n
		start = i
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

// AppendJSONRune appends a character of a JSON string, escaped unless it is printable, as
// unicode.IsPrint has it: what a terminal obeys, does not show or takes for the end of a line
// is not. Quotes and backslashes are left as they are.
func AppendJSONRune(dst []byte, r rune) []byte {
	switch {
	case unicode.IsPrint(r):
		return utf8.AppendRune(dst, r)
	case r <= 0xFFFF:
		return fmt.Appendf(dst, `\u%04x`, r)
	}
	high, low := utf16.EncodeRune(r)
	return fmt.Appendf(dst, `\u%04x\u%04x`, high, low)
}

func (p *jsonPrinter) name(key string, v name) {
	p.key(key)
	p.b = append(append(append(p.b, '"'), v.String()...), '"')
}

func (p *jsonPrinter) device(key string, major, minor *uint32) {
	p.key(key)
	p.b = append(appendDevice(append(p.b, '"'), *major, *minor), '"')
}

func (p *jsonPrinter) perm(key string, prot *Prot, flags *MapFlags) {
	p.key(key)
	p.b = append(appendPerm(append(p.b, '"'), *prot, *flags), '"')
	visitOddPerm(p, prot, flags)
}

func (p *jsonPrinter) buildID(key string, v *BuildID) {
	if !v.IsZero() {
		p.key(key)
		p.b = append(hex.AppendEncode(append(p.b, '"'), []byte(v.raw)), '"')
	}
}

func (p *jsonPrinter) walks(key string, v *[numWalkStatus]uint32) {
	p.key(key)
	p.b = append(p.b, '{')
	sep := `"`
	for status, n := range v {
		if n == 0 {
			continue
		}
		p.b = append(p.b, sep...)
		p.b = append(p.b, WalkStatus(status).String()...)
		p.b = strconv.AppendUint(append(p.b, `":`...), uint64(n), 10)
		sep = `,"`
	}
	p.b = append(p.b, '}')
}

func (p *jsonPrinter) data(key string, v *[]byte) {
	if len(*v) > 0 {
		p.bytes(key, *v)
	}
}
