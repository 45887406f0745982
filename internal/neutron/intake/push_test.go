package intake_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
	"github.com/dragonflow/dragonflow/internal/northbound/db/memory"
)

// network is a network as Neutron shows it.
func network(revision int, name string) obj {
	return obj{"id": uuid.NewString(), "name": name, "revision_number": revision, "mtu": 1400, "admin_state_up": true, "router:external": false,
		"provider:network_type": "geneve", "provider:physical_network": nil, "provider:segmentation_id": 7, "project_id": "acme"}
}

// port is a port as Neutron shows it.
func port(n obj, attrs obj) obj {
	p := obj{"id": uuid.NewString(), "network_id": n["id"], "revision_number": 1, "mac_address": "fa:16:3e:00:00:01", "admin_state_up": true,
		"fixed_ips": []obj{}, "security_groups": []string{}, "device_id": "", "device_owner": "", "binding:vif_type": "unbound", "project_id": "acme"}
	for k, v := range attrs {
		p[k] = v
	}
	return p
}

// with is a copy of an object with other attributes.
func with(o, attrs obj) obj {
	out := obj{}
	for _, m := range []obj{o, attrs} {
		for k, v := range m {
			out[k] = v
		}
	}
	return out
}

func (d *door) wantPushed(want string, changes ...obj) {
	d.t.Helper()
	if diff := cmp.Diff(strings.Fields(want), d.push(changes...)); diff != "" {
		d.t.Error(diff)
	}
}

// networkName is the name that chassis read, empty if there is no such network.
func networkName(t testing.TB, conn *db.Connection, n obj) string {
	t.Helper()
	id := n["id"].(string)
	o, _, err := northbound.Get[model.Network](context.Background(), northbound.NewStore(conn), model.ScopeNetwork(id), id)
	if err != nil {
		return ""
	}
	return o.Name
}

func TestRevisionsDecide(t *testing.T) {
	t.Parallel()
	conn := memory.Open()
	d := run(t, conn, true)
	n := network(5, "five")
	d.wantPushed("stored same stale stored", change("network", n), change("network", n),
		change("network", with(n, obj{"revision_number": 4, "name": "four"})), change("network", with(n, obj{"revision_number": 6, "name": "six"})))
	d.wantPushed("stale same", change("network", n), change("network", with(n, obj{"revision_number": 6, "name": "six"})))
	if got := networkName(t, conn, n); got != "six" {
		t.Errorf("name %q", got)
	}
	d.wantPushed("deleted gone deleted", deletion("network", n), change("network", with(n, obj{"revision_number": 9})), deletion("network", n))
	d.wantPushed("gone", change("network", with(n, obj{"revision_number": 10})))
	if got := networkName(t, conn, n); got != "" {
		t.Errorf("name %q", got)
	}
	early := network(1, "early")
	d.wantPushed("deleted gone", deletion("network", early), change("network", early))
}

// Two contents of one revision: nobody knows which is newer until one has been read again.
func TestSameRevisionOtherContent(t *testing.T) {
	t.Parallel()
	conn := memory.Open()
	d := run(t, conn, true)
	n := network(5, "a")
	digest := func(name, digest, generation string) obj {
		return with(change("network", with(n, obj{"name": name})), obj{"digest": digest, "generation": generation})
	}
	d.wantPushed("stored same", digest("a", "da", ""), digest("a", "da", ""))
	again := func(c obj, want string) string {
		t.Helper()
		r := d.must(200, "POST", "/v1/push", obj{"changes": []obj{c}})["results"].([]any)[0].(obj)
		if r["outcome"] != want || want == "reread" && r["generation"] == nil {
			t.Fatalf("%v, want %s", r, want)
		}
		generation, _ := r["generation"].(string)
		return generation
	}
	g := again(digest("b", "db", ""), "reread")
	again(digest("c", "dc", g), "stored") // who has read after the answer
	h := again(digest("b", "db", g), "reread")
	if h == g || networkName(t, conn, n) != "c" {
		t.Errorf("generation %s after %s, name %s", h, g, networkName(t, conn, n))
	}
	again(digest("c", "dc", h), "same")
	again(digest("d", "", ""), "reread") // without a digest the content counts
	again(with(digest("e", "de", ""), obj{"revision": 6}), "stored")
}

func TestPartsGoWithTheWhole(t *testing.T) {
	t.Parallel()
	conn := memory.Open()
	d := run(t, conn, true)
	n := network(1, "n")
	subnet := obj{"id": uuid.NewString(), "network_id": n["id"], "revision_number": 0, "cidr": "10.0.0.0/24", "gateway_ip": nil, "enable_dhcp": true}
	a, b := obj{"id": uuid.NewString(), "revision_number": 1, "name": "default"}, obj{"id": uuid.NewString(), "revision_number": 1, "name": "b"}
	rule := func(group, remote any) obj {
		return obj{"id": uuid.NewString(), "revision_number": 0, "security_group_id": group, "direction": "ingress", "ethertype": "IPv4", "protocol": nil,
			"remote_group_id": remote}
	}
	changes := []obj{change("network", n), change("subnet", subnet), change("security_group", a), change("security_group", b)}
	for range 100 { // more than fit into one batch
		changes = append(changes, change("security_group_rule", rule(a["id"], b["id"])))
	}
	kept := rule(b["id"], nil)
	changes = append(changes, change("security_group_rule", kept), change("security_group_rule", rule(b["id"], a["id"])))
	d.push(changes...)
	if got := len(topology(t, conn)); got != 106 {
		t.Fatalf("%d objects", got)
	}
	d.wantPushed("deleted deleted", deletion("network", n), deletion("security_group", a))
	if got := len(topology(t, conn)); got != 2 {
		t.Errorf("%d objects are left: %v", got, topology(t, conn))
	}
	d.wantPushed("gone same gone", change("subnet", subnet), change("security_group_rule", kept), changes[10])
}

