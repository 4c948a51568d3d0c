package replay

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestFleet(t *testing.T) {
	host := func(name, libc string) *Session {
		return session(t, strings.Replace(hostLine, `hostname="h"`, fmt.Sprintf("hostname=%q", name), 1)+`snapshot-begin time=2 id=1
process time=3 pid=10 tid=10 snapshot=1 status=complete comm="a"
mmap time=3 pid=10 tid=10 start=0x1000 len=0x1000 ino=1 prot=r-xp kind=exec-file walked build_id=`+libc+` path="/lib/libc.so.6"
mmap time=3 pid=10 tid=10 start=0x3000 len=0x1000 ino=2 prot=r-xp kind=exec-file walked path="/bin/plain"
process time=4 pid=11 tid=11 snapshot=1 status=complete comm="b"
mmap time=4 pid=11 tid=11 start=0x1000 len=0x1000 ino=1 prot=r-xp kind=exec-file walked build_id=`+libc+` path="/lib/libc.so.6"
mmap time=4 pid=11 tid=11 start=0x9000 len=0x1000 ino=1 prot=r-xp kind=exec-file walked build_id=`+libc+` path="/usr/lib/libc.so.6"
snapshot-end time=9 id=1
`)
	}
	var f Fleet
	if len(f.Builds()) != 0 {
		t.Error("builds of nothing")
	}
	f.Add("x", host("one", "aa"), Filter{})
	f.Add("y", host("two", "bb"), Filter{})
	f.Add("z", host("three", "aa"), Filter{})
	var got []string
	for _, b := range f.Builds() {
		got = append(got, fmt.Sprintf("%s %s %v", b.BuildID, b.Paths, b.Uses))
	}
	want := `[/bin/plain] [{x one [/bin/plain] [{10 a false}]} {y two [/bin/plain] [{10 a false}]} {z three [/bin/plain] [{10 a false}]}]
aa [/lib/libc.so.6 /usr/lib/libc.so.6] [{x one [/lib/libc.so.6 /usr/lib/libc.so.6] [{10 a false} {11 b false}]} {z three [/lib/libc.so.6 /usr/lib/libc.so.6] [{10 a false} {11 b false}]}]
bb [/lib/libc.so.6 /usr/lib/libc.so.6] [{y two [/lib/libc.so.6 /usr/lib/libc.so.6] [{10 a false} {11 b false}]}]`
	if text := strings.Join(got, "\n"); strings.TrimSpace(text) != want {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
	glob, err := ParseGlob("*/libc.so*")
	if err != nil {
		t.Fatal(err)
	}
	var elsewhere Fleet
	elsewhere.Add("x", host("one", "aa"), Filter{PIDs: []uint32{10}})
	elsewhere.Add("y", session(t, hostLine+"process time=1 pid=10 tid=10 start_time=5 status=complete comm=\"a\"\nmmap time=1 pid=10 tid=10 start=0x1000 len=0x1000 prot=r-xp build_id=aa path=\"/opt/libc.so.6\"\n"), Filter{})
	for _, b := range elsewhere.Builds() {
		if b.BuildID.String() == "aa" && (len(b.Paths) != 2 || len(b.Uses) != 2 || !slices.Equal(b.Uses[1].Paths, []string{"/opt/libc.so.6"})) {
			t.Errorf("%+v", b)
		}
	}
	var some Fleet
	some.Add("x", host("one", "aa"), Filter{Path: glob, PIDs: []uint32{10}})
	if b := some.Builds(); len(b) != 1 || len(b[0].Uses[0].Processes) != 1 || len(b[0].Paths) != 1 {
		t.Errorf("%+v", b)
	}
}
