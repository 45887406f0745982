package operate_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/apps"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/operate"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

// site is a cloud of two chassis: web1 on c1 and db1 on c2 share network front, app1 on c2 is on network
// back behind router edge, and so is lone1 on network island behind nothing.
func site(t testing.TB) *operate.Cloud {
	t.Helper()
	six := func(p *model.Port) *model.Port {
		for i := range p.FixedIPs {
			if p.FixedIPs[i].IPAddress.Is6() {
				p.FixedIPs[i].SubnetID = "s6-" + p.NetworkID
			}
		}
		return p
	}
	at := func(host, id, network string, n byte, group string, addrs ...string) *model.Port {
		p := six(apptest.At(host, apptest.Port(id, network, n, addrs...)))
		if p.SecurityGroups = []string{group}; group == "" {
			p.SecurityGroups, p.PortSecurityEnabled = nil, false
		}
		return p
	}
	bound := func(p *model.Port) *model.Binding {
		b := apptest.Bind(p)
		b.Host = p.Host
		return b
	}
	gateway := func(id, network string, n byte, addrs ...string) []model.Object {
		p := six(apptest.Port(id, network, n, addrs...))
		p.DeviceOwner, p.DeviceID = model.RouterInterfaceOwner, "edge"
		return []model.Object{p, &model.RouterInterface{Meta: model.Meta{ID: id, Revision: 1}, RouterID: "edge", NetworkID: network,
			MACAddress: p.MACAddress, FixedIPs: p.FixedIPs, AdminStateUp: true}}
	}
	web := at("c1", "web1", "front", 1, "web", "10.0.0.5", "2001:db8:a::5")
	db := at("c2", "db1", "front", 2, "web", "10.0.0.6", "2001:db8:a::6")
	app := at("c2", "app1", "back", 3, "web", "10.0.3.7", "2001:db8:b::7")
	open := at("c1", "open1", "front", 4, "", "10.0.0.8")
	lone := at("c2", "lone1", "island", 5, "web", "10.7.0.5")
	objects := []model.Object{
		apptest.Peer("c1", "192.0.2.1"), apptest.Peer("c2", "192.0.2.2"),
		apptest.Overlay("front", model.Geneve, 100), apptest.Overlay("back", model.VXLAN, 100), apptest.Overlay("island", model.Geneve, 7),
		apptest.Subnet("s-front", "front", "10.0.0.0/24"), apptest.Subnet("s6-front", "front", "2001:db8:a::/64"),
		apptest.Subnet("s-back", "back", "10.0.3.0/24"), apptest.Subnet("s6-back", "back", "2001:db8:b::/64"), apptest.Subnet("s-island", "island", "10.7.0.0/24"),
		&model.Router{Meta: model.Meta{ID: "edge", Revision: 1}, Name: "edge", AdminStateUp: true, Routes: []model.Route{
			{Destination: netip.MustParsePrefix("198.51.100.0/24"), NextHop: netip.MustParseAddr("10.0.3.99")}}},
		&model.SecurityGroup{Meta: model.Meta{ID: "web", Revision: 1}, Name: "web", Stateful: true},
		rule("out", "web", model.Egress, model.AnyProtocol, -1, -1, "", ""), rule("https", "web", model.Ingress, flow.ProtoTCP, 443, 443, "", ""),
		rule("ping", "web", model.Ingress, flow.ProtoICMP, -1, -1, "", ""),
	}
	for _, id := range []string{"out6", "https6"} {
		r := rule(id, "web", map[string]model.Direction{"out6": model.Egress, "https6": model.Ingress}[id], flow.ProtoTCP, 443, 443, "", "")
		r.EtherType = model.IPv6
		objects = append(objects, r)
	}
	objects = append(objects, gateway("gw-front", "front", 0xf1, "10.0.0.1", "2001:db8:a::1")...)
	objects = append(objects, gateway("gw-back", "back", 0xf2, "10.0.3.1", "2001:db8:b::1")...)
	for _, p := range []*model.Port{web, db, app, open, lone} {
		objects = append(objects, p, bound(p))
	}
	return &operate.Cloud{Topology: operate.Stored(database(t, objects...)), Apps: apps.All()}
}

