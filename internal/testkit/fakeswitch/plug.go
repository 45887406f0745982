package fakeswitch

import (
	"bytes"
	"fmt"
	"io"
)

func bytesOf(b []byte) io.Reader { return bytes.NewReader(b) }

// AddBridge makes the integration bridge, as "ovs-vsctl add-br" does.
func (s *Switch) AddBridge() error {
	name := s.cfg.Bridge
	return s.do([]operation{
		{Op: "insert", Table: "Interface", UUIDName: "i", Row: map[string]any{"name": name, "type": "internal"}},
		{Op: "insert", Table: "Port", UUIDName: "p", Row: map[string]any{"name": name, "interfaces": []any{"named-uuid", "i"}}},
		{Op: "insert", Table: "Bridge", UUIDName: "b", Row: map[string]any{"name": name, "ports": []any{"named-uuid", "p"}}},
		{Op: "mutate", Table: "Open_vSwitch", Mutations: [][]any{{"bridges", "insert", []any{"named-uuid", "b"}}}},
	})
}

// Plug adds an interface with a port's id to the bridge for each pair of a name and an id, as Nova does.
func (s *Switch) Plug(pairs ...[2]string) error {
	var ops []operation
	var refs []any
	for i, p := range pairs {
		iface, port := fmt.Sprint("i", i), fmt.Sprint("p", i)
		ops = append(ops,
			operation{Op: "insert", Table: "Interface", UUIDName: iface, Row: map[string]any{
				"name": p[0], "external_ids": []any{"map", []any{[]any{"iface-id", p[1]}}},
			}},
			operation{Op: "insert", Table: "Port", UUIDName: port, Row: map[string]any{"name": p[0], "interfaces": []any{"named-uuid", iface}}})
		refs = append(refs, []any{"named-uuid", port})
	}
	ops = append(ops, operation{
		Op: "mutate", Table: "Bridge", Where: [][]any{{"name", "==", s.cfg.Bridge}},
		Mutations: [][]any{{"ports", "insert", []any{"set", refs}}},
	})
	return s.do(ops)
}

func (s *Switch) do(ops []operation) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	results, before := s.rows.transact(ops)
	if before == nil {
		return fmt.Errorf("fake switch: %v", results[len(results)-1])
	}
	s.rows.tell(before)
	return nil
}
