package gateway

import (
	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
)

// forwarding has the chassis that is a router's gateway serve its port forwardings.
func forwarding(r *view.Reader, f *model.PortForwarding, out *app.Output) {
	_, active := view.Get(r, view.ActiveGateways, f.RouterID)
	if _, ok := leadsOut(r, f.RouterID, f.NetworkID); !ok || active != view.Present {
		return
	}
	app.Emit(out, view.ServedForwardings, view.ServedForwarding{
		ID: f.ID, RouterID: f.RouterID, NetworkID: f.NetworkID, Address: f.ExternalAddress, MAC: f.MACAddress, Protocol: f.Protocol,
		External: f.ExternalPorts, Internal: f.InternalPorts, Fixed: f.InternalAddress, PortNetworkID: f.PortNetworkID,
	})
	app.Emit(out, view.Hairpins, view.Hairpin{NetworkID: f.NetworkID, MAC: f.MACAddress})
}

// forwarded has what a port answers to whom a port forwarding brought leave by the gateway, where the connection is
// known, although the chassis translates other packets of it by itself.
func forwarded(f *model.PortForwarding, match flow.Match, do flow.Instructions, out *app.Output) {
	is := []flow.Constraint{flow.IPv4(), flow.IPv4Src.Addr(f.InternalAddress), flow.IPProto.Is(uint64(f.Protocol))}
	port := flow.TCPSrc
	if f.Protocol == flow.ProtoUDP {
		port = flow.UDPSrc
	}
	for _, m := range flow.PortMasks(f.InternalPorts.First, f.InternalPorts.Last) {
		out.Flow(pipeline.Gateways, leavesAsItCame, match.And(append(is, port.Masked(uint64(m.Value), uint64(m.Mask)))...), do,
			"the port answers what a port forwarding has brought: the router's gateway knows the connection")
	}
}
