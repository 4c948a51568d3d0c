package symbols

import (
	"os"
	"path"
	"path/filepath"
)

// places returns where a file and its debug files may be, in the order of Options. Most of them
// do not exist.
func (o *Options) places(f File) []string { return append(o.byPath(f), o.byID(f)...) }

// byPath returns where the file may be by its path.
func (o *Options) byPath(f File) (found []string) {
	if !path.IsAbs(f.Path) { // "[vdso]", or nothing
		return nil
	}
	if !o.SkipRecorded {
		found = append(found, filepath.FromSlash(f.Path))
	}
	below := filepath.FromSlash(path.Clean(f.Path)) // a ".." does not lead out of a root
	for _, root := range o.Roots {
		found = append(found, filepath.Join(root, below))
	}
	return found
}

// byID returns where files may be by their build ID, and by their name in Dirs.
func (o *Options) byID(f File) (found []string) {
	hex := f.BuildID.String()
	var debug string
	if len(hex) > 2 {
		debug = filepath.Join(hex[:2], hex[2:]+".debug")
	}
	add := func(elements ...string) { found = append(found, filepath.Join(elements...)) }
	for _, dir := range o.Dirs {
		if debug != "" {
			add(dir, ".build-id", debug)
			add(dir, debug)
		}
		if name := path.Base(f.Path); path.IsAbs(f.Path) && name != "/" {
			add(dir, name)
		}
	}
	if debug == "" {
		return found
	}
	const system = "/usr/lib/debug/.build-id"
	if !o.SkipSystem {
		add(filepath.FromSlash(system), debug)
	}
	for _, root := range o.Roots {
		add(root, filepath.FromSlash(system), debug)
	}
	if cache := debuginfodCache(); cache != "" && !o.SkipSystem {
		add(cache, hex, "debuginfo")
		add(cache, hex, "executable")
	}
	return found
}

// debuginfodCache returns the directory where debuginfod's clients keep what they fetched; ""
// if there is none.
func debuginfodCache() string {
	if dir := os.Getenv("DEBUGINFOD_CACHE_PATH"); dir != "" {
		return dir
	}
	const name = "debuginfod_client"
	if dir := os.Getenv("XDG_CACHE_HOME"); dir != "" {
		return filepath.Join(dir, name)
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, ".cache", name)
}
