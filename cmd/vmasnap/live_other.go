//go:build !linux

package main

import (
	"context"
	"fmt"
	"io"
	"runtime"

	"github.com/vmasnap/vmasnap/replay"
)

func checkLive(context.Context, io.Writer, *replay.Session, int) (bool, error) {
	return false, unsupported(fmt.Errorf("--live needs Linux, this is %s", runtime.GOOS))
}
