package replay

import (
	"math"
	"testing"

	"github.com/vmasnap/vmasnap/format"
)

// hostileSeeds are records that no recorder writes, each with its reason.
var hostileSeeds = map[string]string{
	"shared with itself":   "process pid=1 status=shared shares_pid=1\nmmap pid=1 start=0x1000 len=0x1000 kind=exec-file path=\"/a\"\nexit pid=1 group\n",
	"shared in a circle":   "process pid=1 status=shared shares_pid=2\nprocess pid=2 status=shared shares_pid=1\nprocess pid=1 status=shared shares_pid=2\nclear pid=2 start=0x1000 len=0x1000\n",
	"shared with the gone": "process pid=2 status=complete\nprocess pid=2 status=vanished\nprocess pid=1 status=shared shares_pid=2\ncomm pid=1 tid=1 comm=\"x\"\n",
	"fork of itself":       "fork pid=1 ppid=1\nfork pid=1 ppid=1 shares_vm\nmmap pid=1 start=0x1000 len=0x1000 kind=exec-file path=\"/a\"\nfork pid=1 ppid=1 stated\n",
	"fork of the unknown":  "fork pid=1 ppid=9 shares_vm\nfork pid=2 ppid=9\nclear pid=1 start=0x1000 len=0x1000\n",
	"exec of the unknown":  "exec pid=1 comm=\"x\"\nclear pid=2 start=0x1000 len=0x1000\ncomm pid=3 tid=3 comm=\"y\"\nexit pid=4 group\n",
	"edges of addresses":   "mmap pid=1 start=0xfffffffffffff000 len=0x1000 path=\"/a\"\nmmap pid=1 start=0xfffffffffffff000 len=0xfff path=\"/b\"\nclear pid=1 start=0 len=0xffffffffffffffff\nmmap pid=1 start=5 len=0\n",
	"offset that wraps":    "mmap pid=1 start=0x1000 len=0x3000 pgoff=0xfffffffffffff000 path=\"/a\"\nclear pid=1 start=0x2000 len=0x1000\n",
	"walk that overlaps":   "snapshot-begin id=1\nprocess pid=1 snapshot=1 status=complete vmas=4294967295\nmmap pid=1 start=0x1000 len=0x3000 walked path=\"/a\"\nmmap pid=1 start=0x2000 len=0x1000 walked path=\"/b\"\nsnapshot-end id=1 mmaps=2\n",
	"snapshots crossed":    "snapshot-begin id=1\nsnapshot-begin id=4294967295\nprocess pid=1 snapshot=1 status=complete\nsnapshot-end id=1\nsnapshot-end id=4294967295\nsnapshot-end id=7 pid=3\n",
	"shared by orphans":    "fork pid=1 tid=1 ppid=9 shares_vm\nfork pid=2 tid=2 ppid=1 shares_vm\nprocess pid=3 status=complete\nprocess pid=9 status=shared shares_pid=3\nprocess pid=2 status=shared shares_pid=1\nexit pid=9 group\n",
	"parted":               "snapshot-begin id=1\nprocess pid=1 snapshot=1 status=complete\nprocess pid=2 snapshot=1 status=shared shares_pid=1\nprocess pid=2 snapshot=1 status=complete vmas=1\nmmap pid=2 start=0x1000 len=0x1000 walked path=\"/a\"\nprocess pid=1 snapshot=1 status=complete vmas=1\nlost pid=1\nprocess pid=1 status=zombie\n",
	"unknown values":       "process pid=1 status=77 source=88\nlost reason=200 count=18446744073709551615\nlost pid=1 reason=200 count=18446744073709551615\nmmap pid=1 start=0x1000 len=0x1000 kind=0x80000000 prot=rwxs build_id_origin=99\nend reason=99\nend records=1\n",
}

