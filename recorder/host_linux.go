package recorder

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/vmasnap/vmasnap/format"
)

// describeHost makes the Host record. What cannot be read stays empty: a recording with an
// unknown boot ID is better than none.
func (r *Recorder) describeHost() (*format.Host, error) {
	clocks, err := readClocks()
	if err != nil {
		return nil, err
	}
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return nil, fmt.Errorf("read uname: %w", err)
	}
	o := &r.options
	source, hooks := formatSource(r.source), format.HooksNone
	if r.iterator != nil {
		source = format.SourceIter
	}
	if r.follower != nil {
		hooks = formatHooks(r.follower.Hooks())
	}
	return &format.Host{
		Common:         format.Common{Time: clocks.Monotonic},
		Clocks:         clocks,
		PageSize:       uint32(os.Getpagesize()),
		CPUs:           onlineCPUs(),
		PIDNamespace:   r.mount.PIDNamespace,
		MountNamespace: r.mount.MountNamespace,
		Source:         source,
		Hooks:          hooks,
		BuildID:        format.BuildIDMode(o.BuildID),
		Content:        o.content(),
		Hidden:         r.mount.Hidden,
		Hostname:       unix.ByteSliceToString(uts.Nodename[:]),
		Release:        unix.ByteSliceToString(uts.Release[:]),
		KernelVersion:  unix.ByteSliceToString(uts.Version[:]),
		Arch:           unix.ByteSliceToString(uts.Machine[:]),
		BootID:         readLine(o.ProcFS + "/sys/kernel/random/boot_id"),
		Tool:           o.Tool,
		Command:        o.Command,
	}, nil
}

// onlineCPUs counts the machine's processors, not those of this process's affinity mask.
func onlineCPUs() uint32 {
	n := uint32(0)
	for part := range strings.SplitSeq(readLine("/sys/devices/system/cpu/online"), ",") {
		first, last, isRange := strings.Cut(part, "-")
		a, err := strconv.ParseUint(first, 10, 31)
		if err != nil {
			return uint32(runtime.NumCPU())
		}
		b := a
		if isRange {
			if b, err = strconv.ParseUint(last, 10, 31); err != nil || b < a {
				return uint32(runtime.NumCPU())
			}
		}
		n += uint32(b - a + 1)
	}
	return n
}

// readLine returns the first line of a small file, "" if it cannot be read.
func readLine(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	line, _, _ := bytes.Cut(b, []byte("\n"))
	return string(line)
}
