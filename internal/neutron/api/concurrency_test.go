package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dragonflow/dragonflow/internal/neutron/ipam"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
	"github.com/dragonflow/dragonflow/internal/northbound/db/memory"
)

// cluster starts several servers on one database.
func cluster(t *testing.T, n int) (*db.Connection, []*client) {
	t.Helper()
	store := memory.New()
	conn, _ := store.Connect()
	var servers []*client
	for range n {
		own, _ := store.Connect()
		servers = append(servers, start(t, own))
	}
	return conn, servers
}

// each runs f for several clients at once, spread over the servers.
func each(servers []*client, clients int, f func(c *client, i int)) {
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() { f(servers[i%len(servers)], i) })
	}
	wg.Wait()
}

// reservations reads what the database says about a network's addresses and MACs.
func reservations(t *testing.T, conn *db.Connection, network any) map[string]ipam.Reservation {
	t.Helper()
	items, _, err := conn.List(context.Background(), ipam.Scope(fmt.Sprint(network)))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]ipam.Reservation{}
	for _, it := range items {
		var r ipam.Reservation
		if err := json.Unmarshal(it.Value, &r); err != nil {
			t.Fatal(err)
		}
		out[it.Key.ID] = r
	}
	return out
}

// Sixteen clients of three servers take every address of a subnet, each once, and not one more.
func TestAddressesAreGivenOnce(t *testing.T) {
	t.Parallel()
	conn, servers := cluster(t, 3)
	n := servers[0].network(obj{})
	servers[0].subnet(n["id"], "10.1.0.0/26", nil) // 61 addresses beside the gateway
	var mu sync.Mutex
	given := map[string]int{}
	refused := 0
	each(servers, 16, func(c *client, _ int) {
		for range 5 {
			status, out := c.do("POST", "/v2.0/ports", obj{"port": obj{"network_id": n["id"]}})
			mu.Lock()
			switch status {
			case 201:
				given[addresses(out["port"].(obj))[0]]++
			case 409:
				refused++
			default:
				t.Errorf("%d %v", status, out)
			}
			mu.Unlock()
		}
	})
	if len(given) != 61 || refused != 80-61 {
		t.Errorf("%d addresses given, %d requests refused", len(given), refused)
	}
	for a, times := range given {
		if times != 1 {
			t.Errorf("%s was given %d times", a, times)
		}
	}
	if r := reservations(t, conn, n["id"]); len(r) != 2*61 {
		t.Errorf("%d reservations, want an address and a MAC for each of 61 ports", len(r))
	}
}

// Clients of several servers create, change and delete ports, and ask for the same addresses, at random. In the end
// every reservation belongs to a port that has it, and the logical objects are what the rows say.
func TestChurnLeaksNothing(t *testing.T) {
	t.Parallel()
	conn, servers := cluster(t, 3)
	n := servers[0].network(obj{})
	s := servers[0].subnet(n["id"], "10.2.0.0/24", nil)
	each(servers, 16, func(c *client, i int) { churn(c, n["id"], s["id"], uint64(i), 0) })

	checkReservations(t, conn, servers[1], n)
	for _, c := range servers {
		if err := c.Server.Audit(context.Background()); err != nil || c.Server.Drift() != 0 {
			t.Errorf("audit: %v, %d differences", err, c.Server.Drift())
		}
	}
}

// checkReservations compares the reservations of a network in the database with its ports. A server may hear of what the
// others did a moment later.
func checkReservations(t *testing.T, conn *db.Connection, c *client, n obj) {
	t.Helper()
	var diff string
	ok := inTime(func() bool {
		want := map[string]string{}
		for _, p := range c.list("/v2.0/ports?network_id=" + id(n)) {
			want[p["mac_address"].(string)] = id(p)
			for _, a := range addresses(p) {
				want[a] += id(p)
			}
		}
		got := map[string]string{}
		for k, r := range reservations(t, conn, n["id"]) {
			got[k] = r.Port
		}
		diff = cmp.Diff(want, got)
		return diff == ""
	})
	if !ok {
		t.Errorf("ports and reservations differ: %s", diff)
	}
}

// churn creates, changes and deletes ports at random; also is a status that may be answered at any time.
func churn(c *client, network, subnet any, seed uint64, also int) {
	random := rand.New(rand.NewPCG(seed, 1))
	var mine []string
	address := func() string { return netip.AddrFrom4([4]byte{10, 2, 0, byte(2 + random.IntN(40))}).String() }
	for range 25 {
		switch op := random.IntN(4); {
		case op == 0 || len(mine) == 0:
			body := obj{"network_id": network}
			if random.IntN(2) == 0 {
				body["fixed_ips"] = []obj{{"ip_address": address()}}
			}
			status, out := c.do("POST", "/v2.0/ports", obj{"port": body})
			if status == 201 {
				mine = append(mine, id(out["port"].(obj)))
			} else if status != 409 && status != also {
				c.t.Errorf("create: %d %v", status, out)
			}
		case op == 1:
			status, out := c.do("DELETE", "/v2.0/ports/"+mine[0], nil)
			if status != 204 && status != also {
				c.t.Errorf("delete: %d %v", status, out)
			}
			mine = mine[1:]
		default:
			status, out := c.do("PUT", "/v2.0/ports/"+mine[random.IntN(len(mine))],
				obj{"port": obj{"fixed_ips": []obj{{"ip_address": address()}, {"subnet_id": subnet}}}})
			if status != 200 && status != 409 && status != also {
				c.t.Errorf("update: %d %v", status, out)
			}
		}
	}
}

