package format

import (
	"encoding/hex"
	"strconv"
)

// AppendText appends the canonical text form of r to dst: one line, without the newline,
// such as
//
//	clear time=12 pid=3 tid=3 start=0x7f0000001000 len=0x2000
//
// Strings are quoted as Go strings whose every byte that is not printable is escaped, so
// that a line is safe to print on a terminal. ParseText is the inverse.
func AppendText(dst []byte, r Record) []byte {
	p := textPrinter{b: append(dst, textName(r)...)}
	visit(r, &p)
	return p.b
}

// textName returns the first word of a line.
func textName(r Record) string {
	if _, ok := r.(*Unknown); ok {
		return "unknown"
	}
	return r.Type().String()
}

// textPrinter is the visitor behind AppendText.
type textPrinter struct{ b []byte }

func (p *textPrinter) key(key string) {
	p.b = append(p.b, ' ')
	p.b = append(p.b, key...)
	p.b = append(p.b, '=')
}

func (p *textPrinter) u64(key string, v *uint64, f form) {
	if *v == 0 && f&always == 0 {
		return
	}
	p.key(key)
	p.b = appendNumber(p.b, *v, f)
}

// appendNumber appends v in hexadecimal with 0x before it, or in decimal digits.
func appendNumber(dst []byte, v uint64, f form) []byte {
	if f&hexa != 0 {
		return strconv.AppendUint(append(dst, "0x"...), v, 16)
	}
	return strconv.AppendUint(dst, v, 10)
}

func (p *textPrinter) u32(key string, v *uint32, f form) {
	wide := uint64(*v)
	p.u64(key, &wide, f)
}

func (p *textPrinter) u16(key string, v *uint16) {
	wide := uint64(*v)
	p.u64(key, &wide, hexa)
}

func (p *textPrinter) i32(key string, v *int32) {
	if *v != 0 {
		p.key(key)
		p.b = strconv.AppendInt(p.b, int64(*v), 10)
	}
}

func (p *textPrinter) flag(key string, v *bool) {
	if *v {
		p.b = append(append(p.b, ' '), key...)
	}
}

func (p *textPrinter) str(key string, v *string) {
	if *v != "" {
		p.key(key)
		p.b = strconv.AppendQuote(p.b, *v)
	}
}

func (p *textPrinter) name(key string, v name) {
	p.key(key)
	p.b = append(p.b, v.String()...)
}

func (p *textPrinter) device(key string, major, minor *uint32) {
	p.key(key)
	p.b = appendDevice(p.b, *major, *minor)
}

// Device returns a device number as /proc/PID/maps prints it: "08:01".
func Device(major, minor uint32) string { return string(appendDevice(nil, major, minor)) }

func appendDevice(dst []byte, major, minor uint32) []byte {
	for i, v := range [2]uint32{major, minor} {
		if i == 1 {
			dst = append(dst, ':')
		}
		if v < 16 {
			dst = append(dst, '0')
		}
		dst = strconv.AppendUint(dst, uint64(v), 16)
	}
	return dst
}

func (p *textPrinter) perm(key string, prot *Prot, flags *MapFlags) {
	p.key(key)
	p.b = appendPerm(p.b, *prot, *flags)
	visitOddPerm(p, prot, flags)
}

func (p *textPrinter) buildID(key string, v *BuildID) {
	if !v.IsZero() {
		p.key(key)
		p.b = hex.AppendEncode(p.b, []byte(v.raw))
	}
}

func (p *textPrinter) walks(key string, v *[numWalkStatus]uint32) {
	sep := func() { p.key(key) }
	for status, n := range v {
		if n == 0 {
			continue
		}
		sep()
		p.b = append(p.b, WalkStatus(status).String()...)
		p.b = strconv.AppendUint(append(p.b, ':'), uint64(n), 10)
		sep = func() { p.b = append(p.b, ',') }
	}
}

func (p *textPrinter) data(key string, v *[]byte) {
	if len(*v) > 0 {
		p.key(key)
		p.b = hex.AppendEncode(p.b, *v)
	}
}
