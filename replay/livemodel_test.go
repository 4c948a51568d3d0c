package replay

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/vmasnap/vmasnap/format"
)

// machine is a naive model of a machine and of a recorder that follows it: processes that
// share and copy arrays of pages. What it states it applies to a Session at once.
type machine struct {
	t       testing.TB
	s       *Session
	c       checker
	now     uint64
	next    uint64 // start time of the next process
	records []format.Record

	procs map[uint32]*modelProcess
	shot  *modelShot // the snapshot under way
	shots uint32
	whole bool // the first snapshot is complete

	hidden map[*modelSpace]uint64   // changed without a statement since that time, not noticed yet
	since  uint64                   // time before the first such change
	doubt  map[*modelSpace]struct{} // Lost was written and no walk has come
}

type modelSpace struct {
	pages [32]byte // 0 = nothing; else the file
}

type modelProcess struct {
	start uint64
	born  uint64 // when it forked
	space *modelSpace
	kin   *modelKin
	shot  *modelShot // of the whole machine, which told it last
	exe   string
}

// modelKin are processes of which the recording says that they have one address space. Of
// those that shared before the recording began it says so when they are walked.
type modelKin struct {
	told bool       // what is mapped there
	shot *modelShot // that told it last
}

// modelShot is a snapshot of the processes that lived when it began.
type modelShot struct {
	id     uint32
	begun  uint64
	pid    uint32 // 0: of all
	todo   []uint32
	starts map[uint32]uint64
	end    format.SnapshotEnd
	files  map[byte]struct{}
}

func newMachine(t testing.TB) *machine {
	m := &machine{
		t: t, s: NewSession(), now: 1e9, next: 1e7, procs: make(map[uint32]*modelProcess),
		hidden: make(map[*modelSpace]uint64), doubt: make(map[*modelSpace]struct{}),
	}
	m.c = checker{session: m.s, at: func() format.Position { return format.Position{} }, report: func(p *Problem) { m.t.Error(p.Err) }}
	m.apply(&format.Host{PageSize: page, Hooks: format.HooksTracepoint, Content: format.ContentExecFile})
	// Three that were there before, two of which share.
	shared := &modelSpace{pages: [32]byte{3: 'a', 4: 'a', 9: 'b'}}
	for pid, space := range []*modelSpace{shared, shared, {pages: [32]byte{1: 'c'}}} {
		m.procs[uint32(pid+1)] = &modelProcess{start: m.startTime(), space: space, kin: new(modelKin)}
	}
	m.begin(0, format.SnapshotInitial)
	return m
}

func (m *machine) startTime() uint64 {
	m.next += 1e7
	return m.next
}

func (m *machine) apply(r format.Record) {
	m.now += 1000
	r.Head().Time = m.now
	m.records = append(m.records, r)
	m.c.record(r)
	m.s.Apply(r)
}

func head(pid uint32) format.Common { return format.Common{PID: pid, TID: pid} }

// speaker returns the process under which a statement about the address space of pid is
// written: one of which the recording knows whose kin it is, if there is one; and of which the
// snapshot under way has told it, if it has told of any.
func (m *machine) speaker(pid uint32) uint32 {
	p := m.procs[pid]
	for _, other := range slices.Sorted(maps.Keys(m.procs)) {
		o := m.procs[other]
		if o.space == p.space && (!p.kin.told && o.kin.told || m.toldNow(o) && !m.toldNow(p)) {
			return other
		}
	}
	return pid
}

// toldNow reports whether the snapshot under way has told of p, or need not.
func (m *machine) toldNow(p *modelProcess) bool {
	return m.shot == nil || m.shot.pid != 0 || p.shot == m.shot
}

func (m *machine) mmap(pid uint32, at int, file byte, walked bool) {
	r := &format.Mmap{
		Common: head(pid), Start: uint64(at) * page, Length: page, Offset: uint64(at) * page, Inode: uint64(file),
		Kind: format.ContentExecFile, Prot: 5, Walked: walked, Path: "/" + string(rune(file)),
	}
	if walked {
		r.BuildID = format.MakeBuildID([]byte{file}) // as the one knows and the other does not
	} else {
		r.Generation, r.HasGeneration = uint64(file), true
	}
	m.apply(r)
}

