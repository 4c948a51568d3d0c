package symbols_test

import (
	"bufio"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/internal/need"
	"github.com/vmasnap/vmasnap/internal/testproc"
	"github.com/vmasnap/vmasnap/procmap"
	"github.com/vmasnap/vmasnap/replay/symbols"
)

var zeroID format.BuildID

// recorded returns what a recording would say of a file.
func recorded(t testing.TB, path string) symbols.File {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	gnu, goID, err := procmap.ReadBuildIDs(f, st.Size())
	if err != nil {
		t.Fatal(err)
	}
	return symbols.File{Path: path, BuildID: format.MakeBuildID(gnu), GoBuildID: goID}
}

func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(need.Tool(t, name), args...).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("%s %s: %v\n%s", name, args, err, exit.Stderr)
		}
		t.Fatal(err)
	}
	return string(out)
}

// truth is a function as nm prints it.
type truth struct {
	addr, size uint64
	names      []string // of this address
}

// nm returns the functions with a size of an ELF file.
func nm(t testing.TB, path string, flags ...string) (all []truth) {
	t.Helper()
	at := map[uint64]int{}
	for line := range strings.Lines(run(t, "nm", append(flags, "-S", "-n", path)...)) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 4) // address, size, kind, name
		if len(fields) < 4 || !strings.Contains("tTwWi", fields[2]) {
			continue
		}
		addr, err := strconv.ParseUint(fields[0], 16, 64)
		if err != nil {
			continue // of another file
		}
		size, err := strconv.ParseUint(fields[1], 16, 64)
		if err != nil {
			continue // no size
		}
		i, ok := at[addr]
		if !ok {
			i = len(all)
			at[addr] = i
			all = append(all, truth{addr: addr, size: size})
		}
		all[i].names = append(all[i].names, fields[3])
	}
	if len(all) == 0 {
		t.Fatalf("nm finds nothing in %s", path)
	}
	return all
}

// offset returns where in a file an address is.
func offset(t testing.TB, path string, addr uint64) uint64 {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_LOAD && addr >= p.Vaddr && addr < p.Vaddr+p.Filesz {
			return p.Off + addr - p.Vaddr
		}
	}
	t.Fatalf("%s: %#x is in no segment", path, addr)
	return 0
}

// agree fails unless the first and the last byte of every function are found by their offset.
func agree(t *testing.T, f *symbols.Finder, file symbols.File, original string, want []truth, source symbols.Source) {
	t.Helper()
	for _, w := range want {
		for _, into := range []uint64{0, w.size - 1} {
			got, err := f.Find(file, offset(t, original, w.addr)+into)
			if err != nil {
				t.Errorf("%s+%d: %v", w.names, into, err)
				continue
			}
			if !slices.Contains(w.names, got.Name) || got.Start != w.addr || got.Offset != into || got.Source != source {
				t.Errorf("%#x+%d: %+v, want one of %q from %s", w.addr, into, got, w.names, source)
			}
		}
	}
}

func build(t testing.TB, source string, flags ...string) string {
	t.Helper()
	need.Tool(t, "cc")
	exe := filepath.Join(t.TempDir(), strings.TrimSuffix(filepath.Base(source), filepath.Ext(source)))
	if err := testproc.Build(exe, source, flags...); err != nil {
		t.Fatal(err)
	}
	return exe
}

// split makes what distributions ship of a program: DIR/.build-id/xx/yyyy.debug, and the
// stripped program in place of the whole one. It returns DIR.
func split(t testing.TB, exe string, id format.BuildID) string {
	t.Helper()
	dir := t.TempDir()
	debug := filepath.Join(dir, ".build-id", id.String()[:2], id.String()[2:]+".debug")
	if err := os.MkdirAll(filepath.Dir(debug), 0o755); err != nil {
		t.Fatal(err)
	}
	run(t, "objcopy", "--only-keep-debug", exe, debug)
	run(t, "strip", exe)
	return dir
}

