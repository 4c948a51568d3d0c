package procmap

import "bytes"

// status is what is used of /proc/PID/status.
type status struct {
	tgid  int
	state byte
	nspid int // in the innermost pid namespace
	depth int // how many pid namespaces NSpid lists, the reader's first; 0 = no such line
}

// parseStatus parses /proc/PID/status. Only the name in its first line is under the
// process's control, and the kernel escapes newlines there.
func parseStatus(b []byte) status {
	var st status
	for line := range bytes.Lines(b) {
		key, value, _ := bytes.Cut(line, []byte(":"))
		switch string(key) {
		case "State":
			if value = bytes.TrimLeft(value, " \t"); len(value) > 0 {
				st.state = value[0]
			}
		case "Tgid":
			numbers(value, &st.tgid)
		case "NSpid":
			st.depth = numbers(value, &st.nspid)
		}
	}
	return st
}

// numbers stores the last of the decimal numbers in b and returns how many there are.
func numbers(b []byte, last *int) (n int) {
	for {
		v, rest, ok := nextNumber(b)
		if !ok {
			return n
		}
		*last, b = int(v), rest
		n++
	}
}
