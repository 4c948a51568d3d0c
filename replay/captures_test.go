package replay

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/vmasnap/vmasnap/format"
)

// TestCaptures opens each real recording of testdata/captures: it has to be what its README says,
// and to tell of any time what a replay from its beginning does.
func TestCaptures(t *testing.T) {
	type expected struct {
		cut                         bool
		losses, snapshots, restated uint64 // at least
	}
	captures := map[string]expected{
		"before.data":  {snapshots: 1},
		"upgrade.data": {snapshots: 3, restated: 10},
		"after.data":   {snapshots: 1},
		"lost.data":    {losses: 1, snapshots: 2, restated: 1},
		"pipe.data":    {cut: true, snapshots: 1},
	}
	names, err := filepath.Glob("../testdata/captures/*.data")
	if err != nil {
		t.Fatal(err)
	}
	if len(names) != len(captures) {
		t.Errorf("%d captures, want %d: %q", len(names), len(captures), names)
	}
	for _, name := range names {
		want, ok := captures[filepath.Base(name)]
		if !ok {
			t.Errorf("nobody expects %s", name)
			continue
		}
		t.Run(filepath.Base(name), func(t *testing.T) {
			file, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			s := captureVerdict(t, file, want.cut)
			got := s.Stats
			if got.Drift > 0 || got.LossWindows < want.losses || want.losses == 0 && got.Losses > 0 ||
				got.Snapshots < want.snapshots || got.Restated < want.restated {
				t.Errorf("%+v, want %+v", got, want)
			}
			captureMoments(t, file, want.cut)
		})
	}
}

// captureVerdict checks a recording: it is sound, or cut off and nothing else.
func captureVerdict(t *testing.T, file []byte, cut bool) *Session {
	t.Helper()
	in, err := format.NewReader(bytes.NewReader(file), format.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	problems := 0
	s := Check(in, func(p *Problem) {
		if problems++; !cut || !errors.Is(p, format.ErrTruncated) {
			t.Errorf("not sound: %s", p)
		}
	})
	if cut != (problems == 1) || cut == (s.End != nil) {
		t.Errorf("%d problems, end %v", problems, s.End)
	}
	return s
}

// captureMoments compares what the recording tells of 100 times with naive replays of it.
func captureMoments(t *testing.T, file []byte, cut bool) {
	t.Helper()
	r := openBytes(t, file)
	if errors.Is(r.Damage(), format.ErrTruncated) != cut {
		t.Errorf("damage: %v", r.Damage())
	}
	in, err := format.NewReader(bytes.NewReader(file), format.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var records []format.Record
	for rec, err := range in.All() {
		if err != nil {
			break // captureVerdict has looked at it
		}
		records = append(records, rec)
	}
	rng := rand.New(rand.NewPCG(4, 2))
	times := []uint64{r.Start(), r.End()}
	for len(times) < 100 {
		times = append(times, r.Start()+rng.Uint64N(r.End()-r.Start()))
	}
	slices.Sort(times)
	stepped, asker := (*Cursor)(nil), r.Ask()
	for _, at := range times {
		want := whole(naive(records, at))
		c := captureAt(t, cut, at, r.At)
		if got := whole(c.Session); got != want {
			t.Fatalf("at %d:\n%s\nwant\n%s", at, got, want)
		}
		if got := whole(captureAt(t, cut, at, asker.At).Session); got != want {
			t.Fatalf("asked at %d:\n%s\nwant\n%s", at, got, want)
		}
		if stepped == nil {
			stepped = c
			continue
		}
		captureAt(t, cut, at, func(at uint64) (*Cursor, error) { return stepped, stepped.Step(at) })
		if got := whole(stepped.Session); got != want {
			t.Fatalf("stepped to %d:\n%s\nwant\n%s", at, got, want)
		}
	}
}

// captureAt returns the state as at has it. What is cut off may say so.
func captureAt(t *testing.T, cut bool, time uint64, at func(uint64) (*Cursor, error)) *Cursor {
	t.Helper()
	c, err := at(time)
	if err != nil && !(cut && errors.Is(err, format.ErrTruncated)) {
		t.Fatalf("at %d: %v", time, err)
	}
	return c
}
