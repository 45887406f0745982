package ovsdb

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// ErrForeign says that a port with the name exists and is not ours to change.
var ErrForeign = errors.New("not ours")

// PortSpec is a port of our own, with its one interface.
type PortSpec struct {
	Bridge, Name string
	// Type of the interface: internal, patch, geneve, vxlan; "" a device of the system.
	Type string
	// Options of the interface: exactly these.
	Options map[string]string
	// Owner is the value of OwnerKey: what the port is for. Not empty.
	Owner string
	// ExternalIDs of the interface are set; other keys stay.
	ExternalIDs map[string]string
	// BFD of the interface: exactly this; none if it is empty.
	BFD map[string]string
	// Transient says that the port is not to outlive a start of the host: Open vSwitch's start-up script
	// deletes it.
	Transient bool
}

// TunnelPort is the one port of a tunnel type: the flows name peer and key.
func TunnelPort(bridge, name, kind string) PortSpec {
	return PortSpec{
		Bridge: bridge, Name: name, Type: kind, Owner: "tunnel",
		Options: map[string]string{"remote_ip": "flow", "key": "flow"},
	}
}

// PatchPorts are the two ends of a connection between two bridges.
func PatchPorts(bridgeA, nameA, bridgeB, nameB string) (a, b PortSpec) {
	end := func(bridge, name, peer string) PortSpec {
		return PortSpec{Bridge: bridge, Name: name, Type: "patch", Owner: "patch", Options: map[string]string{"peer": peer}}
	}
	return end(bridgeA, nameA, nameB), end(bridgeB, nameB, nameA)
}

func (s PortSpec) object() string { return "port " + strconv.Quote(s.Name) }

// AddPort makes the port exist on its bridge as the spec says. A port of that
// name that is not ours, or ours on another bridge, is an error that wraps
// ErrForeign.
func AddPort(db *DB, s PortSpec) (Txn, error) {
	if s.Owner == "" {
		return Txn{}, fmt.Errorf("add %s: no owner given", s.object())
	}
	bridge := db.Bridge(s.Bridge)
	if bridge == nil {
		return Txn{}, fmt.Errorf("add %s: no bridge %q", s.object(), s.Bridge)
	}
	port := db.Port(s.Name)
	if port == nil {
		return s.create(bridge), nil
	}
	iface, err := ours(db, port, s.Bridge)
	if err != nil {
		return Txn{}, fmt.Errorf("add %s: %w", s.object(), err)
	}
	return s.correct(port, iface), nil
}

func (s PortSpec) create(bridge *Bridge) Txn {
	var t Txn
	mark := map[string]string{OwnerKey: s.Owner}
	ids := maps.Clone(mark)
	maps.Copy(ids, s.ExternalIDs)
	row := map[string]any{"name": s.Name, "type": s.Type, "options": mapValue(s.Options), "external_ids": mapValue(ids)}
	if len(s.BFD) > 0 {
		row["bfd"] = mapValue(s.BFD)
	}
	iface := t.insert(s.object(), TableInterface, s.Name, row)
	row = map[string]any{"name": s.Name, "interfaces": iface, "external_ids": mapValue(mark)}
	if s.Transient {
		row["other_config"] = mapValue(map[string]string{"transient": "true"})
	}
	port := t.insert(s.object(), TablePort, s.Name, row)
	t.mutate(s.object(), bridge, []any{"ports", "insert", port})
	return t
}

func (s PortSpec) correct(port *Port, iface *Interface) Txn {
	var t Txn
	row := map[string]any{}
	if iface.Type != s.Type {
		row["type"] = s.Type
	}
	if !maps.Equal(iface.Options, s.Options) {
		row["options"] = mapValue(s.Options)
	}
	if !maps.Equal(iface.BFD, s.BFD) {
		row["bfd"] = mapValue(s.BFD)
	}
	if len(row) > 0 {
		t.update(s.object(), iface, row)
	}
	mark := map[string]string{OwnerKey: s.Owner}
	return Join(t, MergeExternalIDs(port, mark, nil), MergeExternalIDs(iface, mark, nil), MergeExternalIDs(iface, s.ExternalIDs, nil))
}

// ours returns the one interface of a port that is ours and on the bridge.
func ours(db *DB, port *Port, bridge string) (*Interface, error) {
	if port.ExternalIDs[OwnerKey] == "" {
		return nil, fmt.Errorf("exists and is %w: external_ids has no %q", ErrForeign, OwnerKey)
	}
	b := db.Bridge(bridge)
	if b == nil || !slices.Contains(b.Ports, port.UUID) {
		return nil, fmt.Errorf("exists on another bridge: %w here", ErrForeign)
	}
	if len(port.Interfaces) != 1 || db.Interface(port.Interfaces[0]) == nil {
		return nil, fmt.Errorf("has %d interfaces: %w any more", len(port.Interfaces), ErrForeign)
	}
	return db.Interface(port.Interfaces[0]), nil
}

// DeletePort removes a port of ours from the bridge; none there is fine, one
// that is not ours is an error that wraps ErrForeign.
func DeletePort(db *DB, bridge, name string) (Txn, error) {
	var t Txn
	port := db.Port(name)
	if port == nil {
		return t, nil
	}
	object := "port " + strconv.Quote(name)
	if _, err := ours(db, port, bridge); err != nil {
		return t, fmt.Errorf("delete %s: %w", object, err)
	}
	t.mutate(object, db.Bridge(bridge), []any{"ports", "delete", uuidValue(port.UUID)})
	return t, nil
}
