package l3

import (
	"bytes"
	"slices"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/packet"
)

// errTranslated says that of a packet only the address inside is known, which is nobody's business outside.
const errTranslated quiet = "the packet was for an address that the connection tracker has translated"

// tellOutside tells why a packet is refused that did not come from a port of this chassis: by a wire, or from another
// chassis to the gateway, unrouted.
func tellOutside(r *view.Reader, in app.PacketIn) (app.Reply, error) {
	about, err := refusalOf(r, in)
	if err != nil {
		return app.Reply{}, err
	}
	eth, err := packet.ParseEthernet(in.Data)
	if err != nil {
		return app.Reply{}, err
	}
	through := []flow.Action{flow.Load(pipeline.SourcePort, pipeline.Routed)}
	back := packet.Ethernet{Dst: eth.Src, Src: eth.Dst, EtherType: eth.EtherType}
	if mac, wire := about.receiver(r, in, eth); wire {
		back.Src = mac
		if eth.Payload, err = about.asSent(r, eth, mac); err != nil {
			return app.Reply{}, err
		}
		through = append(through, flow.Load(pipeline.Network, uint64(in.CameBy)), flow.Resubmit(pipeline.L2Lookup.Table()))
	} else { // a guest of another chassis, to whom the router knows the way
		through = append(through, flow.Load(pipeline.Router, uint64(in.Router)), flow.Load(pipeline.CameBy, uint64(in.CameBy)),
			flow.Resubmit(pipeline.Routes.Table()))
	}
	frame, event, err := about.answer(r, back, eth.Payload)
	if err != nil {
		return app.Reply{}, err
	}
	return app.Reply{Packets: []app.PacketOut{{Data: frame, Through: through}}, Event: event}, nil
}

// receiver returns to which MAC address a packet came by a wire; it did not if that is neither the router's there, nor
// that of a floating IP. A packet that was too large has got its next hop's since.
func (a refusal) receiver(r *view.Reader, in app.PacketIn, eth packet.Ethernet) (mac model.MAC, wire bool) {
	floating, found := a.floating(r, eth)
	list, _ := view.Find(r, linksByWay, a.way.key())
	if len(list) == 0 {
		return model.MAC{}, false
	}
	if a.cause == tooBig {
		if found {
			return floating.MAC, in.Network != in.CameBy
		}
		return list[0].mac, in.Network != in.CameBy
	}
	to := eth.Dst
	return to, found && to == floating.MAC || slices.ContainsFunc(list, func(l link) bool { return l.mac == to })
}

// floating returns the floating IP of this chassis that stands for the address to which a packet goes.
func (a refusal) floating(r *view.Reader, eth packet.Ethernet) (view.ServedFloatingIP, bool) {
	p, err := packet.ParseIPv4(eth.Payload)
	if err != nil || eth.EtherType != packet.EtherTypeIPv4 {
		return view.ServedFloatingIP{}, false
	}
	list, _ := view.Find(r, view.ServedFloatingIPsByRouter, a.router)
	i := slices.IndexFunc(list, func(f view.ServedFloatingIP) bool { return f.Fixed == p.Dst && f.NetworkID == a.way.network })
	if i < 0 {
		return view.ServedFloatingIP{}, false
	}
	return list[i], true
}

// asSent returns a packet that came to a MAC address outside as its sender sent it, before a floating IP was
// translated. Where a gateway shares its address, nothing inside is told.
func (a refusal) asSent(r *view.Reader, eth packet.Ethernet, mac model.MAC) ([]byte, error) {
	f, found := a.floating(r, eth)
	if found && f.MAC == mac {
		b := bytes.Clone(eth.Payload)
		return b, packet.Translate(b, packet.Destination, f.Fixed, f.Address)
	}
	gateways, _ := view.Find(r, view.GatewaysByRouter, a.router)
	shares := slices.ContainsFunc(gateways, func(g *model.RouterGateway) bool { return g.NetworkID == a.way.network && g.EnableSNAT })
	if shares && eth.EtherType == packet.EtherTypeIPv4 && a.cause != addressed {
		return nil, errTranslated
	}
	return eth.Payload, nil
}
