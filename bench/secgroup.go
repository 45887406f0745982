package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/dragonflow/dragonflow/internal/controller/apps"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/vswitch/private"
)

// groupCase is a chassis with security groups, and a member to come.
type groupCase struct {
	name    string
	objects []model.Object
	locals  []*model.Port
	// group is what new members join.
	group string
	// limit is the budget of flows for a direction and family, zero for none; product is what rules ×
	// members × ports would come to there, if rules are many.
	limit   int
	product string
}

// securityGroups counts flows and the cost of a new member in the cases that make others explode.
func securityGroups(ctx context.Context, r *run) error {
	t := newTable("flows a direction and family", "in IPv4", "in IPv6", "out IPv4", "out IPv6", "product", "engine CPU",
		"new member p50", "p99", "mods", "budget")
	for _, g := range []groupCase{oneLargeGroup(1), oneLargeGroup(20), manyTenants(), randomGroups()} {
		if err := g.measure(ctx, r, t); err != nil {
			return fmt.Errorf("%s: %w", g.name, err)
		}
		r.close()
	}
	r.print(t)
	return nil
}

func (g *groupCase) measure(ctx context.Context, r *run, t *table) error {
	before, err := ownCPU()
	if err != nil {
		return err
	}
	c, err := newChassis(apps.All(), g.objects)
	if err != nil {
		return err
	}
	for i, p := range g.locals {
		c.plug(p, i+1)
	}
	c.engine.Step()
	after, err := ownCPU()
	if err != nil {
		return err
	}
	for _, p := range c.engine.Problems() {
		return fmt.Errorf("%v: %s %v", p.Owner, p.Text, p.Waiting)
	}
	sw, err := r.vswitch(ctx, private.Config{})
	if err != nil {
		return err
	}
	if err := sw.AddBridge(ctx, "br0"); err != nil {
		return err
	}
	if err := c.connect(ctx, r, sw, "br0"); err != nil {
		return err
	}
	times, mods, err := joins(ctx, c, g.group)
	if err != nil {
		return err
	}
	in4, in6 := secgroupFlows(c, pipeline.IngressConntrack, pipeline.IngressCommit)
	out4, out6 := secgroupFlows(c, pipeline.EgressConntrack, pipeline.EgressCommit)
	v := verdict{}.within("new member", times.p50(), 10*time.Millisecond).atMost("", float64(mods), 2, "mods")
	if g.limit > 0 {
		v = v.atMost("flows", float64(max(in4, in6, out4, out6)), float64(g.limit), "")
	}
	t.row(g.name, in4, in6, out4, out6, g.product, after-before, times.p50(), times.p99(), mods, v)
	return nil
}

// joins has members come and go, and returns the times until the switch had them and their flow-mods: a
// member has an address of one family.
func joins(ctx context.Context, c *chassis, group string) (samples, int, error) {
	var times samples
	mods := 0
	for i := range 100 {
		m := member(1<<20+i, 0, group)
		m.Addresses = m.Addresses[:1]
		c.place(m)
		s, err := c.step(ctx)
		if err != nil {
			return nil, 0, err
		}
		times, mods = append(times, s.barrier), max(mods, s.mods)
		c.remove(m)
		if _, err := c.step(ctx); err != nil {
			return nil, 0, err
		}
	}
	return times, mods, nil
}

// secgroupFlows counts the flows of some stages that are for one family; those for both count for each.
func secgroupFlows(c *chassis, from, to pipeline.Stage) (v4, v6 int) {
	for f := range c.engine.Flows() {
		if f.Table < from.Table() || f.Table > to.Table() {
			continue
		}
		family, ok := f.Match.Get(flow.EthType)
		if !ok || family == flow.IPv4() {
			v4++
		}
		if !ok || family == flow.IPv6() {
			v6++
		}
	}
	return v4, v6
}

// local is a port here.
func (g *groupCase) local(n, network int, groups ...string) *model.Port {
	p, objects := port(n, network, groups...)
	g.objects = append(g.objects, objects...)
	g.locals = append(g.locals, p)
	return p
}

// oneLargeGroup is a group that ten rules name, with 1,000 members elsewhere and a port on each of some networks.
func oneLargeGroup(networks int) groupCase {
	const rules, members = 10, 1000
	id := uuid(aGroup, 0)
	g := groupCase{
		name: fmt.Sprintf("1,000 members × 10 rules, %d networks", networks), group: id, limit: 1200,
		objects: []model.Object{&model.SecurityGroup{Meta: meta(aGroup, 0), Stateful: true}}, product: fmt.Sprint(rules * members * networks),
	}
	for i := range rules {
		number := 1000 + 10*i
		for f, family := range []model.EtherType{model.IPv4, model.IPv6} {
			for d, direction := range []model.Direction{model.Ingress, model.Egress} {
				g.objects = append(g.objects, &model.SecurityGroupRule{
					Meta: meta(aRule, 4*i+2*f+d), SecurityGroupID: id, Direction: direction, EtherType: family, Protocol: 6,
					PortRangeMin: &number, PortRangeMax: &number, RemoteGroupID: id,
				})
			}
		}
	}
	for n := range networks {
		g.objects = append(g.objects, network(n)...)
		g.local(16+n, n, id)
	}
	for n := range members {
		g.objects = append(g.objects, member(1000+n, n%networks, id))
	}
	return g
}

// manyTenants have the same addresses, and each Neutron's default group with 20 members elsewhere.
func manyTenants() groupCase {
	const tenants, members = 100, 20
	g := groupCase{name: "100 tenants, same addresses, 20 members", group: uuid(aGroup, 7)}
	for i := range tenants {
		g.objects = append(append(g.objects, network(i)...), defaultGroup(i)...)
		p := g.local(100_000+i, i, uuid(aGroup, i))
		p.FixedIPs[0].IPAddress, p.FixedIPs[1].IPAddress = address4(16), address6(16)
		m := g.objects[len(g.objects)-1].(*model.SecurityGroupMember)
		m.Addresses = p.Addresses()
		for n := range members {
			m := member(1000+n, i, uuid(aGroup, i))
			g.objects = append(g.objects, m)
		}
	}
	return g
}

// randomGroups are 50 with 1,000 members, each in 3 of them; every tenth has an address pair, of prefixes
// that lie in one another.
func randomGroups() groupCase {
	const groups, members, ports = 50, 1000, 20
	r := rand.New(rand.NewPCG(1, 2))
	pick := func() []string {
		var out []string
		for _, g := range r.Perm(groups)[:3] {
			out = append(out, uuid(aGroup, g))
		}
		return out
	}
	g := groupCase{name: "50 groups, 1,000 members in 3 each, nested pairs"}
	g.objects = network(0)
	for i := range groups {
		g.objects = append(g.objects, defaultGroup(i)...)
	}
	for n := range members {
		for _, group := range pick() {
			m := member(1000+n, 0, group)
			if n%10 == 0 {
				m.Addresses = append(m.Addresses, netip.PrefixFrom(address4(1000+n), 20+n/10%10).Masked(),
					netip.PrefixFrom(address6(1000+n), 112+n/10%10).Masked())
			}
			g.objects = append(g.objects, m)
		}
	}
	for n := range ports {
		mine := pick()
		g.group = mine[0]
		g.local(16+n, 0, mine...)
	}
	return g
}
