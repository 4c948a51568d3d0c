package recorder

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"

	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/replay"
)

// taken is a snapshot that went all the way: through a file and into a Session.
type taken struct {
	stats   Stats
	records []format.Record // as Run gave them
	session *replay.Session // as read back from the file
	file    []byte
}

// keep is a Sink that keeps the records and passes them on.
type keep struct {
	records []format.Record
	next    Sink
}

func (k *keep) Write(r format.Record) error {
	k.records = append(k.records, r)
	if k.next == nil {
		return nil
	}
	return k.next.Write(r)
}

// take takes a snapshot with o and checks what must hold for every one.
func take(t testing.TB, o Options) *taken {
	t.Helper()
	rec, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return takeWith(t, rec)
}

func takeWith(t testing.TB, rec *Recorder) *taken {
	t.Helper()
	var file bytes.Buffer
	w, err := format.NewWriter(&file, rec.Host(), format.WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	sink := keep{next: w}
	stats, err := rec.Run(context.Background(), &sink)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Write(&format.End{Common: format.Common{Time: Now()}}), w.Close()); err != nil {
		t.Fatal(err)
	}
	s := &taken{stats: stats, records: sink.records, file: file.Bytes()}
	s.session = checkFile(t, s.file)
	s.checkStats(t)
	return s
}

