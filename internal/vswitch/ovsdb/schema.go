package ovsdb

import (
	"encoding/json"
	"fmt"
)

// database is the name of Open vSwitch's database on its server.
const database = "Open_vSwitch"

// schema is what we look at of <database-schema> (RFC 7047 section 3.2).
type schema struct {
	Tables map[string]struct {
		Columns map[string]struct {
			Type columnType `json:"type"`
		} `json:"columns"`
	} `json:"tables"`
}

// columnType is <type>: an atomic type's name, or an object.
type columnType struct{ shape shape }

// UnmarshalJSON reads a <type>.
func (t *columnType) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		t.shape = single
		return nil
	}
	var o struct {
		Value json.RawMessage `json:"value"`
		Max   json.RawMessage `json:"max"`
	}
	if err := json.Unmarshal(b, &o); err != nil {
		return fmt.Errorf("type %s: %w", short(b), err)
	}
	switch {
	case o.Value != nil:
		t.shape = dict
	case o.Max == nil || string(o.Max) == "1":
		t.shape = single
	default:
		t.shape = set
	}
	return nil
}

// wanted is which columns of which tables to follow: ours, as far as the
// database has them. An older Open vSwitch may lack some; what it lacks stays
// empty. One of another shape would be misread, and is an error.
func (s schema) wanted(readers [tableCount]reader) (map[string][]string, error) {
	want := map[string][]string{}
	for t := range tableCount {
		table, ok := s.Tables[t.String()]
		if !ok {
			return nil, fmt.Errorf("the database has no table %s: not Open vSwitch's", t)
		}
		for _, c := range readers[t].columns() {
			have, ok := table.Columns[c.name]
			if !ok {
				continue
			}
			if have.Type.shape != c.shape {
				return nil, fmt.Errorf("%s: column %s is of another type than we know", t, c.name)
			}
			want[t.String()] = append(want[t.String()], c.name)
		}
	}
	return want, nil
}
