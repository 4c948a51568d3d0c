package main

import (
	"bufio"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/vmasnap/vmasnap/replay"
)

// The page of report --html, in parts. Names that others have chosen are in its data alone, which
// its script shows as text; and the browser is told to run this script and nothing else.
var (
	//go:embed page/page.html
	pageHTML string
	//go:embed page/page.css
	pageCSS string
	// In this order they are one script.
	//go:embed page/dom.js
	pageDOM string
	//go:embed page/table.js
	pageTable string
	//go:embed page/picture.js
	pagePicture string
	//go:embed page/timeline.js
	pageTimeline string
	//go:embed page/page.js
	pageMain string
)

// writePage makes the page of a recording. Like load it returns what had been in the way.
func (r *report) writePage(s *streams, name, to string) (sum *replay.Summary, damage, err error) {
	if to == "" {
		return nil, nil, usageError("--html: the name is empty")
	}
	if a, err := os.Stat(name); err == nil {
		if b, err := os.Stat(to); err == nil && os.SameFile(a, b) && b.Mode().IsRegular() {
			return nil, nil, usageError("--html %q is the recording", to)
		}
	}
	c, sum, damage, err := r.chronicle(s, name)
	if err != nil {
		return nil, nil, err
	}
	data := newPageData(name, c, sum)
	write := func(out *bufio.Writer) error { return printPage(out, data) }
	if to == "-" {
		return sum, damage, outputError(writeAll(s.out, write))
	}
	if err := replaceFile(to, write); err != nil {
		return nil, nil, fmt.Errorf("write page %s: %w", to, err)
	}
	return sum, damage, nil
}

// chronicle reads what the page shows.
func (r *report) chronicle(s *streams, name string) (c *replay.Chronicle, sum *replay.Summary, damage, err error) {
	l, err := openLibrary(s, name)
	if err != nil {
		return nil, nil, nil, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	from, to, when := l.timeline.Start, l.timeline.End, "end"
	switch {
	case r.span != "":
		when = string(r.span)
		if from, to, err = l.timeline.ParseRange(when); err != nil {
			return nil, nil, nil, usageError("--time: %w", err)
		}
	case r.at != "":
		when = string(r.at)
		if to, err = l.parse("at", string(r.at)); err != nil {
			return nil, nil, nil, err
		}
	}
	var cursor *replay.Cursor
	if c, damage = l.Chronicle(from, to, r.filter); c != nil {
		cursor = c.Cursor
	}
	st, err := l.state(s, cursor, when, damage)
	if err != nil {
		return nil, nil, nil, err
	}
	all := st.summary()
	if when == "end" {
		all = st.Session.Summary()
	}
	return c, &all, st.damage, nil
}

// printPage writes the page; out keeps the error.
func printPage(out *bufio.Writer, data *pageData) error {
	css, js := pageText(pageCSS), pageText(pageDOM+pageTable+pagePicture+pageTimeline+pageMain)
	fill := map[string]string{
		"style": css, "style-hash": pageHash(css), "script": js, "script-hash": pageHash(js),
	}
	for rest := pageText(pageHTML); rest != ""; {
		text, behind, found := strings.Cut(rest, "{{")
		out.WriteString(text)
		if !found {
			break
		}
		var name string
		name, rest, _ = strings.Cut(behind, "}}")
		if name != "data" {
			out.WriteString(fill[name])
			continue
		}
		// json escapes <, >, & and the ends of lines that JavaScript knows.
		if err := json.NewEncoder(out).Encode(data); err != nil {
			return err
		}
	}
	return nil
}

// pageText is a part of the page as a browser reads it, wherever it was checked out.
func pageText(part string) string { return strings.ReplaceAll(part, "\r\n", "\n") }

// pageHash is how a Content-Security-Policy names a script or a style.
func pageHash(part string) string {
	sum := sha256.Sum256([]byte(part))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}
