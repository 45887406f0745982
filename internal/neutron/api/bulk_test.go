package api_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/neutron/api"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
	"github.com/dragonflow/dragonflow/internal/northbound/db/memory"
)

// A server dies in the middle of a bulk that takes several batches, and removes nothing any more: what is there is
// whole, another server serves it, and of what is deleted nothing stays.
func TestAServerDiesInABulk(t *testing.T) {
	t.Parallel()
	store := memory.New()
	conn, f, _ := faultyConnection(store)
	dying := start(t, conn, func(o *api.Options) { o.RequestTimeout = time.Second })
	other, _ := store.Connect()
	n := dying.network(obj{})
	dying.subnet(n["id"], "10.0.0.0/22", nil)
	dying.subnet(n["id"], "2001:db8::/64", obj{"ip_version": 6})

	f.onApply(func(ctx context.Context, ops []db.Op) ([]db.Revision, error) {
		if !puts(ops, "neutron.port") {
			return f.Driver.Apply(ctx, ops)
		}
		f.onApply(func(context.Context, []db.Op) ([]db.Revision, error) { return nil, db.ErrUnavailable })
		return f.Driver.Apply(ctx, ops)
	})
	ports := make([]obj, 60) // several hundred operations
	for i := range ports {
		ports[i] = obj{"network_id": n["id"], "name": fmt.Sprint(i)}
	}
	if status, out := dying.do("POST", "/v2.0/ports", obj{"ports": ports}); status < 500 {
		t.Fatalf("%d %v", status, out)
	}

	c := start(t, other)
	left := c.list("/v2.0/ports")
	if len(left) == 0 || len(left) >= len(ports) {
		t.Fatalf("%d ports are there: the bulk was not cut", len(left))
	}
	logical := func() int {
		entries, _, err := northbound.NewStore(other).List(t.Context(), model.ScopeNetworkPorts(fmt.Sprint(n["id"])))
		if err != nil {
			t.Fatal(err)
		}
		return len(northbound.Of[model.Port](entries))
	}
	taken := func() int { return len(reservations(t, other, n["id"])) }
	if perPort := taken() / len(left); perPort*len(left) != taken() || logical() != len(left) {
		t.Errorf("%d ports, %d reservations, %d ports of the topology", len(left), taken(), logical())
	}
	for _, p := range left {
		c.must(200, "PUT", fmt.Sprintf("/v2.0/ports/%v", p["id"]), obj{"port": obj{"name": "kept"}})
	}
	again := c.must(201, "POST", "/v2.0/ports", obj{"ports": ports})
	if list, _ := again["ports"].([]any); len(list) != len(ports) {
		t.Errorf("the same bulk at another server: %d ports", len(list))
	}
	for _, p := range c.list("/v2.0/ports") {
		c.must(204, "DELETE", fmt.Sprintf("/v2.0/ports/%v", p["id"]), nil)
	}
	if taken() != 0 || logical() != 0 {
		t.Errorf("%d reservations and %d ports of the topology stay", taken(), logical())
	}
	c.must(204, "DELETE", fmt.Sprintf("/v2.0/networks/%v", n["id"]), nil)
}