// states writes a whole space as a hook does.
func (m *machine) states(pid uint32, s *modelSpace) {
	for at, file := range s.pages {
		if file != 0 {
			m.mmap(pid, at, file, false)
		}
	}
}

// pick returns one of the processes, chosen by n.
func (m *machine) pick(n byte) (uint32, *modelProcess) {
	pids := slices.Sorted(maps.Keys(m.procs))
	pid := pids[int(n)%len(pids)]
	return pid, m.procs[pid]
}

// step does what four bytes say.
func (m *machine) step(op, who, a, b byte) {
	pid, p := m.pick(who)
	at := int(a) % len(p.space.pages)
	end := min(at+1+int(b)%6, len(p.space.pages))
	switch op % 16 {
	case 0, 1:
		m.fork(pid, p, op%16 == 1, uint32(a)%12+1)
	case 2:
		p.space, p.kin = &modelSpace{}, &modelKin{told: true}
		p.space.pages[at] = 'a' + b%4
		p.exe = "/" + string(rune('a'+b%26))
		m.apply(&format.Exec{Common: head(pid), Comm: p.exe[1:], Exe: p.exe})
		m.states(pid, p.space)
	case 3:
		if len(m.procs) > 1 {
			delete(m.procs, pid)
			m.apply(&format.Exit{Common: head(pid), Group: true})
		}
	case 4:
		m.apply(&format.Fork{Common: format.Common{PID: pid, TID: 100 + uint32(a)}, PPID: pid, SharesVM: true})
		m.apply(&format.Comm{Common: format.Common{PID: pid, TID: 100 + uint32(a)}, Comm: "thread"})
		m.apply(&format.Exit{Common: format.Common{PID: pid, TID: 100 + uint32(a)}})
	case 5:
		if m.shot == nil && m.whole {
			m.begin(0, format.SnapshotKeyframe)
		}
	case 6:
		if m.shot == nil && m.whole {
			m.begin(pid, format.SnapshotRepair)
		}
	case 7, 8, 9:
		m.walk()
	case 10: // lost
		if m.since == 0 {
			m.since = m.now
		}
		p.space.pages[at] = 'a' + b%4
		if m.hidden[p.space] == 0 {
			m.hidden[p.space] = m.now
		}
	case 11:
		m.notice(pid, p, a%2 == 0)
	case 12, 13:
		for i := at; i < end; i++ {
			p.space.pages[i] = 0
		}
		m.apply(&format.Clear{Common: head(m.speaker(pid)), Start: uint64(at) * page, Length: uint64(end-at) * page})
	default:
		p.space.pages[at] = 'a' + b%4
		m.mmap(m.speaker(pid), at, 'a'+b%4, false)
	}
}

func (m *machine) fork(ppid uint32, parent *modelProcess, shares bool, pid uint32) {
	if m.procs[pid] != nil || m.shot != nil && m.shot.starts[pid] != 0 {
		return
	}
	child := &modelProcess{start: m.startTime(), space: parent.space, kin: parent.kin, exe: parent.exe}
	m.procs[pid] = child
	if m.toldNow(parent) {
		child.shot = m.shot
	} else {
		// The parent may have left the address space before its walk.
		m.shot.todo = append(m.shot.todo, pid)
		m.shot.starts[pid] = child.start
	}
	m.apply(&format.Fork{Common: head(pid), PPID: ppid, PTID: ppid, StartTime: child.start, SharesVM: shares, Stated: !shares})
	child.born = m.now
	if !shares {
		s := *parent.space
		child.space, child.kin = &s, &modelKin{told: true}
		m.states(pid, child.space)
	}
}

