package procmap

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// Mount finds out what the proc mounted at procfs ("" is "/proc") shows to the calling
// process with its present privileges. A pid namespace that cannot be found out counts as
// one that hides processes. It needs no privilege; hidepid=ptraceable exists since Linux 5.8.
func Mount(procfs string) (MountInfo, error) {
	var m MountInfo
	procfs = procRoot(procfs)
	super, err := procOptions(procfs)
	if err != nil {
		return m, fmt.Errorf("find mount of %s: %w", procfs, err)
	}
	if err := m.parseProcOptions(super); err != nil {
		return m, fmt.Errorf("read options of %s: %w", procfs, err)
	}
	h := homeOf(procfs)
	m.PIDNamespace, m.OwnPIDs = h.namespace, h.own
	m.MountNamespace = ownNamespace(procfs, "mnt")
	m.judge(mayTraceAll(procfs), inGroup(m.GID))
	return m, nil
}

// procOptions returns the superblock options of the proc mounted at procfs.
func procOptions(procfs string) ([]byte, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(procfs, &fs); err != nil {
		return nil, err
	}
	if fs.Type != unix.PROC_SUPER_MAGIC {
		return nil, errors.New("not a proc file system")
	}
	text, err := os.ReadFile(procfs + threadSelf + "/mountinfo")
	if errors.Is(err, os.ErrNotExist) { // proc of a pid namespace that the reader is not in
		text, err = os.ReadFile("/proc" + threadSelf + "/mountinfo")
	}
	if err != nil {
		return nil, err
	}

	// The mount's number is exact; kernels before 5.8 do not tell it.
	id := -1
	var st unix.Statx_t
	if unix.Statx(unix.AT_FDCWD, procfs, 0, unix.STATX_MNT_ID, &st) == nil && st.Mask&unix.STATX_MNT_ID != 0 {
		id = int(st.Mnt_id)
	}
	target, err := filepath.Abs(procfs)
	if err != nil {
		return nil, err
	}
	if t, err := filepath.EvalSymlinks(target); err == nil {
		target = t
	}

	var super []byte
	for line := range bytes.Lines(text) {
		e, ok := parseMountLine(bytes.TrimSuffix(line, []byte("\n")))
		if !ok || string(e.fstype) != "proc" {
			continue
		}
		if e.id == id {
			return e.super, nil
		}
		if string(e.target) == target {
			super = e.super // a later mount covers an earlier one
		}
	}
	if super == nil {
		return nil, errors.New("no such entry in mountinfo")
	}
	return super, nil
}

// mayTraceAll reports whether the reader holds CAP_SYS_PTRACE over everybody.
func mayTraceAll(procfs string) bool {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return false
	}
	if data[unix.CAP_SYS_PTRACE>>5].Effective&(1<<(unix.CAP_SYS_PTRACE&31)) == 0 {
		return false
	}
	ns := ownNamespace(procfs, "user")
	return ns == 0 || ns == initialUserNamespace // 0: no CONFIG_USER_NS, so there is one
}

// ownNamespace returns the inode number of the reader's namespace of a kind, 0 if it is not
// to be found. A proc of a pid namespace that the reader is not in does not tell: then /proc
// may.
func ownNamespace(procfs, kind string) uint64 {
	var b [64]byte
	for _, root := range []string{procfs, "/proc"} {
		if link, err := atLink(unix.AT_FDCWD, cname(root+threadSelf+"/ns/"+kind), b[:]); err == nil {
			return parseNamespace(link)
		}
	}
	return 0
}

// inGroup reports whether gid is among the reader's groups.
func inGroup(gid uint32) bool {
	groups, err := unix.Getgroups()
	return unix.Getegid() == int(gid) || err == nil && slices.Contains(groups, int(gid))
}
