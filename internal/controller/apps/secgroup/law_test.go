package secgroup_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/apps/classifier"
	"github.com/dragonflow/dragonflow/internal/controller/apps/misses"
	"github.com/dragonflow/dragonflow/internal/controller/apps/secgroup"
	"github.com/dragonflow/dragonflow/internal/controller/engine"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

func TestHistoryDoesNotMatter(t *testing.T) {
	t.Parallel()
	few := func() []*app.App { return []*app.App{misses.New(), classifier.New(), secgroup.New()} }
	rows := []any{apptest.Net("n")}
	for _, g := range []string{"a", "b", "c"} {
		rows = append(rows, defaultGroup(g)...)
	}
	rows = append(rows, rule("a-b", "a", model.Ingress, model.IPv4, proto(6), ports(80, 90), remote("b")),
		rule("b-c", "b", model.Egress, model.IPv4, proto(17), remote("c")), rule("b-cidr", "b", model.Ingress, model.IPv4, prefix("10.0.0.0/8")))
	var noise []any
	for i, groups := range [][]string{{"a"}, {"a", "b"}, {"b", "a"}, {"c"}, nil, {"b"}} {
		p, placed := local(byte(i+1), groups, fmt.Sprint("10.0.0.", i+1))
		if i == 3 {
			p.AllowedAddressPairs = []model.AddressPair{{IPAddress: apptest.Prefix("10.0.0.0/29"), MACAddress: p.MACAddress}}
		}
		for _, g := range groups {
			placed = append(placed, memberOf(g, p))
		}
		if i == 5 {
			noise = append(noise, placed...)
		} else {
			rows = append(rows, placed...)
		}
	}
	noise = append(noise, rule("noise", "c", model.Ingress, model.IPv4, proto(6), remote("a")))
	apptest.Histories(t, few, rows, noise)
}

// waiting returns the scopes for which owners wait.
func waiting(w *apptest.World) []string {
	var out []string
	for _, p := range w.Engine.Problems() {
		out = append(out, p.Waiting...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func TestAPortKeepsItsRulesUntilTheNewOnesAreThere(t *testing.T) {
	p, rows := local(1, []string{"old"}, "10.0.0.1")
	w := world(t, append(rows, append(defaultGroup("old"), memberOf("old", p))...)...)
	w.MustStep()
	before := flows(w)
	moved := *p
	moved.SecurityGroups = []string{"new"}
	w.SetUnsynced(&moved)
	expect := func(when string, want ...string) {
		t.Helper()
		w.Step()
		if flows(w) != before {
			t.Errorf("%s, the flows changed:\n%s", when, flows(w))
		}
		if got := waiting(w); !slices.Equal(got, want) {
			t.Errorf("%s, waiting for %v, want %v", when, got, want)
		}
		// What the old rules need must not be forgotten meanwhile.
		for _, s := range []string{model.ScopeSecurityGroup("old"), model.ScopeSecurityGroupMembers("old"), model.ScopeSecurityGroup("new")} {
			if !w.DB.Has(view.Interests, s) {
				t.Errorf("%s, nobody is interested in %s any more", when, s)
			}
		}
	}
	expect("before the group is there", model.ScopeSecurityGroup("new"))
	w.SetUnsynced(defaultGroup("new")...)
	expect("before the group is complete", model.ScopeSecurityGroup("new"), model.ScopeSecurityGroupMembers("new"))
	w.Sync(model.ScopeSecurityGroup("new"))
	expect("before its members are complete", model.ScopeSecurityGroupMembers("new"))
	w.Sync(model.ScopeSecurityGroupMembers("new"))
	w.MustStep()
	if got := flows(w); got == before || strings.Contains(got, "Profile/old") || !strings.Contains(got, "Profile/new") {
		t.Errorf("the new rules are not in force:\n%s", got)
	}
	if w.DB.Has(view.Interests, model.ScopeSecurityGroup("old")) {
		t.Error("the old group is still followed")
	}
}

// A rule that names a group never seen waits for the group's members. All else of the port stays.
func TestARuleWithAnUnseenGroupWaits(t *testing.T) {
	_, rows := local(1, []string{"g"}, "10.0.0.1")
	w := world(t, append(rows, group("g"), rule("ssh", "g", model.Ingress, model.IPv4, proto(6), ports(22, 22)))...)
	w.MustStep()
	before := flows(w)
	w.Set(rule("far", "g", model.Ingress, model.IPv4, remote("far")))
	w.Step()
	if flows(w) != before {
		t.Errorf("the flows changed before the members are there:\n%s", flows(w))
	}
	w.Sync(model.ScopeSecurityGroupMembers("far"))
	w.MustStep()
	if flows(w) == before {
		t.Error("the new rule is not in force")
	}
}

func TestAPortAloneIsFailClosed(t *testing.T) {
	_, rows := local(1, []string{"g"}, "10.0.0.1")
	w := world(t)
	w.Set(rows...)
	w.Step()
	if got := flows(w); got != "" {
		t.Errorf("a port whose rules are unknown has flows of security groups:\n%s", got)
	}
}

func TestMoreRemoteGroupsThanBits(t *testing.T) {
	t.Parallel()
	_, rows := local(1, []string{"g"}, "10.0.0.1")
	rows = append(rows, group("g"))
	for i := range 258 {
		id := fmt.Sprintf("r%03d", i)
		rows = append(rows, rule(id, "g", model.Ingress, model.IPv4, proto(6), ports(22, 22), remote(id)))
		p := apptest.Port("m"+id, "n", 0, fmt.Sprintf("10.1.%d.%d", i/256, i%256))
		rows = append(rows, memberOf(id, p))
	}
	w := world(t, rows...)
	w.Step()
	text := w.Engine.Text(func(o engine.Owner) bool { return o.Rule == "secgroup.profile" })
	for _, want := range []string{"nw_src=10.1.1.0,nw_frag=no,tp_dst=22", "nw_src=10.1.1.1,nw_frag=no,tp_dst=22", "reg15=0x80000000/0x80000000"} {
		if !strings.Contains(text, want) {
			t.Errorf("no rule flow has %q", want)
		}
	}
	problems := w.Engine.Problems()
	if len(problems) != 1 || !strings.Contains(problems[0].Text, "name 258 remote groups in ingress rules") {
		t.Errorf("problems = %v", problems)
	}
}
