package symbols

import (
	"encoding/binary"
)

// cursor reads the fields of an ELF structure one after the other. The caller has checked that
// they are there.
type cursor struct {
	b     []byte
	order binary.ByteOrder
	is64  bool
}

func (m *image) cursor(b []byte) cursor { return cursor{b, m.order, m.is64} }

func (c *cursor) take(n int) []byte {
	b := c.b[:n]
	c.b = c.b[n:]
	return b
}

func (c *cursor) u8() uint8   { return c.take(1)[0] }
func (c *cursor) u16() uint16 { return c.order.Uint16(c.take(2)) }
func (c *cursor) u32() uint32 { return c.order.Uint32(c.take(4)) }

// word reads a field that is as wide as an address.
func (c *cursor) word() uint64 {
	if c.is64 {
		return c.order.Uint64(c.take(8))
	}
	return uint64(c.u32())
}
