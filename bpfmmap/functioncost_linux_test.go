package bpfmmap

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// BenchmarkRungs measures what processes pay for being followed, with each rung, without any,
// and beside perf's side-band: an mmap and munmap of 64 KiB of a file executable (text-ns) and
// not (data-ns) and of no file, a system call that has nothing to do with it, and fork with
// execve and exit.
func BenchmarkRungs(b *testing.B) {
	b.Run("none", measureCost)
	b.Run("perf", func(b *testing.B) {
		sideband(b)
		measureCost(b)
	})
	for _, r := range ladder {
		b.Run(r.name, func(b *testing.B) {
			useRung(b, r.name)
			f := attach(b, Options{})
			done := drain(b, f)
			measureCost(b)
			b.ReportMetric(float64(done()), "events")
			f.Losses(func(cpu int, l Loss, total uint64) { b.Errorf("CPU %d lost %d: %s", cpu, total, l) })
		})
	}
}

// measureCost reports the best of each kind.
func measureCost(b *testing.B) {
	p := startCost(b, "measure")
	best := make(map[string]uint64)
	for b.Loop() {
		fields := strings.Fields(p.Tell("\n"))
		for i := 0; i+1 < len(fields); i += 2 {
			var ns uint64
			if _, err := fmt.Sscan(fields[i+1], &ns); err != nil {
				b.Fatal(err)
			}
			if old, ok := best[fields[i]]; !ok || ns < old {
				best[fields[i]] = ns
			}
		}
	}
	for kind, ns := range best {
		b.ReportMetric(float64(ns), kind+"-ns")
	}
}

// sideband has the kernel make what `perf record -a -e dummy` asks for, until the test ends, and
// reads it no further than to make room.
func sideband(b *testing.B) {
	attr := unix.PerfEventAttr{
		Type: unix.PERF_TYPE_SOFTWARE, Config: unix.PERF_COUNT_SW_DUMMY,
		Size: uint32(unsafe.Sizeof(unix.PerfEventAttr{})), Sample_type: unix.PERF_SAMPLE_TID | unix.PERF_SAMPLE_TIME,
		Sample: 1,
		Bits:   unix.PerfBitMmap | unix.PerfBitMmap2 | unix.PerfBitComm | unix.PerfBitCommExec | unix.PerfBitTask | unix.PerfBitSampleIDAll,
	}
	const size = 512 << 10
	page := os.Getpagesize()
	var rings [][]byte
	for cpu := 0; ; cpu++ {
		fd, err := unix.PerfEventOpen(&attr, -1, cpu, -1, unix.PERF_FLAG_FD_CLOEXEC)
		if err == unix.EINVAL || err == unix.ENODEV {
			if cpu > 0 {
				break // there is no such CPU
			}
		}
		if err != nil {
			b.Fatal(err)
		}
		ring, err := unix.Mmap(fd, 0, page+size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		if err != nil {
			b.Fatal(err)
		}
		rings = append(rings, ring)
		b.Cleanup(func() {
			_ = unix.Munmap(ring)
			_ = unix.Close(fd)
		})
	}
	stop := make(chan struct{})
	var reader sync.WaitGroup
	reader.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
			for _, ring := range rings {
				control := (*unix.PerfEventMmapPage)(unsafe.Pointer(&ring[0]))
				atomic.StoreUint64(&control.Data_tail, atomic.LoadUint64(&control.Data_head))
			}
		}
	})
	b.Cleanup(func() {
		close(stop)
		reader.Wait()
	})
}

// BenchmarkOpen loads each rung, and reports how large its largest programs are and how much
// of them the verifier looked at.
func BenchmarkOpen(b *testing.B) {
	for _, r := range ladder {
		b.Run(r.name, func(b *testing.B) {
			useRung(b, r.name)
			var programs []ProgramInfo
			for b.Loop() {
				f, err := Open(Options{Hooks: r.hooks})
				if err != nil {
					b.Fatal(err)
				}
				if programs, err = f.Programs(); err != nil {
					b.Fatal(err)
				}
				if err := f.Close(); err != nil {
					b.Fatal(err)
				}
			}
			instructions, verified := 0, 0
			for _, p := range programs {
				instructions += p.Instructions
				verified += p.Verified
				b.Logf("%-32s %5d instructions, %6d looked at by the verifier", p.Name, p.Instructions, p.Verified)
			}
			b.ReportMetric(float64(instructions), "instructions")
			b.ReportMetric(float64(verified), "verified")
		})
	}
}
