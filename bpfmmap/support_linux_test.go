package bpfmmap

import (
	"errors"
	"io/fs"
	"os"
	"testing"

	"github.com/vmasnap/vmasnap/internal/need"
)

// TestSupport holds the answers against what can be seen otherwise.
func TestSupport(t *testing.T) {
	got := make(map[string]error)
	for _, f := range Support() {
		if f.Name == "" || f.Use == "" {
			t.Errorf("feature without name or use: %+v", f)
		}
		got[f.Name] = f.Err
	}
	if len(got) != 6 {
		t.Fatalf("%d features, want 6", len(got))
	}
	_, statErr := os.Stat("/sys/kernel/btf/vmlinux")
	if (statErr == nil) != (got["BTF"] == nil) {
		t.Errorf("BTF: %v, but stat says %v", got["BTF"], statErr)
	}
	_, statErr = os.Stat("/sys/bus/event_source/devices/kprobe/type")
	if statErr != nil && !errors.Is(got["kprobes"], fs.ErrNotExist) {
		t.Errorf("kprobes: %v, but there is no event source", got["kprobes"])
	}
	if need.Required(need.BPF) {
		for _, name := range []string{"BTF", "BPF ring buffer", "tp_btf programs", "task_vma iterator"} {
			if got[name] != nil {
				t.Errorf("%s: %v, and VMASNAP_TEST_REQUIRE demands it", name, got[name])
			}
		}
	}
}