// encode returns records in the text form as the raw record stream.
func encode(t testing.TB, text string) (b []byte) {
	t.Helper()
	for _, r := range parse(t, text) {
		var err error
		if b, err = format.AppendRecord(b, r); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// applyHostile applies and checks whatever records b begins with, and asks for all there is.
func applyHostile(t *testing.T, b []byte) {
	t.Helper()
	c := checker{session: NewSession(), at: func() format.Position { return format.Position{} }, report: func(p *Problem) { _ = p.Error() }}
	h := NewHistory(math.MaxInt64)
	var addrs []uint64
	for len(b) > 0 {
		rec, n, err := format.DecodeRecord(b)
		if err != nil {
			break
		}
		b = b[n:]
		if m, ok := rec.(*format.Mmap); ok {
			addrs = append(addrs, m.Start, m.Start+m.Length-1, m.Start+m.Length)
		}
		c.record(rec)
		c.session.Apply(rec)
		_ = h.Write(rec)
	}
	c.finish()
	nowIsNow(t, h, c.session, addrs)
	askEverything(t, c.session, addrs)
}

// nowIsNow checks that what a History says of now is what the Session says.
func nowIsNow(t *testing.T, h *History, s *Session, addrs []uint64) {
	t.Helper()
	for p := range s.Processes() {
		if h.now == 0 {
			break // without any time there is no now
		}
		for _, addr := range addrs[:min(len(addrs), 64)] {
			got, a := h.Lookup(p.PID, math.MaxUint64, addr), s.Lookup(p.PID, addr)
			if got.Miss != a.Miss || got.Offset != a.Offset || a.Miss == Hit && *got.Mapping.File != *a.Mapping.File || got.Uncertain != a.Uncertain {
				t.Fatalf("%d:%#x is %+v in a History, %+v in a Session", p.PID, addr, got, a)
			}
		}
	}
	if h.Len() != s.Len() {
		t.Fatalf("%d processes in a History, %d in a Session", h.Len(), s.Len())
	}
}

func TestHostileRecords(t *testing.T) {
	for name, text := range hostileSeeds {
		t.Run(name, func(t *testing.T) { applyHostile(t, encode(t, text)) })
	}
}

// FuzzSession: any records, in any order, leave a state that can be asked everything.
func FuzzSession(f *testing.F) {
	for _, text := range hostileSeeds {
		f.Add(encode(f, text))
	}
	f.Add(encode(f, hostLine+reportWalk))
	f.Add(encode(f, hostLine+walkOfTwo+"fork pid=12 ppid=11\nlost from=3\nclear pid=12 start=0x5000 len=0x1000\nexec pid=11\nexit pid=10 group\n"+soundEnd))
	f.Fuzz(applyHostile)
}

// askEverything calls all that a Session offers and holds the answers against each other.
func askEverything(t *testing.T, s *Session, addrs []uint64) {
	t.Helper()
	mappings, before := 0, new(Space)
	for p := range s.Processes() {
		if p.Space == nil || s.Process(p.PID) != p {
			t.Fatalf("process %d: %+v", p.PID, p)
		}
		end := uint64(0)
		for m := range p.Space.All() {
			if m.File == nil || m.Start < end || m.End <= m.Start {
				t.Fatalf("process %d has %v behind %#x", p.PID, m, end)
			}
			end = m.End
			mappings++
			if a := s.Lookup(p.PID, m.Start); a.Miss != Hit || a.Mapping != m || a.Explain(s.Host) != "" {
				t.Fatalf("lookup of the start of %v in %d: %+v", m, p.PID, a)
			}
		}
		for _, addr := range addrs[:min(len(addrs), 64)] {
			a := s.Lookup(p.PID, addr)
			if (a.Miss == Hit) != (a.Explain(s.Host) == "") {
				t.Fatalf("lookup of %d:%#x: %v, %q", p.PID, addr, a.Miss, a.Explain(s.Host))
			}
		}
		if d := Compare(p.Space, p.Space); len(d) > 0 {
			t.Fatalf("process %d differs from itself: %v", p.PID, d)
		}
		if there, back := Compare(before, p.Space), Compare(p.Space, before); len(there) != len(back) {
			t.Fatalf("%d differences one way, %d the other", len(there), len(back))
		}
		before = p.Space
	}
	if d := DiffSessions(s, s, DiffOptions{Addresses: true}); !d.Same() {
		t.Fatalf("the state differs from itself: %s", diffText(d))
	}
	empty := NewSession()
	mirrored(t, s, empty, DiffOptions{})
	d := DiffSessions(s, empty, DiffOptions{})
	d.Files()
	d.BuildIDs()
	d.Cgroups()
	rows := 0
	for _, r := range s.ReportProcesses(Filter{}) {
		rows += r.Mappings
	}
	if rows != mappings {
		t.Fatalf("the report has %d mappings, the processes %d", rows, mappings)
	}
	sum := s.Summary()
	sum.Incomplete()
	usage := 0
	for _, r := range s.ReportFiles(Filter{}) {
		usage += r.Mappings
	}
	for _, r := range s.ReportBuildIDs(Filter{}) {
		usage -= r.Mappings
	}
	if usage != 0 {
		t.Fatalf("files and build IDs differ by %d mappings", usage)
	}
	var fleet Fleet
	fleet.Add("this one", s, Filter{})
	users := make(map[format.BuildID]int)
	for _, b := range fleet.Builds() {
		users[b.BuildID] = len(b.Uses[0].Processes)
	}
	for _, r := range s.ReportBuildIDs(Filter{}) {
		if !r.BuildID.IsZero() && users[r.BuildID] != r.Processes {
			t.Fatalf("build %s is mapped by %d processes, in a fleet by %d", r.BuildID, r.Processes, users[r.BuildID])
		}
	}
}
