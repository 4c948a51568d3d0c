package procmap

// Options choose what a Maps delivers. The zero value is the usual choice: executable
// VMAs of files (KindExecFile), by the ioctl where there is one.
type Options struct {
	Source Source // default SourceAuto

	// Each adds the VMAs of one Kind. KindOther is never delivered by Next.
	AllFile  bool // KindDataFile
	AnonExec bool // KindAnonExec
	VDSO     bool // KindVDSO

	// BuildID asks the kernel for the build ID of the file with each VMA. It makes the
	// kernel read the file, at some cost. The text source has no build IDs and leaves
	// VMA.BuildID nil: see Maps.Source. Sound from Linux 6.12 on: see the package comment.
	BuildID bool

	// ProcFS is where procfs is mounted, for Open. Default "/proc", as wherever a procfs is
	// asked for.
	ProcFS string
}

// wants reports whether Next delivers v.
func (o *Options) wants(v *VMA) bool {
	switch v.Kind() {
	case KindExecFile:
		return true
	case KindDataFile:
		return o.AllFile
	case KindAnonExec:
		return o.AnonExec
	case KindVDSO:
		return o.VDSO
	}
	return false
}
