package procmap

import (
	"errors"
	"io/fs"

	"golang.org/x/sys/unix"
)

// Look returns what Resolve would, but neither remembers nor uses what is remembered: for a
// caller that knows better when two files are the same.
func (f *Files) Look(p *Process, m *Maps, v *VMA) *File { return f.look(p, m, v) }

// look finds out all about the file that v maps.
func (f *Files) look(p *Process, m *Maps, v *VMA) *File {
	c := candidate{files: f, p: p, v: v}
	return f.lookThrough(&c, m)
}

func (f *Files) lookThrough(c *candidate, m *Maps) *File {
	v := c.v
	out := &File{
		Path: string(v.Name), Deleted: v.Deleted,
		Major: v.Major, Minor: v.Minor, Inode: v.Inode,
	}
	if !v.FileBacked() {
		return out
	}
	defer c.close()
	if v.Deleted && c.literallyDeleted() {
		out.Path += string(deletedSuffix)
		out.Deleted = false
		c.literal = true
	}

	mode := f.opt.Mode
	ask := mode != BuildIDFile && m != nil && m.source == SourceIoctl
	if mode == BuildIDNone || mode == BuildIDKernel && !ask {
		return out
	}
	out.Origin = OriginAbsent
	if ask {
		id, err := m.BuildID(v)
		switch {
		case err != nil:
			out.Origin = originOf(err)
		case len(id) > 0:
			out.BuildID, out.Origin = string(id), OriginKernel
		}
	}
	if mode == BuildIDKernel {
		return out
	}

	gnu, goID, err := c.readBuildIDs()
	out.GoBuildID = goID
	switch {
	case out.Origin == OriginKernel: // what the kernel says is of the mapped file
	case len(gnu) > 0 || goID != "":
		out.BuildID, out.Origin = string(gnu), OriginFile
	case err != nil:
		out.Origin = originOf(err)
	default:
		out.Origin = OriginAbsent
	}
	return out
}

// originOf says what an error means for a build ID.
func originOf(err error) Origin {
	switch {
	case errors.Is(err, ErrNotELF):
		return OriginNotELF
	case errors.Is(err, fs.ErrPermission):
		return OriginDenied
	case errors.Is(err, ErrGone), errors.Is(err, ErrNoVMA), errors.Is(err, ErrChanged),
		errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ESRCH):
		return OriginGone
	}
	return OriginFailed
}

// readBuildIDs reads the notes of the candidate that turns out to be the mapped file.
func (c *candidate) readBuildIDs() (gnu []byte, goID string, err error) {
	if err := c.open(); err != nil {
		return nil, "", err
	}
	fd, err := c.files.reopen(c.fd, &c.st)
	if err != nil {
		return nil, "", err
	}
	defer unix.Close(fd)
	return ReadBuildIDs(preader(fd), c.st.Size)
}

// preader reads a descriptor at offsets. An os.File would register it for polling.
type preader int

func (fd preader) ReadAt(b []byte, off int64) (n int, err error) {
	for n < len(b) {
		m, err := unix.Pread(int(fd), b[n:], off+int64(n))
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return n, err
		}
		if m == 0 {
			break
		}
		n += m
	}
	return n, nil
}
