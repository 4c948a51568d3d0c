package format

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
)

// DefaultMaxFrame is the default of ReaderOptions.MaxFrame in bytes: what a Writer can
// write, and little enough that a hostile file costs less than 64 MiB of memory.
const DefaultMaxFrame = MaxFrameSize

// ReaderOptions bounds what a Reader accepts. The zero value is the default.
type ReaderOptions struct {
	// MaxFrame is the largest frame in bytes, after decompression. A file that another
	// program has compressed anew may need more. A Reader uses up to four times as much
	// memory. 0 is DefaultMaxFrame.
	MaxFrame int
	// Reuse has Read return the same *Mmap and *Clear again and again: each is good until the
	// next Read. Most records are such, and whoever only looks at them is spared the garbage.
	Reuse bool
	// Only, if it is not nil, is asked about each Mmap and Clear record, by its time and the process
	// that it is about. Those of which it says false are passed over, which takes a fraction of
	// the time of decoding them.
	Only func(now uint64, pid uint32) bool
	// Ahead has another goroutine read and decompress the next frames while the records of one are
	// read: faster by what that takes, for the memory of up to 8 frames, or of those that reach
	// 8 MiB. It ends when it has them, and until then nobody else may read from the input.
	Ahead bool
}

// Position says where in a recording something is.
type Position struct {
	File   int64 // offset of the frame in the file; the same as Raw if the input is raw
	Raw    int64 // offset of the record in the decompressed stream
	Record int64 // index of the record; that of the Host is 0
}

// Reader reads a recording from a stream. It must not be used by two goroutines at once.
type Reader struct {
	src     source
	host    *Host
	in      interner
	use     *reused // nil without ReaderOptions.Reuse
	only    func(now uint64, pid uint32) bool
	raw     []byte // records of the current piece that have not been read
	frame   Frame  // the current piece
	open    bool   // src has not been told that it is done
	after   error  // what follows the current piece: nil = another one
	pos     Position
	next    Position // of the next record
	mmaps   uint64
	ended   bool
	began   bool  // Read has returned the Host
	partial bool  // what comes before is not read: mmaps are not all
	err     error // what Read returns from now on
}

// NewReader reads the Host record from r, which is either a file as a Writer writes it or
// its decompressed stream. Something else is ErrNotRecording; a recording of another major
// version is ErrVersion; one that is cut off before the end of its Host record is
// ErrTruncated. An empty input is both ErrNotRecording and ErrTruncated.
func NewReader(r io.Reader, o ReaderOptions) (*Reader, error) {
	if o.MaxFrame == 0 {
		o.MaxFrame = DefaultMaxFrame
	}
	if o.MaxFrame < MinFrameSize || o.MaxFrame > 1<<30 {
		return nil, fmt.Errorf("largest frame %d: want %d to %d bytes", o.MaxFrame, MinFrameSize, 1<<30)
	}
	src, err := openSource(bufio.NewReaderSize(r, 1<<16), o.MaxFrame)
	if err != nil {
		return nil, err
	}
	f := &Reader{src: src}
	if o.Reuse {
		f.use = new(reused)
	}
	if err := f.fill(); err != nil {
		return nil, err
	}
	if !isHost(f.raw) {
		return nil, fmt.Errorf("%w: it holds something else, compressed", ErrNotRecording)
	}
	rec, err := f.decode()
	if err != nil {
		return nil, err
	}
	f.host = rec.(*Host)
	f.only = o.Only
	if o.Ahead {
		src.readAhead()
	}
	return f, nil
}

// Host returns the first record. The caller must not change it.
func (r *Reader) Host() *Host { return r.host }

// Offset returns the position of the record that Read returned last.
func (r *Reader) Offset() Position { return r.pos }

// Read returns the next record in the order of the file, *Host first. The caller owns it,
// but for the Host, which is the one that Host returns, and with ReaderOptions.Reuse.
// After End the error is io.EOF if nothing but an index that is right follows. A recording
// without End, or whose index is cut off, is ErrTruncated after its last record; damage is
// a *FormatError, and records behind it are not delivered. Errors last.
func (r *Reader) Read() (Record, error) {
	if !r.began {
		r.began = true
		return r.host, nil
	}
	if r.err != nil {
		return nil, r.err
	}
	rec, err := r.read()
	r.err = err
	return rec, err
}

// All returns the records that Read has yet to return. It stops after an error, which it
// yields unless it is io.EOF.
func (r *Reader) All() iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for {
			rec, err := r.Read()
			if errors.Is(err, io.EOF) {
				return
			}
			if !yield(rec, err) || err != nil {
				return
			}
		}
	}
}

func (r *Reader) read() (Record, error) {
	for {
		if len(r.raw) == 0 {
			if err := r.fill(); err != nil {
				return nil, err
			}
		}
		if r.ended {
			return nil, r.fix(corrupt("a record follows End"))
		}
		if r.only == nil || !r.pass() {
			return r.decode()
		}
	}
}

