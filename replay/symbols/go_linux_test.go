package symbols_test

import (
	"debug/elf"
	"debug/gosym"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vmasnap/vmasnap/internal/need"
	"github.com/vmasnap/vmasnap/replay/symbols"
)

// buildGo builds the program of testdata/go.
func buildGo(t testing.TB, cgo string, flags ...string) string {
	t.Helper()
	exe := filepath.Join(t.TempDir(), "shapes")
	cmd := exec.Command("go", append(append([]string{"build", "-o", exe}, flags...), ".")...)
	cmd.Dir = "testdata/go"
	cmd.Env = append(os.Environ(), "CGO_ENABLED="+cgo)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	return exe
}

// gosymFunctions is what debug/gosym finds in a program, told where runtime.text is by the
// symbol table.
func gosymFunctions(t testing.TB, exe string) (all []truth) {
	t.Helper()
	e, err := elf.Open(exe)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	syms, err := e.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	var text uint64
	for _, s := range syms {
		if s.Name == "runtime.text" {
			text = s.Value
		}
	}
	data, err := e.Section(".gopclntab").Data()
	if err != nil {
		t.Fatal(err)
	}
	table, err := gosym.NewTable(nil, gosym.NewLineTable(data, text))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range table.Funcs {
		if f.End > f.Entry {
			all = append(all, truth{addr: f.Entry, size: f.End - f.Entry, names: []string{f.Name}})
		}
	}
	if text == 0 || len(all) < 1000 {
		t.Fatalf("debug/gosym finds %d functions from %#x on", len(all), text)
	}
	return all
}

// TestGo compares Go programs with nm, and once they are stripped with debug/gosym.
func TestGo(t *testing.T) {
	need.Tool(t, "go")
	need.Tool(t, "nm")
	for _, c := range []struct{ name, cgo, mode string }{
		{"exe", "0", "exe"}, {"pie", "0", "pie"}, {"cgo", "1", "exe"}, {"cgo-pie", "1", "pie"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.cgo == "1" {
				need.Tool(t, "gcc")
			}
			exe := buildGo(t, c.cgo, "-buildmode="+c.mode)
			file := recorded(t, exe)
			if file.GoBuildID == "" {
				t.Fatal("no Go build ID")
			}
			agree(t, symbols.NewFinder(symbols.Options{SkipSystem: true}), file, exe, nm(t, exe), symbols.Symtab)
			want := gosymFunctions(t, exe)

			run(t, "strip", exe)
			if after := recorded(t, exe); after != file {
				t.Fatalf("stripped it is %+v, was %+v", after, file)
			}
			f := symbols.NewFinder(symbols.Options{SkipSystem: true})
			agree(t, f, file, exe, want, symbols.Pclntab)
			file.BuildID = zeroID // an older recording, or an older Go
			f = symbols.NewFinder(symbols.Options{SkipSystem: true})
			agree(t, f, file, exe, want[:10], symbols.Pclntab)
			file.GoBuildID = strings.ToUpper(file.GoBuildID)
			if _, err := f.Open(file); !errors.Is(err, symbols.OtherBuildID) {
				t.Errorf("another Go build ID: %v", err)
			}
		})
	}
}

// TestGoForeign reads a 32-bit and big-endian program, which Go builds without a C compiler.
func TestGoForeign(t *testing.T) {
	need.Tool(t, "go")
	if testing.Short() {
		t.Skip("builds the standard library")
	}
	t.Setenv("GOARCH", "mips")
	exe := buildGo(t, "0")
	want := gosymFunctions(t, exe)
	agree(t, symbols.NewFinder(symbols.Options{SkipSystem: true}), recorded(t, exe), exe, nm(t, exe), symbols.Symtab)
	stripped := buildGo(t, "0", "-ldflags=-s")
	agree(t, symbols.NewFinder(symbols.Options{SkipSystem: true}), recorded(t, stripped), stripped, want, symbols.Pclntab)
}
