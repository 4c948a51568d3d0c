package recorder

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vmasnap/vmasnap/bpfmmap"
	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/internal/need"
	"github.com/vmasnap/vmasnap/internal/testproc"
	"github.com/vmasnap/vmasnap/replay"
)

// orderEnv makes a recorder of the test binary; its value is an order.
const orderEnv = "VMASNAP_TEST_FOLLOW"

// order says what a recorder of its own process records.
type order struct {
	File     string
	Source   Source
	Hooks    bpfmmap.Hooks
	RingSize int
	Keyframe time.Duration
}

// outcome is what such a recorder tells at its end.
type outcome struct {
	Hooks  string
	Events uint64
	Sets   uint64
	Clears uint64
	Execs  uint64

	Keyframes, Repairs int
	Lost               map[string]uint64
	Unrepaired         bool
	Notes              []string
}

// TestRecordingChild is the recorder of the tests that need one in another process, since
// they stop it, or compare it with the machine. By itself it tests nothing. Standard input
// tells it what to wait for, or to stop; standard output answers.
func TestRecordingChild(t *testing.T) {
	text := os.Getenv(orderEnv)
	if text == "" {
		return
	}
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		t.Fatal(err)
	}
	switch err := followOrder(&o); {
	case errors.Is(err, bpfmmap.ErrNotSupported), errors.Is(err, fs.ErrPermission):
		fmt.Println(lacking, err)
		t.Fatal(err)
	case err != nil:
		fmt.Println("failed:", err)
		t.Fatal(err)
	}
}

// lacking begins the answer of a recorder that the machine does not have what it takes for.
const lacking = "lacking:"

func followOrder(o *order) error {
	var status atomic.Pointer[Status]
	rec, err := New(Options{Source: o.Source, Follow: &FollowOptions{
		Hooks: o.Hooks, RingSize: o.RingSize, Keyframe: o.Keyframe, RaisePriority: true,
		Attached: func() error { fmt.Println("attached"); return nil },
		Status:   func(s Status) { status.Store(&s) },
	}})
	if err != nil {
		return err
	}
	in := bufio.NewScanner(os.Stdin)
	if fmt.Println("loaded"); !in.Scan() {
		return errors.New("nobody told to attach")
	}
	file, err := os.Create(o.File)
	if err != nil {
		return err
	}
	w, err := format.NewWriter(file, rec.Host(), format.WriterOptions{})
	if err != nil {
		return err
	}
	walked := make(chan struct{})
	snapshots := 0
	sink := SinkFunc(func(r format.Record) error {
		if end, ok := r.(*format.SnapshotEnd); ok && end.PID == 0 {
			if snapshots++; snapshots == 1 {
				close(walked)
			}
		}
		return w.Write(r)
	})
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer cancel()
		for ; in.Scan(); fmt.Println(in.Text(), "done") {
			switch in.Text() {
			case "walk": // the first snapshot
				<-walked
			case "settle": // what was lost
				<-walked
				status.Store(nil)
				for s := status.Load(); s == nil || s.Uncertain; s = status.Load() {
					time.Sleep(10 * time.Millisecond)
				}
			case "stop":
				return
			}
		}
	}()
	stats, err := rec.Run(ctx, sink)
	if err := errors.Join(err, w.Write(&format.End{Common: format.Common{Time: Now()}}), w.Close(), file.Close(), rec.Close()); err != nil {
		return err
	}
	said := outcome{
		Hooks: rec.Host().Hooks.String(), Events: stats.Live.Events, Sets: stats.Live.Sets, Clears: stats.Live.Clears, Execs: stats.Live.Execs,
		Keyframes: stats.Live.Keyframes, Repairs: stats.Live.Repairs, Unrepaired: stats.Live.Unrepaired,
		Lost: make(map[string]uint64), Notes: rec.Notes(),
	}
	for reason, n := range stats.Live.Lost {
		said.Lost[reason.String()] = n
	}
	line, err := json.Marshal(said)
	fmt.Printf("%s\n", line)
	return err
}

// recording is one that a child makes.
type recording struct {
	*testproc.Process
	t    testing.TB
	file string
}

