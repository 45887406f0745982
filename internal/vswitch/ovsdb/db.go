package ovsdb

import (
	"fmt"
	"iter"
	"slices"
)

// Change is what became of one row. Old is nil when the row came, New when it
// went; never both.
type Change struct {
	Old, New Row
}

// Row is the row as it is now, or as it was last.
func (c Change) Row() Row {
	if c.New != nil {
		return c.New
	}
	return c.Old
}

// DB is what a consumer knows of the database: the sum of the changes that it
// applied. It belongs to one goroutine.
type DB struct {
	rows  [tableCount]map[UUID]Row
	names [tableCount]map[string]Row // Bridge, Port, Interface

	bridgeOf map[UUID]UUID // port → bridge
	portOf   map[UUID]UUID // interface → port
}

// NewDB returns a DB without a row.
func NewDB() *DB {
	db := &DB{bridgeOf: map[UUID]UUID{}, portOf: map[UUID]UUID{}}
	for t := range db.rows {
		db.rows[t] = map[UUID]Row{}
		db.names[t] = map[string]Row{}
	}
	return db
}

// Apply takes over a batch of changes. It returns the interfaces that came,
// changed, went or sit on another bridge now, sorted: a consumer that is
// interested in interfaces looks at these and at nothing else.
func (db *DB) Apply(changes []Change) (touched []UUID) {
	for _, c := range changes {
		touched = db.apply(c, touched)
	}
	slices.Sort(touched)
	return slices.Compact(touched)
}

func (db *DB) apply(c Change, touched []UUID) []UUID {
	t, id := c.Row().Table(), c.Row().ID()
	if c.Old != nil {
		if name, ok := nameOf(c.Old); ok && db.names[t][name] == c.Old {
			delete(db.names[t], name)
		}
		delete(db.rows[t], id)
	}
	if c.New != nil {
		if name, ok := nameOf(c.New); ok {
			db.names[t][name] = c.New
		}
		db.rows[t][id] = c.New
	}
	switch t {
	case TableInterface:
		return append(touched, id)
	case TablePort:
		for i := range relink(db.portOf, id, interfacesOf(c.Old), interfacesOf(c.New)) {
			touched = append(touched, i)
		}
	case TableBridge:
		for p := range relink(db.bridgeOf, id, portsOf(c.Old), portsOf(c.New)) {
			touched = append(touched, db.portInterfaces(p)...)
		}
	}
	return touched
}

// relink keeps the way back from the members of a row to the row, and yields
// the members that came or went.
func relink(back map[UUID]UUID, owner UUID, old, now []UUID) iter.Seq[UUID] {
	return func(yield func(UUID) bool) {
		for _, m := range exclusive(old, now) {
			if _, came := slices.BinarySearch(now, m); came {
				back[m] = owner
			} else if back[m] == owner {
				delete(back, m)
			}
			if !yield(m) {
				return
			}
		}
	}
}

func nameOf(r Row) (string, bool) {
	switch r := r.(type) {
	case *Bridge:
		return r.Name, true
	case *Port:
		return r.Name, true
	case *Interface:
		return r.Name, true
	}
	return "", false
}

func portsOf(r Row) []UUID {
	if b, ok := r.(*Bridge); ok {
		return b.Ports
	}
	return nil
}

func interfacesOf(r Row) []UUID {
	if p, ok := r.(*Port); ok {
		return p.Interfaces
	}
	return nil
}

func (db *DB) portInterfaces(port UUID) []UUID { return interfacesOf(db.rows[TablePort][port]) }

func get[R Row](rows map[UUID]Row, id UUID) R {
	r, _ := rows[id].(R) // nil if absent
	return r
}

func named[R Row](names map[string]Row, name string) R {
	r, _ := names[name].(R) // nil if absent
	return r
}

