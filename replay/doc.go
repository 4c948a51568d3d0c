// Package replay turns a recording back into state: which file, at which offset and with
// which build ID, was mapped at this address in this process.
//
// A Session applies records in file order. A Space is one address space as a set of
// disjoint intervals; a Mapping is one of them. The only rule is that the later statement
// wins on its interval, so that a record seen twice does no harm, and a record that covers
// part of an older one carves it. Whoever needs the state at an earlier moment applies
// fewer records.
//
// # Changes, losses and walks
//
// After a recording that followed changes a Session holds the state at its end. A process is
// known by a walk, or by statements alone since its birth or its last exec (Process.Followed).
// Where statements got lost it is uncertain (AddressSpace.UncertainSince) until a later walk
// says what is so; Session.Losses keeps the windows of time. Where nothing was lost a later
// walk must find what was known: Stats.Drift counts what it did not.
//
// # Differences
//
// Compare says how two address spaces differ, address by address. DiffSessions says what has become
// of a machine, or how one machine differs from another: it matches processes and files first, so
// that where they are mapped makes no difference. What cannot be known is part of the answer.
//
// # Memory
//
// A Session holds the state, not the records: 63 bytes for a mapping that a walk stated, 72
// where statements came in any order, some 400 for a process and 300 for a distinct
// file, names aside. Processes that were forked share their mappings until one of them
// changes; that costs the one that changes up to 11 KiB for the leaf that it changes and one
// byte for every 16 mappings that it has.
//
// Of a hostile file, each byte of the record stream costs up to 8 bytes, or, of forks that
// each change something, 11 KiB and the sixteenth part of the mappings for 88 bytes of
// records: 180 times the stream with the 65,530 mappings that Linux allows a process by
// default, 430 times with 400,000. The stream in turn can be thousands of times as long as
// the compressed file. Whoever reads files of strangers bounds what is applied, by
// format.Position.Raw.
//
// The package needs no kernel and runs wherever Go does.
package replay
