// Package format reads and writes recordings: the files in which vmasnap keeps what was
// mapped where, in which process, and when that changed.
//
// # Layout
//
// A file is a sequence of independent zstd frames, each with a checksum and each holding
// whole records. Behind them an index of the frames sits in a zstd skippable frame, so
// that any zstd tool sees nothing but the records: zstd -dc FILE is the raw record stream,
// which [NewReader] takes too. A record starts with the header that perf uses (type, misc,
// size), is padded with zeros to a multiple of 8 bytes and is at most [MaxRecordSize]
// bytes long. All numbers are little-endian, except addresses, which are big-endian, and
// stand at multiples of their own size; strings follow the numbers, each with its length in
// 16 bits before it. docs/format.md has the byte tables.
//
// The first record is *[Host]. The last is *[End]; a reader that does not find it has
// delivered all there is and then says [ErrTruncated].
//
// # Time and order
//
// The order of the file is the order of truth: of two statements about the same addresses
// the later one in the file wins. [Common].Time is a label, CLOCK_MONOTONIC of the
// recorded host in ns; it mostly rises, but nothing may depend on that.
//
// # Versions
//
// A file carries a major and a minor version. Within a major version record types may be
// added, which an older reader returns as *[Unknown]; records may grow at their end, which
// an older reader does not look at; enumerations may get new values, which an older reader
// passes on as numbers; and padding and unused bits, which a writer sets to zero and a
// reader ignores, may get a meaning. Anything else is a new major version, which an older
// reader refuses with [ErrVersion].
//
// # Hostile files
//
// No number in a file is believed before it is checked, and records are delivered only
// from a frame whose checksum was right. What a reader allocates is bounded by
// [ReaderOptions].MaxFrame, whatever the file says. The one exception to the checksum is
// the last frame of a recording that was cut off: the blocks of it that are whole are
// used, since that is all there will ever be.
//
// # Three forms
//
// Next to the binary form every record has a canonical text form ([AppendText],
// [ParseText], [ReadText]), which loses nothing, and a form as one line of JSON
// ([AppendJSON]).
package format
