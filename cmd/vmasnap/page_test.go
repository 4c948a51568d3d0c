package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// hostile are names that would like to be more than text.
var hostile = []string{
	`</script><script>alert(1)</script>`,
	`<img src=x onerror=alert(2)>`,
	`"'><svg onload=alert(3)>`,
	"bidi \u202eevil\u2066",
	"not UTF-8 \xff\xfe",
	"line\u2028separator\u2029",
	`<!--<script>`,
	`{{data}} {{script}}`,
	`javascript:alert(4)`,
}

// pageHost is the first record of the recordings below.
const pageHost = `host time=1000000000 monotonic=1000000000 boottime=1 realtime=1763633000000000000 page_size=4096 cpus=2 source=ioctl hooks=tracepoint content=exec-file hostname=%q release="6.12.0" arch="x86_64" tool="vmasnap test" command="by hand"
`

// pageOf compiles records in the text form, and returns the page of them.
func pageOf(t *testing.T, text string, args ...string) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "x.data")
	if err := compile(text, file); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	if code := run(context.Background(), append([]string{"report", file, "--html", "-"}, args...), &streams{out: &out, err: &errs}); code != exitDone || errs.Len() > 0 {
		t.Fatalf("status %d: %s", code, errs.String())
	}
	return out.Bytes()
}

var dataOfPage = regexp.MustCompile(`(?s)<script type="application/json" id="data">(.*?)</script>`)

// pageDataOf returns what is in a page.
func pageDataOf(t *testing.T, page []byte) (data pageData) {
	t.Helper()
	m := dataOfPage.FindSubmatch(page)
	if m == nil {
		t.Fatal("the page has no data")
	}
	if err := json.Unmarshal(m[1], &data); err != nil {
		t.Fatal(err)
	}
	return data
}

// hostileRecording has all hostile names as everything that can have a name.
func hostileRecording() string {
	var b strings.Builder
	fmt.Fprintf(&b, pageHost, strings.Join(hostile, " "))
	for i, name := range hostile {
		head := fmt.Sprintf("time=%d pid=%d tid=%[2]d", 1_000_000_010+i, i+10)
		comm := name[:min(len(name), 15)]
		fmt.Fprintf(&b, "process %s status=complete source=ioctl vmas=1 comm=%q exe=%q\n", head, comm, name)
		fmt.Fprintf(&b, "mmap %s start=0x1000 len=0x2000 dev=08:01 ino=%d prot=r-xp kind=exec-file walked go_build_id=%q path=%q\n", head, i+7, name, name)
		fmt.Fprintf(&b, "exec time=%d pid=%d tid=%[2]d comm=%q exe=%q\n", 1_000_000_100+i, i+10, comm, name)
		fmt.Fprintf(&b, "mmap time=%d pid=%d tid=%[2]d start=0x1000 len=0x2000 dev=08:01 ino=%d prot=r-xp kind=exec-file deleted path=%q\n", 1_000_000_100+i, i+10, i+7, name)
	}
	return b.String()
}

// TestPageOfHostileNames: the bytes of the page are those of one without names, but for its data,
// in which nothing ends the data, and all is printable.
func TestPageOfHostileNames(t *testing.T) {
	page := pageOf(t, hostileRecording())
	harmless := pageOf(t, fmt.Sprintf(pageHost, "h"))
	without := func(page []byte) string { return string(dataOfPage.ReplaceAll(page, nil)) }
	if without(page) != without(harmless) {
		t.Error("names have changed the page outside of its data")
	}
	data := dataOfPage.FindSubmatch(page)[1]
	if at := bytes.IndexAny(data, "<>&\u2028\u2029\u202e\u2066\x00\xff\xfe"); at >= 0 {
		t.Errorf("the data has %q", data[at:min(at+20, len(data))])
	}
	d := pageDataOf(t, page)
	if len(d.Processes) != len(hostile) || len(d.Files) != 2*len(hostile) {
		t.Fatalf("%d processes, %d files", len(d.Processes), len(d.Files))
	}
	for i, name := range hostile {
		if p := d.Processes[i]; p.Exe != printable(name) || p.Marks[1].Text != "executed "+p.Exe+" as "+p.Comm {
			t.Errorf("%q is %+v", name, p)
		}
	}
	csp := regexp.MustCompile(`content="default-src 'none'; style-src 'sha256-[A-Za-z0-9+/]{43}='; script-src 'sha256-[A-Za-z0-9+/]{43}='; base-uri 'none'; form-action 'none'"`)
	if !csp.Match(page) {
		t.Error("the page has not the policy that it should have")
	}
	if outside := regexp.MustCompile(`https?://[^w]|\bsrc=|\bhref=|innerHTML|insertAdjacent|document\.write|eval\(`).FindString(without(page)); outside != "" {
		t.Errorf("the page has %q", outside)
	}
}

