package procmap

import "fmt"

// cursor reads the fields of a line from left to right. Its first error sticks, with pos
// at the byte that is wrong.
type cursor struct {
	line []byte
	pos  int
	msg  string
}

func (c *cursor) fail(msg string) {
	if c.msg == "" {
		c.msg = msg
	}
}

func (c *cursor) byte(want byte) {
	if c.msg != "" {
		return
	}
	if c.pos >= len(c.line) || c.line[c.pos] != want {
		c.fail(fmt.Sprintf("want %q", want))
		return
	}
	c.pos++
}

// hex reads a number of lower-case hexadecimal digits that fits into bits.
func (c *cursor) hex(what string, bits int) uint64 {
	var n uint64
	begin := c.pos
	for c.msg == "" && c.pos < len(c.line) {
		var digit byte
		switch b := c.line[c.pos]; {
		case '0' <= b && b <= '9':
			digit = b - '0'
		case 'a' <= b && b <= 'f':
			digit = b - 'a' + 10
		default:
			digit = 0xff
		}
		if digit == 0xff {
			break
		}
		if n>>(bits-4) != 0 {
			c.fail(what + " is too large")
			return 0
		}
		n = n<<4 | uint64(digit)
		c.pos++
	}
	if c.pos == begin {
		c.fail("want " + what)
	}
	return n
}

// decimal reads a decimal number that fits into 64 bits.
func (c *cursor) decimal(what string) uint64 {
	var n uint64
	begin := c.pos
	for c.msg == "" && c.pos < len(c.line) && '0' <= c.line[c.pos] && c.line[c.pos] <= '9' {
		digit := uint64(c.line[c.pos] - '0')
		if n > (1<<64-1-digit)/10 {
			c.fail(what + " is too large")
			return 0
		}
		n = n*10 + digit
		c.pos++
	}
	if c.pos == begin {
		c.fail("want " + what)
	}
	return n
}

// flags reads four letters such as r-xp.
func (c *cursor) flags() Flags {
	var f Flags
	for i, set := range [4]struct {
		on, off byte
		flag    Flags
	}{{'r', '-', Readable}, {'w', '-', Writable}, {'x', '-', Executable}, {'s', 'p', Shared}} {
		if c.msg != "" {
			break
		}
		switch {
		case c.pos < len(c.line) && c.line[c.pos] == set.on:
			f |= set.flag
		case c.pos >= len(c.line) || c.line[c.pos] != set.off:
			c.fail("want permission letter " + string("rwxs"[i]))
			return 0
		}
		c.pos++
	}
	return f
}
