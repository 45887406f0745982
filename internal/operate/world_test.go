package operate_test

import (
	"net/netip"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/apps"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/operate"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

// cloud is a chassis with a web server, a database server and a guest without port security on one
// network, and a stranger on another.
type cloud struct {
	*apptest.World
	web, db, open, stranger *model.Port
}

func newCloud(t testing.TB) *cloud {
	t.Helper()
	c := &cloud{
		World: apptest.New(t, apps.All()...),
		web:   apptest.Port("11111111-web", "n", 1, "10.0.0.1", "2001:db8::1"), db: apptest.Port("22222222-db", "n", 2, "10.0.0.2", "2001:db8::2"),
		open: apptest.Port("33333333-open", "n", 3, "10.0.0.3"), stranger: apptest.Port("44444444-stranger", "m", 4, "10.1.0.1"),
	}
	c.web.Name, c.db.Name, c.open.Name, c.stranger.Name = "web1", "db1", "open1", "stranger1"
	c.web.SecurityGroups, c.db.SecurityGroups = []string{"g-web"}, []string{"g-db"}
	c.open.PortSecurityEnabled = false
	c.Set(apptest.Net("n"), apptest.Net("m"), apptest.Subnet("s-n", "n", "10.0.0.0/24"), apptest.Subnet("s-m", "m", "10.1.0.0/24"),
		&model.SecurityGroup{Meta: model.Meta{ID: "g-web", Revision: 1}, Name: "web", Stateful: true},
		&model.SecurityGroup{Meta: model.Meta{ID: "g-db", Revision: 1}, Name: "database", Stateful: true},
		&model.SecurityGroupMember{Meta: model.Meta{ID: c.web.ID}, SecurityGroupID: "g-web", NetworkID: "n", Addresses: c.web.Addresses()},
		rule("web-out", "g-web", model.Egress, flow.ProtoTCP, 1, 65535, "", ""),
		rule("web-ping", "g-web", model.Egress, flow.ProtoICMP, -1, -1, "", ""),
		rule("web-in", "g-web", model.Ingress, flow.ProtoTCP, 443, 443, "", ""),
		rule("db-in", "g-db", model.Ingress, flow.ProtoTCP, 5432, 5432, "", "g-web"),
		rule("db-ssh", "g-db", model.Ingress, flow.ProtoTCP, 22, 22, "10.9.0.0/16", ""),
	)
	c.Sync(model.ScopeSecurityGroupMembers("g-db"))
	for i, p := range c.ports() {
		c.Set(p, apptest.Bind(p), apptest.Plug(p, uint32(i)+1))
	}
	c.MustStep()
	return c
}

func (c *cloud) ports() []*model.Port { return []*model.Port{c.web, c.db, c.open, c.stranger} }

func (c *cloud) world() operate.World {
	return operate.World{View: c.DB, Engine: c.Engine, Numbers: c.Numbers}
}

// rule is a rule of IPv4; a port of -1 is any.
func rule(id, group string, d model.Direction, proto, lo, hi int, prefix, remote string) *model.SecurityGroupRule {
	r := &model.SecurityGroupRule{
		Meta: model.Meta{ID: id, Revision: 1}, SecurityGroupID: group, Direction: d, EtherType: model.IPv4, Protocol: proto, RemoteGroupID: remote,
	}
	if lo >= 0 {
		r.PortRangeMin, r.PortRangeMax = &lo, &hi
	}
	if prefix != "" {
		r.RemoteIPPrefix = netip.MustParsePrefix(prefix)
	}
	return r
}
