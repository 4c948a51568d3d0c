package main

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/pflag"

	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/internal/need"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"vmasnap": main})
}

// TestScript runs the command lines of testdata/script. "compile TEXT FILE" makes a
// recording of records in the text form; "elf FILE ID" makes a program or library with that GNU
// build ID; "status N vmasnap ARGS..." wants that exit status, where "! exec" is content with any
// but 0. $CAPTURES is testdata/captures.
func TestScript(t *testing.T) {
	if _, err := exec.LookPath("zstd"); err != nil && need.Required(need.Tools) {
		t.Fatalf("the scripts leave out what needs zstd, and VMASNAP_TEST_REQUIRE demands it: %v", err)
	}
	if os.Geteuid() != 0 && need.Required(need.Procmap) {
		t.Fatal("the scripts leave out what needs root, and VMASNAP_TEST_REQUIRE demands it")
	}
	if err := canFollow(); err != nil && need.Required(need.BPF) {
		t.Fatalf("the scripts leave out what needs eBPF, and VMASNAP_TEST_REQUIRE demands it: %v", err)
	}
	captures, err := filepath.Abs("../../testdata/captures")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "../../testdata/script",
		RequireExplicitExec: true,
		UpdateScripts:       os.Getenv("VMASNAP_UPDATE") != "",
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"compile": compileText, "elf": makeELF, "status": wantStatus},
		Setup: func(env *testscript.Env) error {
			env.Setenv("CAPTURES", captures)
			return nil
		},
		Condition: func(cond string) (bool, error) {
			switch cond {
			case "root":
				return os.Geteuid() == 0, nil
			case "follow":
				return canFollow() == nil, nil
			}
			return false, fmt.Errorf("no condition %q", cond)
		},
	})
}

func compileText(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: compile TEXT FILE")
	}
	ts.Check(compile(ts.ReadFile(args[0]), ts.MkAbs(args[1])))
}

// compile makes a recording of records in the text form, of which the first is the host.
func compile(text, file string) (err error) {
	out, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	var w *format.Writer
	for rec, err := range format.ReadText(strings.NewReader(text)) {
		if err != nil {
			return err
		}
		if w != nil {
			if err := w.Write(rec); err != nil {
				return err
			}
			continue
		}
		host, ok := rec.(*format.Host)
		if !ok {
			return errors.New("the first record must be a host")
		}
		if w, err = format.NewWriter(out, host, format.WriterOptions{}); err != nil {
			return err
		}
		if err := w.Flush(); err != nil { // as record does
			return err
		}
	}
	if w == nil {
		return errors.New("no record at all")
	}
	return w.Close()
}

func makeELF(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: elf FILE ID")
	}
	var id []byte
	_, err := fmt.Sscanf(args[1], "%x", &id)
	ts.Check(err)
	var b bytes.Buffer
	note := 4*3 + 4 + uint64(len(id))
	for _, part := range []any{
		elf.Header64{
			Ident: [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
			Type:  uint16(elf.ET_DYN), Machine: uint16(elf.EM_X86_64), Version: uint32(elf.EV_CURRENT),
			Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 1,
		},
		elf.Prog64{Type: uint32(elf.PT_NOTE), Flags: uint32(elf.PF_R), Off: 64 + 56, Vaddr: 64 + 56, Filesz: note, Memsz: note, Align: 4},
		[3]uint32{4, uint32(len(id)), 3}, // sizes of name and ID; NT_GNU_BUILD_ID
		[4]byte{'G', 'N', 'U'}, id,
	} {
		ts.Check(binary.Write(&b, binary.LittleEndian, part))
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b.Bytes(), 0o600))
}

func wantStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N COMMAND [ARGS...]")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if want := args[0]; strconv.Itoa(got) != want {
		ts.Fatalf("exit status %d, want %s", got, want)
	}
}

// TestHelpOfEveryCommand: -h works everywhere, goes to standard output and names the flags.
func TestHelpOfEveryCommand(t *testing.T) {
	for _, c := range commands() {
		flags := pflag.NewFlagSet(c.name, pflag.ContinueOnError)
		c.setup(flags)
		for _, args := range [][]string{{c.name, "-h"}, {c.name, "--help"}, {"help", c.name}} {
			var out, errs strings.Builder
			if code := run(context.Background(), args, &streams{out: &out, err: &errs}); code != exitDone {
				t.Errorf("%v: status %d", args, code)
			}
			if !strings.Contains(out.String(), "usage: vmasnap "+c.name) || strings.Contains(out.String(), "\nflags:\n") != flags.HasFlags() || errs.Len() > 0 {
				t.Errorf("%v: %q, %q", args, out.String(), errs.String())
			}
		}
	}
}
