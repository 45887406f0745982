package fakeswitch

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
)

// row is one row by column; values are as JSON has them and are never changed in place.
type row map[string]any

// tables are rows by table and UUID.
type tables map[string]map[string]row

func (t tables) clone() tables {
	c := tables{}
	for name, rows := range t {
		c[name] = map[string]row{}
		for id, r := range rows {
			c[name][id] = maps.Clone(r)
		}
	}
	return c
}

// database is the part of Open vSwitch's database that matters here.
type database struct {
	now      tables
	ids      int
	ofport   int
	monitors map[*monitor]struct{}
}

func newDatabase() *database {
	d := &database{now: tables{}, monitors: map[*monitor]struct{}{}}
	for name := range schema() {
		d.now[name] = map[string]row{}
	}
	root := d.fresh("Open_vSwitch")
	root["ovs_version"] = "3.1.0"
	d.now["Open_vSwitch"][d.id()] = root
	return d
}

func (d *database) id() string {
	d.ids++
	return fmt.Sprintf("%08x-0000-4000-8000-000000000000", d.ids)
}

// fresh is a row with nothing set.
func (d *database) fresh(table string) row {
	r := row{}
	for c, s := range schema()[table] {
		r[c] = s.empty()
	}
	return r
}

// operation is one of a transaction: RFC 7047 section 5.2.
type operation struct {
	Op        string         `json:"op"`
	Table     string         `json:"table"`
	Where     [][]any        `json:"where"`
	Row       map[string]any `json:"row"`
	UUIDName  string         `json:"uuid-name"`
	Mutations [][]any        `json:"mutations"`
}

// failure is why an operation did not happen.
type failure struct {
	Error   string `json:"error"`
	Details string `json:"details"`
}

// transact makes all operations or none, and returns what each brought, and the rows before if they
// happened.
func (d *database) transact(ops []operation) (results []any, before tables) {
	before = d.now
	next := before.clone()
	names := map[string]string{}
	for _, op := range ops {
		if op.Op == "insert" && op.UUIDName != "" {
			names[op.UUIDName] = d.id()
		}
	}
	for _, op := range ops {
		result, err := d.operate(next, op, names)
		if err != nil {
			return append(results, failure{"constraint violation", err.Error()}), nil
		}
		results = append(results, result)
	}
	collect(next)
	d.realise(next)
	d.now = next
	return results, before
}

func (d *database) operate(t tables, op operation, names map[string]string) (any, error) {
	columns, ok := schema()[op.Table]
	if !ok {
		return nil, fmt.Errorf("no table %q", op.Table)
	}
	for c := range op.Row {
		if _, ok := columns[c]; !ok {
			return nil, fmt.Errorf("table %s has no column %q", op.Table, c)
		}
	}
	if op.Op == "insert" {
		id := names[op.UUIDName]
		if id == "" {
			id = d.id()
		}
		r := d.fresh(op.Table)
		for c, v := range op.Row {
			r[c] = resolve(v, names)
		}
		t[op.Table][id] = r
		return map[string]any{"uuid": []any{"uuid", id}}, nil
	}
	chosen := t.where(op)
	switch op.Op {
	case "wait": // that the row exists is all that is ever waited for, without patience
		if len(chosen) == 0 {
			return nil, fmt.Errorf("timed out")
		}
		return map[string]any{}, nil
	case "update":
		for _, r := range chosen {
			for c, v := range op.Row {
				r[c] = resolve(v, names)
			}
		}
	case "mutate":
		for _, r := range chosen {
			if err := mutate(r, columns, op.Mutations, names); err != nil {
				return nil, err
			}
		}
	default:
		return nil, fmt.Errorf("operation %q is not understood", op.Op)
	}
	return map[string]any{"count": len(chosen)}, nil
}

// where returns the rows that fulfil all conditions; only equality is understood.
func (t tables) where(op operation) []row {
	var list []row
	for id, r := range t[op.Table] {
		fits := true
		for _, c := range op.Where {
			var have any = []any{"uuid", id}
			if name, _ := c[0].(string); name != "_uuid" {
				have = r[name]
			}
			fits = fits && len(c) == 3 && c[1] == "==" && reflect.DeepEqual(have, c[2])
		}
		if fits {
			list = append(list, r)
		}
	}
	return list
}

