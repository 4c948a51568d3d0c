//go:build !linux

package main

import (
	"context"
	"errors"
	"io/fs"

	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/replay"
)

func snapshotNow(context.Context, []uint32) (*replay.Session, error) {
	return nil, unsupported(errors.New("a snapshot takes Linux: give a FILE"))
}

func thisBoot(*format.Host) bool { return false }

func stillThere(*replay.Process) bool { return false }

func inodeOf(fs.FileInfo) uint64 { return 0 }
