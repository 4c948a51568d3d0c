package main

import (
	"bufio"
	"strings"
	"unicode/utf8"
)

// table prints rows in columns. A column whose name begins with '>' is aligned to the
// right, for numbers; the last column is never padded.
type table struct {
	columns []string
	rows    [][]string
}

func newTable(columns ...string) *table { return &table{columns: columns} }

func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

// print writes the table; out keeps the error.
func (t *table) print(out *bufio.Writer, st style) {
	head := make([]string, len(t.columns))
	width := make([]int, len(t.columns))
	right := make([]bool, len(t.columns))
	for i, c := range t.columns {
		head[i] = strings.TrimPrefix(c, ">")
		right[i] = head[i] != c
		width[i] = utf8.RuneCountInString(head[i])
	}
	for _, r := range t.rows {
		for i, cell := range r {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	line := func(cells []string, paint func(string) string) {
		var b strings.Builder
		for i, cell := range cells {
			if i > 0 {
				b.WriteString("  ")
			}
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
			switch {
			case right[i]:
				b.WriteString(pad + cell)
			case i == len(cells)-1:
				b.WriteString(cell)
			default:
				b.WriteString(cell + pad)
			}
		}
		out.WriteString(paint(strings.TrimRight(b.String(), " ")) + "\n")
	}
	line(head, st.bold)
	for _, r := range t.rows {
		line(r, func(s string) string { return s })
	}
}
