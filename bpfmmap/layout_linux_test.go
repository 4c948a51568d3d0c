package bpfmmap

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"
)

// layout writes events as the C compiler lays them out.
type layout struct {
	t     *testing.T
	types *btf.Spec
}

// event returns an event of a struct with the given fields set; "head.mm" is a field of a
// field. What follows the struct is appended.
func (l layout) event(name string, fields map[string]any, tail ...byte) []byte {
	l.t.Helper()
	var s *btf.Struct
	if err := l.types.TypeByName(name, &s); err != nil {
		l.t.Fatal(err)
	}
	b := make([]byte, s.Size)
	for field, value := range fields {
		at, size := l.find(s, field)
		switch v := value.(type) {
		case uint64:
			if size != 8 {
				l.t.Fatalf("%s.%s has %d bytes", name, field, size)
			}
			order.PutUint64(b[at:], v)
		case int:
			if size != 4 {
				l.t.Fatalf("%s.%s has %d bytes", name, field, size)
			}
			order.PutUint32(b[at:], uint32(v))
		case string:
			if copy(b[at:at+size], v) != len(v) {
				l.t.Fatalf("%s.%s has %d bytes", name, field, size)
			}
		}
	}
	return append(b, tail...)
}

func (l layout) find(s *btf.Struct, field string) (at, size int) {
	l.t.Helper()
	first, rest, nested := strings.Cut(field, ".")
	for _, m := range s.Members {
		if m.Name != first {
			continue
		}
		if nested {
			at, size = l.find(m.Type.(*btf.Struct), rest)
			return int(m.Offset.Bytes()) + at, size
		}
		size, err := btf.Sizeof(m.Type)
		if err != nil {
			l.t.Fatal(err)
		}
		return int(m.Offset.Bytes()), size
	}
	l.t.Fatalf("%s has no %s", s.Name, field)
	return 0, 0
}

// number returns the value of an enumerator.
func (l layout) number(enum, name string) int {
	l.t.Helper()
	var e *btf.Enum
	if err := l.types.TypeByName(enum, &e); err != nil {
		l.t.Fatal(err)
	}
	for _, v := range e.Values {
		if v.Name == name {
			return int(v.Value)
		}
	}
	l.t.Fatalf("%s has no %s", enum, name)
	return 0
}

// objects returns the compiled objects that have events.
func objects(t *testing.T) map[string]layout {
	all := make(map[string]layout)
	for name, object := range map[string][]byte{"tracepoint": tracepointObject, "fentry": fentryObject, "kprobe": kprobeObject} {
		spec, err := parseObject(object)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = layout{t: t, types: spec.Types}
	}
	return all
}

