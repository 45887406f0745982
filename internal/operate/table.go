package operate

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// columns writes a table for people.
type columns struct {
	w     io.Writer
	tab   *tabwriter.Writer
	title string
	rows  int
}

func newTable(w io.Writer, titles ...string) *columns {
	return &columns{w: w, tab: tabwriter.NewWriter(w, 0, 0, 2, ' ', 0), title: strings.Join(titles, "\t")}
}

// row writes one row, after the titles if it is the first. What is not printable is escaped: names come
// from users.
func (c *columns) row(cells ...string) {
	if c.rows == 0 {
		fmt.Fprintln(c.tab, c.title)
	}
	c.rows++
	cells = slices.Clone(cells)
	for i, cell := range cells {
		cells[i] = printable(cell)
	}
	fmt.Fprintln(c.tab, strings.Join(cells, "\t"))
}

// end writes everything, or a sentence if there are no rows.
func (c *columns) end(empty string) error {
	if c.rows == 0 && empty != "" {
		_, err := fmt.Fprintln(c.w, empty)
		return err
	}
	return c.tab.Flush()
}

// printable keeps a user's text from breaking the table or driving the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '\uFFFD'
		}
		return r
	}, s)
}

// pair writes a row of two cells without titles.
func (c *columns) pair(name, value string) {
	c.rows++
	fmt.Fprintf(c.tab, "%s\t%s\n", name, printable(value))
}
