package ovsdb

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// OwnerKey is the key in external_ids that marks a row as ours. Its value says
// what the row is for.
const OwnerKey = "dragonflow"

// protocols that we need a bridge to speak: the program's own version, the one
// before for tools, the one after for what needs it.
var protocols = [...]string{"OpenFlow13", "OpenFlow14", "OpenFlow15"}

// BridgeSpec is a bridge as a chassis needs it.
type BridgeSpec struct {
	Name string
	// DatapathType is "netdev" or "system"; "" leaves it as it is.
	DatapathType string
	// ExternalIDs are set; other keys stay.
	ExternalIDs map[string]string
	// Prefixes are, by flow table, the fields whose prefixes the classifier
	// tracks (Flow_Table prefixes, at most three), so that megaflows stay wide.
	Prefixes map[int][]string
}

func (s BridgeSpec) object() string { return "bridge " + strconv.Quote(s.Name) }

// EnsureBridge makes the bridge exist with fail_mode=secure, OpenFlow 1.3 to
// 1.5, no in-band control, and what the spec says. What else is set on an
// existing bridge stays.
func EnsureBridge(db *DB, s BridgeSpec) Txn {
	if b := db.Bridge(s.Name); b != nil {
		return s.correct(db, b)
	}
	return s.create(db)
}

func (s BridgeSpec) create(db *DB) Txn {
	var t Txn
	ids := map[string]string{OwnerKey: "bridge"}
	for k, v := range s.ExternalIDs {
		ids[k] = v
	}
	iface := t.insert(s.object(), TableInterface, s.Name, map[string]any{"name": s.Name, "type": "internal"})
	port := t.insert(s.object(), TablePort, s.Name, map[string]any{"name": s.Name, "interfaces": iface})
	tables := map[int]any{}
	for _, id := range sortedKeys(s.Prefixes) {
		tables[id] = s.insertFlowTable(&t, id)
	}
	bridge := t.insert(s.object(), TableBridge, s.Name, map[string]any{
		"name": s.Name, "datapath_type": s.DatapathType, "fail_mode": "secure",
		"protocols": setValue(protocols[:]), "ports": port, "flow_tables": mapValue(tables),
		"other_config": mapValue(map[string]string{"disable-in-band": "true"}), "external_ids": mapValue(ids),
	})
	if root := db.OpenvSwitch(); root != nil {
		t.mutate(s.object(), root, []any{"bridges", "insert", bridge})
	} else { // nobody has used this database before; its root row is ours to make
		t.insert(s.object(), TableOpenvSwitch, "root", map[string]any{"bridges": bridge})
	}
	return t
}

func (s BridgeSpec) correct(db *DB, b *Bridge) Txn {
	var t Txn
	row := map[string]any{}
	if b.FailMode != "secure" {
		row["fail_mode"] = "secure"
	}
	if s.DatapathType != "" && b.DatapathType != s.DatapathType {
		row["datapath_type"] = s.DatapathType
	}
	if len(row) > 0 {
		t.update(s.object(), b, row)
	}
	if missing := s.missingProtocols(b); len(missing) > 0 {
		t.mutate(s.object(), b, []any{"protocols", "insert", setValue(missing)})
	}
	t = Join(t, MergeOtherConfig(b, map[string]string{"disable-in-band": "true"}, nil), MergeExternalIDs(b, s.ExternalIDs, nil))
	s.correctFlowTables(&t, db, b)
	return t
}

// missingProtocols: a bridge that names none speaks all that Open vSwitch can.
func (s BridgeSpec) missingProtocols(b *Bridge) []string {
	var missing []string
	if len(b.Protocols) == 0 {
		return nil
	}
	for _, p := range protocols {
		if !slices.Contains(b.Protocols, p) {
			missing = append(missing, p)
		}
	}
	return missing
}

func (s BridgeSpec) insertFlowTable(t *Txn, id int) any {
	return t.insert(s.object(), TableFlowTable, s.Name+"/"+strconv.Itoa(id), map[string]any{
		"prefixes": setValue(s.Prefixes[id]), "external_ids": mapValue(map[string]string{OwnerKey: "prefixes"}),
	})
}