// startRecording starts a recorder in a process of its own. When it returns the hooks are
// attached, and the first snapshot may have begun. The trouble, if there is any, is held while
// the programs are loaded, which takes minutes beside it on a machine that is emulated, and
// goes on when they are attached.
func startRecording(t testing.TB, tr *trouble, o order) *recording {
	t.Helper()
	need.Root(t, "BPF programs")
	o.File = filepath.Join(t.TempDir(), "recording")
	o.Hooks = testedHooks(t)
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "-test.run=^TestRecordingChild$")
	cmd.Env = append(os.Environ(), orderEnv+"="+string(text), "GORACE=atexit_sleep_ms=0")
	if tr != nil {
		tr.hold()
	}
	r := &recording{Process: testproc.Start(t, cmd), t: t, file: o.File}
	if what, ok := strings.CutPrefix(r.Line, lacking); ok && o.Hooks == bpfmmap.HooksAuto {
		need.Skip(t, need.BPF, what)
	}
	if r.Line != "loaded" {
		t.Fatalf("the recorder says %q", r.Line)
	}
	if tr != nil {
		tr.proceed()
	}
	if line := r.Tell("attach\n"); line != "attached" {
		t.Fatalf("the recorder says %q", line)
	}
	return r
}

// await has the recorder answer once something is so: see followOrder.
func (r *recording) await(what string) {
	r.t.Helper()
	if line := r.Tell(what + "\n"); line != what+" done" {
		r.t.Fatalf("the recorder says %q to %q", line, what)
	}
}

// stop ends the recording, which then has everything up to now.
func (r *recording) stop() *outcome {
	r.t.Helper()
	line := r.Tell("stop\n")
	var o outcome
	if err := json.Unmarshal([]byte(line), &o); err != nil {
		r.t.Fatalf("the recorder says %q: %v", line, err)
	}
	r.End()
	return &o
}

// each reads the recording, which is sound, and calls f with every record before it is applied
// to the session. It returns the state at the end.
func (r *recording) each(f func(*replay.Session, format.Record)) *replay.Session {
	r.t.Helper()
	file, err := os.Open(r.file)
	if err != nil {
		r.t.Fatal(err)
	}
	defer file.Close()
	in, err := format.NewReader(file, format.ReaderOptions{})
	if err != nil {
		r.t.Fatal(err)
	}
	s := replay.NewSession()
	for rec, err := range in.All() {
		if err != nil {
			r.t.Fatal(err)
		}
		f(s, rec)
		s.Apply(rec)
	}
	return s
}

// explain logs the last records about a process, and those that it shares its address space with,
// with the snapshots and losses around them.
func (r *recording) explain(pid uint32) {
	r.t.Helper()
	about := map[uint32]bool{pid: true}
	for n := 0; n < len(about); {
		n = len(about)
		r.each(func(_ *replay.Session, rec format.Record) {
			switch rec := rec.(type) {
			case *format.Process:
				if rec.Status == format.WalkShared && (about[rec.PID] || about[rec.SharesPID]) {
					about[rec.PID], about[rec.SharesPID] = true, true
				}
			case *format.Fork:
				if rec.SharesVM && (about[rec.PID] || about[rec.PPID]) {
					about[rec.PID], about[rec.PPID] = true, true
				}
			}
		})
	}
	var lines []string
	r.each(func(_ *replay.Session, rec format.Record) {
		switch rec := rec.(type) {
		case *format.SnapshotBegin, *format.SnapshotEnd, *format.Lost:
		case *format.Fork:
			if !about[rec.PID] && !about[rec.PPID] {
				return
			}
		default:
			if !about[rec.Head().PID] {
				return
			}
		}
		lines = append(lines, string(format.AppendText(nil, rec)))
	})
	const most = 400
	r.t.Logf("process %d:\n%s", pid, strings.Join(lines[max(0, len(lines)-most):], "\n"))
}

// check holds the recording against the rules about sequences of records, and returns the
// state at its end.
func (r *recording) check() *replay.Session {
	r.t.Helper()
	file, err := os.Open(r.file)
	if err != nil {
		r.t.Fatal(err)
	}
	defer file.Close()
	in, err := format.NewReader(file, format.ReaderOptions{})
	if err != nil {
		r.t.Fatal(err)
	}
	problems := 0
	s := replay.Check(in, func(p *replay.Problem) {
		if problems++; problems <= 5 {
			r.t.Error(p)
		}
	})
	if problems > 5 {
		r.t.Errorf("%d problems", problems)
	}
	return s
}

// testedHooks is the rung that VMASNAP_TEST_HOOKS names, or the best one.
func testedHooks(t testing.TB) bpfmmap.Hooks {
	var h bpfmmap.Hooks
	if name := os.Getenv("VMASNAP_TEST_HOOKS"); name != "" {
		if err := h.UnmarshalText([]byte(name)); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

// losses renders what was lost.
func (o *outcome) losses() string {
	if len(o.Lost) == 0 {
		return "nothing lost"
	}
	return "lost " + strings.TrimPrefix(fmt.Sprint(o.Lost), "map")
}
