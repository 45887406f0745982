package l3_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

// cloud is everything that the database has. Only what the world is interested in is in its view, as with
// a controller.
type cloud struct {
	w       *apptest.World
	objects []model.Object
	have    map[string]bool
}

func newCloud(t *testing.T, rows ...any) *cloud {
	t.Helper()
	c := &cloud{w: apptest.New(t, few()...), have: map[string]bool{}}
	for _, r := range rows {
		c.objects = append(c.objects, r.(model.Object))
	}
	return c
}

// settle follows what is asked for and forgets what is not, until nothing changes.
func (c *cloud) settle() {
	for changed := true; changed; {
		c.w.Step()
		changed = false
		wanted := c.scopes()
		for _, s := range wanted {
			if !c.have[s] {
				c.have[s], changed = true, true
				c.place(s)
			}
		}
		for s := range c.have {
			if !slices.Contains(wanted, s) {
				delete(c.have, s)
				changed = true
				c.w.DB.SetSynced(s, false)
				for _, o := range c.objects {
					if o.Scope() == s {
						c.w.Remove(o)
					}
				}
			}
		}
	}
}

func (c *cloud) place(scope string) {
	for _, o := range c.objects {
		if o.Scope() == scope {
			c.w.SetUnsynced(o)
		}
	}
	c.w.Sync(scope)
}

// scopes are those that the world asks for.
func (c *cloud) scopes() []string {
	var out []string
	c.w.DB.Each(view.Interests, func(key string, _ any) { out = append(out, key) })
	return out
}

// chain is routers r1 to rn one behind the other: rk between networks nk and nk+1. Extra routes lead from
// each to the next, and back.
func chain(n byte) []any {
	var out []any
	for k := byte(1); k <= n; k++ {
		var routes []string
		if k < n {
			routes = append(routes, fmt.Sprintf("10.9.%d.0/24 via %s", k, address(v4, k+1, 2)))
		}
		if k > 1 {
			routes = append(routes, fmt.Sprintf("10.8.%d.0/24 via %s", k, address(v4, k, 1)))
		}
		id := name("r", k)
		out = append(out, net(k, v4)...)
		out = append(out, router(id, routes...))
		out = append(out, attach(id, k, 2, v4)...)
		out = append(out, attach(id, k+1, 1, v4)...)
	}
	return append(out, net(n+1, v4)...)
}

func follows(routers, networks int) []string {
	var out []string
	for k := range byte(networks) {
		out = append(out, model.ScopeNetwork(name("n", k+1)), model.ScopeNetworkPorts(name("n", k+1)))
	}
	for k := range byte(routers) {
		out = append(out, model.ScopeRouter(name("r", k+1)))
	}
	slices.Sort(out)
	return out
}

func TestAChassisFollowsWhatItsPortsCanReach(t *testing.T) {
	a := port("a", 1, 10, v4)
	for _, routers := range []byte{1, 2, 3, 8} {
		c := newCloud(t, append(chain(routers), a)...)
		c.settle()
		if got := c.scopes(); len(got) != 0 {
			t.Fatalf("a chassis without ports follows %v", got)
		}
		idle := ours(c.w)
		c.w.Set(apptest.Bind(a), apptest.Plug(a, 1))
		c.settle()
		if diff := cmp.Diff(follows(int(routers), int(routers)+1), c.scopes()); diff != "" {
			t.Errorf("%d routers (-want +got):\n%s", routers, diff)
		}
		for _, p := range c.w.Engine.Problems() {
			t.Errorf("%s: %s %v", p.Owner, p.Text, p.Waiting)
		}
		c.w.Remove(apptest.Bind(a))
		c.settle()
		if got := c.scopes(); len(got) != 0 {
			t.Errorf("%d routers: without ports the chassis goes on following %v", routers, got)
		}
		if diff := cmp.Diff(idle, ours(c.w)); diff != "" {
			t.Errorf("%d routers: flows stay when the last port has gone (-want +got):\n%s", routers, diff)
		}
	}
}

func TestARouterThatNoRouteLeadsToIsNotFollowed(t *testing.T) {
	a := port("a", 1, 10, v4)
	rows := chain(2)
	for _, r := range rows {
		if r, is := r.(*model.Router); is {
			r.Routes = nil
		}
	}
	c := newCloud(t, append(rows, a)...)
	c.w.Set(apptest.Bind(a), apptest.Plug(a, 1))
	c.settle()
	if diff := cmp.Diff(follows(1, 2), c.scopes()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestTooManyRoutersBehindOneAnother(t *testing.T) {
	a := port("a", 1, 10, v4)
	c := newCloud(t, append(chain(9), a)...)
	c.w.Set(apptest.Bind(a), apptest.Plug(a, 1))
	c.settle()
	if diff := cmp.Diff(follows(8, 9), c.scopes()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	problems := c.w.Engine.Problems()
	if len(problems) != 1 || !strings.Contains(problems[0].Text, "router r9 is not followed") {
		t.Errorf("problems: %+v", problems)
	}
}
