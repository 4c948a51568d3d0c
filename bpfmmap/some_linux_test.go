package bpfmmap

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vmasnap/vmasnap/internal/testproc"
)

// TestSome follows one of two processes, and then the children of that.
func TestSome(t *testing.T) {
	f := attach(t, Options{Some: true})
	followed, other := startSteps(t), startSteps(t)
	if err := f.Adopt(followed.PID); err != nil {
		t.Fatal(err)
	}
	m := newModel()
	allowed := map[int]bool{followed.PID: true, 0: true}
	take := func(ev *Event) {
		if !allowed[int(ev.PID)] {
			t.Errorf("event of another process: %+v", *ev)
		}
		m.apply(ev)
	}
	tell(t, other, "mmap")
	tell(t, followed, "mmap")
	until(t, f, 1, take)
	m.compare(t, followed.PID)
	if m.count[TypeAdopt] != 1 {
		t.Errorf("%d adoptions", m.count[TypeAdopt])
	}
	for _, step := range []string{"fork", "vfork", "exec-thread", "clone-vm"} {
		stranger := tell(t, other, step)
		child := tell(t, followed, step)
		allowed[child] = true
		if err := f.List(9); err != nil {
			t.Fatal(err)
		}
		tasks := make(map[uint32]bool)
		until(t, f, 1, func(ev *Event) {
			if ev.Type == TypeTask {
				tasks[ev.PID] = true
			}
			take(ev)
		})
		m.compare(t, child)
		if !tasks[uint32(child)] || !tasks[uint32(followed.PID)] || tasks[uint32(stranger)] {
			t.Errorf("%s: listed %v", step, tasks)
		}
		followed.Tell("done\n")
		other.Tell("done\n")
	}
	until(t, f, 1, take)
	if len(m.exits) == 0 {
		t.Error("no exit was seen")
	}
	// Who has ended is not in the way of a later process with that number.
	var n int
	for it, k, v := f.chosen.Iterate(), uint32(0), uint8(0); it.Next(&k, &v); {
		if n++; k != uint32(followed.PID) {
			t.Errorf("process %d is still followed", k)
		}
	}
	if n != 1 {
		t.Errorf("%d processes are followed", n)
	}
}

func TestAdoptErrors(t *testing.T) {
	f := attach(t, Options{Some: true})
	const none = 1<<22 + 1 // more than the kernel gives
	if err := f.Adopt(none, os.Getpid()); !errors.Is(err, unix.ESRCH) {
		t.Errorf("adopt a process that does not exist: %v", err)
	}
	m := newModel()
	until(t, f, 1, m.apply)
	if m.count[TypeAdopt] != 1 || m.processes[uint32(os.Getpid())] == 0 {
		t.Errorf("the one that exists was not adopted: %v", m.count)
	}
	if err := f.AdoptCgroup(t.TempDir()); err == nil {
		t.Error("a directory that is no cgroup was adopted")
	}
	all := attach(t, Options{})
	if err := all.Adopt(os.Getpid()); !errors.Is(err, errAll) {
		t.Errorf("adopt while all are followed: %v", err)
	}
	if err := all.AdoptCgroup("/"); !errors.Is(err, errAll) {
		t.Errorf("adopt a cgroup while all are followed: %v", err)
	}
}

// TestAdoptCgroup follows who is in a cgroup, is moved into it, or below it, or is forked there.
func TestAdoptCgroup(t *testing.T) {
	root := isolated(t)
	if root == "" {
		return
	}
	must(t, unix.Mount("none", root, "cgroup2", 0, ""))
	dir := filepath.Join(root, fmt.Sprintf("vmasnap-test-%d", os.Getpid()))
	below := filepath.Join(dir, "below")
	must(t, os.MkdirAll(below, 0o755))
	move := func(p *testproc.Process, to string) {
		t.Helper()
		must(t, os.WriteFile(filepath.Join(to, "cgroup.procs"), fmt.Append(nil, p.PID), 0))
	}
	inside, under, comes, never := startSteps(t), startSteps(t), startSteps(t), startSteps(t)
	t.Cleanup(func() {
		for _, p := range []*testproc.Process{inside, under, comes} {
			p.End()
		}
		must(t, os.Remove(below))
		must(t, os.Remove(dir))
	})
	move(inside, dir)
	move(under, below)
	f := attach(t, Options{Some: true})
	must(t, f.AdoptCgroup(dir))
	m := newModel()
	until(t, f, 1, m.apply)
	if len(m.processes) != 2 {
		t.Errorf("processes %v, want %d and %d", m.processes, inside.PID, under.PID)
	}
	move(comes, below)
	for _, p := range []*testproc.Process{inside, under, comes, never} {
		tell(t, p, "mmap")
		tell(t, p, "fork")
	}
	until(t, f, 2, m.apply)
	for _, p := range []*testproc.Process{inside, under, comes} {
		m.compare(t, p.PID)
		p.Tell("done\n")
	}
	if m.count[TypeFork] != 3 || m.processes[uint32(never.PID)] != 0 {
		t.Errorf("%d forks, processes %v", m.count[TypeFork], m.processes)
	}
	never.Tell("done\n")
	move(never, root)
	until(t, f, 3, m.apply)
	if m.processes[uint32(never.PID)] != 0 {
		t.Error("a process was adopted that is in another cgroup")
	}
}
