package procmap

import "strconv"

// nameColumn is where the name starts in a line of a 64-bit kernel, counted from 0: the
// fields are padded to 25 + 6*sizeof(void *) - 1 bytes, and a space follows.
const nameColumn = 25 + 6*8 - 1 + 1

// AppendMapsLine appends the line that /proc/PID/maps of a 64-bit kernel has for v,
// newline included, and returns the extended slice. In the name, a newline is written as
// \012 and nothing else is escaped: that is what the kernel does, although a backslash
// followed by 012 then looks like a newline to whoever parses the line.
//
// A VMA with NameUnknown gets the line of one without a name.
func AppendMapsLine(dst []byte, v *VMA) []byte {
	start := len(dst)
	perms := v.Flags.letters()
	dst = appendHex(dst, v.Start, 8)
	dst = append(dst, '-')
	dst = appendHex(dst, v.End, 8)
	dst = append(dst, ' ')
	dst = append(dst, perms[:]...)
	dst = append(dst, ' ')
	dst = appendHex(dst, v.Offset, 8)
	dst = append(dst, ' ')
	dst = appendHex(dst, uint64(v.Major), 2)
	dst = append(dst, ':')
	dst = appendHex(dst, uint64(v.Minor), 2)
	dst = append(dst, ' ')
	dst = strconv.AppendUint(dst, v.Inode, 10)
	dst = append(dst, ' ')
	if len(v.Name) == 0 {
		return append(dst, '\n')
	}

	for len(dst)-start < nameColumn-1 {
		dst = append(dst, ' ')
	}
	dst = append(dst, ' ') // always, even after fields that are wider than the column
	for _, c := range v.Name {
		if c == '\n' {
			dst = append(dst, `\012`...)
		} else {
			dst = append(dst, c)
		}
	}
	if v.Deleted {
		dst = append(dst, deletedSuffix...)
	}
	return append(dst, '\n')
}

// appendHex appends n in lower-case hexadecimal, with zeros in front up to width.
func appendHex(dst []byte, n uint64, width int) []byte {
	var buf [16]byte
	digits := strconv.AppendUint(buf[:0], n, 16)
	for i := len(digits); i < width; i++ {
		dst = append(dst, '0')
	}
	return append(dst, digits...)
}
