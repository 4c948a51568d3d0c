package bpfmmap

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// The layout of events, as bpf/event.h has it: sizes, and offsets behind the head.
const (
	sizeHead = 32

	sizeState = sizeHead + 24
	sizeVMA   = 40
	sizeFile  = sizeHead + 32
	sizeFork  = sizeHead + 40
	sizeExec  = sizeHead + 32
	sizeExit  = sizeHead + 8
	sizeComm  = sizeHead + 16
	sizeDirty = sizeHead + 24
	sizeMark  = sizeHead + 16
)

// vma_flag of bpf/event.h.
const (
	vmaShared  = 1 << 0
	vmaDeleted = 1 << 1
	vmaKernel  = 1 << 2
)

// file_kind of bpf/event.h.
const (
	fileNormal = iota
	filePseudo
	fileAnon
	fileTruncated
)

var errEvent = errors.New("decode event: not one that this program knows")

// The programs run on this machine, so their numbers are in its byte order.
var order = binary.NativeEndian

// decode fills ev from a record of the ring buffer and reuses ev.VMAs. It keeps nothing of b,
// and allocates for TypeFile alone. What follows a known event within b is ignored.
func decode(b []byte, ev *Event) error {
	if len(b) < sizeHead {
		return errEvent
	}
	*ev = Event{
		Time: order.Uint64(b),
		MM:   order.Uint64(b[8:]),
		PID:  order.Uint32(b[16:]),
		TID:  order.Uint32(b[20:]),
		Type: Type(order.Uint32(b[24:])),
		VMAs: ev.VMAs[:0],
	}
	size := len(b)
	b = b[sizeHead:]
	switch ev.Type {
	case TypeState:
		if size < sizeState {
			return errEvent
		}
		ev.Start, ev.End = order.Uint64(b), order.Uint64(b[8:])
		return decodeVMAs(b[24:], order.Uint32(b[16:]), ev)
	case TypeFile:
		if size < sizeFile {
			return errEvent
		}
		return decodeFile(b, &ev.File)
	case TypeFork:
		if size < sizeFork {
			return errEvent
		}
		ev.StartTime, ev.CloneFlags = order.Uint64(b), order.Uint64(b[8:])
		ev.ParentPID, ev.ParentTID = order.Uint32(b[16:]), order.Uint32(b[20:])
		copy(ev.Comm[:], b[24:])
	case TypeExec:
		if size < sizeExec {
			return errEvent
		}
		ev.Exe = order.Uint64(b)
		ev.ExeDeleted = order.Uint32(b[8:])&vmaDeleted != 0
		ev.OldTID = order.Uint32(b[12:])
		copy(ev.Comm[:], b[16:])
	case TypeExit:
		if size < sizeExit {
			return errEvent
		}
		ev.Code, ev.Group = order.Uint32(b), order.Uint32(b[4:]) != 0
	case TypeComm:
		if size < sizeComm {
			return errEvent
		}
		copy(ev.Comm[:], b)
	case TypeDirty:
		if size < sizeDirty {
			return errEvent
		}
		ev.Start, ev.End = order.Uint64(b), order.Uint64(b[8:])
		ev.Reason = Loss(order.Uint32(b[16:]))
	case TypeMark, TypeTasks:
		if size < sizeMark {
			return errEvent
		}
		ev.ID, ev.Last = order.Uint64(b), order.Uint32(b[8:]) != 0
	case TypeEnd, TypeTask, TypeAdopt:
	default:
		return errEvent
	}
	return nil
}

func decodeVMAs(b []byte, count uint32, ev *Event) error {
	if uint64(len(b)) < uint64(count)*sizeVMA {
		return errEvent
	}
	for ; count > 0; count-- {
		flags := order.Uint32(b[36:])
		ev.VMAs = append(ev.VMAs, VMA{
			Start:   order.Uint64(b),
			End:     order.Uint64(b[8:]),
			Offset:  order.Uint64(b[16:]),
			File:    order.Uint64(b[24:]),
			Prot:    order.Uint32(b[32:]),
			Shared:  flags&vmaShared != 0,
			Deleted: flags&vmaDeleted != 0,
			Kernel:  flags&vmaKernel != 0,
		})
		b = b[sizeVMA:]
	}
	return nil
}

// minorBits is how the kernel packs a device number: MINORBITS of include/linux/kdev_t.h.
const minorBits = 20

func decodeFile(b []byte, f *File) error {
	device, length := order.Uint32(b[20:]), order.Uint32(b[24:])
	components := b[32:]
	if uint64(length) > uint64(len(components)) {
		return errEvent
	}
	f.ID, f.Inode, f.Generation = order.Uint64(b), order.Uint64(b[8:]), uint64(order.Uint32(b[16:]))
	f.Major, f.Minor = device>>minorBits, device&(1<<minorBits-1)
	switch components = components[:length]; order.Uint32(b[28:]) {
	case fileNormal, filePseudo:
		f.Path = joinPath(components)
	case fileAnon:
		f.Path = "anon_inode:" + joinPath(components)[1:]
	case fileTruncated:
	default:
		return errEvent
	}
	return nil
}

// joinPath puts a "/" before each component; they come leaf first, each ended by a NUL.
func joinPath(components []byte) string {
	if len(components) == 0 {
		return "/"
	}
	components = components[:len(components)-1]
	path := make([]byte, 0, len(components)+1)
	for more := true; more; {
		start := bytes.LastIndexByte(components, 0) + 1
		path = append(path, '/')
		path = append(path, components[start:]...)
		if more = start > 0; more {
			components = components[:start-1]
		}
	}
	return string(path)
}
