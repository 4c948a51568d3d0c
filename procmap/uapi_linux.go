package procmap

import "unsafe"

// procmapQuery mirrors struct procmap_query of include/uapi/linux/fs.h. "in" fields are
// read by the kernel, "out" fields are written by it, and only if the query succeeds.
type procmapQuery struct {
	size       uint64 // in: of this struct, bytes
	queryFlags uint64 // in: procmapQuery* bits
	queryAddr  uint64 // in: the address asked about

	vmaStart    uint64 // out: first address
	vmaEnd      uint64 // out: first address after it
	vmaFlags    uint64 // out: the bits of Flags
	vmaPageSize uint64 // out: bytes
	vmaOffset   uint64 // out: bytes into the file
	inode       uint64 // out: 0 without a file
	devMajor    uint32 // out: 0 without a file
	devMinor    uint32 // out: 0 without a file

	vmaNameSize uint32 // in: room, 0 = no name wanted; out: length with the NUL, 0 = no name
	buildIDSize uint32 // in: room, 0 = no build ID wanted; out: length, 0 = none found
	vmaNameAddr uint64 // in: where to write the name, 0 with size 0
	buildIDAddr uint64 // in: where to write the build ID, 0 with size 0
}

// Filter bits of enum procmap_query_flags; the lower ones are those of Flags. A VMA has to
// pass every filter that is set. The kernel refuses unknown bits with EINVAL.
const (
	queryCovering       = 0 // the VMA that covers the address, no filter
	queryExecutable     = uint64(Executable)
	queryCoveringOrNext = 0x10 // if none covers the address, the next one above it
	queryFileBacked     = 0x20
)

// Sizes of buffers, in bytes.
const (
	maxName    = 4096 // PATH_MAX, with the NUL; the kernel uses no more of a larger buffer
	maxBuildID = 20   // BUILD_ID_SIZE_MAX of include/linux/buildid.h
)

// ioctlProcmapQuery is PROCMAP_QUERY, _IOWR('f', 17, struct procmap_query) = 0xc0686611:
// direction (write 1 | read 2), size, type and number, with 2, 14, 8 and 8 bits. Architectures
// that divide it otherwise (read 2, write 4, with 3 and 13 bits) come to the same number.
const ioctlProcmapQuery = (1|2)<<30 | unsafe.Sizeof(procmapQuery{})<<16 | 'f'<<8 | 17