// pass passes over the record at the start of raw, if nobody wants it.
func (r *Reader) pass() bool {
	n, err := recordSize(r.raw)
	if err != nil || n > len(r.raw) {
		return false // decode says why
	}
	t := Type(binary.LittleEndian.Uint32(r.raw))
	if t != TypeMmap && t != TypeClear {
		return false
	}
	now, pid := binary.LittleEndian.Uint64(r.raw[headerSize:]), binary.LittleEndian.Uint32(r.raw[headerSize+8:])
	if r.only(now, pid) {
		return false
	}
	if t == TypeMmap {
		r.mmaps++
	}
	r.frame.plain(now)
	r.advance(n)
	return true
}

// advance goes on behind a record of n bytes.
func (r *Reader) advance(n int) {
	r.raw = r.raw[n:]
	r.next.Raw += int64(n)
	r.next.Record++
}

// fill makes sure that there are records in raw.
func (r *Reader) fill() error {
	for len(r.raw) == 0 {
		if r.open {
			r.src.done(&r.frame, r.ended)
			r.open = false
		}
		if r.after != nil {
			return r.stop(r.after)
		}
		r.raw, r.frame, r.after = r.src.next()
		r.open = r.after == nil
		r.next.File = r.frame.Offset
	}
	return nil
}

// stop turns the end of the input into what Read says.
func (r *Reader) stop(err error) error {
	switch {
	case errors.Is(err, io.EOF) && r.ended:
		return io.EOF
	case errors.Is(err, io.EOF):
		return fmt.Errorf("%w after %d records: there is no End", ErrTruncated, r.next.Record)
	case errors.Is(err, errCut) && r.ended:
		return fmt.Errorf("%w within its index: all %d records are there", ErrTruncated, r.next.Record)
	case errors.Is(err, errCut):
		return fmt.Errorf("%w after %d records, within the frame at offset %d", ErrTruncated, r.next.Record, r.next.File)
	}
	return r.fix(err)
}

// fix fills in the position of a FormatError.
func (r *Reader) fix(err error) error {
	var bad *FormatError
	if errors.As(err, &bad) {
		bad.File, bad.Raw, bad.Record = r.next.File, r.next.Raw, r.next.Record
	}
	return err
}

// decode takes the record at the start of raw, which is not empty.
func (r *Reader) decode() (Record, error) {
	rec, n, err := decodeRecord(r.raw, &r.in, r.use)
	if err == nil {
		err = r.count(rec)
	}
	if err != nil {
		return nil, r.undecoded(err)
	}
	r.pos = r.next
	r.advance(n)
	return rec, nil
}

// undecoded turns the error of what should be a record into what Read says.
func (r *Reader) undecoded(err error) error {
	switch {
	case errors.Is(err, ErrTruncated) && errors.Is(r.after, errCut):
		r.raw = nil
		return r.stop(r.after)
	case errors.Is(err, ErrTruncated):
		return r.fix(corrupt("the record does not end within its frame"))
	}
	return r.fix(err)
}

// count checks a record against those before it, and takes it into account.
func (r *Reader) count(rec Record) error {
	switch rec := rec.(type) {
	case *Clear:
		r.frame.plain(rec.Time) // most are one of these two
		return nil
	case *Mmap:
		r.mmaps++
		r.frame.plain(rec.Time)
		return nil
	case *Host:
		if r.next.Record != 0 {
			return corrupt("a second host record")
		}
	case *End:
		if rec.Records != uint64(r.next.Record) || rec.Mmaps != r.mmaps && !r.partial {
			return corrupt("%d records came and %d mmap records among them, but End says %d and %d",
				r.next.Record, r.mmaps, rec.Records, rec.Mmaps)
		}
		r.ended = true
	}
	r.frame.add(rec)
	return nil
}

// openSource finds out what r holds.
func openSource(r *bufio.Reader, limit int) (source, error) {
	b, err := r.Peek(versionStart)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return nil, fmt.Errorf("read recording: %w", err)
	case len(b) == 0:
		return nil, emptyError{}
	case len(b) < 4 && startsMagic(b):
		return nil, fmt.Errorf("%w after %d bytes", ErrTruncated, len(b))
	}
	if len(b) >= 4 {
		magic := binary.LittleEndian.Uint32(b)
		if magic == zstdMagic || magic&^0xF == skippableMagic {
			return newZstdSource(r, limit)
		}
	}
	if isHost(b) {
		return &rawSource{r: r}, nil
	}
	return nil, fmt.Errorf("%w: it looks like %s", ErrNotRecording, looksLike(b))
}

// isHost reports whether b may be the start of a Host record.
func isHost(b []byte) bool {
	kind := []byte{byte(TypeHost), 0, 0, 0}
	n := min(len(b), len(kind))
	if string(b[:n]) != string(kind[:n]) {
		return false
	}
	if len(b) <= commonSize {
		return true
	}
	b = b[commonSize:min(len(b), versionStart)]
	return string(b) == hostMagic[:len(b)]
}
