package recorder

import (
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// readPerfClock reads perf's default clock, which no system call returns: a dummy event on
// this thread has the kernel write a COMM record, stamped with that clock, whenever the
// thread is named, and naming it what it is called already changes nothing. It returns the
// stamp, the CLOCK_MONOTONIC in the middle of the reading, and how long the reading took,
// all in ns. Works without privileges up to kernel.perf_event_paranoid 2.
func readPerfClock() (perf, at uint64, within uint32, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	attr := unix.PerfEventAttr{
		Type:        unix.PERF_TYPE_SOFTWARE,
		Size:        uint32(unsafe.Sizeof(unix.PerfEventAttr{})),
		Config:      unix.PERF_COUNT_SW_DUMMY,
		Sample_type: unix.PERF_SAMPLE_TIME,
		Bits: unix.PerfBitComm | unix.PerfBitSampleIDAll | unix.PerfBitExcludeKernel |
			unix.PerfBitExcludeHv,
	}
	fd, err := unix.PerfEventOpen(&attr, 0, -1, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if err != nil {
		return 0, 0, 0, fmt.Errorf("open perf event: %w", err)
	}
	defer unix.Close(fd)
	page := os.Getpagesize()
	ring, err := unix.Mmap(fd, 0, 2*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return 0, 0, 0, fmt.Errorf("map perf ring: %w", err)
	}
	defer unix.Munmap(ring)

	var name [16]byte
	if err := unix.Prctl(unix.PR_GET_NAME, uintptr(unsafe.Pointer(&name[0])), 0, 0, 0); err != nil {
		return 0, 0, 0, fmt.Errorf("get thread name: %w", err)
	}
	before := Now()
	if err := unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&name[0])), 0, 0, 0); err != nil {
		return 0, 0, 0, fmt.Errorf("set thread name: %w", err)
	}
	after := Now()

	// One record, no wrap: struct perf_event_header, pid, tid, comm, and the time last
	// (include/uapi/linux/perf_event.h, PERF_RECORD_COMM with sample_id).
	data := ring[page:]
	size := int(binary.NativeEndian.Uint16(data[6:]))
	kind := binary.NativeEndian.Uint32(data)
	if kind != unix.PERF_RECORD_COMM || size < 24 || size > page {
		return 0, 0, 0, fmt.Errorf("read perf ring: record of type %d and size %d instead of PERF_RECORD_COMM", kind, size)
	}
	perf = binary.NativeEndian.Uint64(data[size-8:])
	return perf, before + (after-before)/2, uncertainty(after - before), nil
}