func TestAddressGroups(t *testing.T) {
	t.Parallel()
	conn := memory.Open()
	d := run(t, conn, true)
	g := obj{"id": uuid.NewString(), "revision_number": 1, "addresses": []string{"10.2.0.0/16", "10.0.0.5/32", "2001:db8::/32"}}
	group := uuid.NewString()
	r := obj{"id": uuid.NewString(), "revision_number": 0, "security_group_id": group, "direction": "ingress", "ethertype": "IPv4", "remote_address_group_id": g["id"]}
	d.wantPushed("stored stored", with(change("address_group", g), obj{"digest": "1"}), change("security_group_rule", r))
	read := func() string {
		id := g["id"].(string)
		m, _, err := northbound.Get[model.SecurityGroupMember](context.Background(), northbound.NewStore(conn), model.ScopeSecurityGroupMembers(id), id)
		if err != nil {
			return err.Error()
		}
		return fmt.Sprint(m.Addresses)
	}
	if got := read(); got != "[10.0.0.5/32 10.2.0.0/16 2001:db8::/32]" {
		t.Error(got)
	}
	stored, _, err := northbound.Get[model.SecurityGroupRule](context.Background(), northbound.NewStore(conn), model.ScopeSecurityGroup(group), r["id"].(string))
	if err != nil || stored.RemoteGroupID != g["id"] {
		t.Errorf("%+v %v", stored, err)
	}
	if err := d.server.Audit(context.Background()); err != nil || d.server.Drift() != 0 {
		t.Errorf("drift %d, %v", d.server.Drift(), err)
	}
	g["addresses"] = []string{"10.9.0.0/16"}
	results := d.must(200, "POST", "/v1/push", obj{"changes": []obj{with(change("address_group", g), obj{"digest": "2"})}})["results"].([]any)
	d.wantPushed("stored", with(change("address_group", g), obj{"digest": "2", "generation": results[0].(obj)["generation"]}))
	if got := read(); got != "[10.9.0.0/16]" {
		t.Error(got)
	}
}

// Several servers take the history of some objects in any order, each step several times: in the end everything is as the
// highest revision has it, and what was deleted is gone.
func TestAnyOrderThroughAnyServer(t *testing.T) {
	t.Parallel()
	store := memory.New()
	var doors []*door
	for range 3 {
		conn, _ := store.Connect()
		doors = append(doors, run(t, conn, true))
	}
	const objects, revisions = 12, 6
	var history []obj
	want := map[string]string{}
	var all []obj
	for i := range objects {
		n := network(revisions, fmt.Sprintf("n%d.%d", i, revisions))
		all = append(all, n)
		for r := range revisions {
			history = append(history, change("network", with(n, obj{"revision_number": r + 1, "name": fmt.Sprintf("n%d.%d", i, r+1)})))
		}
		want[n["id"].(string)] = n["name"].(string)
		if i%3 == 0 {
			history = append(history, deletion("network", n))
			want[n["id"].(string)] = ""
		}
	}
	var wg sync.WaitGroup
	for _, d := range doors {
		for range 2 {
			mine := slices.Clone(history)
			rand.Shuffle(len(mine), func(i, j int) { mine[i], mine[j] = mine[j], mine[i] })
			wg.Go(func() {
				for step := range slices.Chunk(mine, 1+rand.IntN(9)) {
					if status, out := d.do("POST", "/v1/push", obj{"changes": step}); status != 200 {
						t.Errorf("%d %v", status, out)
					}
				}
			})
		}
	}
	wg.Wait()
	for _, n := range all {
		if got := networkName(t, doors[0].conn, n); got != want[n["id"].(string)] {
			t.Errorf("%s: %q, want %q", n["id"], got, want[n["id"].(string)])
		}
	}
}

// What belongs together is pushed at the same time through several servers.
func TestPartsThroughSeveralServers(t *testing.T) {
	t.Parallel()
	reference := run(t, site(t), false)
	build(t, reference)
	all := reference.everything()
	for range 5 {
		store := memory.New()
		first, _ := store.Connect()
		for _, name := range []string{"c1", "c2", "g1", "g2", "g3"} {
			chassis(t, first, name, name[0] == 'g')
		}
		other, _ := store.Connect()
		doors := []*door{run(t, first, true), run(t, other, true)}
		rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		var wg sync.WaitGroup
		for i, d := range doors {
			wg.Go(func() {
				for j, c := range all {
					if j%2 == i {
						d.must(200, "POST", "/v1/push", obj{"changes": []obj{c}})
					}
				}
			})
		}
		wg.Wait()
		wantSame(t, first, topology(t, reference.conn))
	}
}

// A database belongs to one source.
func TestOneSource(t *testing.T) {
	t.Parallel()
	conn := memory.Open()
	d := run(t, conn, true)
	d.push(change("network", network(1, "n")))
	wantRefused(t, conn, false)
	filled := memory.Open()
	run(t, filled, false).make("network", "networks", obj{})
	wantRefused(t, filled, true)
}
