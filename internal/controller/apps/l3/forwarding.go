package l3

import (
	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
)

// served has what routers of this chassis send to a floating IP of which it forwards ports find it.
func served(_ *view.Reader, f view.ServedForwarding, out *app.Output) {
	app.Emit(out, exits, exitPoint{hop{f.NetworkID, f.Address}, f.MAC})
}

// forwarded lets a port to which a port forwarding leads speak to the address of its router outside, on its own
// chassis and on the router's gateway: behind that there are those to whom the router gave it in place of theirs.
func forwarded(r *view.Reader, f *model.PortForwarding, out *app.Output) {
	if _, found := view.Get(r, followed, f.RouterID); found != view.Present {
		return
	}
	gateways, _ := view.Find(r, view.GatewaysByRouter, f.RouterID)
	for _, g := range gateways {
		if at := view.TranslatedTo(g); at.IsValid() {
			out.Flow(pipeline.RouterAddresses, pipeline.Normal+1, flow.NewMatch(
				pipeline.Router.Is(uint64(r.Number(pipeline.RouterNumbers, f.RouterID))), flow.IPv4(), flow.IPv4Src.Addr(f.InternalAddress), flow.IPv4Dst.Addr(at),
			), flow.Goto(pipeline.Routes.Table()), "a port forwarding leads to the sender, who answers somebody who has the address of the router outside")
		}
	}
}
