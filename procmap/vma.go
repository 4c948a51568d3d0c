package procmap

import "bytes"

// Flags are the permissions and the sharing of a VMA.
type Flags uint8

// The bits of Flags. Their numbers are those of enum procmap_query_flags in
// include/uapi/linux/fs.h.
const (
	Readable   Flags = 0x01
	Writable   Flags = 0x02
	Executable Flags = 0x04
	Shared     Flags = 0x08
)

// String returns the four letters of /proc/PID/maps, for example "r-xp".
func (f Flags) String() string {
	b := f.letters()
	return string(b[:])
}

func (f Flags) letters() [4]byte {
	b := [4]byte{'-', '-', '-', 'p'}
	if f&Readable != 0 {
		b[0] = 'r'
	}
	if f&Writable != 0 {
		b[1] = 'w'
	}
	if f&Executable != 0 {
		b[2] = 'x'
	}
	if f&Shared != 0 {
		b[3] = 's'
	}
	return b
}

// VMA is one virtual memory area as it was at one moment.
//
// Name and BuildID alias buffers of the Maps or the Parser that filled the VMA in: they
// are valid until the next call on it. Clone makes a VMA that stays.
type VMA struct {
	Start  uint64 // first address
	End    uint64 // first address after it
	Offset uint64 // bytes into the file; 0 without a file
	Flags  Flags

	PageSize uint64 // bytes; 0 = unknown (text source)

	// The file as the kernel prints it, which on btrfs and on overlayfs of older kernels is
	// not what stat(2) says. All 0 without a file.
	Major uint32
	Minor uint32
	Inode uint64

	// Name is the path of the file relative to the reader's root, or the kernel's name of
	// a special VMA such as [vdso] or [stack]; empty for plain anonymous memory.
	// Paths are bytes: not always UTF-8, possibly with newlines.
	Name []byte

	// Deleted tells that the kernel's name of the file ended in " (deleted)", which has
	// been taken off Name. A file whose real name ends so looks the same.
	Deleted bool

	// NameUnknown tells that the VMA has a name but that it could not be had: it is longer
	// than the kernel or the Parser takes. Name is empty then.
	NameUnknown bool

	// BuildID is the GNU build ID that the kernel read, if it was asked for one. Nil if it
	// found none.
	BuildID []byte
}

// FileBacked reports whether a file is mapped. "Inode != 0" would be wrong: the first SysV
// shared memory segment after boot has inode 0. No file system has device 0:0.
func (v *VMA) FileBacked() bool { return v.Major != 0 || v.Minor != 0 || v.Inode != 0 }

// Clone returns a copy of v that shares no memory with a Maps.
func (v *VMA) Clone() VMA {
	c := *v
	c.Name = bytes.Clone(v.Name)
	c.BuildID = bytes.Clone(v.BuildID)
	return c
}

// sameFile reports whether v and o map the same byte of the same file at each address
// that both cover.
func (v *VMA) sameFile(o *VMA) bool {
	return v.Major == o.Major && v.Minor == o.Minor && v.Inode == o.Inode &&
		v.Start-v.Offset == o.Start-o.Offset
}

var deletedSuffix = []byte(" (deleted)")

// setName takes the name as the kernel tells it. The fields that FileBacked looks at must
// have been set. Only a path can carry the suffix: a name such as [anon_shmem:x] or
// anon_inode:[perf_event] cannot.
func (v *VMA) setName(name []byte) {
	v.Deleted = false
	if v.FileBacked() && len(name) > 0 && name[0] == '/' {
		name, v.Deleted = bytes.CutSuffix(name, deletedSuffix)
	}
	v.Name = name
}
