package procmap

import (
	"fmt"
	"slices"
)

// File is a mapped file, the same for all VMAs of all processes that map it. It does not
// change any more.
type File struct {
	// Path is relative to the reader's root, or the name of something that is no file.
	// Bytes, not always UTF-8.
	Path string
	// Deleted: the file is not linked at Path any more. A file whose name really ends in
	// " (deleted)" is not mistaken for such a one, as far as the reader can tell.
	Deleted bool

	// As the kernel prints them, which is not always what stat(2) says.
	Major, Minor uint32
	Inode        uint64

	BuildID   string // GNU build ID, the bytes; "" = none
	GoBuildID string
	Origin    Origin // of BuildID, or of GoBuildID where that is the only one
}

// Origin says where a File's build IDs come from, or why there are none. The numbers are
// those of the recording format's BuildIDOrigin.
type Origin uint8

// The origins.
const (
	OriginNotAsked Origin = iota // BuildIDNone, BuildIDKernel without the ioctl, or not a file
	OriginKernel                 // PROCMAP_QUERY
	OriginFile                   // the ELF file's notes, read here
	OriginAbsent                 // the file has none
	OriginNotELF                 // not an ELF file; with BuildIDKernel told as OriginAbsent
	OriginDenied                 // the file could not be opened for lack of privilege
	OriginGone                   // the file is unlinked or another one is at its path
	OriginFailed                 // could not be read, or is malformed
)

var originNames = [...]string{
	OriginNotAsked: "not-asked",
	OriginKernel:   "kernel",
	OriginFile:     "file",
	OriginAbsent:   "absent",
	OriginNotELF:   "not-elf",
	OriginDenied:   "denied",
	OriginGone:     "gone",
	OriginFailed:   "failed",
}

// String returns for example "kernel" or "not-elf".
func (o Origin) String() string {
	if int(o) < len(originNames) {
		return originNames[o]
	}
	return fmt.Sprintf("Origin(%d)", uint8(o))
}

// BuildIDMode says whom Files asks for build IDs.
type BuildIDMode uint8

// The modes. The numbers are those of the recording format's BuildIDMode.
const (
	// BuildIDAuto asks the kernel, whose answer is sure to be of the mapped file, and reads
	// the file for what the kernel does not know: Go build IDs, and the GNU build IDs that
	// the Go linker writes.
	BuildIDAuto   BuildIDMode = iota
	BuildIDKernel             // the kernel alone
	BuildIDFile               // the file alone
	BuildIDNone               // nobody
)

var modeNames = [...]string{BuildIDAuto: "auto", BuildIDKernel: "kernel", BuildIDFile: "file", BuildIDNone: "none"}

// String returns "auto", "kernel", "file" or "none".
func (m BuildIDMode) String() string {
	if int(m) < len(modeNames) {
		return modeNames[m]
	}
	return fmt.Sprintf("BuildIDMode(%d)", uint8(m))
}

// MarshalText implements encoding.TextMarshaler.
func (m BuildIDMode) MarshalText() ([]byte, error) {
	if int(m) >= len(modeNames) {
		return nil, fmt.Errorf("marshal build ID mode %d: no such mode", uint8(m))
	}
	return []byte(modeNames[m]), nil
}

// UnmarshalText implements encoding.TextUnmarshaler: it takes what String returns.
func (m *BuildIDMode) UnmarshalText(text []byte) error {
	i := slices.Index(modeNames[:], string(text))
	if i < 0 {
		return fmt.Errorf("parse build ID mode %q: want auto, kernel, file or none", text)
	}
	*m = BuildIDMode(i)
	return nil
}
