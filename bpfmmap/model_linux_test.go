package bpfmmap

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/vmasnap/vmasnap/procmap"
)

// model is the machine as the events tell it, in the simplest way that is right.
type model struct {
	spaces    map[uint64][]VMA  // by MM; disjoint, ascending
	processes map[uint32]uint64 // PID to MM
	files     map[uint64]File
	comms     map[uint32]string // by TID
	exits     map[uint32]Event
	count     map[Type]int
	dirty     []Event
	errs      []string
}

func newModel() *model {
	return &model{
		spaces: make(map[uint64][]VMA), processes: make(map[uint32]uint64), files: make(map[uint64]File),
		comms: make(map[uint32]string), exits: make(map[uint32]Event), count: make(map[Type]int),
	}
}

func (m *model) errorf(format string, args ...any) {
	m.errs = append(m.errs, fmt.Sprintf(format, args...))
}

// apply takes in one event.
func (m *model) apply(ev *Event) {
	m.count[ev.Type]++
	switch ev.Type {
	case TypeState:
		m.state(ev)
	case TypeFile:
		m.files[ev.File.ID] = ev.File
	case TypeFork:
		m.processes[ev.PID] = ev.MM
		m.comms[ev.TID] = ev.Comm.String()
	case TypeExec:
		m.processes[ev.PID] = ev.MM
		m.spaces[ev.MM] = nil
		if _, ok := m.files[ev.Exe]; !ok && ev.Exe != 0 {
			m.errorf("exec of a file that was not described: %+v", ev)
		}
	case TypeExit:
		m.exits[ev.TID] = *ev
		if ev.Group {
			delete(m.processes, ev.PID)
		}
	case TypeComm:
		m.comms[ev.TID] = ev.Comm.String()
	case TypeEnd:
		delete(m.spaces, ev.MM)
	case TypeDirty:
		m.dirty = append(m.dirty, *ev)
	case TypeTask:
		m.processes[ev.PID] = ev.MM
	case TypeAdopt:
		m.processes[ev.PID] = ev.MM
		m.seed(ev.PID, ev.MM)
	}
}

// seed walks a process that was there before its events were, and holds still now. What the
// events from then on say goes over it.
func (m *model) seed(pid uint32, mm uint64) {
	maps, err := procmap.Open(int(pid), procmap.Options{})
	if err != nil {
		m.errorf("%v", err)
		return
	}
	defer maps.Close()
	m.spaces[mm] = nil
	for v, err := range maps.All() {
		if err != nil {
			m.errorf("%v", err)
			return
		}
		id := uint64(len(m.files))<<1 | 1 // IDs of the kernel side are even
		m.files[id] = File{ID: id, Major: v.Major, Minor: v.Minor, Inode: v.Inode, Path: string(v.Name)}
		m.spaces[mm] = append(m.spaces[mm], VMA{
			Start: v.Start, End: v.End, Offset: v.Offset, File: id,
			Prot: uint32(v.Flags & 7), Shared: v.Flags&procmap.Shared != 0, Deleted: v.Deleted,
		})
	}
}

// state replaces what is in [Start, End).
func (m *model) state(ev *Event) {
	var kept []VMA
	for _, v := range m.spaces[ev.MM] {
		kept = append(kept, clip(v, 0, ev.Start)...)
		kept = append(kept, clip(v, ev.End, ^uint64(0))...)
	}
	last := ev.Start
	for i, v := range ev.VMAs {
		if _, ok := m.files[v.File]; !ok {
			m.errorf("VMA of a file that was not described: %+v", v)
		}
		if v.Start >= v.End || v.Start >= ev.End || v.End <= ev.Start || i > 0 && v.Start < last {
			m.errorf("VMA %+v in a statement about %x-%x", v, ev.Start, ev.End)
		}
		last = v.End
		kept = append(kept, clip(v, ev.Start, ev.End)...)
	}
	slices.SortFunc(kept, func(a, b VMA) int {
		if a.Start < b.Start {
			return -1
		}
		return 1
	})
	m.spaces[ev.MM] = kept
}

// clip returns the part of v in [start, end), if any.
func clip(v VMA, start, end uint64) []VMA {
	if v.Start < start {
		v.Offset += start - v.Start
		v.Start = start
	}
	v.End = min(v.End, end)
	if v.Start >= v.End {
		return nil
	}
	return []VMA{v}
}

// lines returns the process's mappings as text. What lies side by side is joined: the kernel
// tells apart what differs in other ways.
func (m *model) lines(pid int) []string {
	var l lines
	for _, v := range m.spaces[m.processes[uint32(pid)]] {
		f := m.files[v.File]
		l.add(v.Start, v.End, v.Offset, asKernel(v.Prot, v.Shared, f.Major, f.Minor, f.Inode, f.Path, v.Deleted))
	}
	return l.done()
}

// asKernel writes what a mapping is. The kernel cannot tell a deleted file from one whose name
// ends in " (deleted)".
func asKernel(prot uint32, shared bool, major, minor uint32, inode uint64, path string, deleted bool) string {
	if deleted {
		path += " (deleted)"
	}
	return fmt.Sprintf("%d %t %d:%d %d %q", prot, shared, major, minor, inode, path)
}

// walked returns the process's mappings as the kernel tells them now.
func walked(t testing.TB, pid int) []string {
	t.Helper()
	got, err := walk(pid)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func walk(pid int) ([]string, error) {
	maps, err := procmap.Open(pid, procmap.Options{})
	if err != nil {
		return nil, err
	}
	defer maps.Close()
	var l lines
	for v, err := range maps.All() {
		if err != nil {
			return nil, err
		}
		l.add(v.Start, v.End, v.Offset, asKernel(uint32(v.Flags&7), v.Flags&procmap.Shared != 0,
			v.Major, v.Minor, v.Inode, string(v.Name), v.Deleted))
	}
	return l.done(), nil
}

// lines joins neighbours.
type lines struct {
	out                []string
	start, end, offset uint64
	what               string
}

func (l *lines) add(start, end, offset uint64, what string) {
	if l.end == start && l.what == what && l.offset+(l.end-l.start) == offset {
		l.end = end
		return
	}
	l.done()
	l.start, l.end, l.offset, l.what = start, end, offset, what
}

func (l *lines) done() []string {
	if l.end != 0 {
		l.out = append(l.out, fmt.Sprintf("%x-%x +%x %s", l.start, l.end, l.offset, l.what))
	}
	l.end = 0
	return l.out
}

// compare holds the model against the kernel.
func (m *model) compare(t testing.TB, pid int) {
	t.Helper()
	got, want := m.lines(pid), walked(t, pid)
	for _, line := range got {
		if !slices.Contains(want, line) {
			t.Errorf("process %d: extra   %s", pid, line)
		}
	}
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("process %d: missing %s", pid, line)
		}
	}
	if len(m.dirty) != 0 {
		t.Errorf("events: dirty: %+v", m.dirty)
	}
	if len(m.errs) != 0 {
		t.Errorf("events: %s", strings.Join(m.errs, "\n"))
		m.errs = nil
	}
}
