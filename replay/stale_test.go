package replay

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/vmasnap/vmasnap/format"
)

// fakeDisk has what is at each path, with the mount namespace in front of it.
type fakeDisk map[string]OnDisk

var errLook = errors.New("no permission")

func (d fakeDisk) Look(p *Process, path string) (OnDisk, error) {
	if path == "/secret" {
		return OnDisk{}, errLook
	}
	now, ok := d[fmt.Sprintf("%d%s", p.Walk.MountNamespace, path)]
	if !ok {
		return OnDisk{}, fmt.Errorf("open %s: %w", path, fs.ErrNotExist)
	}
	return now, nil
}

func TestStale(t *testing.T) {
	s := session(t, hostLine+`snapshot-begin time=2 id=1
process time=3 pid=10 tid=10 mount_ns=1 snapshot=1 status=complete comm="a"
mmap time=3 pid=10 tid=10 start=0x1000 len=0x1000 ino=1 prot=r-xp kind=exec-file walked build_id=aa path="/same"
mmap time=3 pid=10 tid=10 start=0x3000 len=0x1000 ino=2 prot=r-xp kind=exec-file walked build_id=bb path="/upgraded"
mmap time=3 pid=10 tid=10 start=0x5000 len=0x1000 ino=3 prot=r-xp kind=exec-file walked build_id=cc path="/written"
mmap time=3 pid=10 tid=10 start=0x7000 len=0x1000 ino=4 prot=r-xp kind=exec-file walked build_id=dd deleted path="/gone"
mmap time=3 pid=10 tid=10 start=0x9000 len=0x1000 ino=5 prot=r-xp kind=exec-file walked build_id=ee deleted path="/again"
mmap time=3 pid=10 tid=10 start=0xb000 len=0x1000 ino=6 prot=r-xp kind=exec-file walked path="/plain"
mmap time=3 pid=10 tid=10 start=0xd000 len=0x1000 ino=7 prot=r-xp kind=exec-file walked path="/plain-other"
mmap time=3 pid=10 tid=10 start=0xf000 len=0x1000 ino=8 prot=r-xp kind=exec-file walked go_build_id="redacted" path="/redacted"
mmap time=3 pid=10 tid=10 start=0x11000 len=0x1000 ino=9 prot=r-xp kind=exec-file walked go_build_id="a/b" path="/go"
mmap time=3 pid=10 tid=10 start=0x13000 len=0x1000 ino=10 prot=r-xp kind=exec-file walked deleted path="/memfd:jit"
mmap time=3 pid=10 tid=10 start=0x15000 len=0x1000 ino=11 prot=r-xp kind=exec-file walked deleted path="/tmp/jna1.tmp"
mmap time=3 pid=10 tid=10 start=0x17000 len=0x1000 ino=12 prot=r-xp kind=exec-file walked build_id=11 path="/secret"
mmap time=3 pid=10 tid=10 start=0x19000 len=0x1000 ino=13 prot=r-xp kind=vdso walked path="[vdso]"
mmap time=3 pid=10 tid=10 start=0x1b000 len=0x1000 ino=14 prot=r--p kind=data-file walked path="/data"
mmap time=3 pid=10 tid=10 start=0x1d000 len=0x1000 ino=15 prot=r-xp kind=exec-file walked build_id=22 path="/stripped"
process time=4 pid=11 tid=11 mount_ns=1 snapshot=1 status=complete comm="b"
mmap time=4 pid=11 tid=11 start=0x3000 len=0x1000 ino=2 prot=r-xp kind=exec-file walked build_id=bb path="/upgraded"
process time=5 pid=12 tid=12 mount_ns=2 snapshot=1 status=complete comm="contained"
mmap time=5 pid=12 tid=12 start=0x3000 len=0x1000 ino=2 prot=r-xp kind=exec-file walked build_id=bb path="/upgraded"
process time=6 pid=13 tid=13 mount_ns=1 snapshot=1 status=denied comm="secret"
snapshot-end time=9 id=1
`)
	id := func(b ...byte) format.BuildID { return format.MakeBuildID(b) }
	disk := fakeDisk{
		"1/same": {Inode: 1, BuildID: id(0xaa)}, "1/upgraded": {Inode: 99, BuildID: id(0xb2)}, "2/upgraded": {Inode: 2, BuildID: id(0xbb)},
		"1/written": {Inode: 3, BuildID: id(0xc2)}, "1/again": {Inode: 98, BuildID: id(0xee)}, "1/plain": {Inode: 6},
		"1/plain-other": {Inode: 97}, "1/redacted": {Inode: 8, GoBuildID: "redacted"}, "1/go": {Inode: 9, GoBuildID: "a/c"},
		"1/stripped": {Inode: 15},
	}
	r := s.Stale(disk, Filter{})
	var got []string
	for _, f := range r.Files {
		line := fmt.Sprintf("%s %s", f.File.Path, f.Staleness)
		if f.Unproven {
			line += "?"
		}
		for _, p := range f.Processes {
			line += fmt.Sprintf(" %d", p.PID)
		}
		got = append(got, line)
	}
	want := `/gone deleted 10
/plain-other replaced? 10
/upgraded replaced 10 11
/go overwritten 10
/stripped overwritten 10
/written overwritten 10
/memfd:jit temporary 10
/tmp/jna1.tmp temporary 10
/secret not-compared 10`
	if text := strings.Join(got, "\n"); text != want {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
	if r.Compared != 10 || r.Unidentified != 3 || len(r.Unknown) != 1 || !r.Found() {
		t.Errorf("%d compared, %d without ID, unknown %v", r.Compared, r.Unidentified, r.Unknown)
	}
	if !errors.Is(r.Files[len(r.Files)-1].Err, errLook) {
		t.Errorf("error %v", r.Files[len(r.Files)-1].Err)
	}
	if r := s.Stale(disk, Filter{PIDs: []uint32{12}}); r.Found() || r.Compared != 1 {
		t.Errorf("in its own mount namespace: %+v", r)
	}
}

func TestUnit(t *testing.T) {
	id := strings.Repeat("0123456789abcdef", 4)
	for cgroup, want := range map[string]string{
		"":                             "",
		"/":                            "",
		"/system.slice/ssh.service":    "ssh.service",
		"/system.slice/a.service/main": "a.service",
		"/user.slice/user-1000.slice/user@1000.service/app.slice/app-x.scope": "app-x.scope",
		"/system.slice/docker-" + id + ".scope":                               "docker:0123456789ab",
		"/docker/" + id:                                                       "docker:0123456789ab",
		"/docker/" + id + "/init":                                             "docker:0123456789ab",
		"/machine.slice/libpod-" + id + ".scope/container":                    "podman:0123456789ab",
		"/kubepods.slice/kubepods-pod1.slice/cri-containerd-" + id + ".scope": "containerd:0123456789ab",
		"/kubepods/besteffort/pod1/" + id:                                     "container:0123456789ab",
		"/lxc/web/init.scope":                                                 "lxc:web",
		"/lxc.payload.web/system.slice":                                       "lxc:web",
		"/my/own/group":                                                       "",
		"/init.scope":                                                         "init.scope",
	} {
		if got := Unit(cgroup); got != want {
			t.Errorf("%s: %q, want %q", cgroup, got, want)
		}
	}
}
