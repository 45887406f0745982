package ovsdb

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// shape is what of a column's type decides how its changes are written.
type shape int

const (
	single shape = iota // exactly or at most one value: a change is the new value
	set                 // several values: a change is what came and what went
	dict                // key-value pairs: likewise
)

// column says how one column is read into a row of type T.
type column[T any] struct {
	name  string
	shape shape
	// put sets the row's field to the value; with diff, the value is the
	// difference to what the field has (ovsdb-server(7), section 4.1.14).
	put   func(row *T, value []byte, diff bool) error
	equal func(a, b *T) bool
}

// single-valued columns; a set of at most one value counts, empty is zero.
func scalar[T any, E comparable](name string, parse func([]byte) (E, error), field func(*T) *E) column[T] {
	return column[T]{
		name: name, shape: single,
		put: func(row *T, value []byte, _ bool) error {
			v, err := parseSet(value, parse)
			if err != nil {
				return err
			}
			if len(v) > 1 {
				return fmt.Errorf("%s has more than one value", short(value))
			}
			var zero E
			*field(row) = zero
			if len(v) == 1 {
				*field(row) = v[0]
			}
			return nil
		},
		equal: func(a, b *T) bool { return *field(a) == *field(b) },
	}
}

func setOf[T any, E cmp.Ordered](name string, parse func([]byte) (E, error), field func(*T) *[]E) column[T] {
	return column[T]{
		name: name, shape: set,
		put: func(row *T, value []byte, diff bool) error {
			v, err := parseSet(value, parse)
			if err != nil {
				return err
			}
			slices.Sort(v)
			v = slices.Compact(v)
			if diff {
				v = exclusive(*field(row), v)
			}
			*field(row) = v
			return nil
		},
		equal: func(a, b *T) bool { return slices.Equal(*field(a), *field(b)) },
	}
}

// exclusive is the sorted set of what is in exactly one of two sorted sets.
func exclusive[E cmp.Ordered](a, b []E) []E {
	out := make([]E, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch c := cmp.Compare(a[0], b[0]); {
		case c < 0:
			out, a = append(out, a[0]), a[1:]
		case c > 0:
			out, b = append(out, b[0]), b[1:]
		default:
			a, b = a[1:], b[1:]
		}
	}
	if out = append(append(out, a...), b...); len(out) == 0 {
		return nil
	}
	return out
}

func dictOf[T any, K cmp.Ordered, V comparable](name string, key func([]byte) (K, error), val func([]byte) (V, error), field func(*T) *map[K]V) column[T] {
	return column[T]{
		name: name, shape: dict,
		put: func(row *T, value []byte, diff bool) error {
			m, err := parseMap(value, key, val)
			if err != nil {
				return err
			}
			if diff {
				m = patched(*field(row), m)
			}
			*field(row) = m
			return nil
		},
		equal: func(a, b *T) bool { return maps.Equal(*field(a), *field(b)) },
	}
}

// patched is the map after a change: a pair that is there already goes, any
// other comes or replaces.
func patched[K, V comparable](old, change map[K]V) map[K]V {
	m := maps.Clone(old)
	if m == nil {
		m = make(map[K]V, len(change))
	}
	for k, v := range change {
		if was, ok := m[k]; ok && was == v {
			delete(m, k)
		} else {
			m[k] = v
		}
	}
	if len(m) == 0 {
		return nil
	}
	return m
}

func texts[T any](name string, field func(*T) *map[string]string) column[T] {
	return dictOf(name, parseText, parseText, field)
}

// reader knows how to read the rows of one table.
type reader interface {
	columns() []columnName
	// read returns a new row: the given values over those of base. Values of
	// columns that are not ours are refused, since nobody asked for them.
	read(id UUID, base Row, values map[string]json.RawMessage, diff bool) (Row, error)
	equal(a, b Row) bool
}

type columnName struct {
	name  string
	shape shape
}

type tableReader[T any, R interface {
	*T
	Row
}] struct {
	cols []column[T]
	// begin makes the new row from the old one (nil if none).
	begin func(id UUID, base *T) *T
	end   func(old, row *T) // makes the row consistent; may be nil
}

func (t tableReader[T, R]) columns() []columnName {
	names := make([]columnName, len(t.cols))
	for i, c := range t.cols {
		names[i] = columnName{c.name, c.shape}
	}
	return names
}

func (t tableReader[T, R]) read(id UUID, base Row, values map[string]json.RawMessage, diff bool) (Row, error) {
	var old *T
	if base != nil {
		old = (*T)(base.(R)) // the caller looked base up in this table
	}
	row := t.begin(id, old)
	read := 0
	for _, c := range t.cols {
		v, ok := values[c.name]
		if !ok {
			continue
		}
		if err := c.put(row, v, diff); err != nil {
			return nil, fmt.Errorf("%s %s: column %s: %w", R(row).Table(), id, c.name, err)
		}
		read++
	}
	if read != len(values) {
		return nil, fmt.Errorf("%s %s: a column that was not asked for", R(row).Table(), id)
	}
	if t.end != nil {
		t.end(old, row)
	}
	return R(row), nil
}

func (t tableReader[T, R]) equal(a, b Row) bool {
	x, y := (*T)(a.(R)), (*T)(b.(R))
	for _, c := range t.cols {
		if !c.equal(x, y) {
			return false
		}
	}
	return true
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
