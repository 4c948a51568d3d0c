package bpfmmap

import (
	"reflect"
	"strings"
	"testing"
)

func head(typ Type, size int) []byte {
	b := make([]byte, size)
	order.PutUint32(b[24:], uint32(typ))
	return b
}

// TestDecodeShort cuts every event: none may be taken for whole, or read beyond its end.
func TestDecodeShort(t *testing.T) {
	for typ, size := range map[Type]int{
		TypeState: sizeState + sizeVMA, TypeFile: sizeFile + 5, TypeFork: sizeFork, TypeExec: sizeExec, TypeExit: sizeExit,
		TypeComm: sizeComm, TypeEnd: sizeHead, TypeDirty: sizeDirty, TypeMark: sizeMark, TypeTasks: sizeMark,
		TypeTask: sizeHead, TypeAdopt: sizeHead,
	} {
		b := head(typ, size)
		switch typ {
		case TypeState:
			order.PutUint32(b[sizeHead+16:], 1)
		case TypeFile:
			order.PutUint32(b[sizeHead+24:], 5)
			copy(b[sizeFile:], "leaf")
		}
		var ev Event
		if err := decode(b, &ev); err != nil || ev.Type != typ {
			t.Errorf("type %d: %v", typ, err)
		}
		for n := range b {
			if decode(b[:n:n], &ev) == nil {
				t.Errorf("type %d: %d of %d bytes were enough", typ, n, size)
			}
		}
	}
	var ev Event
	if decode(head(0, 100), &ev) == nil || decode(head(TypeAdopt+1, 100), &ev) == nil {
		t.Error("unknown types are decoded")
	}
}

// TestDecodeReuses decodes into an event that held another: nothing of that may be left.
func TestDecodeReuses(t *testing.T) {
	var used, fresh Event
	value := reflect.ValueOf(&used).Elem()
	for i := range value.NumField() {
		if f := value.Field(i); f.CanInt() {
			f.SetInt(1)
		} else if f.CanUint() {
			f.SetUint(1)
		}
	}
	used.Comm, used.File.Path, used.VMAs, used.Group, used.Last = Comm{1}, "x", make([]VMA, 3), true, true
	if err := decode(head(TypeEnd, sizeHead), &used); err != nil {
		t.Fatal(err)
	}
	if err := decode(head(TypeEnd, sizeHead), &fresh); err != nil {
		t.Fatal(err)
	}
	used.VMAs = nil
	if !reflect.DeepEqual(used, fresh) {
		t.Errorf("left over: %+v", used)
	}
}

func TestJoinPath(t *testing.T) {
	for components, want := range map[string]string{
		"": "/", "a\x00": "/a", "leaf\x00dir\x00top\x00": "/top/dir/leaf", "a\nb\x00 (deleted)\x00": "/ (deleted)/a\nb",
		"a": "/", "\x00": "/", // not what the programs send
		strings.Repeat("x\x00", 2000): strings.Repeat("/x", 2000),
	} {
		if got := joinPath([]byte(components)); got != want {
			t.Errorf("%q: %q, want %q", components, got, want)
		}
	}
}

// TestDecodeAllocates holds that a statement costs no memory.
func TestDecodeAllocates(t *testing.T) {
	b := head(TypeState, sizeState+2*sizeVMA)
	order.PutUint32(b[sizeHead+16:], 2)
	var ev Event
	if n := testing.AllocsPerRun(100, func() {
		if err := decode(b, &ev); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzDecode: an error, or an event whose parts lie within the record.
func FuzzDecode(f *testing.F) {
	for typ := range TypeAdopt + 2 {
		f.Add(head(typ, 96))
	}
	file := append(head(TypeFile, sizeFile), "leaf\x00dir\x00"...)
	order.PutUint32(file[sizeHead+24:], 9)
	f.Add(file)
	state := head(TypeState, sizeState+sizeVMA)
	order.PutUint32(state[sizeHead+16:], 1)
	f.Add(state)
	f.Fuzz(func(t *testing.T, b []byte) {
		var ev, again Event
		if decode(b, &ev) != nil {
			return
		}
		if ev.Type < TypeState || ev.Type > TypeAdopt {
			t.Errorf("type %d", ev.Type)
		}
		if len(ev.VMAs) != 0 && sizeState+len(ev.VMAs)*sizeVMA > len(b) {
			t.Errorf("%d VMAs in %d bytes", len(ev.VMAs), len(b))
		}
		if len(ev.File.Path) > len(b) {
			t.Errorf("path of %d bytes in %d", len(ev.File.Path), len(b))
		}
		if err := decode(b, &again); err != nil || !reflect.DeepEqual(ev, again) {
			t.Errorf("decoded twice: %+v and %+v: %v", ev, again, err)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	record := head(TypeState, sizeState+sizeVMA)
	order.PutUint32(record[sizeHead+16:], 1)
	var ev Event
	b.ReportAllocs()
	for b.Loop() {
		if err := decode(record, &ev); err != nil {
			b.Fatal(err)
		}
	}
}
