package recorder

import "github.com/vmasnap/vmasnap/format"

// Sink takes records in the order in which they are true. It may keep them.
// *format.Writer is one.
//
// A Sink that also has a method Flush() error, as *format.Writer has, is flushed about once
// a second while a snapshot is under way, so that a recorder that is killed loses no more.
type Sink interface {
	Write(format.Record) error
}

// SinkFunc makes a Sink of a function.
type SinkFunc func(format.Record) error

// Write implements Sink.
func (f SinkFunc) Write(r format.Record) error { return f(r) }
