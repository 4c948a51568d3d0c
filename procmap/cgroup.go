package procmap

import "bytes"

var rootCgroup = []byte("/")

// parseCgroup returns the path that tells most about a process from /proc/PID/cgroup:
// that of the unified hierarchy, else of name=systemd, else of the first other hierarchy,
// where "/" counts as telling nothing. It aliases b or is rootCgroup.
//
// Each line is "number:controllers:path". The kernel lets no newline into a path; anything
// else may occur.
func parseCgroup(b []byte) []byte {
	const unified, systemd, other, none = 0, 1, 2, 3
	best, path := none, rootCgroup
	for line := range bytes.SplitSeq(b, []byte("\n")) {
		_, line, _ = bytes.Cut(line, []byte(":"))
		names, p, _ := bytes.Cut(line, []byte(":"))
		if len(p) == 0 || string(p) == "/" {
			continue
		}
		rank := other
		switch string(names) {
		case "":
			rank = unified
		case "name=systemd":
			rank = systemd
		}
		if rank < best {
			best, path = rank, p
		}
	}
	return path
}