// TestLayout decodes events that are laid out as the compiled objects say.
func TestLayout(t *testing.T) {
	for object, l := range objects(t) {
		typ := func(name string) int { return l.number("event_type", name) }
		head := func(name string, more map[string]any) map[string]any {
			fields := map[string]any{
				"head.time": uint64(11), "head.mm": uint64(12), "head.pid": 13, "head.tid": 14, "head.type": typ(name),
			}
			for k, v := range more {
				fields[k] = v
			}
			return fields
		}
		vmas := slices.Concat(
			l.event("event_vma", map[string]any{"start": uint64(1), "end": uint64(2), "offset": uint64(3), "file": uint64(4), "prot": 5,
				"flags": l.number("vma_flag", "VMA_SHARED")}),
			l.event("event_vma", map[string]any{"start": uint64(6), "flags": l.number("vma_flag", "VMA_DELETED")}))
		file := map[string]any{"file": uint64(1), "inode": uint64(2), "generation": 3, "device": 4<<20 | 5, "length": 8}
		kind := func(name string) map[string]any {
			fields := head("EVENT_FILE", file)
			fields["kind"] = l.number("file_kind", name)
			return fields
		}
		path := []byte("leaf\x00up\x00" + "left over")
		described := func(p string) Event {
			return Event{Type: TypeFile, File: File{ID: 1, Inode: 2, Generation: 3, Major: 4, Minor: 5, Path: p}}
		}
		for _, c := range []struct {
			record []byte
			want   Event
		}{
			{l.event("event_state", head("EVENT_STATE", map[string]any{"start": uint64(7), "end": uint64(8), "count": 2}), vmas...),
				Event{Type: TypeState, Start: 7, End: 8, VMAs: []VMA{{1, 2, 3, 4, 5, true, false, false}, {Start: 6, Deleted: true}}}},
			{l.event("event_state", head("EVENT_STATE", map[string]any{"start": uint64(7), "end": uint64(8)})),
				Event{Type: TypeState, Start: 7, End: 8}},
			{l.event("event_file", kind("FILE_NORMAL"), path...), described("/up/leaf")},
			{l.event("event_file", kind("FILE_PSEUDO"), path...), described("/up/leaf")},
			{l.event("event_file", kind("FILE_ANON"), path...), described("anon_inode:up/leaf")},
			{l.event("event_file", kind("FILE_TRUNCATED"), path...), described("")},
			{l.event("event_fork", head("EVENT_FORK", map[string]any{
				"start": uint64(1), "clone_flags": uint64(2), "parent_pid": 3, "parent_tid": 4, "comm": "sixteen letters."})),
				Event{Type: TypeFork, StartTime: 1, CloneFlags: 2, ParentPID: 3, ParentTID: 4, Comm: Comm([]byte("sixteen letters."))}},
			{l.event("event_exec", head("EVENT_EXEC", map[string]any{
				"exe": uint64(1), "exe_flags": l.number("vma_flag", "VMA_DELETED"), "old_tid": 3, "comm": "sixteen letters."})),
				Event{Type: TypeExec, Exe: 1, ExeDeleted: true, OldTID: 3, Comm: Comm([]byte("sixteen letters."))}},
			{l.event("event_exit", head("EVENT_EXIT", map[string]any{"code": 1, "group": 1})), Event{Type: TypeExit, Code: 1, Group: true}},
			{l.event("event_comm", head("EVENT_COMM", map[string]any{"comm": "sixteen letters."})),
				Event{Type: TypeComm, Comm: Comm([]byte("sixteen letters."))}},
			{l.event("event_mark", head("EVENT_END", nil))[:sizeHead], Event{Type: TypeEnd}},
			{l.event("event_mark", head("EVENT_TASK", nil))[:sizeHead], Event{Type: TypeTask}},
			{l.event("event_mark", head("EVENT_ADOPT", nil))[:sizeHead], Event{Type: TypeAdopt}},
			{l.event("event_dirty", head("EVENT_DIRTY", map[string]any{"start": uint64(1), "end": uint64(2), "reason": l.number("loss_reason", "LOSS_TORN")})),
				Event{Type: TypeDirty, Start: 1, End: 2, Reason: LossTorn}},
			{l.event("event_mark", head("EVENT_MARK", map[string]any{"id": uint64(1), "last": 0})), Event{Type: TypeMark, ID: 1}},
			{l.event("event_mark", head("EVENT_TASKS", map[string]any{"id": uint64(1), "last": 1})), Event{Type: TypeTasks, ID: 1, Last: true}},
		} {
			c.want.Time, c.want.MM, c.want.PID, c.want.TID = 11, 12, 13, 14
			got := Event{VMAs: make([]VMA, 0, 2)}
			if err := decode(c.record, &got); err != nil {
				t.Errorf("%s: %v: %v", object, c.want.Type, err)
			}
			if len(got.VMAs) == 0 {
				got.VMAs = nil
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("%s: got %+v\nwant %+v", object, got, c.want)
			}
		}
		for reason, want := range map[string]Loss{"LOSS_RING": LossRing, "LOSS_LOCK": LossLock, "LOSS_MAP": LossMap, "LOSS_TORN": LossTorn} {
			if got := l.number("loss_reason", reason); got != int(want) {
				t.Errorf("%s: %s is %d, want %d", object, reason, got, want)
			}
		}
		if size := len(l.event("event_head", nil)); size != sizeHead {
			t.Errorf("%s: a head has %d bytes", object, size)
		}
		if size := len(l.event("losses", nil)); size != lossLine {
			t.Errorf("%s: losses have %d bytes", object, size)
		}
	}
}
