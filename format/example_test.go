package format_test

import (
	"bytes"
	"fmt"
	"log"
	"strings"

	"github.com/vmasnap/vmasnap/format"
)

func Example() {
	var file bytes.Buffer
	host := &format.Host{PageSize: 4096, Source: format.SourceIoctl}
	w, err := format.NewWriter(&file, host, format.WriterOptions{})
	if err != nil {
		log.Fatal(err)
	}
	if err := w.Write(&format.Mmap{
		Common: format.Common{Time: 5, PID: 42, TID: 42},
		Start:  0x7f0000001000, Length: 0x2000, Offset: 0x1000,
		Prot: format.ProtRead | format.ProtExec, Flags: format.MapPrivate,
		Path: "/usr/lib/libc.so.6",
	}); err != nil {
		log.Fatal(err)
	}
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}

	r, err := format.NewReader(&file, format.ReaderOptions{})
	if err != nil {
		log.Fatal(err)
	}
	for rec, err := range r.All() {
		if err != nil {
			log.Fatal(err)
		}
		if m, ok := rec.(*format.Mmap); ok {
			fmt.Printf("%d %#x+%#x %s %s\n", m.PID, m.Start, m.Length, m.Perm(), m.Path)
		} else {
			fmt.Println(rec.Type())
		}
	}
	// Output:
	// host
	// 42 0x7f0000001000+0x2000 r-xp /usr/lib/libc.so.6
	// end
}

func ExampleReadText() {
	const text = `
# pid 3 loses a mapping and ends
clear time=12 pid=3 tid=3 start=0x7f0000001000 len=0x2000
exit time=13 pid=3 tid=3 group
`
	for rec, err := range format.ReadText(strings.NewReader(text)) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s\n", format.AppendJSON(nil, rec))
	}
	// Output:
	// {"type":"clear","time":12,"pid":3,"tid":3,"start":"0x7f0000001000","length":"0x2000"}
	// {"type":"exit","time":13,"pid":3,"tid":3,"group":true}
}

func ExampleReadIndex() {
	var file bytes.Buffer
	w, err := format.NewWriter(&file, &format.Host{}, format.WriterOptions{})
	if err != nil {
		log.Fatal(err)
	}
	for id := range uint32(2) {
		if err := w.Write(&format.SnapshotBegin{ID: id, Common: format.Common{Time: uint64(100 + id)}}); err != nil {
			log.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			log.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}
	x, err := format.ReadIndex(bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range x.Frames {
		fmt.Printf("records %d to %d, time %d to %d, snapshot %v\n",
			f.FirstRecord, f.FirstRecord+f.Records-1, f.MinTime, f.MaxTime, f.HasSnapshot)
	}
	// Output:
	// records 0 to 1, time 100 to 100, snapshot true
	// records 2 to 2, time 101 to 101, snapshot true
	// records 3 to 3, time 101 to 101, snapshot false
}
