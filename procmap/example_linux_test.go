package procmap_test

import (
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/vmasnap/vmasnap/procmap"
)

// The programs and libraries of a process, with their build IDs.
func Example() {
	m, err := procmap.Open(os.Getpid(), procmap.Options{BuildID: true})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	for v, err := range m.All() {
		if errors.Is(err, procmap.ErrGone) {
			log.Print("the process went away, the list is not complete")
			return
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%x-%x %q %x\n", v.Start, v.End, v.Name, v.BuildID)
	}
}

// Where an address belongs: file and offset.
func ExampleMaps_Find() {
	m, err := procmap.Open(os.Getpid(), procmap.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	const addr = 0x401000
	var v procmap.VMA
	switch err := m.Find(addr, &v); {
	case errors.Is(err, procmap.ErrNoVMA):
		fmt.Println("nothing is mapped there")
	case err != nil:
		log.Fatal(err)
	case v.FileBacked():
		fmt.Printf("%q, offset %#x\n", v.Name, v.Offset+addr-v.Start)
	}
}
