package ovsdb

import (
	"encoding/json"
	"fmt"
	"slices"
)

// updates is <table-updates2> of ovsdb-server(7) section 4.1.14: by table and
// row, what happened ("initial", "insert", "modify" or "delete") and the columns.
type updates map[string]map[UUID]map[string]map[string]json.RawMessage

// replica is the client's own copy of the database, the reference for what is
// told to the consumer.
type replica struct {
	db      *DB
	readers [tableCount]reader
}

func newReplica() *replica { return &replica{db: NewDB(), readers: readers()} }

// update takes over what changed since the state that the replica has. Either
// all of it is taken over, or none and the error says what was wrong.
func (r *replica) update(u updates) ([]Change, error) {
	var changes []Change
	err := r.each(u, func(t Table, id UUID, what string, values map[string]json.RawMessage) error {
		c := Change{Old: r.db.row(t, id)}
		if (c.Old == nil) != (what == "insert" || what == "initial") {
			return fmt.Errorf("%s %s: %q does not fit what is known", t, id, what)
		}
		if what != "delete" {
			row, err := r.readers[t].read(id, c.Old, values, what == "modify")
			if err != nil {
				return err
			}
			c.New = row
		}
		if c.Old == nil || c.New == nil || !r.readers[t].equal(c.Old, c.New) {
			changes = append(changes, c)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	r.db.Apply(changes)
	return changes, nil
}

// replace takes over a whole new state, and returns how it differs from the one
// before. Rows that are as before stay the same objects.
func (r *replica) replace(u updates) ([]Change, error) {
	now := NewDB()
	var changes []Change
	err := r.each(u, func(t Table, id UUID, what string, values map[string]json.RawMessage) error {
		if what != "initial" && what != "insert" {
			return fmt.Errorf("%s %s: %q in an initial state", t, id, what)
		}
		row, err := r.readers[t].read(id, nil, values, false)
		if err != nil {
			return err
		}
		old := r.db.row(t, id)
		if old != nil {
			row = remembered(old, row)
			if r.readers[t].equal(old, row) {
				now.Apply([]Change{{New: old}})
				return nil
			}
		}
		c := Change{Old: old, New: row}
		now.Apply([]Change{{New: row}})
		changes = append(changes, c)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for t, rows := range r.db.rows {
		for id, old := range rows {
			if now.row(Table(t), id) == nil {
				changes = append(changes, Change{Old: old})
			}
		}
	}
	r.db = now
	return changes, nil
}

// each visits the rows of an update, tables in order, rows in any.
func (r *replica) each(u updates, visit func(Table, UUID, string, map[string]json.RawMessage) error) error {
	known := 0
	for t := range tableCount {
		rows, ok := u[t.String()]
		if !ok {
			continue
		}
		known++
		for id, row := range rows {
			if _, err := checkUUID(string(id)); err != nil {
				return fmt.Errorf("%s: %w", t, err)
			}
			if len(row) != 1 {
				return fmt.Errorf("%s %s: %d updates of one row", t, id, len(row))
			}
			for what, values := range row {
				if !slices.Contains([]string{"initial", "insert", "modify", "delete"}, what) {
					return fmt.Errorf("%s %s: update %s", t, id, short([]byte(what)))
				}
				if err := visit(t, id, what, values); err != nil {
					return err
				}
			}
		}
	}
	if known != len(u) {
		return fmt.Errorf("update of a table that was not asked for")
	}
	return nil
}
