package procmap

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vmasnap/vmasnap/internal/need"
)

// twins mounts two file systems and returns a file of each. Both have the same inode number.
func twins(t *testing.T) (a, b string) {
	t.Helper()
	need.Root(t, "CAP_SYS_ADMIN")
	var paths [2]string
	var inodes [2]uint64
	for i := range paths {
		dir := filepath.Join(realTempDir(t), "mnt")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mount("tmpfs", dir, "tmpfs", 0, ""); err != nil {
			need.Skip(t, need.Procmap, "to mount tmpfs: "+err.Error())
		}
		t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
		paths[i] = filepath.Join(dir, "lib.so")
	}
	create := func(i int) {
		t.Helper()
		// The old file must not make its number free for the new one.
		if err := os.Rename(paths[i], paths[i]+".old"); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		copyFile(t, "/proc/self/exe", paths[i])
		var st unix.Stat_t
		if err := unix.Stat(paths[i], &st); err != nil {
			t.Fatal(err)
		}
		inodes[i] = st.Ino
	}
	create(0)
	create(1)
	for tries := 0; inodes[0] != inodes[1]; tries++ {
		if tries == 100 {
			// Before Linux 5.9 all tmpfs count together.
			need.Skip(t, need.Procmap, "inode numbers of each tmpfs's own")
		}
		if inodes[0] < inodes[1] {
			create(0)
		} else {
			create(1)
		}
	}
	return paths[0], paths[1]
}

// openPath opens a file as a candidate does.
func openPath(t *testing.T, path string) (fd int, st unix.Stat_t) {
	t.Helper()
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Fstat(fd, &st); err != nil {
		t.Fatal(err)
	}
	return fd, st
}

// A file is not taken for one with the same inode number on another file system.
func TestSameInodeElsewhere(t *testing.T) {
	a, b := twins(t)
	p := openProcess(t, startChild(t, "map", a).PID)
	v, _ := findMapping(t, p, a)
	fdA, stA := openPath(t, a)
	fdB, stB := openPath(t, b)
	if stA.Ino != stB.Ino || stA.Ino != v.Inode || stA.Dev == stB.Dev {
		t.Fatalf("inodes %d, %d and %d, devices %d and %d", stA.Ino, stB.Ino, v.Inode, stA.Dev, stB.Dev)
	}
	elsewhere := v.Clone()
	elsewhere.Major, elsewhere.Minor = unix.Major(stB.Dev), unix.Minor(stB.Dev)
	files := NewFiles(FilesOptions{Mode: BuildIDFile})

	c := candidate{files: files, p: p, v: &v}
	if !c.isMapped(fdA, &stA) || c.isMapped(fdB, &stB) {
		t.Errorf("%s: isMapped = %v, %s: %v", a, c.isMapped(fdA, &stA), b, c.isMapped(fdB, &stB))
	}
	// stat(2) does not say what the kernel prints: the comparison tells all the same.
	other := stA
	other.Dev = stB.Dev ^ 1<<8
	if !c.isMapped(fdA, &other) {
		t.Error("the file itself is refused if stat has another device")
	}

	// map_files leads to another file than the VMA was about.
	mapped := candidate{files: files, p: p, v: &elsewhere}
	defer mapped.close()
	if err := mapped.openMapped(); err == nil {
		t.Error("map_files: the file of another device is taken")
	}

	// The name leads to another file.
	named := v.Clone()
	named.Name = []byte(b)
	blind := candidate{files: files, p: p, v: &named, asked: true, mapErr: unix.EPERM}
	if f := files.lookThrough(&blind, nil); f.Origin != OriginGone {
		t.Errorf("name: %+v", f)
	}

	// So does the name with the suffix: the file is deleted, not called so.
	if err := os.Link(b, b+" (deleted)"); err != nil {
		t.Fatal(err)
	}
	named.Deleted = true
	blind = candidate{files: files, p: p, v: &named, asked: true, mapErr: unix.EPERM}
	if f := files.lookThrough(&blind, nil); !f.Deleted || f.Path != b {
		t.Errorf("name with suffix: %+v", f)
	}
}