// checkFile holds a recording against the rules about sequences of records and returns the
// state at its end.
func checkFile(t testing.TB, file []byte) *replay.Session {
	t.Helper()
	r, err := format.NewReader(bytes.NewReader(file), format.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return replay.Check(r, func(p *replay.Problem) { t.Error(p) })
}

// checkStats counts the records anew.
func (s *taken) checkStats(t testing.TB) {
	t.Helper()
	processes, mmaps := 0, 0
	statuses := make(map[format.WalkStatus]int)
	origins := make(map[fileKey]format.BuildIDOrigin)
	for _, r := range s.records {
		switch r := r.(type) {
		case *format.Process:
			processes++
			statuses[r.Status]++
		case *format.Mmap:
			mmaps++
			if key := (fileKey{r.Path, r.Deleted, r.Major, r.Minor, r.Inode}); r.Kind&format.ContentFiles != 0 {
				if _, again := origins[key]; !again {
					origins[key] = r.BuildIDOrigin
				}
			}
		}
	}
	if processes != s.stats.Listed || mmaps != s.stats.VMAs {
		t.Errorf("%d processes listed and %d VMAs, but %d and %d records", s.stats.Listed, s.stats.VMAs, processes, mmaps)
	}
	buildIDs := make(map[format.BuildIDOrigin]int)
	for _, origin := range origins {
		buildIDs[origin]++
	}
	if len(origins) != s.stats.Files || !maps.Equal(buildIDs, s.stats.BuildIDs) {
		t.Errorf("%d files with build IDs %v, but %d with %v in the records", s.stats.Files, s.stats.BuildIDs, len(origins), buildIDs)
	}
	for status := range format.WalkFailed + 1 {
		if statuses[status] != s.stats.Processes[status] {
			t.Errorf("%d processes %s, but %d records", s.stats.Processes[status], status, statuses[status])
		}
	}
}

// process returns the record of a process.
func (s *taken) process(t testing.TB, pid int) *format.Process {
	t.Helper()
	for _, r := range s.records {
		if p, ok := r.(*format.Process); ok && p.PID == uint32(pid) {
			return p
		}
	}
	t.Fatalf("no record of process %d", pid)
	return nil
}

// wantStatus checks how the walk of a process went and returns its record.
func (s *taken) wantStatus(t testing.TB, pid int, want format.WalkStatus) *format.Process {
	t.Helper()
	p := s.process(t, pid)
	if p.Status != want {
		t.Errorf("process %d %q: %s with errno %d, want %s", pid, p.Comm, p.Status, p.Errno, want)
	}
	return p
}

// mapping returns the replayed mapping of pid whose file is called path.
func (s *taken) mapping(t testing.TB, pid int, path string) replay.Mapping {
	t.Helper()
	var found replay.Mapping
	n := 0
	for m := range s.session.Process(uint32(pid)).Space.All() {
		if m.File.Path == path {
			found = m
			n++
		}
	}
	if n != 1 {
		t.Errorf("process %d maps %q %d times, want once", pid, path, n)
	}
	if found.File == nil {
		found.File = new(replay.File)
	}
	return found
}

// checkTruth compares the replayed state of a process with its own /proc text, and build
// IDs with those of the files that it maps.
func (s *taken) checkTruth(t testing.TB, pid int) {
	t.Helper()
	p := s.session.Process(uint32(pid))
	if p == nil {
		t.Errorf("process %d is not in the replayed state", pid)
		return
	}
	// The leader's own text is empty if it has exited.
	dir := fmt.Sprintf("/proc/%d/task/%d", pid, s.process(t, pid).TID)
	want := truth(t, dir+"/maps", executableFile)
	var got []string
	for m := range p.Space.All() {
		got = append(got, line(&m))
		s.checkIDs(t, pid, &m)
	}
	if len(got) == 0 {
		t.Errorf("process %d has no mappings", pid)
	}
	diffLines(t, fmt.Sprintf("process %d", pid), got, want)
}

// checkIDs compares a mapping's build IDs with the sections of the very file.
func (s *taken) checkIDs(t testing.TB, pid int, m *replay.Mapping) {
	t.Helper()
	f, err := elf.Open(fmt.Sprintf("/proc/%d/map_files/%x-%x", s.process(t, pid).TID, m.Start, m.End))
	if err != nil {
		return // not an ELF file, or not for us
	}
	defer f.Close()
	if gnu := fmt.Sprintf("%x", note(f, ".note.gnu.build-id")); gnu != m.File.BuildID.String() {
		t.Errorf("%s: build ID %s (%s), want %s", m, m.File.BuildID, m.File.BuildIDOrigin, gnu)
	}
	if id := string(note(f, ".note.go.buildid")); id != m.File.GoBuildID {
		t.Errorf("%s: Go build ID %q (%s), want %q", m, m.File.GoBuildID, m.File.BuildIDOrigin, id)
	}
}

// note returns the description of the one ELF note of a section.
func note(f *elf.File, section string) []byte {
	s := f.Section(section)
	if s == nil {
		return nil
	}
	b, err := s.Data()
	if err != nil || len(b) < 16 {
		return nil
	}
	size := f.ByteOrder.Uint32(b[4:])
	return b[16 : 16+size] // both names are of four bytes
}

// executableFile selects the lines that are recorded by default. Fields 1 and 3 are the
// permissions and the device.
func executableFile(fields []string) bool {
	return fields[1][2] == 'x' && (fields[3] != "00:00" || fields[4] != "0")
}

// truth returns the lines of a maps text that want selects.
func truth(t testing.TB, path string, want func(fields []string) bool) []string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Error(err)
		return nil
	}
	var lines []string
	for l := range strings.Lines(string(b)) {
		if fields := strings.SplitN(l, " ", 6); want(fields) && !strings.HasSuffix(l, "[vsyscall]\n") {
			lines = append(lines, l)
		}
	}
	return lines
}

// line returns what /proc/PID/maps prints for a mapping.
func line(m *replay.Mapping) string {
	s := fmt.Sprintf("%08x-%08x %s %08x %02x:%02x %d ", m.Start, m.End, m.Perm(), m.Offset,
		m.File.Major, m.File.Minor, m.File.Inode)
	if m.File.Path != "" {
		s = fmt.Sprintf("%-72s %s", s, strings.ReplaceAll(m.File.Path, "\n", `\012`))
	}
	if m.File.Deleted {
		s += " (deleted)"
	}
	return s + "\n"
}

func diffLines(t testing.TB, what string, got, want []string) {
	t.Helper()
	for i := 0; i < max(len(got), len(want)); i++ {
		switch {
		case i >= len(got):
			t.Errorf("%s: line %d is missing: %q", what, i, want[i])
		case i >= len(want):
			t.Errorf("%s: line %d is too many: %q", what, i, got[i])
		case got[i] != want[i]:
			t.Errorf("%s: line %d:\n got %q\nwant %q", what, i, got[i], want[i])
		default:
			continue
		}
		return
	}
}

// discard is a Sink that counts.
type discard struct{ n int }

func (d *discard) Write(format.Record) error {
	d.n++
	return nil
}
