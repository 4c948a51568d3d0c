package format

import (
	"errors"
	"fmt"
)

// Errors that callers branch on, with errors.Is.
var (
	// ErrTruncated: the recording stops before its End record, as after a crash of the
	// recorder. All that could be read has been delivered.
	ErrTruncated = errors.New("recording is cut off")
	// ErrCorrupt: the bytes contradict the format. It comes as a *FormatError.
	ErrCorrupt = errors.New("recording is corrupt")
	// ErrVersion: the recording has another major version than VersionMajor.
	ErrVersion = errors.New("unsupported version of the recording format")
	// ErrNotRecording: the input is something else than a recording.
	ErrNotRecording = errors.New("not a vmasnap recording")
	// ErrNoIndex: the file does not end in an index, as after a crash of the recorder.
	ErrNoIndex = errors.New("recording has no index")
	// ErrTooLarge: a frame exceeds ReaderOptions.MaxFrame, or a record MaxRecordSize.
	ErrTooLarge = errors.New("too large")
)

// FormatError says where a recording contradicts the format. It Is ErrCorrupt.
type FormatError struct {
	File   int64  // offset of the frame in the file, bytes
	Raw    int64  // offset in the decompressed stream, bytes
	Record int64  // index of the record; that of the Host is 0
	Msg    string // what is wrong
	Err    error  // the cause; may be nil
}

// Error implements error.
func (e *FormatError) Error() string {
	s := fmt.Sprintf("record %d at raw offset %d in the frame at offset %d: %s", e.Record, e.Raw, e.File, e.Msg)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *FormatError) Unwrap() error { return e.Err }

// Is reports whether target is ErrCorrupt.
func (e *FormatError) Is(target error) bool { return target == ErrCorrupt }

// corrupt makes a FormatError whose offsets the reader fills in.
func corrupt(msg string, args ...any) *FormatError {
	return &FormatError{Msg: fmt.Sprintf(msg, args...)}
}

// emptyError: an empty input, which is no recording, or one that was cut off at once.
type emptyError struct{}

func (emptyError) Error() string { return "the input is empty" }

func (emptyError) Is(target error) bool { return target == ErrNotRecording || target == ErrTruncated }
