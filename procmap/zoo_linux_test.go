package procmap

import (
	"fmt"
	"os"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// page is the length of each mapping of the zoo.
var page = os.Getpagesize()

// The files of the zoo. Their names are the difficulty.
var zooFiles = []struct {
	name  string
	prot  int
	flags int
}{
	{"plain.so", unix.PROT_READ | unix.PROT_EXEC, unix.MAP_PRIVATE},
	{"data", unix.PROT_READ, unix.MAP_PRIVATE},
	{"written", unix.PROT_READ | unix.PROT_WRITE, unix.MAP_SHARED},
	{"execute only", unix.PROT_EXEC, unix.MAP_PRIVATE},
	{"none", unix.PROT_NONE, unix.MAP_PRIVATE},
	{"all", unix.PROT_READ | unix.PROT_WRITE | unix.PROT_EXEC, unix.MAP_SHARED},
	{"  two  spaces  ", unix.PROT_READ | unix.PROT_EXEC, unix.MAP_PRIVATE},
	{"new\nline\n", unix.PROT_READ | unix.PROT_EXEC, unix.MAP_PRIVATE},
	{"not \xff\xfe utf-8 \x01\x1b[31m", unix.PROT_READ | unix.PROT_EXEC, unix.MAP_PRIVATE},
	{`back\slash\n\011`, unix.PROT_READ | unix.PROT_EXEC, unix.MAP_PRIVATE},
	{"really (deleted)", unix.PROT_READ | unix.PROT_EXEC, unix.MAP_PRIVATE},
	{"[vdso]", unix.PROT_READ | unix.PROT_EXEC, unix.MAP_PRIVATE},
}

const (
	zooUnlinked  = "unlinked.so"
	zooAmbiguous = `literal\012.so` // where text and ioctl have to differ
	zooDeepFile  = "deep.so"
	zooStep      = 200 // length of the directory names of the deep files
	zooDeepest   = 30  // directories: 6,000 bytes in the end
)

// mapFile maps one page of an executable file, which it creates.
func mapFile(name string, prot, flags int) error {
	fd, err := unix.Open(name, unix.O_CREAT|unix.O_RDWR, 0o700)
	if err != nil {
		return fmt.Errorf("create %q: %w", name, err)
	}
	defer unix.Close(fd)
	if err := unix.Ftruncate(fd, int64(3*page)); err != nil {
		return err
	}
	return mapFD(fd, int64(page), prot, flags)
}

func mapFD(fd int, off int64, prot, flags int) error {
	_, err := unix.Mmap(fd, off, page, prot, flags)
	if err != nil {
		return fmt.Errorf("mmap: %w", err)
	}
	return nil
}

// mapZoo makes one mapping of each kind in the current directory.
func mapZoo(string) error {
	for _, f := range zooFiles {
		if err := mapFile(f.name, f.prot, f.flags); err != nil {
			return err
		}
	}
	const rx = unix.PROT_READ | unix.PROT_EXEC
	if err := mapFile(zooUnlinked, rx, unix.MAP_PRIVATE); err != nil {
		return err
	}
	if err := unix.Unlink(zooUnlinked); err != nil {
		return err
	}

	memfd, err := unix.MemfdCreate("a memfd", 0)
	if err != nil {
		return err
	}
	if err := unix.Ftruncate(memfd, int64(page)); err != nil {
		return err
	}
	if err := mapFD(memfd, 0, rx, unix.MAP_PRIVATE); err != nil {
		return err
	}
	const anon = unix.MAP_ANON | unix.MAP_PRIVATE
	if err := mapFD(-1, 0, rx, anon); err != nil {
		return err
	}
	if err := mapFD(-1, 0, rx, unix.MAP_ANON|unix.MAP_SHARED); err != nil { // is /dev/zero
		return err
	}
	if err := mapNamed("a jit", rx, anon); err != nil {
		return err
	}
	if err := mapNamed("shared (deleted)", rx, unix.MAP_ANON|unix.MAP_SHARED); err != nil {
		return err
	}
	id, err := unix.SysvShmGet(unix.IPC_PRIVATE, page, unix.IPC_CREAT|0o700)
	if err != nil {
		return err
	}
	if _, err := unix.SysvShmAttach(id, 0, 0); err != nil {
		return err
	}
	if _, err := unix.SysvShmCtl(id, unix.IPC_RMID, nil); err != nil {
		return err
	}
	return mapDeep()
}

// mapNamed makes anonymous memory and gives it a name, which needs CONFIG_ANON_VMA_NAME;
// without, it stays nameless.
func mapNamed(name string, prot, flags int) error {
	mem, err := unix.Mmap(-1, 0, page, prot, flags)
	if err != nil {
		return err
	}
	err = unix.Prctl(unix.PR_SET_VMA, unix.PR_SET_VMA_ANON_NAME, uintptr(unsafe.Pointer(&mem[0])),
		uintptr(len(mem)), uintptr(unsafe.Pointer(cname(name))))
	if err != nil && err != unix.EINVAL {
		return fmt.Errorf("name memory: %w", err)
	}
	return nil
}

// mapDeep maps a file in each of many directories within each other, so that the paths'
// lengths pass 512 and 4,096 bytes.
func mapDeep() error {
	for range zooDeepest {
		dir := strings.Repeat("d", zooStep-1)
		if err := unix.Mkdir(dir, 0o700); err != nil {
			return err
		}
		if err := unix.Chdir(dir); err != nil {
			return err
		}
		if err := mapFile(zooDeepFile, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE); err != nil {
			return err
		}
	}
	return nil
}

// manyVMAs leaves some of the usual limit of 65,530 to the runtime.
const manyVMAs = 60_000

// mapMany maps manyVMAs pages of one file, r-x and r-- in turn.
func mapMany(string) error {
	fd, err := unix.Open("many.so", unix.O_CREAT|unix.O_RDWR, 0o700)
	if err != nil {
		return err
	}
	if err := unix.Ftruncate(fd, int64(manyVMAs*page)); err != nil {
		return err
	}
	mem, err := unix.Mmap(fd, 0, manyVMAs*page, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE)
	if err != nil {
		return err
	}
	for i := 1; i < manyVMAs; i += 2 {
		if err := unix.Mprotect(mem[i*page:(i+1)*page], unix.PROT_READ); err != nil {
			return fmt.Errorf("mprotect page %d: %w", i, err)
		}
	}
	return nil
}
