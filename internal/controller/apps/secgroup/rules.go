package secgroup

import (
	"fmt"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
)

// rules makes the flows of a profile, for all ports that have it.
func rules(r *view.Reader, p profile, out *app.Output) {
	set := read(r, p)
	mine := pipeline.Profile.Is(uint64(r.Number(pipeline.ProfileNumbers, p.key())))
	for _, d := range directions() {
		list, problems := compile(set.rules, d)
		for _, text := range problems {
			out.Problem(text)
		}
		u := newUniverse(r, d, &set, out)
		var own, remote []clause
		for _, c := range list {
			if c.group == "" {
				own = append(own, c)
			} else {
				remote = append(remote, c)
			}
		}
		established(d, mine, pipeline.StampOf(hash(own)), out)
		for _, c := range own {
			for _, m := range c.matches(set.stateful) {
				out.Flow(d.rules, pipeline.Normal, flow.NewMatch(append(m, d.with(mine, c)...)...), flow.Goto(d.commit.Table()),
					"a rule of the port's groups allows it")
			}
		}
		for _, c := range remote {
			u.allow(r, d, mine, c, out)
		}
	}
}

// with demands the profile and the other end of a clause.
func (d direction) with(mine flow.Constraint, c clause) []flow.Constraint {
	return append(d.from(c.prefix), mine)
}

// established lets pass what the same rules allowed before, and sends everything else through them.
// The stamp depends on the rules without remote groups alone: no others let anything pass here.
func established(d direction, mine flow.Constraint, stamp uint32, out *app.Output) {
	out.Flow(d.state, pipeline.Normal, flow.NewMatch(mine, inOriginalDirection(), flow.CTMark.Is(uint64(stamp))),
		flow.Goto(d.next.Table()), "the rules that allowed the connection have not changed")
	out.Flow(d.state, pipeline.Low, flow.NewMatch(mine, inOriginalDirection()),
		flow.Do(flow.Load(pipeline.NextMark, uint64(stamp))).Goto(d.rules.Table()),
		"the rules decide on a new connection, or again on one that other rules allowed")
}

// universe is the set of remote groups that the rules of a direction name.
type universe struct {
	stateful bool
	bits     map[string]int
}

// newUniverse gives each group a bit, and says so in rows that members find.
func newUniverse(r *view.Reader, d direction, set *ruleSet, out *app.Output) universe {
	u := universe{stateful: set.stateful, bits: map[string]int{}}
	groups := set.remotes(d)
	number := universeOf(r, groups)
	count := min(len(groups), pipeline.GroupBits)
	for bit, g := range groups[:count] {
		u.bits[g] = bit
		app.Emit(out, names, named{
			direction: d.name, universe: number, group: g, bit: bit, words: (count + wordBits - 1) / wordBits,
		})
	}
	if len(groups) > count {
		out.Problem(fmt.Sprintf("the port's groups name %d remote groups in %s rules; those beyond %d get a flow for each rule and "+
			"address, which is slow: let fewer groups share a port", len(groups), d.name, pipeline.GroupBits))
	}
	return u
}

// wordBits is the number of groups in a register.
const wordBits = 32

// allow makes the flows of a clause with a remote group.
func (u universe) allow(r *view.Reader, d direction, mine flow.Constraint, c clause, out *app.Output) {
	const reason = "a rule of the port's groups allows it from or to members of a group"
	mark := flow.Do(flow.Load(pipeline.NextMark, pipeline.StampRemote)).Goto(d.commit.Table())
	bit, ok := u.bits[c.group]
	for _, m := range c.matches(u.stateful) {
		if ok {
			out.Flow(d.remoteRules, pipeline.Normal, flow.NewMatch(append(m, mine, pipeline.GroupBit(bit).Is(1))...), mark, reason)
			continue
		}
		members, _ := view.Find(r, view.MembersByGroup, c.group)
		u.eachAddress(members, c.v6, func(match []flow.Constraint) {
			out.Flow(d.rules, pipeline.Low, flow.NewMatch(append(match, m...)...).And(mine), mark, reason)
		}, d)
	}
}

func (universe) eachAddress(members []*model.SecurityGroupMember, v6 bool, f func([]flow.Constraint), d direction) {
	for _, m := range members {
		for _, p := range m.Addresses {
			if p.Addr().Is6() == v6 {
				f(d.from(p))
			}
		}
	}
}
