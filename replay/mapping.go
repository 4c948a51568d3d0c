package replay

import (
	"fmt"

	"github.com/vmasnap/vmasnap/format"
)

// File is what a mapping maps. Files are interned by a Session and never change: two
// mappings of one Session map the same file if their pointers are equal.
type File struct {
	Path    string // bytes; [vdso] and "" (anonymous memory) occur
	Deleted bool   // no longer linked at Path when it was recorded

	// As /proc/PID/maps prints it, which is not always what stat(2) says.
	Major, Minor  uint32
	Inode         uint64
	Generation    uint64 // meaningful if HasGeneration
	HasGeneration bool

	BuildID       format.BuildID // GNU build ID
	GoBuildID     string
	BuildIDOrigin format.BuildIDOrigin
}

// of reports whether r maps the file.
func (f *File) of(r *format.Mmap) bool {
	return f.Inode == r.Inode && f.Generation == r.Generation && f.Major == r.Major && f.Minor == r.Minor &&
		f.Deleted == r.Deleted && f.HasGeneration == r.HasGeneration && f.BuildIDOrigin == r.BuildIDOrigin &&
		f.Path == r.Path && f.BuildID == r.BuildID && f.GoBuildID == r.GoBuildID
}

// Mapping is reconstructed state: [Start, End) of an address space is File from Offset on.
type Mapping struct {
	Start  uint64 // first address
	End    uint64 // first address after it
	Offset uint64 // bytes into File at Start
	File   *File  // never nil in a Space that a Session made
	Prot   format.Prot
	Flags  format.MapFlags
	Kind   format.Content
}

// FileOffset translates an address inside the mapping to bytes into the file.
func (m *Mapping) FileOffset(addr uint64) uint64 { return addr - m.Start + m.Offset }

// Perm returns the four letters of /proc/PID/maps, for example "r-xp".
func (m *Mapping) Perm() string {
	r := format.Mmap{Prot: m.Prot, Flags: m.Flags}
	return r.Perm()
}

// head returns the part of m before addr.
func (m Mapping) head(addr uint64) Mapping {
	m.End = addr
	return m
}

// tail returns the part of m from addr on; the offset moves with the start.
func (m Mapping) tail(addr uint64) Mapping {
	m.Offset += addr - m.Start
	m.Start = addr
	return m
}

// continues reports whether next goes on where m ends: same file, next byte, same
// permissions. The kernel sometimes has two VMAs where one would do, and sometimes merges
// them; the difference means nothing.
func (m *Mapping) continues(next *Mapping) bool {
	return m.End == next.Start && m.File == next.File && m.Prot == next.Prot && m.Flags == next.Flags &&
		m.Kind == next.Kind && (m.Offset+(m.End-m.Start) == next.Offset || m.Kind&(format.ContentAnonExec|format.ContentVDSO) != 0)
}

// String is for messages and test failures.
func (m Mapping) String() string {
	if m.File == nil {
		return fmt.Sprintf("%x-%x %s %x", m.Start, m.End, m.Perm(), m.Offset)
	}
	return fmt.Sprintf("%x-%x %s %x %s %d %q", m.Start, m.End, m.Perm(), m.Offset,
		format.Device(m.File.Major, m.File.Minor), m.File.Inode, m.File.Path)
}