// TestWhyAcrossChassis asks about packets that tunnels and routers carry.
func TestWhyAcrossChassis(t *testing.T) {
	t.Parallel()
	c := site(t)
	for _, q := range []struct {
		operate.Question
		passes bool
		want   string
	}{
		{operate.Question{Port: "web1", Dst: "db1", What: "tcp/443"}, true, "delivered to db1 on c2, through a geneve tunnel from c1: allowed by egress rule"},
		{operate.Question{Port: "web1", Dst: "10.0.0.6", What: "tcp/8443"}, false,
			"dropped in ingress-refuse at port db1 on c2: no rule of groups [web] allows tcp/8443 from 10.0.0.5; nearest: tcp/443 from 0.0.0.0/0 of group web (other port)"},
		{operate.Question{Port: "web1", Dst: "app1", What: "tcp/443"}, true, "delivered to app1 on c2, through a vxlan tunnel from c1 by router edge: "},
		{operate.Question{Port: "web1", Dst: "10.0.3.7", What: "tcp/443"}, true, "delivered to app1 on c2, through a vxlan tunnel from c1 by router edge: "},
		{operate.Question{Port: "app1", Dst: "web1", What: "tcp/8443"}, false,
			"dropped in ingress-refuse at port web1 by router edge on c1: no rule of groups [web] allows tcp/8443 from 10.0.3.7; nearest: tcp/443"},
		{operate.Question{Port: "web1", Dst: "2001:db8:b::7", What: "tcp/443"}, true, "delivered to app1 on c2, through a vxlan tunnel from c1 by router edge: "},
		{operate.Question{Port: "db1", Dst: "app1", What: "tcp/443"}, true, "delivered to app1 on c2 by router edge: "},
		{operate.Question{Port: "web1", Dst: "10.0.0.1"}, true, "answered by router edge on c1"},
		{operate.Question{Port: "web1", Dst: "10.0.3.1"}, true, "answered by router edge on c1"},
		{operate.Question{Port: "web1", Dst: "2001:db8:a::1", What: "icmp"}, false, "dropped in egress-refuse at port web1 on c1"},
		{operate.Question{Port: "web1", Dst: "app1", TTL: 1}, false, "time exceeded (icmp/11/0) from 10.0.0.1"},
		{operate.Question{Port: "web1", Dst: "203.0.113.9"}, false, "destination unreachable (icmp/3/0) from 10.0.0.1"},
		{operate.Question{Port: "web1", Dst: "lone1"}, false, ""},
		{operate.Question{Port: "lone1", Dst: "web1"}, false, "lone1 is on network island and web1 on network front, and nothing routes between them"},
		{operate.Question{Port: "open1", Dst: "broadcast", What: "udp/9"}, false, "nobody gets a copy; dropped in ingress-refuse at port db1 on c2: security group: no ingress rule allows the packet; dropped in "},
		{operate.Question{Port: "db1", Dst: "broadcast", What: "udp/9"}, true, "copies are delivered to open1 on c1; dropped in ingress-refuse at port web1 on c1: "},
		{operate.Question{Port: "db1", Dst: "web1", What: "tcp/443", State: operate.Reply}, true, "delivered to web1 on c1, through a geneve tunnel from c2, as an answer"},
		{operate.Question{Port: "web1", Dst: "db1", What: "tcp/443", State: operate.Established}, true, "delivered to db1 on c2"},
	} {
		ans, err := c.Why(t.Context(), q.Question)
		if err != nil {
			t.Errorf("%+v: %v", q.Question, err)
			continue
		}
		if !strings.Contains(ans.Sentence, q.want) || ans.Passes != q.passes {
			t.Errorf("%+v:\n%s\nwant (passes: %v)\n%s", q.Question, ans.Sentence, q.passes, q.want)
		}
		if ans.Passes && q.State == "" && ans.Question.Dst != "broadcast" && strings.Contains(ans.Sentence, "replies do not") {
			t.Errorf("%+v: %s", q.Question, ans.Sentence)
		}
	}
}

// TestPageAcrossChassis keeps the examples of docs/operate/questions.md real.
func TestPageAcrossChassis(t *testing.T) {
	t.Parallel()
	const page = "../../docs/operate/questions.md"
	c := site(t)
	var out, trace bytes.Buffer
	for _, q := range []operate.Question{
		{Port: "web1", Dst: "db1", What: "tcp/443"}, {Port: "app1", Dst: "web1", What: "tcp/8443"},
		{Port: "web1", Dst: "10.0.3.7", TTL: 1}, {Port: "web1", Dst: "203.0.113.9"}, {Port: "db1", Dst: "broadcast", What: "udp/9"},
	} {
		line := strings.TrimSpace(fmt.Sprintf("$ dragonflow why --db etcd://10.0.0.1:2379 %s %s %s", q.Port, q.Dst, q.What))
		if q.TTL > 0 {
			line += fmt.Sprintf(" --ttl %d", q.TTL)
		}
		fmt.Fprintln(&out, line)
		ans, err := c.Why(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if err := ans.Write(&out); err != nil {
			t.Fatal(err)
		}
	}
	ans, err := c.Why(t.Context(), operate.Question{Port: "web1", Dst: "app1", What: "tcp/443"})
	if err != nil {
		t.Fatal(err)
	}
	if err := ans.Journey.Write(&trace); err != nil {
		t.Fatal(err)
	}
	apptest.Page(t, page, "why across", out.String())
	apptest.Page(t, page, "trace across", trace.String())
}
