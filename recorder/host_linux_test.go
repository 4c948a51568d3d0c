package recorder

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/vmasnap/vmasnap/procmap"
)

// TestHost holds the description of the machine against what the kernel says elsewhere.
func TestHost(t *testing.T) {
	rec, err := New(Options{Tool: "tool", Command: "command"})
	if err != nil {
		t.Fatal(err)
	}
	h := rec.Host()
	read := func(name string) string {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(b))
	}
	for name, want := range map[string]string{
		"hostname": h.Hostname, "osrelease": h.Release, "version": h.KernelVersion, "random/boot_id": h.BootID,
	} {
		if got := read("/proc/sys/kernel/" + name); got != want {
			t.Errorf("%s is %q, want %q", name, want, got)
		}
	}
	for name, got := range map[string]uint64{"mnt": h.MountNamespace, "pid": h.PIDNamespace} {
		var st syscall.Stat_t
		if err := syscall.Stat("/proc/self/ns/"+name, &st); err != nil {
			t.Fatal(err)
		}
		if got != st.Ino && rec.mount.OwnPIDs {
			t.Errorf("%s namespace is %d, want %d", name, got, st.Ino)
		}
	}
	// One line for all of them and one for each that is online.
	if n := strings.Count("\n"+read("/proc/stat"), "\ncpu") - 1; int(h.CPUs) != n {
		t.Errorf("%d CPUs, want %d", h.CPUs, n)
	}
	if int(h.PageSize) != os.Getpagesize() || h.Tool != "tool" || h.Command != "command" || h.Arch == "" {
		t.Errorf("%+v", h)
	}
	rec.mount.Hidden = !rec.mount.Hidden
	if other, err := rec.describeHost(); err != nil || h.Hidden == other.Hidden {
		t.Errorf("hidden %t, and %t on another mount, %v", h.Hidden, other.Hidden, err)
	}
}

// TestNewRefuses: options that mean nothing, or contradict each other.
func TestNewRefuses(t *testing.T) {
	for name, o := range map[string]Options{
		"use source: ":                 {Source: 99},
		"use build ID mode: ":          {BuildID: 99},
		"use build IDs of the kernel:": {Source: SourceMaps, BuildID: procmap.BuildIDKernel},
	} {
		if _, err := New(o); err == nil || !strings.HasPrefix(err.Error(), name) || errors.Is(err, procmap.ErrNotSupported) {
			t.Errorf("%+v: error is %v, want %q", o, err, name)
		}
	}
}
