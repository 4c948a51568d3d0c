package main

import (
	"bytes"
	"errors"
	"strconv"
	"syscall"
)

var errLongLine = errors.New("line is longer than the buffer")

// eachLine calls line for each line of fd, without the newline, until it returns false, and
// returns how often it read.
func eachLine(fd int, buf []byte, line func([]byte) bool) (reads int, err error) {
	for have := 0; ; {
		if have == len(buf) {
			return reads, errLongLine
		}
		n, err := syscall.Read(fd, buf[have:])
		reads++
		if err != nil || n <= 0 {
			return reads, err
		}
		rest := buf[:have+n]
		for {
			end := bytes.IndexByte(rest, '\n')
			if end < 0 {
				break
			}
			if !line(rest[:end]) {
				return reads, nil
			}
			rest = rest[end+1:]
		}
		have = copy(buf, rest)
	}
}

// textWalker is a parser of /proc/PID/maps as one writes it by hand for speed: one buffer,
// as few reads as the kernel allows, a look at the permissions before anything else, and a
// fixed place for each field that has one.
type textWalker struct{ buf []byte }

// mapped is what a textWalker tells; name is valid until the next line.
type mapped struct {
	start, end, offset, inode uint64
	name                      []byte
}

// walk calls each for the executable file-backed VMAs of a process.
func (t *textWalker) walk(pid int, each func(*mapped)) error {
	fd, err := syscall.Open("/proc/"+strconv.Itoa(pid)+"/maps", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	var m mapped
	_, err = eachLine(fd, t.buf, func(line []byte) bool {
		if t.parse(line, &m) {
			each(&m)
		}
		return true
	})
	return err
}

// parse reports whether the line is of an executable VMA with a file.
func (t *textWalker) parse(line []byte, m *mapped) bool {
	dash := bytes.IndexByte(line, '-')
	space := dash + 1 + bytes.IndexByte(line[dash+1:], ' ')
	if line[space+3] != 'x' {
		return false
	}
	m.start, m.end = hex(line[:dash]), hex(line[dash+1:space])
	line = line[space+len(" r-xp "):]
	space = bytes.IndexByte(line, ' ')
	m.offset = hex(line[:space])
	line = line[space+1:]
	line = line[bytes.IndexByte(line, ' ')+1:] // the device
	m.inode = 0
	for len(line) > 0 && line[0] != ' ' {
		m.inode = m.inode*10 + uint64(line[0]-'0')
		line = line[1:]
	}
	m.name = bytes.TrimLeft(line, " ")
	return m.inode != 0
}

func hex(digits []byte) (n uint64) {
	for _, d := range digits {
		if d >= 'a' {
			d -= 'a' - 10
		} else {
			d -= '0'
		}
		n = n<<4 | uint64(d)
	}
	return n
}
