package recorder

import (
	"slices"
	"testing"

	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/internal/need"
	"github.com/vmasnap/vmasnap/procmap"
)

// walked is all that a snapshot says of one process.
type walked struct {
	process format.Process
	mmaps   []format.Mmap
}

// snapshotOf takes a snapshot and returns what it says of each process, without what
// differs between two snapshots of one that holds still.
func snapshotOf(t *testing.T, o Options) map[uint32]*walked {
	t.Helper()
	rec, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	var s keep
	if _, err := rec.Run(t.Context(), &s); err != nil {
		t.Fatal(err)
	}
	all := make(map[uint32]*walked)
	var w *walked
	for _, r := range s.records {
		switch r := r.(type) {
		case *format.Process:
			w = &walked{process: *r}
			w.process.Time, w.process.WalkTime, w.process.Source = 0, 0, 0
			all[r.PID] = w
		case *format.Mmap:
			m := *r
			m.Time = 0
			w.mmaps = append(w.mmaps, m)
		}
	}
	return all
}

// sameWalk compares what the ioctl said with what another source said. The kernel tells build
// IDs with the ioctl only: where its answer is all there is, that is no difference. Only the
// iterator tells generations.
func sameWalk(ioctl, text *walked) bool {
	if ioctl.process != text.process || len(ioctl.mmaps) != len(text.mmaps) {
		return false
	}
	for i, a := range ioctl.mmaps {
		b := text.mmaps[i]
		b.Generation, b.HasGeneration = 0, false
		if a.BuildIDOrigin == format.BuildIDByKernel && b.BuildIDOrigin != format.BuildIDNotAsked {
			if !b.BuildID.IsZero() && b.BuildID != a.BuildID {
				return false
			}
			a.BuildID, a.BuildIDOrigin = b.BuildID, b.BuildIDOrigin
		}
		if a != b {
			return false
		}
	}
	return true
}

// TestSourcesAgree takes the machine with the ioctl, with another source, and with the ioctl
// again. Where the first and the last are equal, the process held still, and the other must
// not differ. A process that looked so by chance gets further tries.
func TestSourcesAgree(t *testing.T) {
	need.Query(t, procmap.Supported())
	children := []*child{startHard(t, "wait"), startHard(t, "leader"), startHard(t, "share"), startHard(t, "jit"), startHard(t, "zombie")}
	for _, o := range []Options{
		{Source: SourceMaps},
		{Source: SourceMaps, AllFile: true, AnonExec: true, VDSO: true, BuildID: procmap.BuildIDFile},
		{Source: SourceIter},
	} {
		other := o.Source
		if it, err := New(o); err != nil {
			need.Skip(t, need.BPF, "the iterator: "+err.Error()) // the last
		} else if err := it.Close(); err != nil {
			t.Fatal(err)
		}
		var suspects map[uint32]string
		still := 0
		for try := range 5 {
			if try > 0 && len(suspects) == 0 {
				break
			}
			var all [3]map[uint32]*walked
			for i, source := range []Source{SourceIoctl, other, SourceIoctl} {
				o.Source = source
				all[i] = snapshotOf(t, o)
			}
			still = 0
			differ := make(map[uint32]string)
			for pid, a := range all[0] {
				b, c := all[1][pid], all[2][pid]
				if c == nil || a.process != c.process || !slices.Equal(a.mmaps, c.mmaps) {
					continue
				}
				still++
				if _, suspect := suspects[pid]; try > 0 && !suspect {
					continue
				}
				if b == nil || !sameWalk(a, b) {
					differ[pid] = describeDifference(a, b)
				}
			}
			for _, c := range children {
				if all[0][uint32(c.PID)] == nil {
					t.Errorf("no record of process %d", c.PID)
				}
			}
			suspects = differ
		}
		for pid, text := range suspects {
			t.Errorf("%+v: process %d: %s", o, pid, text)
		}
		if still < len(children) {
			t.Errorf("%d processes held still, want %d or more", still, len(children))
		}
		t.Logf("%d processes held still", still)
	}
}

func describeDifference(ioctl, text *walked) string {
	if text == nil {
		return "the other has no record of it"
	}
	a, b := format.AppendText(nil, &ioctl.process), format.AppendText(nil, &text.process)
	for i := range min(len(ioctl.mmaps), len(text.mmaps)) {
		if string(a) != string(b) {
			break
		}
		a, b = format.AppendText(nil, &ioctl.mmaps[i]), format.AppendText(nil, &text.mmaps[i])
	}
	return "\nioctl " + string(a) + "\ntext  " + string(b)
}
