package format

import (
	"encoding/hex"
	"fmt"
)

// MaxBuildID is the longest GNU build ID that a record holds, in bytes. The kernel and
// every common linker stop at 20; lld's --build-id=0x... may be longer.
const MaxBuildID = 64

// BuildID is a GNU build ID. It is comparable; the zero value means "none".
type BuildID struct{ raw string }

// MakeBuildID makes a BuildID of an ID's bytes, which are cut at MaxBuildID. It copies a
// slice, but not a string.
func MakeBuildID[T ~string | ~[]byte](raw T) BuildID {
	return BuildID{string(raw[:min(len(raw), MaxBuildID)])}
}

// ParseBuildID is the inverse of BuildID.String.
func ParseBuildID(s string) (BuildID, error) {
	b, err := hex.DecodeString(s)
	if err != nil {
		return BuildID{}, fmt.Errorf("parse build ID %q: %w", s, err)
	}
	if len(b) > MaxBuildID {
		return BuildID{}, fmt.Errorf("parse build ID %q: %d bytes, at most %d", s, len(b), MaxBuildID)
	}
	return BuildID{string(b)}, nil
}

// IsZero reports whether there is no build ID.
func (b BuildID) IsZero() bool { return b.raw == "" }

// String returns the ID in lower-case hex, "" for none.
func (b BuildID) String() string { return hex.EncodeToString([]byte(b.raw)) }
