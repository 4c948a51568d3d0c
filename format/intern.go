package format

// Bounds of an interner. A big machine has some 10,000 distinct paths of 60 bytes.
const (
	maxInternStrings = 1 << 14
	maxInternBytes   = 2 << 20
	maxInternString  = 4096 // a longer string is not worth a place
)

// interner keeps one copy of each string that comes again and again, so that a million
// mappings of libc share one path. When it is full it starts afresh. A nil interner makes
// a copy each time.
type interner struct {
	known map[string]string
	bytes int
	files [1 << 10]fileNames // by inode: most mappings are of a few files
}

// fileNames are the strings of a Mmap record.
type fileNames struct {
	raw            string // the bytes that they were decoded from; "" = none
	id, goID, path string
}

// maxNames is the longest raw that is worth a place.
const maxNames = 512

// names returns the strings of the last Mmap record of that inode, and whether raw is theirs. If
// not, the caller has them replaced.
func (in *interner) names(inode uint64, raw []byte) (names *fileNames, known bool) {
	if in == nil {
		return new(fileNames), false
	}
	names = &in.files[(inode^inode>>10)%uint64(len(in.files))]
	return names, len(raw) > 0 && names.raw == string(raw)
}

// string returns b as a string that does not refer to b.
func (in *interner) string(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if in == nil || len(b) > maxInternString {
		return string(b)
	}
	if s, ok := in.known[string(b)]; ok {
		return s
	}
	if in.known == nil || len(in.known) >= maxInternStrings || in.bytes+len(b) > maxInternBytes {
		in.known, in.bytes = make(map[string]string), 0
	}
	s := string(b)
	in.known[s] = s
	in.bytes += len(b)
	return s
}
