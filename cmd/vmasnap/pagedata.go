package main

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/vmasnap/vmasnap/format"
	"github.com/vmasnap/vmasnap/replay"
)

// The data of the page of report --html. Names are as the text report prints them. Times are in ns
// since the start of the recording, -1 where there is none; addresses and offsets are in
// hexadecimal, because a number of JavaScript does not hold 64 bits.
type (
	pageData struct {
		Title     string        `json:"title"`
		Head      []headLine    `json:"head"`
		From      int64         `json:"from"`
		To        int64         `json:"to"`
		Doubts    [][2]int64    `json:"doubts"` // about all processes
		Files     []pageFile    `json:"files"`
		Perms     []string      `json:"perms"`
		Spaces    []pageSpace   `json:"spaces"`
		Processes []pageProcess `json:"processes"`
	}
	pageFile struct {
		Path    string `json:"path"`
		Deleted bool   `json:"deleted,omitempty"`
		BuildID string `json:"build_id"`
		Device  string `json:"dev"`
		Inode   uint64 `json:"inode,string"`
	}
	// pageSpace is a replay.Track. Each of its mappings is a list: the number of the file, start,
	// end, offset, the number of the permissions, from, to, and the replay.Teller.
	pageSpace struct {
		Mappings json.RawMessage `json:"mappings"`
		Left     int             `json:"left,omitempty"`
		Doubts   [][2]int64      `json:"doubts,omitempty"`
	}
	pageProcess struct {
		PID       uint32     `json:"pid"`
		PPID      uint32     `json:"ppid"`
		Comm      string     `json:"comm"`
		Exe       string     `json:"exe"`
		Walk      string     `json:"walk"`
		Known     bool       `json:"known"`
		Born      bool       `json:"born,omitempty"`
		Exited    bool       `json:"exited,omitempty"`
		From      int64      `json:"from"`
		Ended     int64      `json:"ended"`
		Had       [][2]int64 `json:"had"` // from when on, the number of the address space
		HadLeft   int        `json:"had_left,omitempty"`
		Marks     []pageMark `json:"marks"`
		MarksLeft int        `json:"marks_left,omitempty"`
	}
	pageMark struct {
		Time int64  `json:"time"`
		Kind string `json:"kind"` // fork, exec, exit, walk
		Text string `json:"text"`
	}
)

// pageMaker numbers what the data refers to.
type pageMaker struct {
	*pageData
	c     *replay.Chronicle
	files map[pageFile]int // what a page shows of files may be the same
	perms map[string]int
	space map[*replay.Track]int
}

// newPageData gathers what the page shows.
func newPageData(name string, c *replay.Chronicle, sum *replay.Summary) *pageData {
	m := &pageMaker{
		c: c, files: make(map[pageFile]int), perms: make(map[string]int), space: make(map[*replay.Track]int),
		pageData: &pageData{
			Title: printable(name), Head: headLines(sum), Files: []pageFile{}, Perms: []string{}, Spaces: []pageSpace{}, Processes: []pageProcess{},
		},
	}
	m.From, m.To = m.since(c.From), m.since(c.Now())
	m.Doubts = m.windows(c.Doubts)
	for _, l := range c.Lives {
		m.Processes = append(m.Processes, m.process(l))
	}
	if c.Left > 0 {
		m.Head = append(m.Head, headLine{"not shown", fmt.Sprintf("%s processes, those that ended first: the page has no room for more", count(c.Left)), warning})
	}
	return m.pageData
}

// since translates a time.
func (m *pageMaker) since(t uint64) int64 { return int64(t - m.c.Host.Clocks.Monotonic) }

// sinceIf translates a time that is 0 if there is none.
func (m *pageMaker) sinceIf(t uint64) int64 {
	if t == 0 {
		return -1
	}
	return m.since(t)
}

