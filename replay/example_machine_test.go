package replay_test

import (
	"fmt"
	"io/fs"

	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/replay"
)

// disk is what is at each path now. A real one opens files below a directory, or below
// /proc/PID/root, and reads their build IDs by procmap.ReadBuildIDs.
type disk map[string]replay.OnDisk

func (d disk) Look(_ *replay.Process, path string) (replay.OnDisk, error) {
	now, ok := d[path]
	if !ok {
		return now, fs.ErrNotExist
	}
	return now, nil
}

// Who runs code that is not on disk any more? What was installed again is none.
func ExampleSession_Stale() {
	session := at(open(followed), "+0.5s").Session
	for _, id := range [][]byte{{0xaa, 0x01}, {0xaa, 0x02}} {
		r := session.Stale(disk{"/opt/plugin.so": {Inode: 99, BuildID: format.MakeBuildID(id)}}, replay.Filter{})
		fmt.Printf("%d compared, found %t\n", r.Compared, r.Found())
		for _, f := range r.Files {
			fmt.Printf("%s: %s, %s -> %s, in %d\n", f.File.Path, f.Staleness, f.File.BuildID, f.Now.BuildID, f.Processes[0].PID)
		}
	}
	// Output:
	// 1 compared, found false
	// 1 compared, found true
	// /opt/plugin.so: replaced, aa01 -> aa02, in 42
}

// Which hosts still run which build of a file? Recordings may come from any number of them.
func ExampleFleet() {
	glob, err := replay.ParseGlob("*/plugin*.so")
	if err != nil {
		fmt.Println(err)
	}
	var fleet replay.Fleet
	fleet.Add("web1.data", at(open(followed), "start").Session, replay.Filter{Path: glob})
	fleet.Add("web2.data", at(open(followed), "end").Session, replay.Filter{Path: glob})
	for _, build := range fleet.Builds() {
		for _, use := range build.Uses {
			p := use.Processes[0]
			fmt.Printf("%s of %s: %s, %d %s, uncertain %t\n", build.BuildID, build.Paths[0], use.Recording, p.PID, p.Comm, p.Uncertain)
		}
	}
	// Output:
	// aa01 of /opt/plugin.so: web1.data, 42 server, uncertain false
	// aa02 of /opt/plugin.so: web2.data, 42 server, uncertain true
}

// How do two processes differ, or one at two times?
func ExampleDiffProcesses() {
	r := open(followed)
	a, b := at(r, "+0.5s"), at(r, "+2s")
	d := replay.DiffProcesses(a.Session, b.Session, a.Process(42), b.Process(43), replay.DiffOptions{})
	for _, p := range d.Changed {
		for _, f := range p.Files {
			fmt.Printf("%d -> %d: %s %s, %s -> %s\n", p.A.PID, p.B.PID, f.Changes, f.Path(), f.A.BuildID, f.B.BuildID)
		}
	}
	// Output: 42 -> 43: upgraded /opt/plugin.so, aa01 -> aa02
}
