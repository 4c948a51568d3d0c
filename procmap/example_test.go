package procmap_test

import (
	"errors"
	"fmt"
	"io"
	"log"
	"strings"

	"github.com/vmasnap/vmasnap/procmap"
)

// Maps text that was saved on another machine.
func ExampleParser() {
	const saved = `7f5b1c028000-7f5b1c18c000 r-xp 00028000 08:01 1835                       /usr/lib/libc.so.6 (deleted)
7ffd2c9fe000-7ffd2ca00000 r-xp 00000000 00:00 0                          [vdso]
`
	p := procmap.NewParser(strings.NewReader(saved))
	for {
		var v procmap.VMA
		err := p.Next(&v)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%v: %q, deleted %t\n", v.Kind(), v.Name, v.Deleted)
	}
	// Output:
	// exec-file: "/usr/lib/libc.so.6", deleted true
	// vdso: "[vdso]", deleted false
}