// story is two processes: one forks, the other executes, maps, unmaps and ends; and a loss.
const story = `snapshot-begin time=1000000001 id=1 source=ioctl
process time=1000000002 pid=10 tid=10 start_time=50 snapshot=1 status=complete source=ioctl vmas=3 comm="ten" exe="/bin/ten"
mmap time=1000000002 pid=10 tid=10 start=0x55d000001000 len=0x4000 pgoff=0x1000 dev=08:01 ino=7 prot=r-xp kind=exec-file walked build_id_origin=kernel build_id=93ac61ec5a8eb1396f9fbd350e3169a558528a40 path="/bin/ten"
mmap time=1000000002 pid=10 tid=10 start=0x7f0000001000 len=0x156000 pgoff=0x26000 dev=08:01 ino=8 prot=r-xp kind=exec-file walked path="/usr/lib/libc.so.6"
mmap time=1000000002 pid=10 tid=10 start=0x7f0000200000 len=0x26000 pgoff=0x1000 dev=08:01 ino=9 prot=r-xp kind=exec-file deleted walked path="/usr/lib/ld.so"
snapshot-end time=1000000004 id=1 processes=complete:1 mmaps=3 files=3
fork time=2000000000 pid=12 tid=12 start_time=100 ppid=10 ptid=10
exec time=2500000000 pid=12 tid=12 comm="new" exe="/bin/new"
mmap time=2500000000 pid=12 tid=12 start=0x9000 len=0x3000 dev=08:01 ino=10 prot=r-xp kind=exec-file path="/bin/new"
mmap time=2600000000 pid=12 tid=12 start=0xfffffffffffff000 len=0xfff pgoff=0xfffffffffffff000 dev=08:01 ino=18446744073709551615 prot=r-xp kind=exec-file path="/high"
clear time=3000000000 pid=12 tid=12 start=0xa000 len=0x1000
lost time=4500000000 pid=12 tid=12 from=4000000000 count=3 cpu=-1 reason=lock
exit time=5000000000 pid=12 tid=12 code=256 group
mmap time=6000000000 pid=10 tid=10 start=0x7f0000300000 len=0x1000 dev=08:01 ino=11 prot=r-xp kind=exec-file path="/plugin.so"
clear time=8000000000 pid=10 tid=10 start=0x7f0000300000 len=0x1000
comm time=9000000000 pid=10 tid=10 comm="ten"
`

func TestPageData(t *testing.T) {
	d := pageDataOf(t, pageOf(t, fmt.Sprintf(pageHost, "h")+story))
	if d.From != 0 || d.To != 8e9 || len(d.Processes) != 2 || len(d.Spaces) != 3 || len(d.Files) != 6 {
		t.Fatalf("from %d to %d, %d processes, %d spaces, %d files", d.From, d.To, len(d.Processes), len(d.Spaces), len(d.Files))
	}
	child := d.Processes[1]
	kinds := ""
	for _, m := range child.Marks {
		kinds += fmt.Sprintf("%d %s: %s\n", m.Time, m.Kind, m.Text)
	}
	const want = "1000000000 fork: forked by 10\n1500000000 exec: executed /bin/new as new\n4000000000 exit: exited with status 1\n"
	if kinds != want || child.Ended != 4e9 || !child.Exited || !child.Born || len(child.Had) != 2 {
		t.Errorf("the child is %+v", child)
	}
	space := d.Spaces[child.Had[1][1]]
	const mappings = `[[4,"9000","c000","0",0,1500000000,2000000000,2],[4,"9000","a000","0",0,2000000000,4000000000,2],` +
		`[4,"b000","c000","2000",0,2000000000,4000000000,2],[5,"fffffffffffff000","ffffffffffffffff","fffffffffffff000",0,1600000000,4000000000,2]]`
	if string(space.Mappings) != mappings || !slices.Equal(space.Doubts, [][2]int64{{3e9, 4e9}}) {
		t.Errorf("its address space is %s, uncertain %v", space.Mappings, space.Doubts)
	}
	for _, tc := range []struct {
		args                       string
		from, to                   int64
		processes, spaces, mapping int
	}{
		{"--at +2s", 0, 2e9, 2, 3, 10},
		{"--time +3s..+4.5s", 3e9, 45e8, 2, 2, 6},
		{"--time +4.5s..+6s", 45e8, 6e9, 1, 1, 4},
		{"--pid 12", 0, 8e9, 1, 2, 7},
		{"--comm t*", 0, 8e9, 1, 1, 4},
		{"--path /bin/*", 0, 8e9, 2, 3, 5},
	} {
		d := pageDataOf(t, pageOf(t, fmt.Sprintf(pageHost, "h")+story, strings.Fields(tc.args)...))
		n := 0
		for _, s := range d.Spaces {
			var list []json.RawMessage
			if err := json.Unmarshal(s.Mappings, &list); err != nil {
				t.Fatal(err)
			}
			n += len(list)
		}
		if d.From != tc.from || d.To != tc.to || len(d.Processes) != tc.processes || len(d.Spaces) != tc.spaces || n != tc.mapping {
			t.Errorf("%s: from %d to %d, %d processes, %d spaces, %d mappings", tc.args, d.From, d.To, len(d.Processes), len(d.Spaces), n)
		}
	}
}

// TestReplaceFile: a file is replaced as a whole, or not at all.
func TestReplaceFile(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "page.html")
	for _, text := range []string{"one", "two"} {
		if err := replaceFile(name, writer(text, nil)); err != nil {
			t.Fatal(err)
		}
	}
	if err := replaceFile(name, writer("three", os.ErrDeadlineExceeded)); err == nil {
		t.Error("no error")
	}
	raw, err := os.ReadFile(name)
	if err != nil || string(raw) != "two" {
		t.Errorf("%q, %v", raw, err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// writer writes text, and then fails with err.
func writer(text string, err error) func(*bufio.Writer) error {
	return func(out *bufio.Writer) error {
		out.WriteString(text)
		return err
	}
}
