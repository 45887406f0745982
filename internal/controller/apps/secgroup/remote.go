package secgroup

import (
	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
)

// member places a member's addresses into every universe that names its group.
func member(r *view.Reader, m *model.SecurityGroupMember, out *app.Output) {
	universes, _ := view.Find(r, namesByGroup, m.SecurityGroupID)
	for _, n := range universes {
		for _, p := range m.Addresses {
			app.Emit(out, addresses, address{n, p})
		}
	}
}

// remoteAddress loads the bits of all groups of a universe that have a member with this prefix or with
// one that covers it. Groups that share a prefix ask for the same flow.
func remoteAddress(r *view.Reader, a address, out *app.Output) {
	var words [pipeline.GroupBits / wordBits]uint32
	for _, other := range view.Covering(r, addressesByPrefix, a.universeKey(), a.prefix) {
		words[other.bit/wordBits] |= 1 << (other.bit % wordBits)
	}
	var loads []flow.Action
	for i := range a.words {
		loads = append(loads, flow.Load(pipeline.GroupWord(i), uint64(words[i])))
	}
	d := directionOf(a.direction)
	match := append(d.from(a.prefix), flow.IPOf(a.prefix.Addr()), pipeline.Universe.Is(uint64(a.universe)))
	out.Flow(d.remote, pipeline.PrefixBase+uint16(a.prefix.Bits()), flow.NewMatch(match...),
		flow.Do(loads...).Goto(d.remoteRules.Table()), "the address belongs to members of these groups")
}
