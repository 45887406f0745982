package ovsdb

import (
	"errors"
	"testing"
)

// TestMailboxTellsTheNetChange puts what happens while nobody listens.
func TestMailboxTellsTheNetChange(t *testing.T) {
	t.Parallel()
	a1, a2, a3 := &Bridge{UUID: idA, Name: "1"}, &Bridge{UUID: idA, Name: "2"}, &Bridge{UUID: idA, Name: "3"}
	root, iface := &OpenvSwitch{UUID: idA}, &Interface{UUID: idB}
	m := newMailbox()
	m.put([]Change{{New: iface}, {Old: a1, New: a2}, {New: root}}, InSync, 1, nil)
	m.put([]Change{{Old: a2, New: a3}, {Old: iface}}, InSync, 1, nil)
	ev, ok := m.take()
	if !ok || len(ev.Changes) != 2 || ev.Changes[0] != (Change{New: root}) || ev.Changes[1] != (Change{Old: a1, New: a3}) {
		t.Fatalf("told %+v", ev.Changes)
	}
	if ev, ok := m.take(); ok {
		t.Errorf("told twice: %+v", ev)
	}
	// Went and came again: the consumer learns of the difference only.
	m.put([]Change{{Old: a3}}, InSync, 1, nil)
	m.put([]Change{{New: a1}}, InSync, 1, nil)
	if ev, ok := m.take(); !ok || len(ev.Changes) != 1 || ev.Changes[0] != (Change{Old: a3, New: a1}) {
		t.Errorf("told %+v", ev.Changes)
	}
	// Came, went, came: an insert.
	m.put([]Change{{New: iface}}, InSync, 1, nil)
	m.put([]Change{{Old: iface}}, InSync, 1, nil)
	m.put([]Change{{New: iface}}, InSync, 1, nil)
	if ev, ok := m.take(); !ok || len(ev.Changes) != 1 || ev.Changes[0] != (Change{New: iface}) {
		t.Errorf("told %+v", ev.Changes)
	}
}

func TestMailboxTellsALostConnection(t *testing.T) {
	t.Parallel()
	m := newMailbox()
	m.put(nil, InSync, 1, nil)
	m.take()
	why := errors.New("why")
	m.put(nil, Disconnected, 1, why)
	m.put(nil, InSync, 2, nil)
	if ev, ok := m.take(); !ok || ev.State != InSync || ev.Session != 2 || ev.Err != nil {
		t.Errorf("lost and found again: %+v", ev)
	}
	m.put(nil, Disconnected, 2, why)
	if ev, ok := m.take(); !ok || ev.State != Disconnected || ev.Err != why {
		t.Errorf("lost: %+v", ev)
	}
	m.put(nil, InSync, 3, nil)
	m.take()
	if ev, ok := m.take(); ok {
		t.Errorf("told twice: %+v", ev)
	}
}
