package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"unicode/utf8"

	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/replay"
)

// answer is what is said about one address, by lookup and by query.
type answer struct {
	pid       uint32
	addr      uint64
	time      uint64 // of the question, CLOCK_MONOTONIC ns; 0 = it has none
	uncertain bool

	file   *fileText // nil: no answer
	start  uint64
	end    uint64
	offset uint64 // into the file
	prot   string // as in /proc/PID/maps

	function string // with --symbols: the function there, and
	into     uint64 // how many bytes the address is into it
	nameless string // why there is none

	miss, why string // with no answer
}

// answers writes answers as text or as JSON lines. What it says of a file it makes up once: there
// may be millions of questions, and they are about few files.
type answers struct {
	json  bool
	files map[*replay.File]*fileText
}

// fileText is what answers say of a file.
type fileText struct {
	name, ids         string // for text
	jsonName, jsonIDs string // members of an object, each with a comma behind it
	deleted           bool
}

func (w *answers) file(f *replay.File) *fileText {
	t := w.files[f]
	if t == nil {
		if w.files == nil {
			w.files = make(map[*replay.File]*fileText)
		}
		t = newFileText(f)
		w.files[f] = t
	}
	return t
}

func newFileText(f *replay.File) *fileText {
	t := &fileText{name: printable(f.Path), deleted: f.Deleted}
	if t.name == "" {
		t.name = "[anonymous]"
	}
	switch {
	case !f.BuildID.IsZero():
		t.ids = " build_id=" + f.BuildID.String()
	case f.GoBuildID != "":
		t.ids = " go_build_id=" + printable(f.GoBuildID)
	}
	t.jsonName = string(appendMember(nil, "path", f.Path))
	ids := append([]byte(`"dev":"`), format.Device(f.Major, f.Minor)...)
	ids = append(ids, `",`...)
	if f.Inode != 0 {
		ids = append(ids, `"inode":"`...)
		ids = strconv.AppendUint(ids, f.Inode, 10)
		ids = append(ids, `",`...)
	}
	ids = appendMember(ids, "build_id", f.BuildID.String())
	ids = appendMember(ids, "go_build_id", f.GoBuildID)
	t.jsonIDs = string(ids)
	return t
}

// appendMember appends a name as a member of an object, by the rule of docs/format.md for names
// that are not UTF-8; nothing if it is empty.
func appendMember(dst []byte, key, name string) []byte {
	if name == "" {
		return dst
	}
	dst = append(dst, '"')
	dst = append(dst, key...)
	dst = append(dst, `":`...)
	dst = append(appendJSONString(dst, name), ',')
	if !utf8.ValidString(name) {
		dst = append(dst, '"')
		dst = append(dst, key...)
		dst = append(dst, `_bytes":"`...)
		dst = base64.StdEncoding.AppendEncode(dst, []byte(name))
		dst = append(dst, `",`...)
	}
	return dst
}

// appendJSONString appends a string as writeJSON writes it.
func appendJSONString(dst []byte, s string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	text, _ := jsonName(s)
	_ = e.Encode(text) // a string can always be encoded
	for _, r := range string(bytes.TrimSuffix(b.Bytes(), []byte("\n"))) {
		dst = format.AppendJSONRune(dst, r)
	}
	return dst
}

// append appends the line of an answer.
func (w *answers) append(dst []byte, a *answer) []byte {
	if w.json {
		return a.appendJSON(dst)
	}
	return a.appendText(dst)
}

func (a *answer) appendText(dst []byte) []byte {
	dst = strconv.AppendUint(dst, uint64(a.pid), 10)
	dst = append(dst, ':')
	dst = appendHex(dst, a.addr)
	if a.time != 0 {
		dst = append(dst, '@')
		dst = strconv.AppendUint(dst, a.time, 10)
	}
	if f := a.file; f != nil {
		dst = append(dst, ' ')
		dst = append(dst, f.name...)
		dst = append(dst, '+')
		dst = appendHex(dst, a.offset)
		if a.function != "" {
			dst = append(dst, ' ')
			dst = append(dst, a.function...)
			dst = append(dst, '+')
			dst = appendHex(dst, a.into)
		} else if a.nameless != "" {
			dst = append(dst, " ["...)
			dst = append(dst, a.nameless...)
			dst = append(dst, ']')
		}
		dst = append(dst, " ("...)
		dst = appendHex(dst, a.start)
		dst = append(dst, '-')
		dst = appendHex(dst, a.end)
		dst = append(dst, ' ')
		dst = append(dst, a.prot...)
		dst = append(dst, f.ids...)
		dst = append(dst, ')')
		if f.deleted {
			dst = append(dst, " (deleted)"...)
		}
	} else {
		dst = append(dst, " ? ("...)
		dst = append(dst, a.why...)
		dst = append(dst, ')')
	}
	if a.uncertain {
		dst = append(dst, " [uncertain]"...)
	}
	return append(dst, '\n')
}

func (a *answer) appendJSON(dst []byte) []byte {
	dst = append(dst, `{"pid":`...)
	dst = strconv.AppendUint(dst, uint64(a.pid), 10)
	dst = appendHexMember(dst, "addr", a.addr)
	if a.time != 0 {
		dst = append(dst, `,"time":`...)
		dst = strconv.AppendUint(dst, a.time, 10)
	}
	if f := a.file; f != nil {
		dst = append(dst, ',')
		dst = append(dst, f.jsonName...)
		dst = dst[:len(dst)-1]
		dst = appendHexMember(dst, "offset", a.offset)
		dst = appendHexMember(dst, "start", a.start)
		dst = appendHexMember(dst, "end", a.end)
		dst = append(dst, `,"prot":"`...)
		dst = append(dst, a.prot...)
		dst = append(dst, `",`...)
		dst = append(dst, f.jsonIDs...)
		dst = dst[:len(dst)-1]
		if a.function != "" {
			dst = append(dst, `,"function":`...)
			dst = appendJSONString(dst, a.function)
			dst = appendHexMember(dst, "function_offset", a.into)
		} else if a.nameless != "" {
			dst = append(dst, `,"no_function":`...)
			dst = appendJSONString(dst, a.nameless)
		}
		if f.deleted {
			dst = append(dst, `,"deleted":true`...)
		}
	}
	if a.uncertain {
		dst = append(dst, `,"uncertain":true`...)
	}
	if a.file == nil {
		dst = append(dst, `,"miss":`...)
		dst = appendJSONString(dst, a.miss)
		dst = append(dst, `,"why":`...)
		dst = appendJSONString(dst, a.why)
	}
	return append(dst, '}', '\n')
}

func appendHexMember(dst []byte, key string, n uint64) []byte {
	dst = append(dst, `,"`...)
	dst = append(dst, key...)
	dst = append(dst, `":"`...)
	return append(appendHex(dst, n), '"')
}

func appendHex(dst []byte, n uint64) []byte {
	return strconv.AppendUint(append(dst, "0x"...), n, 16)
}
