package secgroup_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/engine"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

// TestReadme keeps the dump in the README real.
func TestReadme(t *testing.T) {
	in := func(id string, o ...option) any { return rule(id, "web", model.Ingress, model.IPv4, o...) }
	c := newCloud(t, []string{"web"}, group("web"), in("http", proto(6), ports(80, 80)),
		in("ssh", proto(6), ports(22, 22), remote("friends")), rule("out", "web", model.Egress, model.IPv4))
	c.set(memberOf("friends", c.client))
	p := pathOf(c.client, c.server, 0)
	c.open(p, 40000, 80)
	c.open(p, 40001, 22)
	c.stops(p, "a closed port", p.tcp(40002, 81, syn, 1, 0))
	of := regexp.MustCompile(`LocalPort/server|Profile/web|RemoteAddress/`)
	apptest.Readme(t, "dump", c.sw.Dump(func(owner string) bool {
		return of.MatchString(owner) && !strings.HasPrefix(owner, "classifier.") &&
			!strings.HasPrefix(owner, "portsecurity.") && !strings.HasPrefix(owner, "l2.")
	}))
	connections := strings.Split(strings.TrimSpace(c.sw.Appctl("dpctl/dump-conntrack")), "\n")
	slices.Sort(connections)
	apptest.Readme(t, "connections", strings.Join(connections, "\n")+"\n")
	apptest.Readme(t, "chassis", c.w.Engine.Text(func(o engine.Owner) bool {
		return o.Rule == "secgroup.always"
	}))
}