// OpenvSwitch returns the one row of the root table, nil before the first sync.
func (db *DB) OpenvSwitch() *OpenvSwitch {
	for _, r := range db.rows[TableOpenvSwitch] {
		return r.(*OpenvSwitch)
	}
	return nil
}

// Bridge returns the bridge with this name, or nil.
func (db *DB) Bridge(name string) *Bridge { return named[*Bridge](db.names[TableBridge], name) }

// Port returns the port with this name, or nil.
func (db *DB) Port(name string) *Port { return named[*Port](db.names[TablePort], name) }

// InterfaceNamed returns the interface with this name, or nil.
func (db *DB) InterfaceNamed(name string) *Interface {
	return named[*Interface](db.names[TableInterface], name)
}

// Interface returns the interface with this UUID, or nil.
func (db *DB) Interface(id UUID) *Interface { return get[*Interface](db.rows[TableInterface], id) }

// FlowTable returns the row with this UUID, or nil.
func (db *DB) FlowTable(id UUID) *FlowTable { return get[*FlowTable](db.rows[TableFlowTable], id) }

// Controller returns the row with this UUID, or nil.
func (db *DB) Controller(id UUID) *Controller { return get[*Controller](db.rows[TableController], id) }

// QoS returns the row with this UUID, or nil.
func (db *DB) QoS(id UUID) *QoS { return get[*QoS](db.rows[TableQoS], id) }

// Queue returns the row with this UUID, or nil.
func (db *DB) Queue(id UUID) *Queue { return get[*Queue](db.rows[TableQueue], id) }

// Ports yields the ports of a bridge, in the order of their UUIDs.
func (db *DB) Ports(b *Bridge) iter.Seq[*Port] {
	return func(yield func(*Port) bool) {
		for _, id := range b.Ports {
			if p := get[*Port](db.rows[TablePort], id); p != nil && !yield(p) {
				return
			}
		}
	}
}

// BridgeOf returns the bridge that the interface sits on, or nil.
func (db *DB) BridgeOf(iface UUID) *Bridge {
	return get[*Bridge](db.rows[TableBridge], db.bridgeOf[db.portOf[iface]])
}

// PortOf returns the port that the interface belongs to, or nil.
func (db *DB) PortOf(iface UUID) *Port { return get[*Port](db.rows[TablePort], db.portOf[iface]) }

// Interfaces yields all interfaces, in no order.
func (db *DB) Interfaces() iter.Seq[*Interface] {
	return func(yield func(*Interface) bool) {
		for _, r := range db.rows[TableInterface] {
			if !yield(r.(*Interface)) {
				return
			}
		}
	}
}

// Bridges yields all bridges, in no order.
func (db *DB) Bridges() iter.Seq[*Bridge] {
	return func(yield func(*Bridge) bool) {
		for _, r := range db.rows[TableBridge] {
			if !yield(r.(*Bridge)) {
				return
			}
		}
	}
}

// Interfaces of one bridge, in the order of their UUIDs.
func (db *DB) bridgeInterfaces(b *Bridge) iter.Seq[*Interface] {
	return func(yield func(*Interface) bool) {
		for _, p := range b.Ports {
			for _, i := range db.portInterfaces(p) {
				if row := db.Interface(i); row != nil && !yield(row) {
					return
				}
			}
		}
	}
}

// Plugged yields the interfaces of a bridge, in the order of their ports.
func (db *DB) Plugged(bridge string) iter.Seq[*Interface] {
	if b := db.Bridge(bridge); b != nil {
		return db.bridgeInterfaces(b)
	}
	return func(func(*Interface) bool) {}
}

// row looks a row up for the reader of updates.
func (db *DB) row(t Table, id UUID) Row { return db.rows[t][id] }

// String says how much there is, for logs.
func (db *DB) String() string {
	return fmt.Sprintf("%d bridges, %d ports, %d interfaces",
		len(db.rows[TableBridge]), len(db.rows[TablePort]), len(db.rows[TableInterface]))
}
