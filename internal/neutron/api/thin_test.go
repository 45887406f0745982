package api_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/neutron/api"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
	"github.com/dragonflow/dragonflow/internal/northbound/db/memory"
)

// A port is created over the API, and what a chassis needs of it is in the database.
func TestFromRequestToLogicalObjects(t *testing.T) {
	t.Parallel()
	conn := memory.Open()
	c := start(t, conn)
	n := c.network(obj{"name": "blue"})
	c.subnet(n["id"], "10.0.0.0/24", nil)
	p := c.port(n["id"], obj{"name": "web", "binding:host_id": "c1"})
	if diff := cmp.Diff([]string{"10.0.0.2"}, addresses(p)); diff != "" {
		t.Error(diff)
	}
	store := northbound.NewStore(conn)
	ctx := context.Background()
	port, _, err := northbound.Get[model.Port](ctx, store, model.ScopeNetworkPorts(id(n)), id(p))
	if err != nil {
		t.Fatal(err)
	}
	if port.MACAddress.String() != p["mac_address"] || port.Name != "web" || len(port.SecurityGroups) != 1 {
		t.Errorf("port in the database: %+v", port)
	}
	member, _, err := northbound.Get[model.SecurityGroupMember](ctx, store,
		model.ScopeSecurityGroupMembers(port.SecurityGroups[0]), id(p))
	if err != nil || len(member.Addresses) != 1 || member.Addresses[0].String() != "10.0.0.2/32" {
		t.Errorf("membership %+v, %v", member, err)
	}
	if _, _, err := northbound.Get[model.Binding](ctx, store, model.ScopeChassis("c1"), id(p)); err != nil {
		t.Error(err)
	}
	rules, _, err := store.List(ctx, model.ScopeSecurityGroup(port.SecurityGroups[0]))
	if err != nil || len(northbound.Of[model.SecurityGroupRule](rules)) != 4 {
		t.Errorf("default group: %v, %v", rules, err)
	}
	c.refused(409, "NetworkInUse", "DELETE", "/v2.0/networks/"+id(n), nil)
	c.must(204, "DELETE", "/v2.0/ports/"+id(p), nil)
	c.must(204, "DELETE", "/v2.0/networks/"+id(n), nil)
	scopes, err := conn.Scopes(ctx)
	if err != nil {
		t.Fatal(err)
	}
	group := port.SecurityGroups[0]
	if diff := cmp.Diff([]string{"neutron", "secgroup/" + group}, scopeNames(scopes)); diff != "" {
		t.Errorf("left behind: %s", diff)
	}
}

// The API is the source of truth only in a database that can be one.
func TestUnfitDatabases(t *testing.T) {
	t.Parallel()
	for name, can := range map[string]db.Capabilities{
		"asynchronous": {AtomicOps: 128, Durability: db.Async}, "without batches": {AtomicOps: 1, Durability: db.Quorum},
	} {
		conn := *memory.Open()
		conn.Capabilities = can
		if _, err := api.New(api.Options{DB: &conn}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := api.New(api.Options{}); err == nil {
		t.Error("no database: accepted")
	}
}
