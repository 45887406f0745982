package intake_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/uuid"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
	"github.com/dragonflow/dragonflow/internal/northbound/db/memory"
)

func trunk(parent obj, subs ...obj) obj {
	list := []obj{}
	for i, p := range subs {
		list = append(list, obj{"port_id": p["id"], "segmentation_type": "vlan", "segmentation_id": 10 + i})
	}
	return obj{"id": uuid.NewString(), "port_id": parent["id"], "revision_number": 1, "admin_state_up": true, "sub_ports": list, "project_id": "acme"}
}

// whereabouts is how chassis read where a port is: "c1 in VLAN 10", or "c1" for one with an interface of its own.
func whereabouts(conn *db.Connection, p obj) string {
	id := p["id"].(string)
	o, _, err := northbound.Get[model.Port](context.Background(), northbound.NewStore(conn), model.ScopeNetworkPorts(p["network_id"].(string)), id)
	if err != nil || o.Host == "" {
		return "nowhere"
	}
	b, _, err := northbound.Get[model.Binding](context.Background(), northbound.NewStore(conn), model.ScopeChassis(o.Host), id)
	switch {
	case err != nil:
		return "unbound at " + o.Host
	case b.IsSubPort():
		return fmt.Sprintf("%s in VLAN %d", o.Host, b.SegmentationID)
	}
	return o.Host
}

// TestSubPortsFollow whatever is pushed: trunk, parent or sub-port; and are ports of their own again afterwards.
func TestSubPortsFollow(t *testing.T) {
	t.Parallel()
	conn := memory.Open()
	d := run(t, conn, true)
	n := network(1, "n")
	bound := obj{"binding:host_id": "c1", "binding:vif_type": "ovs"}
	vm, red, blue := port(n, bound), port(n, obj{"mac_address": "fa:16:3e:00:00:02"}), port(n, with(bound, obj{"mac_address": "fa:16:3e:00:00:03"}))
	x := trunk(vm, red, blue)
	is := func(what, wantRed, wantBlue string) {
		t.Helper()
		if !happens(func() bool { return whereabouts(conn, red) == wantRed && whereabouts(conn, blue) == wantBlue }) {
			t.Errorf("%s: red is %s, blue %s; want %s and %s", what, whereabouts(conn, red), whereabouts(conn, blue), wantRed, wantBlue)
		}
	}
	d.push(change("network", n), change("trunk", x), change("port", red))
	is("without parent", "nowhere", "nowhere")
	d.push(change("port", blue), change("port", vm))
	is("all there", "c1 in VLAN 10", "c1 in VLAN 11")
	d.push(change("port", with(vm, obj{"revision_number": 2, "binding:host_id": "c2"})))
	is("the parent moves", "c2 in VLAN 10", "c2 in VLAN 11")
	d.push(change("port", with(blue, obj{"revision_number": 2, "name": "azure"})))
	is("a sub-port is pushed with Neutron's host", "c2 in VLAN 10", "c2 in VLAN 11")
	less := with(x, obj{"revision_number": 2, "sub_ports": x["sub_ports"].([]obj)[:1]})
	d.push(change("trunk", less))
	is("one leaves", "c2 in VLAN 10", "c1")
	d.push(deletion("trunk", x))
	is("the trunk goes", "nowhere", "c1")
}

func TestStatusOfTrunks(t *testing.T) {
	t.Parallel()
	conn := memory.Open()
	chassis(t, conn, "c1", false)
	d := run(t, conn, true)
	n := network(1, "n")
	vm, red := port(n, obj{"binding:host_id": "c1", "binding:vif_type": "ovs"}), port(n, obj{"mac_address": "fa:16:3e:00:00:02"})
	x := trunk(vm, red)
	d.push(change("network", n), change("port", vm), change("port", red), change("trunk", x))
	l := listen(d)
	l.hear("5")
	l.until(func() bool { return l.state("trunk", x, "status") == "DOWN" })
	report(t, conn, portStatus(vm, "c1", true))
	l.until(func() bool { return l.state("trunk", x, "status") == "BUILD" })
	report(t, conn, portStatus(red, "c1", true))
	l.until(func() bool {
		return l.state("trunk", x, "status") == "ACTIVE" && l.state("port", red, "status") == "ACTIVE"
	})
	d.push(deletion("trunk", x))
	l.until(func() bool { return l.known["trunk "+x["id"].(string)] == nil })
}
