package procmap

import (
	"testing"
	"unsafe"
)

func TestProcmapQueryLayout(t *testing.T) {
	var q procmapQuery
	if size := unsafe.Sizeof(q); size != 104 {
		t.Errorf("size is %d, want 104", size)
	}
	for _, f := range []struct {
		name      string
		got, want uintptr
	}{
		{"size", unsafe.Offsetof(q.size), 0},
		{"query_flags", unsafe.Offsetof(q.queryFlags), 8},
		{"query_addr", unsafe.Offsetof(q.queryAddr), 16},
		{"vma_start", unsafe.Offsetof(q.vmaStart), 24},
		{"vma_end", unsafe.Offsetof(q.vmaEnd), 32},
		{"vma_flags", unsafe.Offsetof(q.vmaFlags), 40},
		{"vma_page_size", unsafe.Offsetof(q.vmaPageSize), 48},
		{"vma_offset", unsafe.Offsetof(q.vmaOffset), 56},
		{"inode", unsafe.Offsetof(q.inode), 64},
		{"dev_major", unsafe.Offsetof(q.devMajor), 72},
		{"dev_minor", unsafe.Offsetof(q.devMinor), 76},
		{"vma_name_size", unsafe.Offsetof(q.vmaNameSize), 80},
		{"build_id_size", unsafe.Offsetof(q.buildIDSize), 84},
		{"vma_name_addr", unsafe.Offsetof(q.vmaNameAddr), 88},
		{"build_id_addr", unsafe.Offsetof(q.buildIDAddr), 96},
	} {
		if f.got != f.want {
			t.Errorf("%s is at %d, want %d", f.name, f.got, f.want)
		}
	}
	if ioctlProcmapQuery != 0xc0686611 {
		t.Errorf("ioctl number is %#x, want 0xc0686611", ioctlProcmapQuery)
	}
}