// TestC compares every function of C programs with nm, whatever their segments look like: the
// program as it is, and stripped with a debug file.
func TestC(t *testing.T) {
	need.Tool(t, "nm")
	for name, flags := range map[string][]string{
		"default":          nil,
		"no-pie":           {"-no-pie"},
		"one-code-segment": {"-Wl,-z,noseparate-code"},
		"far-text":         {"-no-pie", "-Wl,-Ttext=0x7000000"},
	} {
		t.Run(name, func(t *testing.T) {
			exe := build(t, "testdata/plain.c", append(flags, "-g")...)
			file, want := recorded(t, exe), nm(t, exe)
			if len(want) < 6 {
				t.Fatalf("nm finds only %v", want)
			}
			agree(t, symbols.NewFinder(symbols.Options{SkipSystem: true}), file, exe, want, symbols.Symtab)

			dir := split(t, exe, file.BuildID)
			agree(t, symbols.NewFinder(symbols.Options{SkipSystem: true, Dirs: []string{dir}}), file, exe, want, symbols.Symtab)
			_, err := symbols.NewFinder(symbols.Options{SkipSystem: true, SkipRecorded: true, Dirs: []string{dir}}).Open(file)
			if !errors.Is(err, symbols.NoOffsets) {
				t.Errorf("the debug file alone: %v, want %v", err, symbols.NoOffsets)
			}
			_, err = symbols.NewFinder(symbols.Options{SkipSystem: true}).Open(file)
			if !errors.Is(err, symbols.NoSymbols) {
				t.Errorf("the stripped program alone: %v, want %v", err, symbols.NoSymbols)
			}
		})
	}
}

// TestOriginalSegments does what eu-strip does: the debug file has the program headers of the
// original, and is enough by itself.
func TestOriginalSegments(t *testing.T) {
	need.Tool(t, "nm")
	exe := build(t, "testdata/plain.c")
	file, want := recorded(t, exe), nm(t, exe)
	whole, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	dir := split(t, exe, file.BuildID)
	debug := filepath.Join(dir, ".build-id", file.BuildID.String()[:2], file.BuildID.String()[2:]+".debug")
	b, err := os.ReadFile(debug)
	if err != nil {
		t.Fatal(err)
	}
	e, err := elf.Open(exe)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	const head, size = 64, 56
	if e.Class != elf.ELFCLASS64 {
		t.Skip("the test knows the place of 64-bit program headers alone")
	}
	copy(b[head:head+size*len(e.Progs)], whole[head:])
	if err := os.WriteFile(debug, b, 0o600); err != nil {
		t.Fatal(err)
	}
	agree(t, symbols.NewFinder(symbols.Options{SkipSystem: true, SkipRecorded: true, Dirs: []string{dir}}), file, exe, want, symbols.Symtab)
}

// TestExported finds what a stripped library exports.
func TestExported(t *testing.T) {
	need.Tool(t, "nm")
	lib := build(t, "testdata/plain.c", "-shared", "-fPIC")
	run(t, "strip", lib)
	agree(t, symbols.NewFinder(symbols.Options{SkipSystem: true}), recorded(t, lib), lib, nm(t, lib, "-D"), symbols.Dynsym)
}

// TestCxx compares C++ with nm -C, and with what the program itself says about its addresses.
func TestCxx(t *testing.T) {
	need.Tool(t, "nm")
	need.Tool(t, "c++")
	exe := build(t, "testdata/shapes.cc", "-lstdc++")
	file := recorded(t, exe)
	agree(t, symbols.NewFinder(symbols.Options{SkipSystem: true}), file, exe, nm(t, exe, "-C"), symbols.Symtab)
	agree(t, symbols.NewFinder(symbols.Options{SkipSystem: true, RawNames: true}), file, exe, nm(t, exe), symbols.Symtab)

	out := run(t, exe)
	n := 0
	f := symbols.NewFinder(symbols.Options{SkipSystem: true})
	for s := bufio.NewScanner(strings.NewReader(out)); s.Scan(); n++ {
		name, hex, _ := strings.Cut(s.Text(), "\t")
		var at uint64
		if _, err := fmt.Sscanf(hex, "%x", &at); err != nil {
			t.Fatal(err)
		}
		if got, err := f.Find(file, offset(t, exe, at)); err != nil || got.Name != name || got.Offset != 0 {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if n != 4 {
		t.Errorf("%s says %q", exe, out)
	}
}

// TestNotReadable does not wait for a FIFO, and says what the system says.
func TestNotReadable(t *testing.T) {
	file := tinyFile(t)
	fifo := filepath.Join(t.TempDir(), "tiny.so")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	loop := filepath.Join(t.TempDir(), "tiny.so")
	if err := os.Symlink(loop, loop); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{fifo, loop} {
		f := symbols.NewFinder(symbols.Options{SkipSystem: true, Dirs: []string{filepath.Dir(path)}})
		if _, err := f.Open(file); !errors.Is(err, symbols.NotReadable) {
			t.Errorf("%s: %v", path, err)
		}
	}
}
