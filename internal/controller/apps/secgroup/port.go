package secgroup

import (
	"slices"
	"strings"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
)

// groupsOf asks for the groups of a served port. It reads nothing, so that it does not wait for what it
// asks for.
func groupsOf(_ *view.Reader, p view.LocalPort, out *app.Output) {
	if !p.Port.PortSecurityEnabled {
		return
	}
	for _, g := range p.Port.SecurityGroups {
		app.Emit(out, view.Interests, view.Interest{Scope: model.ScopeSecurityGroup(g)})
	}
}

// remoteOf asks for the members of the group that a rule names.
func remoteOf(_ *view.Reader, rule *model.SecurityGroupRule, out *app.Output) {
	if rule.RemoteGroupID != "" {
		app.Emit(out, view.Interests, view.Interest{Scope: model.ScopeSecurityGroupMembers(rule.RemoteGroupID)})
	}
}

// port sends a port's packets through the rules of its profile. As long as anything of the profile is
// not in sync the port keeps what it has: its old profile, and the scopes that this needs.
func port(r *view.Reader, p view.LocalPort, out *app.Output) {
	if !p.Port.PortSecurityEnabled {
		// What it sends does not come to this app: the app portsecurity lets it pass.
		in := ingress()
		out.Flow(in.conntrack, pipeline.Override, flow.NewMatch(in.port.Is(uint64(p.Key))), flow.Goto(in.next.Table()),
			"the port has no port security")
		return
	}
	pr := newProfile(p.Port.SecurityGroups)
	set := read(r, pr)
	for _, scope := range set.scopes {
		app.Emit(out, view.Interests, view.Interest{Scope: scope})
	}
	app.Emit(out, profiles, pr)
	zone := uint32(0)
	if set.stateful {
		zone = r.Number(pipeline.Zones, p.Port.ID)
	}
	for _, d := range directions() {
		out.Flow(d.conntrack, pipeline.Normal, flow.NewMatch(d.port.Is(uint64(p.Key))),
			flow.Do(
				flow.Load(pipeline.Zone, uint64(zone)),
				flow.Load(pipeline.Profile, uint64(r.Number(pipeline.ProfileNumbers, pr.key()))),
				flow.Load(pipeline.Universe, uint64(universeOf(r, set.remotes(d)))),
			).Goto(d.track.Table()),
			"the port's security groups are checked")
	}
}

// ruleSet is everything about a profile that comes from the database.
type ruleSet struct {
	rules    []*model.SecurityGroupRule
	stateful bool
	// scopes are what was read.
	scopes []string
}

// read collects the rules of a profile's groups. It makes the evaluation wait until they, and the
// members of the groups that they name, are in sync.
//
// A profile is stateless if all its groups are. (Neutron refuses a port with both kinds.) A group that
// does not exist has no rules.
func read(r *view.Reader, p profile) ruleSet {
	var set ruleSet
	stateless := 0
	for _, id := range p.ids() {
		set.scopes = append(set.scopes, model.ScopeSecurityGroup(id))
		if g, found := view.Get(r, view.SecurityGroups, id); found == view.Present && !g.Stateful {
			stateless++
		}
		list, _ := view.Find(r, view.RulesByGroup, id)
		set.rules = append(set.rules, list...)
	}
	set.stateful = stateless == 0 || stateless < len(p.ids())
	for _, d := range directions() {
		for _, g := range set.remotes(d) {
			scope := model.ScopeSecurityGroupMembers(g)
			r.InSync(scope)
			set.scopes = append(set.scopes, scope)
		}
	}
	return set
}

// remotes returns the groups that the rules of a direction name, in order.
func (s *ruleSet) remotes(d direction) []string {
	var ids []string
	for _, rule := range s.rules {
		if rule.RemoteGroupID != "" && rule.Direction == d.name {
			ids = append(ids, rule.RemoteGroupID)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// universeOf returns the number of the universe of these groups, zero if there are none.
func universeOf(r *view.Reader, groups []string) uint32 {
	if len(groups) == 0 {
		return 0
	}
	return r.Number(pipeline.UniverseNumbers, strings.Join(groups[:min(len(groups), pipeline.GroupBits)], ","))
}