// windows translates times of doubt, as far as the page shows them.
func (m *pageMaker) windows(doubts []replay.Window) [][2]int64 {
	out := [][2]int64{}
	for _, w := range doubts {
		if w.Until != 0 && w.Until < m.c.From {
			continue
		}
		out = append(out, [2]int64{m.since(max(w.From, m.c.From)), m.sinceIf(w.Until)})
	}
	return out
}

func (m *pageMaker) process(l *replay.Life) pageProcess {
	p := pageProcess{
		PID: l.PID, PPID: l.PPID, Comm: printable(l.Comm), Exe: exeText(l.Process), Walk: walkText(l.Process), Known: l.Known,
		Born: l.Born, Exited: l.Exited, From: m.since(l.From), Ended: m.sinceIf(l.Ended), HadLeft: l.HadLeft, Marks: []pageMark{}, MarksLeft: l.MarksLeft,
	}
	for _, had := range l.Had {
		p.Had = append(p.Had, [2]int64{m.since(had.From), int64(m.spaceOf(had.Track))})
	}
	for i := range l.Marks {
		kind, text := markText(l, &l.Marks[i])
		p.Marks = append(p.Marks, pageMark{m.since(l.Marks[i].Time), kind, text})
	}
	return p
}

// markText says what happened to a process.
func markText(l *replay.Life, mark *replay.Mark) (kind, text string) {
	switch r := mark.Record.(type) {
	case *format.Fork:
		if r.PID != l.PID {
			return "fork", fmt.Sprintf("forked %d", r.PID)
		}
		return "fork", fmt.Sprintf("forked by %d", r.PPID)
	case *format.Exec:
		return "exec", fmt.Sprintf("executed %s as %s", printable(r.Exe), printable(r.Comm))
	case *format.Exit:
		if signal := r.Code & 0x7f; signal != 0 {
			return "exit", fmt.Sprintf("ended by signal %d", signal)
		}
		return "exit", fmt.Sprintf("exited with status %d", r.Code>>8&0xff)
	case *format.Process:
		return "walk", "walk: " + r.Status.String()
	}
	return "", ""
}

// spaceOf returns the number of an address space.
func (m *pageMaker) spaceOf(t *replay.Track) int {
	if n, ok := m.space[t]; ok {
		return n
	}
	n := len(m.Spaces)
	m.space[t] = n
	list := []byte{'['}
	for i := range t.Presences {
		if i > 0 {
			list = append(list, ',')
		}
		list = m.mapping(list, &t.Presences[i])
	}
	m.Spaces = append(m.Spaces, pageSpace{Mappings: append(list, ']'), Left: t.Left, Doubts: m.windows(t.Doubts)})
	return n
}

// mapping appends the list of a mapping.
func (m *pageMaker) mapping(dst []byte, p *replay.Presence) []byte {
	dst = strconv.AppendInt(append(dst, '['), int64(m.fileOf(p.File)), 10)
	for _, n := range []uint64{p.Start, p.End, p.Offset} {
		dst = append(strconv.AppendUint(append(dst, `,"`...), n, 16), '"')
	}
	for _, n := range []int64{int64(m.permOf(p.Perm())), m.since(p.From), m.sinceIf(p.To), int64(p.Told)} {
		dst = strconv.AppendInt(append(dst, ','), n, 10)
	}
	return append(dst, ']')
}

// fileOf returns the number of a file.
func (m *pageMaker) fileOf(f *replay.File) int {
	file := pageFile{
		Path: pathText(f), Deleted: f.Deleted, BuildID: buildIDCell(f.BuildID, f.GoBuildID, f.BuildIDOrigin),
		Device: format.Device(f.Major, f.Minor), Inode: f.Inode,
	}
	n, ok := m.files[file]
	if !ok {
		n = len(m.Files)
		m.files[file] = n
		m.Files = append(m.Files, file)
	}
	return n
}

// permOf returns the number of permissions.
func (m *pageMaker) permOf(perm string) int {
	n, ok := m.perms[perm]
	if !ok {
		n = len(m.Perms)
		m.perms[perm] = n
		m.Perms = append(m.Perms, perm)
	}
	return n
}