// notice writes that something was lost, if that is so: about one process, which lived then, or
// about all.
func (m *machine) notice(pid uint32, p *modelProcess, one bool) {
	if since := m.hidden[p.space]; since != 0 && one && p.kin.told && p.born <= since {
		m.apply(&format.Lost{Common: head(pid), From: since, Count: 1, CPU: -1, Reason: format.LostLock})
		m.doubt[p.space] = struct{}{}
		delete(m.hidden, p.space)
	} else if len(m.hidden) > 0 {
		m.apply(&format.Lost{From: m.since, Count: 1, CPU: -1, Reason: format.LostRing})
		for _, p := range m.procs {
			m.doubt[p.space] = struct{}{}
		}
		clear(m.hidden)
	}
	if len(m.hidden) == 0 {
		m.since = 0
	}
}

func (m *machine) begin(pid uint32, kind format.SnapshotKind) {
	m.shots++
	sh := &modelShot{id: m.shots % 3, begun: m.now, pid: pid, starts: make(map[uint32]uint64), files: make(map[byte]struct{})}
	for pid, p := range m.procs {
		sh.starts[pid] = p.start
	}
	sh.todo = slices.Sorted(maps.Keys(m.procs))
	if pid != 0 {
		sh.todo = []uint32{pid}
	}
	m.shot = sh
	m.apply(&format.SnapshotBegin{Common: head(pid), ID: sh.id, Kind: kind})
}

// walk writes the next process of the snapshot, or its end.
func (m *machine) walk() {
	sh := m.shot
	if sh == nil {
		return
	}
	if len(m.hidden) > 0 { // the recorder asks before it believes
		pid, p := m.pick(0)
		m.notice(pid, p, false)
	}
	if len(sh.todo) == 0 {
		sh.end.Common, sh.end.ID, sh.end.Files = head(sh.pid), sh.id, uint64(len(sh.files))
		m.apply(&sh.end)
		m.whole = m.whole || sh.pid == 0
		m.shot = nil
		return
	}
	pid := sh.todo[0]
	sh.todo = sh.todo[1:]
	p := m.procs[pid]
	r := &format.Process{Common: head(pid), StartTime: sh.starts[pid], Snapshot: sh.id, Status: format.WalkComplete}
	if p == nil || p.start != r.StartTime {
		r.Status = format.WalkVanished
		sh.end.Processes[r.Status]++
		m.apply(r)
		return
	}
	for _, other := range slices.Sorted(maps.Keys(m.procs)) {
		o := m.procs[other]
		if o.space == p.space && (o.shot == sh || o.kin.shot == sh && o.born > sh.begun) && other != pid {
			r.Status, r.SharesPID = format.WalkShared, other
			m.merge(p.kin, o.kin)
			break
		}
	}
	if r.Status == format.WalkComplete {
		p.kin.told, p.kin.shot = true, sh
		for _, file := range p.space.pages {
			if file != 0 {
				r.VMAs++
			}
		}
		delete(m.doubt, p.space)
	}
	p.shot = sh
	r.Comm, r.Exe = p.exe[min(1, len(p.exe)):], p.exe
	sh.end.Processes[r.Status]++
	m.apply(r)
	if r.Status == format.WalkShared {
		return
	}
	for at, file := range p.space.pages {
		if file != 0 {
			m.mmap(pid, at, file, true)
			sh.end.Mmaps++
			sh.files[file] = struct{}{}
		}
	}
}

func (m *machine) merge(from, to *modelKin) {
	for _, p := range m.procs {
		if p.kin == from {
			p.kin = to
		}
	}
}

