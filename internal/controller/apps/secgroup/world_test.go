package secgroup_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/apps/classifier"
	"github.com/dragonflow/dragonflow/internal/controller/apps/l2"
	"github.com/dragonflow/dragonflow/internal/controller/apps/misses"
	"github.com/dragonflow/dragonflow/internal/controller/apps/portsecurity"
	"github.com/dragonflow/dragonflow/internal/controller/apps/secgroup"
	"github.com/dragonflow/dragonflow/internal/controller/engine"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

func apps() []*app.App {
	return []*app.App{misses.New(), classifier.New(), portsecurity.New(), l2.New(), secgroup.New()}
}

// flows renders the app's flows but for those that every chassis has.
func flows(w *apptest.World) string {
	return w.Engine.Text(func(o engine.Owner) bool { return o.App == "secgroup" && o.Rule != "secgroup.always" })
}

// count counts the app's flows, without those that every chassis has.
func count(w *apptest.World) int {
	n := 0
	for f := range w.Engine.Flows() {
		if o, ok := w.Engine.OwnerOf(f.Cookie); ok && o.App == "secgroup" && o.Rule != "secgroup.always" {
			n++
		}
	}
	return n
}

func group(id string) *model.SecurityGroup {
	return &model.SecurityGroup{Meta: model.Meta{ID: id, Revision: 1}, Name: id, Stateful: true}
}

func statelessGroup(id string) *model.SecurityGroup {
	g := group(id)
	g.Stateful = false
	return g
}

// option changes a rule.
type option func(*model.SecurityGroupRule)

func rule(id, group string, d model.Direction, e model.EtherType, options ...option) *model.SecurityGroupRule {
	r := &model.SecurityGroupRule{
		Meta: model.Meta{ID: id, Revision: 1}, SecurityGroupID: group, Direction: d, EtherType: e, Protocol: model.AnyProtocol,
	}
	for _, o := range options {
		o(r)
	}
	return r
}

func proto(p int) option     { return func(r *model.SecurityGroupRule) { r.Protocol = p } }
func remote(g string) option { return func(r *model.SecurityGroupRule) { r.RemoteGroupID = g } }
func prefix(p string) option {
	return func(r *model.SecurityGroupRule) { r.RemoteIPPrefix = netip.MustParsePrefix(p) }
}
func ports(lo, hi int) option {
	return func(r *model.SecurityGroupRule) { r.PortRangeMin, r.PortRangeMax = &lo, &hi }
}
func icmpType(t int) option { return func(r *model.SecurityGroupRule) { r.PortRangeMin = &t } }

// memberOf says that a port is a member of a group.
func memberOf(g string, p *model.Port) *model.SecurityGroupMember {
	return &model.SecurityGroupMember{
		Meta: model.Meta{ID: p.ID, Revision: 1}, SecurityGroupID: g, NetworkID: p.NetworkID, Addresses: p.Addresses(),
	}
}

// local returns a port of network n with groups, placed on this chassis, with what belongs to it.
func local(n byte, groups []string, addrs ...string) (*model.Port, []any) {
	p := apptest.Port(fmt.Sprint("p", n), "n", n, addrs...)
	p.SecurityGroups = groups
	return p, []any{p, apptest.Bind(p), apptest.Plug(p, uint32(n))}
}

// defaultGroup is a group with the four rules that Neutron gives to a project's default group.
func defaultGroup(id string) []any {
	return []any{
		group(id),
		rule(id+"-out4", id, model.Egress, model.IPv4), rule(id+"-out6", id, model.Egress, model.IPv6),
		rule(id+"-in4", id, model.Ingress, model.IPv4, remote(id)), rule(id+"-in6", id, model.Ingress, model.IPv6, remote(id)),
	}
}

// world is a world with network n.
func world(t testing.TB, rows ...any) *apptest.World {
	w := apptest.New(t, apps()...)
	w.Set(apptest.Net("n"))
	w.Set(rows...)
	return w
}