// A network, subnet or group is deleted by one server while others create what would refer to it: one of
// both wins, and nothing refers to what is gone.
func TestDeletionAgainstUse(t *testing.T) {
	t.Parallel()
	_, servers := cluster(t, 3)
	for _, target := range []string{"networks", "subnets", "security-groups"} {
		t.Run(target, func(t *testing.T) {
			for range 12 {
				deleteAgainstUse(t, servers, target)
			}
		})
	}
}

func deleteAgainstUse(t *testing.T, servers []*client, target string) {
	n := servers[0].network(obj{})
	s := servers[0].subnet(n["id"], "10.3.0.0/24", nil)
	g := servers[0].must(201, "POST", "/v2.0/security-groups", obj{"security_group": obj{"name": "g"}})
	victim := map[string]any{"networks": n["id"], "subnets": s["id"], "security-groups": g["id"]}[target]
	var mu sync.Mutex
	deleted, created := false, 0
	each(servers, 6, func(c *client, i int) {
		if i == 2 {
			status, out := c.do("DELETE", fmt.Sprintf("/v2.0/%s/%v", target, victim), nil)
			mu.Lock()
			deleted = status == 204
			mu.Unlock()
			if status != 204 && status != 409 {
				t.Errorf("delete: %d %v", status, out)
			}
			return
		}
		status, out := c.do("POST", "/v2.0/ports", obj{"port": obj{"network_id": n["id"],
			"fixed_ips": []obj{{"subnet_id": s["id"]}}, "security_groups": []any{g["id"]}}})
		mu.Lock()
		defer mu.Unlock()
		switch status {
		case 201:
			created++
		case 404, 400: // the group or network is gone; the subnet is not the network's
		default:
			t.Errorf("create: %d %v", status, out)
		}
	})
	if deleted == (created > 0) {
		t.Errorf("deleted %v although %d ports use it, or refused although none does", deleted, created)
	}
	if status, _ := servers[1].do("GET", fmt.Sprintf("/v2.0/%s/%v", target, victim), nil); (status == 404) != deleted {
		t.Errorf("deleted %v, GET says %d", deleted, status)
	}
}

// The default group of a project, and its four rules, are made once, however many ask at once.
func TestDefaultGroupIsMadeOnce(t *testing.T) {
	t.Parallel()
	_, servers := cluster(t, 3)
	each(servers, 12, func(c *client, i int) {
		if i%2 == 0 {
			c.must(201, "POST", "/v2.0/networks", obj{"network": obj{"project_id": "acme"}})
		} else {
			c.list("/v2.0/security-groups?project_id=acme")
		}
	})
	for _, c := range servers {
		groups := c.list("/v2.0/security-groups?project_id=acme")
		if len(groups) != 1 || groups[0]["name"] != "default" || len(groups[0]["security_group_rules"].([]any)) != 4 {
			t.Errorf("groups: %v", groups)
		}
	}
}

// Of many clients that create the same rule, or overlapping subnets, one succeeds.
func TestDuplicatesUnderConcurrency(t *testing.T) {
	t.Parallel()
	_, servers := cluster(t, 3)
	g := servers[0].must(201, "POST", "/v2.0/security-groups", obj{"security_group": obj{"name": "g"}})
	n := servers[0].network(obj{})
	for path, body := range map[string]func(i int) obj{
		"/v2.0/security-group-rules": func(int) obj {
			return obj{"security_group_rule": obj{"security_group_id": g["id"], "direction": "ingress", "protocol": "tcp",
				"port_range_min": 22, "port_range_max": "22"}}
		},
		"/v2.0/subnets": func(i int) obj {
			return obj{"subnet": obj{"network_id": n["id"], "cidr": fmt.Sprintf("10.0.0.0/%d", 16+i%8), "ip_version": 4}}
		},
		"/v2.0/ports": func(int) obj {
			return obj{"port": obj{"network_id": n["id"], "mac_address": "fa:16:3e:aa:bb:cc", "fixed_ips": []obj{}}}
		},
	} {
		var mu sync.Mutex
		won := 0
		each(servers, 12, func(c *client, i int) {
			status, out := c.do("POST", path, body(i))
			mu.Lock()
			defer mu.Unlock()
			if status == 201 {
				won++
			} else if status != 409 && status != 400 || strings.Contains(fmt.Sprint(out), "Recognize") {
				t.Errorf("%s: %d %v", path, status, out)
			}
		})
		if won != 1 {
			t.Errorf("%s: %d of 12 succeeded", path, won)
		}
	}
}

// A limit holds also when several servers count at the same time.
func TestQuotaUnderConcurrency(t *testing.T) {
	t.Parallel()
	_, servers := cluster(t, 3)
	servers[0].must(200, "PUT", "/v2.0/quotas/acme", obj{"quota": obj{"network": 5}})
	for _, c := range servers {
		eventually(t, func() bool { return c.must(200, "GET", "/v2.0/quotas/acme", nil)["network"] == 5.0 })
	}
	var created atomic.Int32
	each(servers, 12, func(c *client, _ int) {
		switch status, out := c.do("POST", "/v2.0/networks", obj{"network": obj{"project_id": "acme"}}); status {
		case 201:
			created.Add(1)
		case 409:
		default:
			t.Errorf("%d %v", status, out)
		}
	})
	if n := created.Load(); n != 5 {
		t.Errorf("%d networks with a limit of 5", n)
	}
}
