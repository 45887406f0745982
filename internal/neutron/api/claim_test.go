package api_test

import (
	"context"
	"net/netip"
	"testing"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
	"github.com/dragonflow/dragonflow/internal/northbound/db/memory"
)

// announced writes what a chassis writes when a guest announces an address.
func announced(t *testing.T, conn *db.Connection, host string, port obj, address, mac string, seq int64) {
	t.Helper()
	m, err := model.ParseMAC(mac)
	if err != nil {
		t.Fatal(err)
	}
	a := netip.MustParseAddr(address)
	put(t, conn, &model.AddressClaim{Meta: model.Meta{ID: model.ClaimID(id(port), a), Revision: seq}, NetworkID: port["network_id"].(string), PortID: id(port),
		IPAddress: a, MACAddress: m, Host: host, Seq: seq})
}

// holder is the port that has an address, as chassis read it.
func holder(conn *db.Connection, network obj, address string) string {
	a, _, err := northbound.Get[model.ActiveAddress](context.Background(), northbound.NewStore(conn), model.ScopeNetworkPorts(id(network)), address)
	if err != nil {
		return ""
	}
	return a.PortID + " " + a.MACAddress.String()
}

// An address that several ports may have is who announced it last and may have it; it goes with the port or its pair.
func TestAnnouncedAddresses(t *testing.T) {
	t.Parallel()
	store := memory.New()
	conn, _ := store.Connect()
	own, _ := store.Connect()
	chassis(t, conn, "c1", "c2")
	c, other := start(t, conn), start(t, own)
	n := c.network(obj{})
	c.subnet(id(n), "10.0.0.0/24", nil)
	const vip, six, mac = "10.0.0.50", "2001:db8::50", "00:00:5e:00:01:07"
	pairs := []obj{{"ip_address": vip}, {"ip_address": vip, "mac_address": mac}, {"ip_address": six}}
	a := c.port(id(n), obj{"binding:host_id": "c1", "allowed_address_pairs": pairs})
	b := c.port(id(n), obj{"binding:host_id": "c2", "allowed_address_pairs": pairs})
	stranger := c.port(id(n), obj{"binding:host_id": "c2"})
	has := func(address string, port obj, mac string) {
		t.Helper()
		want := ""
		if port != nil {
			want = id(port) + " " + mac
		}
		eventually(t, func() bool { return holder(conn, n, address) == want })
	}
	own1, own2 := a["mac_address"].(string), b["mac_address"].(string)
	announced(t, conn, "c1", a, vip, own1, 100)
	has(vip, a, own1)
	announced(t, conn, "c2", stranger, vip, stranger["mac_address"].(string), 500)
	announced(t, conn, "c1", b, vip, own2, 600) // it is not there
	announced(t, conn, "c2", b, vip, own1, 700) // not its MAC
	announced(t, conn, "c2", b, vip, mac, 800)
	has(vip, b, mac)
	announced(t, conn, "c1", a, vip, own1, 150) // late
	announced(t, conn, "c1", a, six, own1, 1)
	has(six, a, own1)
	if h := holder(conn, n, vip); h != id(b)+" "+mac {
		t.Errorf("%s has it", h)
	}
	c.clean(t)
	other.must(200, "PUT", "/v2.0/ports/"+id(b), obj{"port": obj{"allowed_address_pairs": []obj{{"ip_address": vip}}}})
	has(vip, nil, "")
	announced(t, conn, "c2", b, vip, own2, 900)
	has(vip, b, own2)
	other.must(204, "DELETE", "/v2.0/ports/"+id(b), nil)
	has(vip, nil, "")
	announced(t, conn, "c1", a, vip, own1, 901)
	has(vip, a, own1)
	c.clean(t)
	if _, err := conn.Apply(context.Background(), []db.Op{{Verb: db.Delete, If: db.AnyRevision,
		Key: db.Key{Scope: db.Scope(model.ScopeNetworkPorts(id(n))), Kind: string(model.KindActiveAddress), ID: vip}}}); err != nil {
		t.Fatal(err)
	}
	if err := c.Server.Audit(context.Background()); err != nil || c.Server.Drift() != 1 {
		t.Errorf("audit: %v, %d differences", err, c.Server.Drift())
	}
	has(vip, a, own1)
}
