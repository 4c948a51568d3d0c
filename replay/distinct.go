package replay

// distinct tells the files of a report apart. Walks are not told the generation of an inode, and
// statements from hooks are: of one file there may be two Files.
type distinct struct {
	of map[File][]*distinctFile // by all but the generation
}

// distinctFile is a file; with its generation if any of its Files has that.
type distinctFile struct{ *File }

// get returns the one that f is.
func (d *distinct) get(f *File) *distinctFile {
	bare := *f
	bare.Generation, bare.HasGeneration = 0, false
	for _, known := range d.of[bare] {
		switch {
		case !f.HasGeneration:
			return known
		case !known.HasGeneration:
			known.File = f
			return known
		case known.Generation == f.Generation:
			return known
		}
	}
	if d.of == nil {
		d.of = make(map[File][]*distinctFile)
	}
	one := &distinctFile{f}
	d.of[bare] = append(d.of[bare], one)
	return one
}