// mutate inserts into and deletes from sets and maps.
func mutate(r row, columns map[string]shape, mutations [][]any, names map[string]string) error {
	for _, m := range mutations {
		name, _ := m[0].(string)
		s, ok := columns[name]
		if !ok || len(m) != 3 || s != set && s != dict {
			return fmt.Errorf("mutation %v is not understood", m)
		}
		items := elements(resolve(m[2], names))
		byKey := s == dict && m[1] == "delete" && (len(items) == 0 || !isPair(items[0]))
		have := slices.DeleteFunc(slices.Clone(elements(r[name])), func(x any) bool {
			if byKey {
				return slices.ContainsFunc(items, func(k any) bool { return reflect.DeepEqual(k, x.([]any)[0]) })
			}
			if s == dict && m[1] == "insert" {
				return false
			}
			return slices.ContainsFunc(items, func(y any) bool { return reflect.DeepEqual(x, y) })
		})
		if m[1] == "insert" {
			have = append(have, missing(items, have, s)...)
		}
		r[name] = []any{map[shape]string{set: "set", dict: "map"}[s], have}
	}
	return nil
}

// missing are the items that are not there yet; of a map those whose key is not.
func missing(items, have []any, s shape) []any {
	return slices.DeleteFunc(slices.Clone(items), func(x any) bool {
		return slices.ContainsFunc(have, func(y any) bool {
			if s == dict {
				return reflect.DeepEqual(x.([]any)[0], y.([]any)[0])
			}
			return reflect.DeepEqual(x, y)
		})
	})
}

func isPair(v any) bool {
	p, ok := v.([]any)
	return ok && len(p) == 2 && p[0] != "uuid" && p[0] != "named-uuid"
}

// elements are those of a set or map, or the one value.
func elements(v any) []any {
	if list, ok := v.([]any); ok && len(list) == 2 {
		if items, ok := list[1].([]any); ok && (list[0] == "set" || list[0] == "map") {
			return items
		}
	}
	return []any{v}
}

// resolve replaces references to rows of the same transaction.
func resolve(v any, names map[string]string) any {
	list, ok := v.([]any)
	if !ok {
		return v
	}
	if len(list) == 2 && list[0] == "named-uuid" {
		name, _ := list[1].(string)
		return []any{"uuid", names[name]}
	}
	c := make([]any, len(list))
	for i, x := range list {
		c[i] = resolve(x, names)
	}
	return c
}

// collect removes rows to which nothing leads from the root.
func collect(t tables) {
	reached := map[string]bool{}
	var visit func(v any)
	visit = func(v any) {
		list, ok := v.([]any)
		if !ok {
			return
		}
		if id, ok := reference(list); ok {
			if reached[id] {
				return
			}
			reached[id] = true
			for _, rows := range t {
				for _, x := range rows[id] {
					visit(x)
				}
			}
			return
		}
		for _, x := range list {
			visit(x)
		}
	}
	for id := range t["Open_vSwitch"] {
		visit([]any{"uuid", id})
	}
	for _, rows := range t {
		maps.DeleteFunc(rows, func(id string, _ row) bool { return !reached[id] })
	}
}

func reference(list []any) (id string, ok bool) {
	if len(list) == 2 && list[0] == "uuid" {
		id, ok = list[1].(string)
	}
	return id, ok
}

// local is the number of a bridge's own port.
const local = 65534

// realise fills in what ovs-vswitchd tells of bridges and interfaces.
func (d *database) realise(t tables) {
	for id, b := range t["Bridge"] {
		if len(elements(b["datapath_id"])) == 0 {
			b["datapath_id"] = "0000" + id[:8] + "0000"
		}
	}
	for _, i := range t["Interface"] {
		if len(elements(i["ofport"])) > 0 {
			continue
		}
		i["mac_in_use"], i["link_state"], i["admin_state"] = "02:00:00:00:00:01", "up", "up"
		if i["ofport"] = json.Number(fmt.Sprint(local)); i["type"] != "internal" {
			d.ofport++
			i["ofport"] = json.Number(fmt.Sprint(d.ofport))
		}
	}
}

// ports are the numbers of the interfaces by name.
func (d *database) ports() map[string]uint32 {
	list := map[string]uint32{}
	for _, i := range d.now["Interface"] {
		n, _ := i["ofport"].(json.Number)
		number, err := n.Int64()
		if name, ok := i["name"].(string); ok && err == nil {
			list[name] = uint32(number)
		}
	}
	return list
}
