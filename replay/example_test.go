package replay_test

import (
	"bytes"
	"errors"
	"fmt"
	"log"
	"strings"

	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/replay"
)

// A recording of two processes: the first maps two libraries, the second could not be read.
const before = `
host page_size=4096 content=exec-file
snapshot-begin id=1
process pid=42 tid=42 snapshot=1 status=complete vmas=2 comm="server"
mmap pid=42 tid=42 start=0x7f1000000000 len=0x200000 pgoff=0x28000 dev=08:01 ino=7 prot=r-xp kind=exec-file walked build_id=0a0b0c0d path="/usr/lib/libc.so.6"
mmap pid=42 tid=42 start=0x7f2000000000 len=0x3000 pgoff=0x1000 dev=08:01 ino=8 prot=r-xp kind=exec-file walked path="/opt/plugin.so"
process pid=43 tid=43 snapshot=1 status=denied errno=13 comm="secret"
snapshot-end id=1 processes=complete:1,denied:1 mmaps=2 files=2
`

// The same later: the plugin is gone, another one has come.
const after = `
host page_size=4096 content=exec-file
snapshot-begin id=1
process pid=42 tid=42 snapshot=1 status=complete vmas=2 comm="server"
mmap pid=42 tid=42 start=0x7f1000000000 len=0x200000 pgoff=0x28000 dev=08:01 ino=7 prot=r-xp kind=exec-file walked build_id=0a0b0c0d path="/usr/lib/libc.so.6"
mmap pid=42 tid=42 start=0x7f3000000000 len=0x2000 pgoff=0x1000 dev=08:01 ino=9 prot=r-xp kind=exec-file walked path="/opt/plugin2.so"
snapshot-end id=1 processes=complete:1 mmaps=2 files=2
`

// record makes the bytes of a recording of the text form.
func record(text string) []byte {
	var file bytes.Buffer
	var w *format.Writer
	for rec, err := range format.ReadText(strings.NewReader(text)) {
		if err != nil {
			log.Fatal(err)
		}
		if host, ok := rec.(*format.Host); ok {
			w, err = format.NewWriter(&file, host, format.WriterOptions{})
		} else {
			err = w.Write(rec)
		}
		if err != nil {
			log.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}
	return file.Bytes()
}

// load returns the state at the end of a recording.
func load(file []byte) *replay.Session {
	r, err := format.NewReader(bytes.NewReader(file), format.ReaderOptions{})
	if err != nil {
		log.Fatal(err)
	}
	s, err := replay.Load(r)
	if err != nil {
		log.Fatal(err)
	}
	return s
}

// A profiler has samples, each a process and an address, and wants to know which byte of
// which file that was.
func ExampleSession_Lookup() {
	file := record(before) // or os.Open
	r, err := format.NewReader(bytes.NewReader(file), format.ReaderOptions{})
	if err != nil {
		log.Fatal(err)
	}
	session, err := replay.Load(r)
	if err != nil && !errors.Is(err, format.ErrTruncated) {
		log.Fatal(err) // one that was cut off is still of use
	}

	for _, sample := range []struct {
		pid  uint32
		addr uint64
	}{
		{42, 0x7f1000001234},
		{42, 0x7f2000000010},
		{42, 0xdead},
		{43, 0x7f1000001234},
		{44, 0x7f1000001234},
	} {
		a := session.Lookup(sample.pid, sample.addr)
		if a.Miss != replay.Hit {
			fmt.Printf("%d: %s\n", sample.pid, a.Miss)
			continue
		}
		fmt.Printf("%d: %s+%#x, build ID %q\n", sample.pid, a.Mapping.File.Path, a.Offset, a.Mapping.File.BuildID)
	}
	// Output:
	// 42: /usr/lib/libc.so.6+0x29234, build ID "0a0b0c0d"
	// 42: /opt/plugin.so+0x1010, build ID ""
	// 42: no-mapping
	// 43: not-walked
	// 44: no-process
}

// Two recordings of one machine show what a process has mapped and unmapped in between.
func ExampleCompare() {
	older, newer := load(record(before)), load(record(after))
	for p := range older.Processes() {
		q := newer.Process(p.PID)
		if q == nil || !p.Known || !q.Known {
			fmt.Printf("%d %s: cannot be compared\n", p.PID, p.Comm)
			continue
		}
		for _, d := range replay.Compare(p.Space, q.Space) {
			m := d.A
			if d.Verdict == replay.Missing {
				m = d.B
			}
			fmt.Printf("%d %s: %s %x-%x %s\n", p.PID, p.Comm, d.Verdict, d.Start, d.End, m.File.Path)
		}
	}
	// Output:
	// 42 server: extra 7f2000000000-7f2000003000 /opt/plugin.so
	// 42 server: missing 7f3000000000-7f3000002000 /opt/plugin2.so
	// 43 secret: cannot be compared
}

// What has become of a machine? Where its processes map what is no difference.
func ExampleDiffSessions() {
	d := replay.DiffSessions(load(record(before)), load(record(after)), replay.DiffOptions{})
	for _, p := range d.Gone {
		fmt.Printf("%d %s: gone\n", p.PID, p.Comm)
	}
	for _, p := range d.Changed {
		for _, f := range p.Files {
			fmt.Printf("%d %s: %s %s\n", p.A.PID, p.A.Comm, f.Changes, f.Path())
		}
	}
	fmt.Println("the same:", d.Same(), "complete:", d.Complete())
	// Output:
	// 43 secret: gone
	// 42 server: unloaded /opt/plugin.so
	// 42 server: loaded /opt/plugin2.so
	// the same: false complete: true
}

// Which files have to be there to make symbols of the samples, and what is unknown?
func ExampleSession_ReportFiles() {
	session := load(record(before))
	for _, row := range session.ReportFiles(replay.Filter{}) {
		fmt.Printf("%s: %d KiB in %d process\n", row.File.Path, row.Bytes>>10, row.Processes)
	}
	sum := session.Summary()
	fmt.Printf("%d files, %d without build ID\n", sum.Files, sum.NoBuildID)
	for _, gap := range sum.Incomplete() {
		fmt.Println("gap:", gap)
	}
	// Output:
	// /opt/plugin.so: 12 KiB in 1 process
	// /usr/lib/libc.so.6: 2048 KiB in 1 process
	// 2 files, 1 without build ID
	// gap: 1 process denied: it takes CAP_SYS_PTRACE, and every capability of the process
}