// check holds the Session against the model.
func (m *machine) check() {
	m.t.Helper()
	spaces := make(map[*modelSpace]*AddressSpace)
	seen := make(map[*AddressSpace]*modelSpace)
	for pid, p := range m.procs {
		got := m.s.Process(pid)
		if got == nil {
			if p.kin.told || m.whole {
				m.t.Fatalf("process %d is missing", pid)
			}
			continue
		}
		if !m.whole && (!p.kin.told || !m.toldNow(p)) {
			continue // its walk may make it one with another
		}
		if !got.is(p.start) || !got.Known || m.whole && got.StartTime != p.start {
			m.t.Fatalf("process %d: %+v, %+v, want start %d", pid, got, got.AddressSpace, p.start)
		}
		if was := spaces[p.space]; was != nil && was != got.AddressSpace {
			m.t.Fatalf("process %d shares an address space and is said not to", pid)
		}
		if was := seen[got.AddressSpace]; was != nil && was != p.space {
			m.t.Fatalf("process %d is said to share an address space and does not", pid)
		}
		spaces[p.space], seen[got.AddressSpace] = got.AddressSpace, p.space
		_, doubt := m.doubt[p.space]
		if doubt && got.UncertainSince == 0 {
			m.t.Fatalf("process %d: what is lost is not told", pid)
		}
		if _, hidden := m.hidden[p.space]; hidden || doubt || got.UncertainSince != 0 {
			if !hidden && !doubt {
				m.t.Fatalf("process %d is said to be uncertain since %d", pid, got.UncertainSince)
			}
			continue
		}
		var pages [len(p.space.pages)]byte
		for x := range got.Space.All() {
			for a := x.Start; a < x.End; a += page {
				if x.FileOffset(a) != a {
					m.t.Fatalf("process %d has offset %#x at %#x", pid, x.FileOffset(a), a)
				}
				pages[a/page] = x.File.Path[1]
			}
		}
		if pages != p.space.pages {
			m.t.Fatalf("process %d has %q, want %q", pid, pages, p.space.pages)
		}
	}
	if m.whole && m.shot == nil {
		for p := range m.s.Processes() {
			if m.procs[p.PID] == nil {
				m.t.Fatalf("process %d has ended", p.PID)
			}
		}
	}
	if st := &m.s.Stats; st.Drift > 0 {
		m.t.Fatalf("%d drifts: %+v", st.Drift, m.s.Drifts)
	}
}

// play runs a program of four bytes a step.
func play(t testing.TB, program []byte) *machine {
	m := newMachine(t)
	for ; len(program) >= 4; program = program[4:] {
		m.step(program[0], program[1], program[2], program[3])
		m.check()
	}
	// What goes on comes to its end, and then all is certain.
	for m.shot != nil {
		m.walk()
	}
	m.check()
	m.begin(0, format.SnapshotKeyframe)
	for m.shot != nil {
		m.walk()
	}
	m.check()
	if len(m.doubt) > 0 {
		for p := range m.s.Processes() {
			if p.UncertainSince != 0 {
				t.Errorf("process %d is uncertain since %d behind a keyframe", p.PID, p.UncertainSince)
			}
		}
	}
	m.c.finish()
	return m
}

// TestLiveModel replays what a recorder would write about random machines.
func TestLiveModel(t *testing.T) {
	var st Stats
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 1))
		program := make([]byte, 4*400)
		for i := range program {
			program[i] = byte(rng.Uint32())
		}
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			m := play(t, program)
			st.Restated += m.s.Stats.Restated
			st.Losses += m.s.Stats.Losses
			st.Snapshots += m.s.Stats.Snapshots
		})
	}
	if st.Restated < 1000 || st.Losses < 1000 || st.Snapshots < 1000 {
		t.Errorf("the model hardly does what it is for: %+v", st)
	}
}

// FuzzLiveModel lets the fuzzer choose the machine's fate.
func FuzzLiveModel(f *testing.F) {
	f.Add([]byte{1, 0, 5, 0, 7, 0, 0, 0, 7, 0, 0, 0, 10, 0, 3, 1, 11, 0, 0, 0, 6, 1, 0, 0, 7, 0, 0, 0, 7, 0, 0, 0})
	f.Add([]byte{0, 0, 5, 0, 2, 3, 1, 1, 3, 0, 0, 0, 1, 1, 6, 0, 7, 0, 0, 0, 7, 0, 0, 0, 7, 0, 0, 0, 5, 0, 0, 0, 3, 1, 0, 0})
	f.Fuzz(func(t *testing.T, program []byte) { play(t, program[:min(len(program), 4000)]) })
}
