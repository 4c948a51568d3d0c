package procmap

import (
	"errors"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"
)

// TestSpaces has two pairs of processes that share an address space each, processes that
// look alike without being the same, and processes that have ended.
func TestSpaces(t *testing.T) {
	exe := compile(t, "testdata/sharevm.c")
	var spaces Spaces
	owner := func(i Info, want int) {
		t.Helper()
		if got := spaces.Owner(&i); got != want {
			t.Errorf("owner of %d is %d, want %d", i.PID, got, want)
		}
	}
	var first, other Info // of one address space
	for range 2 {
		c := startCommand(t, exec.Command(exe))
		second, err := strconv.Atoi(c.Line)
		if err != nil {
			t.Fatal(err)
		}
		if order, err := SameSpace(c.PID, second); order != 0 || err != nil {
			t.Errorf("SameSpace = %d, %v", order, err)
		}
		a, err := SameSpace(c.PID, os.Getpid())
		b, err2 := SameSpace(os.Getpid(), second)
		if a == 0 || a != -b || err != nil || err2 != nil {
			t.Errorf("SameSpace = %d and %d, %v, %v", a, b, err, err2)
		}
		first = info(t, openProcess(t, c.PID))
		if spaces.Known(&first) {
			t.Errorf("%d is known before it was shown", first.PID)
		}
		owner(first, c.PID)
		if other = info(t, openProcess(t, second)); !spaces.Known(&other) {
			t.Errorf("%d is not known, but has the address space of %d", second, first.PID)
		}
		owner(other, c.PID)
		owner(first, c.PID)
	}
	owner(info(t, openProcess(t, os.Getpid())), os.Getpid())

	// Forked children look alike without being the same.
	alike := first
	alike.PID, alike.TID = os.Getpid(), os.Getpid()
	owner(alike, os.Getpid())
	// A process that has ended stands for itself, and does not hide those after it.
	ended := first
	ended.PID, ended.TID = 1<<30, 1<<30
	owner(ended, ended.PID)
	// So many that the search begins with one of them.
	gone := slices.Repeat([]firstOf{{1 << 30, 1 << 30}}, 8)
	spaces.firsts[first.MM] = append(gone, spaces.firsts[first.MM]...)
	owner(other, first.PID)

	if _, err := SameSpace(os.Getpid(), 1<<30); !errors.Is(err, ErrGone) {
		t.Errorf("SameSpace with nobody: %v", err)
	}
}

func TestSpacesWithoutAddressSpace(t *testing.T) {
	key := MMKey{addrs: [10]uint64{1}}
	var spaces Spaces
	for _, i := range []Info{
		{PID: 5, KernelThread: true, MM: key},
		{PID: 4, State: 'Z', MM: key},
		{PID: 3},
		{PID: 2},
	} {
		if got := spaces.Owner(&i); got != i.PID {
			t.Errorf("owner of %d is %d", i.PID, got)
		}
		// Nor are they known where others look like them.
		others := Spaces{firsts: map[MMKey][]firstOf{key: {{1, 1}}, {}: {{1, 1}}}}
		if others.Known(&i) {
			t.Errorf("%d is known", i.PID)
		}
	}
}
