package symbols

import (
	"fmt"

	"github.com/vmasnap/vmasnap/format"
)

// Reason says why there is no function. It is an error, to be asked for with errors.Is.
type Reason uint8

// The reasons. Of several files that will not do the last in this list is told about.
const (
	// NoBuildID: the recording has no build ID of the file, or one that many builds share.
	NoBuildID Reason = iota + 1
	// NotFound: no file is at any of the places.
	NotFound
	// OtherBuildID: a file is there, but it is another build.
	OtherBuildID
	// NotReadable: a file is there, but the system does not let us read it.
	NotReadable
	// NoSymbols: the file was found, and names no function.
	NoSymbols
	// Damaged: a file is there, but what it says is no sound ELF file, or exceeds the bounds.
	Damaged
	// NoOffsets: a debug file is there that lost the file offsets, and the original is not.
	NoOffsets
	// NoFunction: the file has symbols, but no function is at the offset.
	NoFunction
)

var reasons = [...]string{
	NoBuildID: "no build ID recorded", NotFound: "not found", OtherBuildID: "other build ID",
	NotReadable: "not readable", Damaged: "damaged", NoOffsets: "only a debug file without file offsets",
	NoSymbols: "no symbols", NoFunction: "no function at this offset",
}

// Error implements error.
func (r Reason) Error() string {
	if r == 0 || int(r) >= len(reasons) {
		return fmt.Sprintf("reason %d", uint8(r))
	}
	return reasons[r]
}

// Error says why a recorded file has no symbols here. It Is its Reason.
type Error struct {
	File   File   // what was looked for
	Reason Reason // why it has no symbols
	Path   string // the file that will not do; "" if there was none

	// What the file at Path has, if Reason is OtherBuildID; both are zero if it has none.
	BuildID   format.BuildID
	GoBuildID string

	Err error // the cause; may be nil
}

// Error implements error.
func (e *Error) Error() string {
	s := fmt.Sprintf("find symbols of %q: ", e.File.Path)
	if e.Path != "" && e.Path != e.File.Path {
		s += fmt.Sprintf("%q: ", e.Path)
	}
	s += e.Reason.Error()
	switch {
	case e.Reason == OtherBuildID:
		s += fmt.Sprintf(" %s, recorded %s", idText(e.BuildID, e.GoBuildID), idText(e.File.BuildID, e.File.GoBuildID))
	case e.Err != nil:
		s += ": " + e.Err.Error()
	}
	return s
}

func idText(id format.BuildID, goID string) string {
	switch {
	case !id.IsZero():
		return id.String()
	case goID != "":
		return fmt.Sprintf("%q", goID)
	default:
		return "(none)"
	}
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is the reason.
func (e *Error) Is(target error) bool { return target == e.Reason }
