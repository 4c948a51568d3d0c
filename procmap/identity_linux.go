package procmap

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// reopen opens a file for reading that is open with O_PATH. Only regular files are: to open
// a device can have effects, to open a pipe can block.
func (f *Files) reopen(fd int, st *unix.Stat_t) (int, error) {
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return -1, ErrNotELF
	}
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	return atOpen(unix.AT_FDCWD, s.join(f.opt.ProcFS+threadSelf+"/fd", fd), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY)
}

// identical reports whether the regular file behind fd, an O_PATH descriptor, is the one
// that the kernel says v maps. stat(2) cannot tell on btrfs, where each subvolume has a
// device number of its own, and on overlayfs before Linux 6.8: so the file is mapped here
// and the kernel asked about that mapping.
func (f *Files) identical(fd int, st *unix.Stat_t, v *VMA) bool {
	fd, err := f.reopen(fd, st)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	page, err := unix.Mmap(fd, 0, 1, unix.PROT_READ, unix.MAP_PRIVATE)
	if err != nil {
		return false
	}
	defer unix.Munmap(page)
	own, err := f.ownVMA(uint64(uintptr(unsafe.Pointer(&page[0]))))
	return err == nil && own.Major == v.Major && own.Minor == v.Minor && own.Inode == v.Inode
}

// ownVMA returns the VMA of the calling process that covers addr.
func (f *Files) ownVMA(addr uint64) (VMA, error) {
	m, err := openMaps(unix.AT_FDCWD, f.opt.ProcFS+threadSelf+"/maps", Options{})
	if err != nil {
		return VMA{}, err
	}
	defer m.Close()
	var v VMA
	err = m.Find(addr, &v)
	return v.Clone(), err
}
