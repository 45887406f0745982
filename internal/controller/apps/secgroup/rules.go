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
		x := translation{direction: d, mine: mine, stateful: set.stateful, bits: bitsOf(r, d, set.remotes(d), out), out: out}
		var own []clause
		for _, c := range list {
			switch _, hasBit := x.bits[c.group]; {
			case c.group == "":
				own = append(own, c)
				x.allow(c)
			case hasBit:
				x.allowGroup(c)
			default:
				members, _ := view.Find(r, view.MembersByGroup, c.group)
				x.allowEach(c, members)
			}
		}
		if set.stateful {
			established(d, mine, pipeline.StampOf(hash(own)), out)
		}
	}
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

// wordBits is the number of groups in a register.
const wordBits = 32

// bitsOf gives a bit to each remote group of the profile's universe, and says so in rows that members find.
func bitsOf(r *view.Reader, d direction, groups []string, out *app.Output) map[string]int {
	bits := map[string]int{}
	number := universeOf(r, groups)
	count := min(len(groups), pipeline.GroupBits)
	for bit, g := range groups[:count] {
		bits[g] = bit
		app.Emit(out, names, named{
			direction: d.name, universe: number, group: g, bit: bit, words: (count + wordBits - 1) / wordBits,
		})
	}
	if len(groups) > count {
		out.Problem(fmt.Sprintf("the port's groups name %d remote groups in %s rules; those beyond %d get a flow for each rule and "+
			"address, which is slow: let fewer groups share a port", len(groups), d.name, pipeline.GroupBits))
	}
	return bits
}

// translation makes flows of the clauses of a profile and direction.
type translation struct {
	direction
	mine     flow.Constraint
	stateful bool
	bits     map[string]int
	out      *app.Output
}

const (
	byRule  = "a rule of the port's groups allows it"
	byGroup = "a rule of the port's groups allows it from or to members of a group"
)

// allow makes the flows of a clause without remote group. A connection that a later fragment commits
// may be another rule's: it is looked at again.
func (x translation) allow(c clause) {
	end := append(x.from(c.prefix), x.mine)
	exact, later := c.matches(x.stateful)
	for _, m := range exact {
		x.out.Flow(x.rules, pipeline.Normal, flow.NewMatch(append(m, end...)...), flow.Goto(x.commit.Table()), byRule)
	}
	if later != nil {
		x.out.Flow(x.rules, pipeline.Normal, flow.NewMatch(append(later, end...)...), x.forNow(), byRule)
	}
}

// allowGroup makes the flows of a clause with a remote group that has a bit.
func (x translation) allowGroup(c clause) {
	for _, m := range c.all(x.stateful) {
		x.out.Flow(x.remoteRules, pipeline.Normal, flow.NewMatch(append(m, x.mine, pipeline.GroupBit(x.bits[c.group]).Is(1))...),
			x.forNow(), byGroup)
	}
}

// allowEach makes the flows of a clause with a remote group that has no bit.
func (x translation) allowEach(c clause, members []*model.SecurityGroupMember) {
	for _, member := range members {
		for _, p := range member.Addresses {
			if p.Addr().Is6() != c.v6 {
				continue
			}
			for _, m := range c.all(x.stateful) {
				m = append(m, x.from(p)...)
				x.out.Flow(x.rules, pipeline.Low, flow.NewMatch(append(m, x.mine)...), x.forNow(), byGroup)
			}
		}
	}
}

// forNow allows a packet and has the next one of the connection looked at again.
func (x translation) forNow() flow.Instructions {
	if !x.stateful {
		return flow.Goto(x.commit.Table())
	}
	return flow.Do(flow.Load(pipeline.NextMark, pipeline.StampRemote)).Goto(x.commit.Table())
}

// all returns all flows that a clause needs.
func (c clause) all(stateful bool) [][]flow.Constraint {
	exact, later := c.matches(stateful)
	if later != nil {
		exact = append(exact, later)
	}
	return exact
}
