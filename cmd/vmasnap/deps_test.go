package main

import (
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/vmasnap/vmasnap/"

// allowed is docs/architecture.md: who may import whom. The command may import everybody.
var allowed = map[string][]string{
	"procmap":        {"golang.org/x/sys/unix"},
	"bpfmmap":        {"github.com/cilium/ebpf", "github.com/cilium/ebpf/asm", "github.com/cilium/ebpf/btf", "github.com/cilium/ebpf/link", "github.com/cilium/ebpf/ringbuf", "golang.org/x/sys/unix"},
	"format":         {"github.com/klauspost/compress/zstd"},
	"replay":         {module + "format"},
	"replay/symbols": {module + "format", module + "procmap", "github.com/ianlancetaylor/demangle"},
	"recorder":       {module + "procmap", module + "bpfmmap", module + "format", "golang.org/x/sys/unix"},
}

// TestImportRules holds the packages to it. Test files are free.
func TestImportRules(t *testing.T) {
	for pkg, imports := range allowed {
		out, err := exec.Command("go", "list", "-f", `{{join .Imports "\n"}}`, module+pkg).Output()
		if err != nil {
			t.Fatalf("go list %s: %v", pkg, err)
		}
		found := strings.Fields(string(out))
		if len(found) == 0 {
			t.Errorf("%s imports nothing at all: the test looks at the wrong thing", pkg)
		}
		for _, i := range found {
			first, _, _ := strings.Cut(i, "/")
			if strings.Contains(first, ".") && !slices.Contains(imports, i) {
				t.Errorf("%s must not import %s", pkg, i)
			}
		}
	}
}

// TestEveryPackageHasARule keeps the list above complete.
func TestEveryPackageHasARule(t *testing.T) {
	out, err := exec.Command("go", "list", module+"...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	known := append(slices.Collect(maps.Keys(allowed)), "cmd/vmasnap", "internal/need", "internal/testproc") // the last two are for tests
	var found []string
	for _, pkg := range strings.Fields(string(out)) {
		found = append(found, strings.TrimPrefix(pkg, module))
	}
	slices.Sort(known)
	slices.Sort(found)
	if !slices.Equal(known, found) {
		t.Errorf("packages are %v, the rules are about %v", found, known)
	}
}
