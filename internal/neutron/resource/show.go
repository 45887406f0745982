package resource

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

type absent struct{}

// Absent is what an attribute returns that this resource does not show.
var Absent any = absent{}

// Object is a resource as it is shown: attribute names and values in the order of the type's table.
type Object struct {
	names  []string
	values []any
}

// Show returns the row with the attributes named, all if fields is empty. Unknown fields are ignored, as
// Neutron does.
func (t *Type) Show(row Row, fields map[string]bool) Object {
	var o Object
	for i := range t.Attrs {
		a := &t.Attrs[i]
		if a.Get == nil || len(fields) > 0 && !fields[a.Name] {
			continue
		}
		if v := a.Get(row); v != Absent {
			o.names = append(o.names, a.Name)
			o.values = append(o.values, v)
		}
	}
	return o
}

// With returns the object with one attribute more.
func (o Object) With(name string, value any) Object {
	return Object{append(slices.Clip(o.names), name), append(slices.Clip(o.values), value)}
}

// MarshalJSON writes the attributes in order.
func (o Object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, name := range o.names {
		if i > 0 {
			b.WriteByte(',')
		}
		v, err := json.Marshal(o.values[i])
		if err != nil {
			return nil, fmt.Errorf("show %s: %w", name, err)
		}
		fmt.Fprintf(&b, "%q:%s", name, v)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// Store returns the row's stored form, with what a newer version had written into it.
func Store(row Row) ([]byte, error) {
	row.Base().Schema = max(row.Base().Schema, SchemaVersion)
	b, err := json.Marshal(row)
	if err != nil || len(row.Base().Unknown) == 0 {
		return b, err
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil {
		return nil, err
	}
	for k, v := range row.Base().Unknown {
		if _, ok := all[k]; !ok {
			all[k] = v
		}
	}
	return json.Marshal(all)
}

// Load reads a stored row.
func (t *Type) Load(value []byte) (Row, error) {
	row := t.New()
	// A field that is absent is zero, not the default for new resources.
	reflect.ValueOf(row).Elem().SetZero()
	if err := json.Unmarshal(value, row); err != nil {
		return nil, fmt.Errorf("read %s: %w", t.Singular, err)
	}
	if row.Base().ID == "" {
		return nil, fmt.Errorf("read %s: no id", t.Singular)
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(value, &all); err != nil {
		return nil, fmt.Errorf("read %s: %w", t.Singular, err)
	}
	known := storedFields(reflect.TypeOf(row).Elem())
	for k := range all {
		if known[k] {
			delete(all, k)
		}
	}
	if len(all) > 0 {
		row.Base().Unknown = all
	}
	return row, nil
}

func storedFields(t reflect.Type) map[string]bool {
	names := map[string]bool{}
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		names[name] = true
	}
	return names
}
