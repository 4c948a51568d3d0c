package format

import "hash/crc32"

// The version of the format that this package writes. It reads every minor version of
// VersionMajor.
const (
	VersionMajor = 1
	VersionMinor = 0
)

// MaxRecordSize is the size in bytes of the longest record, header and padding included.
const MaxRecordSize = 65528

const (
	headerSize = 8  // u32 type, u16 misc, u16 size
	commonSize = 24 // the header and Common: no record is shorter

	hostMagic    = "VMASNAP\x00" // Host, behind Common
	versionStart = commonSize + len(hostMagic)

	// maxCommand bounds Host.Command in the file, in bytes. A longer one is cut and ends
	// in cutMark then.
	maxCommand = 8192
	cutMark    = " [cut]"
)

// Misc bits of the record header, by record type.
const (
	miscHostHidden        = 1 << 0
	miscProcessExeDeleted = 1 << 0
	miscProcessBlank      = 1 << 1
	miscMmapDeleted       = 1 << 0
	miscMmapGeneration    = 1 << 1
	miscMmapWalked        = 1 << 2
	miscForkSharesVM      = 1 << 0
	miscForkStated        = 1 << 1
	miscExitGroup         = 1 << 0
)

// castagnoli is the polynomial of the index's checksum.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)
