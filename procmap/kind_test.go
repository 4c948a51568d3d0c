package procmap

import (
	"encoding/json"
	"testing"
)

func TestKind(t *testing.T) {
	const rx = Readable | Executable
	for _, test := range []struct {
		v    VMA
		want Kind
	}{
		{VMA{Flags: rx, Major: 8, Inode: 1, Name: []byte("/lib/x")}, KindExecFile},
		{VMA{Flags: rx, Minor: 1, Name: []byte("/SYSV00000000")}, KindExecFile},
		{VMA{Flags: rx, Minor: 1, Inode: 2, Name: []byte("[anon_shmem:x]")}, KindExecFile},
		{VMA{Flags: rx, Minor: 1, Inode: 2, NameUnknown: true}, KindExecFile},
		{VMA{Flags: Readable, Major: 8, Inode: 1, Name: []byte("/lib/x")}, KindDataFile},
		{VMA{Flags: rx}, KindAnonExec},
		{VMA{Flags: rx, Name: []byte("[heap]")}, KindAnonExec},
		{VMA{Flags: rx, Name: []byte("[stack]")}, KindAnonExec},
		{VMA{Flags: rx, Name: []byte("[stack:17]")}, KindAnonExec},
		{VMA{Flags: rx, Name: []byte("[anon:jit]")}, KindAnonExec},
		{VMA{Flags: rx, Name: []byte("odd")}, KindAnonExec},
		{VMA{Flags: rx, Name: []byte("[vdso]")}, KindVDSO},
		{VMA{Flags: Executable, Name: []byte("[uprobes]")}, KindVDSO},
		{VMA{Flags: Executable, Name: []byte("[vsyscall]")}, KindVDSO},
		{VMA{Flags: Readable, Name: []byte("[vvar]")}, KindOther},
		{VMA{Flags: Readable | Writable, Name: []byte("[stack]")}, KindOther},
		{VMA{}, KindOther},
	} {
		if got := test.v.Kind(); got != test.want {
			t.Errorf("%s %q is %s, want %s", test.v.Flags, test.v.Name, got, test.want)
		}
	}
}

func TestSourceText(t *testing.T) {
	for s, name := range map[Source]string{SourceAuto: "auto", SourceIoctl: "ioctl", SourceMaps: "maps"} {
		if s.String() != name {
			t.Errorf("String of %d is %q", s, s)
		}
		text, err := json.Marshal(s)
		if err != nil || string(text) != `"`+name+`"` {
			t.Errorf("marshal %s: %s, %v", name, text, err)
		}
		var back Source
		if err := json.Unmarshal(text, &back); err != nil || back != s {
			t.Errorf("unmarshal %s: %s, %v", text, back, err)
		}
	}
	if err := new(Source).UnmarshalText([]byte("AUTO")); err == nil {
		t.Error("AUTO is accepted")
	}
	if _, err := Source(7).MarshalText(); err == nil {
		t.Error("source 7 is marshaled")
	}
}

func TestClone(t *testing.T) {
	v := VMA{Name: []byte("name"), BuildID: []byte("id")}
	c := v.Clone()
	v.Name[0], v.BuildID[0] = 'X', 'X'
	if string(c.Name) != "name" || string(c.BuildID) != "id" {
		t.Errorf("clone shares memory: %q, %q", c.Name, c.BuildID)
	}
}
