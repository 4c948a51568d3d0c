package procmap_test

import (
	"errors"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/vmasnap/vmasnap/procmap"
)

// A privileged process has opened /proc/PID/maps and passed the descriptor on, here as number
// 3. Whoever has it needs no privilege to look into that address space.
func ExampleFromFile() {
	f := os.NewFile(3, "maps")
	m, err := procmap.FromFile(f, procmap.Options{})
	if err != nil {
		f.Close() // FromFile has not taken it
		log.Print(err)
		return
	}
	defer m.Close()
	for v, err := range m.All() {
		if err != nil {
			log.Print(err)
			return
		}
		fmt.Printf("%x-%x %q\n", v.Start, v.End, v.Name)
	}
}

// The mapped files of all processes with their build IDs. Each file is read once, however
// many processes map it.
func ExampleFiles() {
	pids, err := procmap.PIDs("", nil)
	if err != nil {
		log.Fatal(err)
	}
	files := procmap.NewFiles(procmap.FilesOptions{})
	for _, pid := range pids {
		if err := printFiles(files, pid); err != nil && !errors.Is(err, procmap.ErrGone) {
			log.Print(err)
		}
	}
}

func printFiles(files *procmap.Files, pid int) error {
	p, err := procmap.OpenProcess("", pid)
	if err != nil {
		return err
	}
	defer p.Close()
	// Through p, so that the number cannot come to mean another process.
	m, err := procmap.OpenAt(p.Fd(), procmap.Options{})
	if err != nil {
		return err
	}
	defer m.Close()
	for {
		var v procmap.VMA
		err := m.Next(&v)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		f := files.Resolve(p, m, &v)
		fmt.Printf("%d %x %q build ID %x, Go build ID %q (%v)\n",
			pid, v.Start, f.Path, f.BuildID, f.GoBuildID, f.Origin)
	}
}