// correctFlowTables sets the prefixes of the tables of the spec, and takes back
// what we had set for others. A row that somebody else made keeps all but them.
func (s BridgeSpec) correctFlowTables(t *Txn, db *DB, b *Bridge) {
	for _, id := range sortedKeys(s.Prefixes) {
		want := slices.Sorted(slices.Values(s.Prefixes[id]))
		row := db.FlowTable(b.FlowTables[id])
		switch {
		case row == nil:
			ref := s.insertFlowTable(t, id)
			t.mutate(s.object(), b, []any{"flow_tables", "insert", mapValue(map[int]any{id: ref})})
		case !slices.Equal(row.Prefixes, want):
			t.update(s.object(), row, map[string]any{"prefixes": setValue(want)})
		}
	}
	var stale []int
	for _, id := range sortedKeys(b.FlowTables) {
		row := db.FlowTable(b.FlowTables[id])
		if _, wanted := s.Prefixes[id]; !wanted && row != nil && row.ExternalIDs[OwnerKey] != "" {
			stale = append(stale, id)
		}
	}
	if len(stale) > 0 {
		t.mutate(s.object(), b, []any{"flow_tables", "delete", setValue(stale)})
	}
}

// MergeExternalIDs sets and removes keys of the row's external_ids and leaves
// the others. The row is an *OpenvSwitch, a *Bridge, a *Port, an *Interface,
// a *QoS or a *Queue.
func MergeExternalIDs(r Row, put map[string]string, remove []string) Txn {
	return merge(r, "external_ids", externalIDs(r), put, remove)
}

// MergeOtherConfig does the same with other_config of an *OpenvSwitch or a *Bridge.
func MergeOtherConfig(r Row, put map[string]string, remove []string) Txn {
	return merge(r, "other_config", otherConfig(r), put, remove)
}

func merge(r Row, column string, have, put map[string]string, remove []string) Txn {
	changed := map[string]string{}
	var gone []string
	for k, v := range put {
		if was, ok := have[k]; !ok || was != v {
			changed[k] = v
			gone = append(gone, k) // "insert" does not replace the value of a key
		}
	}
	for _, k := range remove {
		if _, ok := have[k]; ok && !slices.Contains(gone, k) {
			gone = append(gone, k)
		}
	}
	var t Txn
	if len(gone) == 0 {
		return t
	}
	slices.Sort(gone)
	mutations := []any{[]any{column, "delete", setValue(gone)}}
	if len(changed) > 0 {
		mutations = append(mutations, []any{column, "insert", mapValue(changed)})
	}
	t.mutate(describe(r), r, mutations...)
	return t
}

func describe(r Row) string {
	if name, ok := nameOf(r); ok {
		return strings.ToLower(r.Table().String()) + " " + strconv.Quote(name)
	}
	return r.Table().String()
}

func externalIDs(r Row) map[string]string {
	switch r := r.(type) {
	case *OpenvSwitch:
		return r.ExternalIDs
	case *Bridge:
		return r.ExternalIDs
	case *Port:
		return r.ExternalIDs
	case *Interface:
		return r.ExternalIDs
	case *QoS:
		return r.ExternalIDs
	case *Queue:
		return r.ExternalIDs
	}
	return nil
}

func otherConfig(r Row) map[string]string {
	switch r := r.(type) {
	case *OpenvSwitch:
		return r.OtherConfig
	case *Bridge:
		return r.OtherConfig
	}
	return nil
}

// EnsureBundleIdleTimeout sees to it that Open vSwitch keeps an OpenFlow bundle
// for at least this long (whole seconds) without a message: a starved
// ovs-vswitchd gives ours up after 10 s otherwise. A longer time set by
// somebody else stays.
func EnsureBundleIdleTimeout(db *DB, atLeast time.Duration) (Txn, error) {
	const key = "bundle-idle-timeout"
	root := db.OpenvSwitch()
	if root == nil {
		return Txn{}, errors.New("set " + key + ": the database has no root row yet")
	}
	seconds := int(atLeast / time.Second)
	if seconds < 1 {
		return Txn{}, fmt.Errorf("set %s: %v is less than a second", key, atLeast)
	}
	if have, err := strconv.Atoi(root.OtherConfig[key]); err == nil && have >= seconds {
		return Txn{}, nil
	}
	return MergeOtherConfig(root, map[string]string{key: strconv.Itoa(seconds)}, nil), nil
}
