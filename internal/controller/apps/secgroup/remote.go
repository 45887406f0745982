package secgroup

import (
	"net/netip"
	"unique"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
)

// member places a member into every universe that names its group.
func member(r *view.Reader, m *model.SecurityGroupMember, out *app.Output) {
	universes, _ := view.Find(r, namesByGroup, m.SecurityGroupID)
	for _, n := range universes {
		app.Emit(out, remotes, remote{unique.Make(n), m})
	}
}

// remoteAddress loads the bits of all groups of a universe that have a member with this prefix or with
// one that covers it.
func remoteAddress(r *view.Reader, universe string, p netip.Prefix, out *app.Output) {
	var words [pipeline.GroupBits / wordBits]uint32
	var in named
	for _, m := range view.Covering(r, membersByPrefix, universe, p) {
		in = m.group.Value()
		words[in.bit/wordBits] |= 1 << (in.bit % wordBits)
	}
	var loads []flow.Action
	for i := range in.words {
		loads = append(loads, flow.Load(pipeline.GroupWord(i), uint64(words[i])))
	}
	d := directionOf(in.direction)
	match := append(d.from(p), flow.IPOf(p.Addr()), pipeline.Universe.Is(uint64(in.universe)))
	out.Flow(d.remote, pipeline.PrefixBase+uint16(p.Bits()), flow.NewMatch(match...),
		flow.Do(loads...).Goto(d.remoteRules.Table()), "the address belongs to members of these groups")
}
