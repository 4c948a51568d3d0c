package procmap

import (
	"bytes"
	"errors"
	"io"
)

const (
	initialBuffer = 8 << 10

	// maxLine bounds the memory that a line can take: 64 times PATH_MAX, as a path that is
	// made of short steps may be longer than PATH_MAX and each byte of it written as \012.
	maxLine = 256 << 10

	// maxEmptyReads is how often a reader may return neither bytes nor an error.
	maxEmptyReads = 100
)

// Parser reads the text of /proc/PID/maps.
//
// It needs no Linux: the text may come from a file saved elsewhere. It delivers each line,
// the gate area [vsyscall] included, and applies no filter.
type Parser struct {
	r       io.Reader
	readErr error  // of r, after which nothing is read; io.EOF at the end
	buf     []byte // buf[pos:end] has been read and not been parsed
	pos     int
	end     int
	offset  int64 // of buf[pos] in the text

	line   int   // number of the current line
	lineAt int64 // its offset in the text
	err    error // what Next returned last; sticky
}

// NewParser returns a Parser over r. It buffers, so it may read further than it parses.
func NewParser(r io.Reader) *Parser {
	p := new(Parser)
	p.Reset(r)
	return p
}

// Reset makes p start over with r and keep its buffer.
func (p *Parser) Reset(r io.Reader) { *p = Parser{r: r, buf: p.buf} }

// Next fills in v from the next line. All of v is overwritten; v.Name is valid until the
// next call on p. At the end of the text the error is io.EOF. Any other is an error of the
// reader or a *ParseError. Errors are final.
//
// A line longer than 256 KiB loses its name and sets v.NameUnknown.
func (p *Parser) Next(v *VMA) error {
	*v = VMA{}
	if p.err != nil {
		return p.err
	}
	line, whole, err := p.readLine()
	if err == nil {
		err = p.parseLine(line, whole, v)
	}
	if err != nil {
		*v = VMA{}
		p.err = err
	}
	return err
}

// readLine returns the next line without its newline. If whole is false, that is but the
// beginning of it, and the rest has been passed over.
func (p *Parser) readLine() (line []byte, whole bool, err error) {
	p.line++
	p.lineAt = p.offset
	searched := 0
	for {
		if i := bytes.IndexByte(p.buf[p.pos+searched:p.end], '\n'); i >= 0 {
			line = p.buf[p.pos : p.pos+searched+i]
			p.take(len(line) + 1)
			return line, true, nil
		}
		searched = p.end - p.pos
		switch {
		case searched >= maxLine:
			return p.cutLine()
		case searched > 0 && errors.Is(p.readErr, io.EOF):
			return nil, false, p.errorAt(searched, "last line has no end", io.ErrUnexpectedEOF)
		case p.readErr != nil:
			return nil, false, p.readErr
		}
		p.fill()
	}
}

// cutLine passes over a line that fills the buffer, and returns its beginning.
func (p *Parser) cutLine() (line []byte, whole bool, err error) {
	const fieldsFit = 256
	line = bytes.Clone(p.buf[p.pos : p.pos+fieldsFit])
	for {
		rest := p.buf[p.pos:p.end]
		if i := bytes.IndexByte(rest, '\n'); i >= 0 {
			p.take(i + 1)
			return line, false, nil
		}
		p.take(len(rest))
		switch {
		case errors.Is(p.readErr, io.EOF):
			col := int(p.offset - p.lineAt)
			return nil, false, p.errorAt(col, "last line has no end", io.ErrUnexpectedEOF)
		case p.readErr != nil:
			return nil, false, p.readErr
		}
		p.fill()
	}
}

func (p *Parser) take(n int) {
	p.pos += n
	p.offset += int64(n)
}

// fill reads once into the buffer, for which it makes room, or sets p.readErr.
func (p *Parser) fill() {
	if p.pos > 0 {
		copy(p.buf, p.buf[p.pos:p.end])
		p.end -= p.pos
		p.pos = 0
	}
	if p.end == len(p.buf) {
		buf := make([]byte, max(initialBuffer, 2*len(p.buf)))
		copy(buf, p.buf[:p.end])
		p.buf = buf
	}
	for range maxEmptyReads {
		n, err := p.r.Read(p.buf[p.end:])
		if n < 0 || n > len(p.buf)-p.end {
			p.readErr = errors.New("read maps: reader returned an impossible count")
			return
		}
		p.end += n
		p.readErr = err
		if n > 0 || err != nil {
			return
		}
	}
	p.readErr = io.ErrNoProgress
}

// errorAt makes the error for the current line, col bytes into it.
func (p *Parser) errorAt(col int, msg string, err error) error {
	return &ParseError{Line: p.line, Offset: p.lineAt + int64(col), Msg: msg, Err: err}
}

// parseLine fills in v from a line.
func (p *Parser) parseLine(line []byte, whole bool, v *VMA) error {
	c := cursor{line: line}
	v.Start = c.hex("start address", 64)
	c.byte('-')
	v.End = c.hex("end address", 64)
	if v.Start >= v.End {
		c.fail("empty address range")
	}
	c.byte(' ')
	v.Flags = c.flags()
	c.byte(' ')
	v.Offset = c.hex("offset", 64)
	c.byte(' ')
	v.Major = uint32(c.hex("device major", 32))
	c.byte(':')
	v.Minor = uint32(c.hex("device minor", 32))
	c.byte(' ')
	v.Inode = c.decimal("inode")
	if c.pos < len(line) { // the space at the end of a line may have been trimmed
		c.byte(' ')
	}
	if c.msg != "" {
		return p.errorAt(c.pos, c.msg, ErrSyntax)
	}
	if !whole {
		v.NameUnknown = true
		return nil
	}
	// All spaces here are padding: no name that the kernel prints starts with one.
	v.setName(unescape(bytes.TrimLeft(line[c.pos:], " ")))
	return nil
}

// unescape decodes \012 in place. It is the only escape that the kernel writes here.
func unescape(name []byte) []byte {
	const escape = `\012`
	r := bytes.Index(name, []byte(escape))
	if r < 0 {
		return name
	}
	w := r
	for r < len(name) {
		if name[r] == '\\' && bytes.HasPrefix(name[r:], []byte(escape)) {
			name[w] = '\n'
			r += len(escape)
		} else {
			name[w] = name[r]
			r++
		}
		w++
	}
	return name[:w]
}
