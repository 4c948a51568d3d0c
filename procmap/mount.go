package procmap

import (
	"bytes"
	"fmt"
	"strconv"
)

// HidePID is procfs's mount option hidepid.
type HidePID uint8

// The values of hidepid. Before Linux 5.8 mountinfo has the numbers.
const (
	HideNone          HidePID = 0 // off
	HideNoAccess      HidePID = 1 // noaccess: listed, but the files of others are closed
	HideInvisible     HidePID = 2 // invisible: others are not listed
	HideNotPtraceable HidePID = 4 // ptraceable: only what the reader may trace is listed; 5.8
)

// String returns the name that the mount option has since Linux 5.8.
func (h HidePID) String() string {
	switch h {
	case HideNone:
		return "off"
	case HideNoAccess:
		return "noaccess"
	case HideInvisible:
		return "invisible"
	case HideNotPtraceable:
		return "ptraceable"
	}
	return strconv.Itoa(int(h))
}

// MountInfo says what a mount of proc shows to this reader.
type MountInfo struct {
	HidePID HidePID
	GID     uint32 // group that hidepid=noaccess and invisible do not hide from

	// PIDNamespace is the inode number of the pid namespace that the numbers belong to; 0
	// if that could not be found out. OwnPIDs: it is the caller's own.
	PIDNamespace uint64
	OwnPIDs      bool
	// MountNamespace is the inode number of the caller's mount namespace, which paths are
	// relative to; 0 if that could not be found out.
	MountNamespace uint64

	// Hidden: not all processes of the machine are listed for this reader.
	Hidden bool
	// Restricted: some that are listed will not let this reader open their files, because
	// of hidepid=noaccess. The usual permissions apply besides.
	Restricted bool
}

// The inode numbers of the initial namespaces, PROC_PID_INIT_INO and PROC_USER_INIT_INO of
// include/linux/proc_ns.h.
const (
	initialPIDNamespace  = 0xEFFFFFFC
	initialUserNamespace = 0xEFFFFFFD
)

// mountEntry is what is used of one line of /proc/PID/mountinfo.
type mountEntry struct {
	id     int
	target []byte // mount point, unescaped
	fstype []byte
	super  []byte // options of the superblock
}

// parseMountLine parses
//
//	36 35 98:0 /root /target rw,noatime master:1 ... - ext3 /dev/root rw,errors=continue
func parseMountLine(line []byte) (mountEntry, bool) {
	var m mountEntry
	before, after, ok := bytes.Cut(line, []byte(" - "))
	if !ok {
		return m, false
	}
	f := bytes.Split(before, []byte(" "))
	g := bytes.Split(after, []byte(" "))
	if len(f) < 6 || len(g) < 3 {
		return m, false
	}
	id, err := strconv.Atoi(string(f[0]))
	if err != nil {
		return m, false
	}
	return mountEntry{id: id, target: unescapeOctal(f[4]), fstype: g[0], super: g[2]}, true
}

// unescapeOctal undoes the \ooo by which mountinfo writes blank, tab, newline, backslash
// and '#'.
func unescapeOctal(b []byte) []byte {
	if bytes.IndexByte(b, '\\') < 0 {
		return b
	}
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] == '\\' && i+3 < len(b) {
			if v, err := strconv.ParseUint(string(b[i+1:i+4]), 8, 8); err == nil {
				out = append(out, byte(v))
				i += 3
				continue
			}
		}
		out = append(out, b[i])
	}
	return out
}

// parseProcOptions reads hidepid and gid from the superblock options of a proc.
func (m *MountInfo) parseProcOptions(super []byte) error {
	for o := range bytes.SplitSeq(super, []byte(",")) {
		key, value, _ := bytes.Cut(o, []byte("="))
		switch string(key) {
		case "gid":
			n, err := strconv.ParseUint(string(value), 10, 32)
			if err != nil {
				return fmt.Errorf("parse mount option gid: %w", err)
			}
			m.GID = uint32(n)
		case "hidepid":
			switch string(value) {
			case "off", "0":
				m.HidePID = HideNone
			case "noaccess", "1":
				m.HidePID = HideNoAccess
			case "invisible", "2":
				m.HidePID = HideInvisible
			case "ptraceable", "4":
				m.HidePID = HideNotPtraceable
			default:
				return fmt.Errorf("parse mount option hidepid: unknown value %q", value)
			}
		}
	}
	return nil
}

// judge fills in Hidden and Restricted for a reader that may trace everybody (CAP_SYS_PTRACE
// in the initial user namespace) or not, and is in the group GID or not.
func (m *MountInfo) judge(tracer, member bool) {
	m.Hidden = m.PIDNamespace != initialPIDNamespace
	switch m.HidePID {
	case HideNoAccess:
		m.Restricted = !tracer && !member
	case HideInvisible:
		m.Hidden = m.Hidden || !tracer && !member
	case HideNotPtraceable: // the group does not help here
		m.Hidden = m.Hidden || !tracer
	}
}
