package main

import (
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/procmap"
	"github.com/vmasnap/vmasnap/replay"
)

// disk looks up files below root directories: of processes, or one for all.
type disk struct {
	root   string // one for all; "" = those of the processes
	lives  func(p *replay.Process) bool
	host   *format.Host
	opened map[string]*os.Root
}

// newDisk returns a disk for the processes of a session: their own as long as they live, if it is
// of this machine.
func newDisk(s *replay.Session, root string, here bool) (*disk, error) {
	d := &disk{root: root, host: s.Host, opened: make(map[string]*os.Root)}
	if root != "" {
		r, err := os.OpenRoot(root)
		if err != nil {
			return nil, usageError("--root: %w", err)
		}
		d.opened[root] = r
		return d, nil
	}
	if !here && !thisBoot(s.Host) {
		return nil, usageError("the recording is of another machine, or from before it was booted: --root DIR says where its files are")
	}
	d.lives = stillThere
	return d, nil
}

// Look implements replay.Disk.
func (d *disk) Look(p *replay.Process, path string) (replay.OnDisk, error) {
	root, err := d.rootOf(p)
	if err != nil {
		return replay.OnDisk{}, err
	}
	f, err := root.Open(strings.TrimPrefix(path, "/"))
	if err != nil {
		return replay.OnDisk{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return replay.OnDisk{}, err
	}
	if !info.Mode().IsRegular() {
		return replay.OnDisk{}, fmt.Errorf("%s is no regular file any more: %w", path, fs.ErrNotExist)
	}
	now := replay.OnDisk{Inode: inodeOf(info)}
	gnu, goID, err := procmap.ReadBuildIDs(f, info.Size())
	if err == nil {
		now.BuildID, now.GoBuildID = format.MakeBuildID(gnu), goID
	}
	return now, nil
}

// rootOf opens the directory that p's paths begin at.
func (d *disk) rootOf(p *replay.Process) (*os.Root, error) {
	name := d.root
	switch {
	case name != "":
	case p.Walk != nil && p.Walk.MountNamespace != 0 && p.Walk.MountNamespace == d.host.MountNamespace:
		// The paths of a process in the recorder's namespace are as the recorder sees them, wherever
		// the process has its root.
		name = "/"
	default:
		if !d.lives(p) {
			// Its files may still be where others see them.
			if p.Walk != nil && p.Walk.MountNamespace != d.host.MountNamespace {
				return nil, fmt.Errorf("process %d has ended, and with it its mount namespace may have", p.PID)
			}
			name = "/"
		} else {
			name = fmt.Sprintf("/proc/%d/root", p.PID)
		}
	}
	if r := d.opened[name]; r != nil {
		return r, nil
	}
	r, err := os.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	if len(d.opened) < 64 {
		d.opened[name] = r
	}
	return r, nil
}
