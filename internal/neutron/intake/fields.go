package intake

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/neutron/resource"
)

// fields reads a JSON object of Neutron's. The first thing that is wrong with it is kept; after that, everything read
// is zero. What is null is as if it were not there.
type fields struct {
	m   map[string]any
	err error
}

// fail keeps what is wrong with a field.
func (f *fields) fail(name string, err error) {
	if f.err == nil {
		f.err = fmt.Errorf("%s: %w", name, err)
	}
}

// read converts a field that is there.
func read[V any](f *fields, name string, parse func(any) (V, error)) (v V) {
	raw := f.m[name]
	if raw == nil || f.err != nil {
		return v
	}
	v, err := parse(raw)
	if err != nil {
		f.fail(name, err)
	}
	return v
}

// required is read for what must be there.
func required[V any](f *fields, name string, parse func(any) (V, error)) V {
	if f.m[name] == nil {
		f.fail(name, fmt.Errorf("is missing"))
	}
	return read(f, name, parse)
}

// longest is the longest text that Neutron stores in most of its columns.
const longest = 255

func (f *fields) text(name string) string { return read(f, name, resource.Text(longest)) }

// uuid reads a reference, which becomes a part of keys.
func (f *fields) uuid(name string) string { return read(f, name, optional(resource.UUID)) }

func (f *fields) needUUID(name string) string { return required(f, name, resource.UUID) }

// optional takes the empty text as Neutron's way to say nothing.
func optional[V any](parse func(any) (V, error)) func(any) (V, error) {
	return func(v any) (out V, err error) {
		if v == "" {
			return out, nil
		}
		return parse(v)
	}
}

// boolean reads a truth that is otherwise where there is none.
func (f *fields) boolean(name string, otherwise bool) bool {
	if f.m[name] == nil {
		return otherwise
	}
	return read(f, name, resource.Bool)
}

func (f *fields) integer(name string) int { return read(f, name, resource.Int) }

func (f *fields) address(name string) netip.Addr { return read(f, name, optional(resource.IP)) }

func (f *fields) mac(name string) model.MAC { return required(f, name, resource.MAC) }

// list converts a list, whose length the size of a request bounds; an empty one is nil.
func list[V any](f *fields, name string, parse func(any) (V, error)) []V {
	return read(f, name, func(v any) ([]V, error) {
		items, ok := v.([]any)
		if !ok {
			return nil, fmt.Errorf("is not a list")
		}
		var out []V
		for i, item := range items {
			x, err := parse(item)
			if err != nil {
				return nil, fmt.Errorf("item %d: %w", i, err)
			}
			out = append(out, x)
		}
		return out, nil
	})
}

// nested makes a parser of an object within another one.
func nested[V any](parse func(*fields) V) func(any) (V, error) {
	return func(v any) (out V, err error) {
		m, ok := v.(map[string]any)
		if !ok {
			return out, fmt.Errorf("is not an object")
		}
		f := &fields{m: m}
		out = parse(f)
		return out, f.err
	}
}

// network takes a prefix without host bits.
func network(v any) (netip.Prefix, error) {
	p, err := resource.Prefix(v)
	if err == nil && p != p.Masked() {
		err = fmt.Errorf("%s has host bits", p)
	}
	return p, err
}

// host takes what can be the name of a chassis, and with that a part of a key.
func host(v any) (string, error) {
	s, err := resource.Text(longest)(v)
	if err == nil && strings.ContainsAny(s, "/\x00") {
		err = fmt.Errorf("a host's name must not contain '/' or NUL")
	}
	return s, err
}

// object takes an object as it is.
func object(v any) (json.RawMessage, error) {
	m, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("is not an object")
	}
	if len(m) == 0 {
		return nil, nil
	}
	return json.Marshal(m)
}
