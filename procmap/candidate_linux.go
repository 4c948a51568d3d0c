package procmap

import (
	"bytes"
	"errors"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// candidate looks for the file behind a VMA. Everything is first opened with O_PATH, which
// runs no driver and blocks on no pipe, and what comes from a name is believed only after
// comparison with what the kernel says about the VMA.
type candidate struct {
	files   *Files
	p       *Process // may be nil
	v       *VMA
	literal bool // the file is really called "NAME (deleted)"

	fd     int // O_PATH, if opened
	st     unix.Stat_t
	opened bool
	mapErr error // why /proc/PID/map_files did not lead to the file
	asked  bool  // map_files was tried
}

func (c *candidate) close() {
	if c.opened {
		unix.Close(c.fd)
		c.opened = false
	}
}

// take makes fd the candidate if ok says so, and closes it otherwise.
func (c *candidate) take(fd int, ok func(fd int, st *unix.Stat_t) bool) error {
	if err := unix.Fstat(fd, &c.st); err != nil {
		unix.Close(fd)
		return err
	}
	if !ok(fd, &c.st) {
		unix.Close(fd)
		return ErrChanged
	}
	c.fd, c.opened = fd, true
	return nil
}

// openMapped opens /proc/PID/map_files/START-END: the very file, be it deleted or in
// another mount namespace.
func (c *candidate) openMapped() error {
	if c.asked {
		return c.mapErr
	}
	c.asked = true
	c.mapErr = ErrGone
	if c.p == nil {
		return c.mapErr
	}
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	b := append(s.path[:0], "map_files/"...)
	b = append(strconv.AppendUint(b, c.v.Start, 16), '-')
	b = append(strconv.AppendUint(b, c.v.End, 16), 0)
	fd, err := atOpen(c.p.fd, &b[0], unix.O_PATH)
	if err != nil {
		c.mapErr = err
		return err
	}
	// Another file may have been mapped at the same addresses since.
	c.mapErr = c.take(fd, c.isMapped)
	return c.mapErr
}

// isMapped tells whether the file behind fd is the one of the VMA. Inode numbers repeat from
// one file system to the next, so without the device they prove nothing.
func (c *candidate) isMapped(fd int, st *unix.Stat_t) bool {
	if unix.Major(st.Dev) == c.v.Major && unix.Minor(st.Dev) == c.v.Minor && st.Ino == c.v.Inode {
		return true
	}
	return c.files.identical(fd, st, c.v)
}

// open finds the file by all means there are.
func (c *candidate) open() error {
	if c.openMapped() == nil {
		return nil
	}
	var err error = ErrGone
	try := func(fd int, e error) bool {
		if e == nil {
			e = c.take(fd, c.isMapped)
		}
		if e == nil {
			return true
		}
		if !errors.Is(e, unix.ENOENT) && errors.Is(err, ErrGone) {
			err = e
		}
		return false
	}

	name := c.v.Name
	if c.literal {
		name = slices.Concat(name, deletedSuffix)
	}
	if len(name) > 0 && name[0] == '/' && (c.literal || !c.v.Deleted) {
		if c.p != nil && try(c.p.openInRoot(name)) || try(openInRoot(unix.AT_FDCWD, nameSlash, name)) {
			return nil
		}
	}
	// Less privilege than map_files needs is enough for the executable.
	if c.p != nil && c.v.Deleted && !c.literal {
		if try(atOpen(c.p.fd, nameExe, unix.O_PATH)) {
			return nil
		}
		if originOf(c.mapErr) == OriginDenied {
			return c.mapErr // it is there, for others
		}
	}
	return err
}

// literallyDeleted reports whether the VMA's file is still linked under a name that ends
// in " (deleted)".
func (c *candidate) literallyDeleted() bool {
	if len(c.v.Name) == 0 || c.v.Name[0] != '/' {
		return false
	}
	same := c.isMapped
	switch err := c.openMapped(); {
	case err == nil && c.st.Nlink == 0:
		return false
	case err == nil:
		same = isFile(&c.st)
	}
	return c.p.isAt(slices.Concat(c.v.Name, deletedSuffix), same)
}

// isFile returns a condition for isAt: to be the file that want is about.
func isFile(want *unix.Stat_t) func(int, *unix.Stat_t) bool {
	return func(_ int, st *unix.Stat_t) bool { return st.Dev == want.Dev && st.Ino == want.Ino }
}

var nameSlash = cname("/")

// isAt reports whether a file for which same is true has the given name in p's root
// directory, or else in the reader's. p may be nil.
func (p *Process) isAt(name []byte, same func(fd int, st *unix.Stat_t) bool) bool {
	check := func(fd int, err error) bool {
		if err != nil {
			return false
		}
		defer unix.Close(fd)
		var st unix.Stat_t
		return unix.Fstat(fd, &st) == nil && same(fd, &st)
	}
	return p != nil && check(p.openInRoot(name)) || check(openInRoot(unix.AT_FDCWD, nameSlash, name))
}

// openInRoot opens a path, which is relative to the reader's root or to that of a mount
// namespace that the reader does not see, in the process's root directory with O_PATH. The
// link root is a path of the same sort, "/" for a usual container, so that what is below
// it is found by leaving it out.
func (p *Process) openInRoot(name []byte) (int, error) {
	s := scratches.Get().(*scratch)
	defer scratches.Put(s)
	if root, err := s.link(p.fd, nameRoot); err != nil {
		return -1, err
	} else if rest, ok := bytes.CutPrefix(name, root); ok && len(rest) > 0 && rest[0] == '/' {
		name = rest
	}
	return openInRoot(p.fd, nameRoot, name)
}

// openInRoot opens the path name below the directory root with O_PATH. The kernel prints
// paths without symbolic links, so one in the way means that it is another file by now.
// Requires at least Linux 5.6.
func openInRoot(dir int, root *byte, name []byte) (int, error) {
	rootFD, err := atOpen(dir, root, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return -1, err
	}
	defer unix.Close(rootFD)
	how := unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS,
	}
	for tries := 0; ; tries++ {
		fd, err := unix.Openat2(rootFD, string(name), &how)
		switch {
		case err == unix.EINTR, err == unix.EAGAIN && tries < 8: // EAGAIN: raced with a rename or mount
			continue
		case err == unix.ENOTDIR, err == unix.ELOOP, err == unix.ESRCH:
			return -1, unix.ENOENT
		}
		return fd, err
	}
}
