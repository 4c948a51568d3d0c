package procmap

import (
	"os"
	"testing"
)

func BenchmarkPIDs(b *testing.B) {
	var pids []int
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if pids, err = PIDs("/proc", pids[:0]); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(pids)), "ns/process")
}

// BenchmarkInfo opens, reads and closes each process of the machine.
func BenchmarkInfo(b *testing.B) {
	pids, err := PIDs("/proc", nil)
	if err != nil {
		b.Fatal(err)
	}
	var i Info
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		for _, pid := range pids {
			p, err := OpenProcess("/proc", pid)
			if err != nil {
				continue
			}
			if p.Info(&i) == nil {
				n++
			}
			p.Close()
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/process")
}

func BenchmarkResolveHit(b *testing.B) {
	p := openProcess(b, os.Getpid())
	v, m := findMapping(b, p, info(b, p).Exe)
	files := NewFiles(FilesOptions{})
	b.ReportAllocs()
	for b.Loop() {
		if files.Resolve(p, m, &v) == nil {
			b.Fatal("nil")
		}
	}
}

func BenchmarkResolveHitParallel(b *testing.B) {
	p := openProcess(b, os.Getpid())
	v, _ := findMapping(b, p, info(b, p).Exe)
	files := NewFiles(FilesOptions{Mode: BuildIDFile})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			files.Resolve(p, nil, &v)
		}
	})
}

func BenchmarkResolveMiss(b *testing.B) {
	p := openProcess(b, os.Getpid())
	v, m := findMapping(b, p, info(b, p).Exe)
	for _, mode := range []BuildIDMode{BuildIDAuto, BuildIDKernel, BuildIDFile} {
		b.Run(mode.String(), func(b *testing.B) {
			files := NewFiles(FilesOptions{Mode: mode})
			b.ReportAllocs()
			for b.Loop() {
				files.look(p, m, &v)
			}
		})
	}
}
