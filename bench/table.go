package main

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// table is printed with aligned columns; the first is text, the others are numbers.
type table struct {
	head []string
	rows [][]string
}

func newTable(head ...string) *table { return &table{head: head} }

// row adds a row. Durations and floats are shown with three digits.
func (t *table) row(cells ...any) {
	line := make([]string, len(cells))
	for i, c := range cells {
		line[i] = show(c)
	}
	t.rows = append(t.rows, line)
}

func show(v any) string {
	switch v := v.(type) {
	case time.Duration:
		return showDuration(v)
	case float64:
		return showFloat(v)
	case verdict:
		return v.String()
	}
	return fmt.Sprint(v)
}

func showDuration(d time.Duration) string {
	switch {
	case d >= time.Second:
		return showFloat(d.Seconds()) + " s"
	case d >= time.Millisecond:
		return showFloat(float64(d)/1e6) + " ms"
	case d >= time.Microsecond:
		return showFloat(float64(d)/1e3) + " µs"
	}
	return fmt.Sprintf("%d ns", d.Nanoseconds())
}

func showFloat(f float64) string {
	switch {
	case f >= 100:
		return fmt.Sprintf("%.0f", f)
	case f >= 10:
		return fmt.Sprintf("%.1f", f)
	}
	return fmt.Sprintf("%.2f", f)
}

// overBudget is what a cell says that is.
const overBudget = "OVER BUDGET"

// print writes the table and counts what is over budget.
func (r *run) print(t *table) {
	lines := append([][]string{t.head}, t.rows...)
	var width []int
	for _, l := range lines {
		for i, c := range l {
			if i == len(width) {
				width = append(width, 0)
			}
			width[i] = max(width[i], utf8.RuneCountInString(c))
		}
	}
	for _, l := range lines {
		var b strings.Builder
		for i, c := range l {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(c))
			if i > 0 {
				b.WriteString("  ")
			}
			if i == 0 || i == len(t.head)-1 {
				b.WriteString(c + pad)
			} else {
				b.WriteString(pad + c)
			}
			r.over += strings.Count(c, overBudget)
		}
		fmt.Fprintln(r.out, strings.TrimRight(b.String(), " "))
	}
}

// verdict holds numbers against their budgets.
type verdict struct{ kept, broken []string }

// String shows the budgets, those that do not hold first.
func (v verdict) String() string {
	kept := ""
	if len(v.kept) > 0 {
		kept = "within " + strings.Join(v.kept, ", ")
	}
	if len(v.broken) == 0 {
		return kept
	}
	return strings.TrimSuffix(overBudget+" "+strings.Join(v.broken, ", ")+"; "+kept, "; ")
}

func (v verdict) limit(holds bool, text string) verdict {
	if text = strings.TrimSpace(text); holds {
		v.kept = append(v.kept, text)
	} else {
		v.broken = append(v.broken, text)
	}
	return v
}

// atMost holds a number against the most that it may be.
func (v verdict) atMost(what string, got, limit float64, unit string) verdict {
	return v.limit(got <= limit, fmt.Sprintf("%s ≤ %g %s", what, limit, unit))
}

// atLeast holds a number against the least that it may be.
func (v verdict) atLeast(what string, got, limit float64, unit string) verdict {
	return v.limit(got >= limit, fmt.Sprintf("%s ≥ %g %s", what, limit, unit))
}

// within holds a time against its limit.
func (v verdict) within(what string, got, limit time.Duration) verdict {
	return v.limit(got <= limit, fmt.Sprintf("%s ≤ %s", what, strings.Replace(limit.String(), "µs", " µs", 1)))
}
