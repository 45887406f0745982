package l3

import (
	"net/netip"
	"slices"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
)

// hop is an address on a routed network that somebody has.
type hop struct {
	network string
	address netip.Addr
}

// holder is a port that has the address, as a fixed IP or by an allowed address pair.
type holder struct {
	hop
	port string
	mac  model.MAC
	kind holding
	// router owns the port, if it is a router's interface.
	router string
}

// holding says by what a port has an address. A port that is bound nowhere only keeps its fixed IPs for
// others, who have them by an allowed address pair; of several of these one is active.
type holding uint8

const (
	fixed holding = iota
	pair
	kept
	active
)

var (
	holders = view.NewDerived("NextHopHolder", func(h holder) string {
		return h.key() + "/" + h.port + "/" + h.mac.String() + "/" + string('0'+rune(h.kind))
	})
	holdersByHop = view.NewIndex(holders, "NextHop", func(h holder) []string { return []string{h.key()} }, nil)
)

func (h hop) key() string { return h.network + "/" + h.address.String() }

// port derives what addresses a port has on a routed network, wherever it is plugged.
func port(r *view.Reader, p *model.Port, out *app.Output) {
	if _, routed := view.Get(r, routedNetworks, p.NetworkID); routed != view.Present || !p.AdminStateUp {
		return
	}
	h := holder{port: p.ID, mac: p.MACAddress}
	if p.IsRouterInterface() {
		h.router = p.DeviceID
	} else if p.Host == "" {
		h.kind = kept
	}
	has := func(h holder, a netip.Addr) {
		h.hop = hop{p.NetworkID, a}
		app.Emit(out, holders, h)
	}
	for _, f := range p.FixedIPs {
		has(h, f.IPAddress)
	}
	for _, a := range p.AllowedAddressPairs {
		if a.IPAddress.IsSingleIP() {
			has(holder{port: p.ID, mac: a.MACAddress, kind: pair}, a.IPAddress.Addr())
		}
	}
}

// activeHolder derives which of the ports that may have an address has it.
func activeHolder(r *view.Reader, h view.AddressHolder, out *app.Output) {
	if _, routed := view.Get(r, routedNetworks, h.NetworkID); routed == view.Present {
		app.Emit(out, holders, holder{hop: hop{h.NetworkID, h.Address}, port: h.PortID, mac: h.MAC, kind: active})
	}
}

// holderOf returns who has an address: one alone, or the active one of several. What a port has as a fixed IP
// does not move.
func holderOf(all []holder) (holder, bool) {
	isKind := func(k holding) func(holder) bool { return func(h holder) bool { return h.kind == k } }
	at := slices.IndexFunc(all, isKind(active))
	if at >= 0 && !slices.ContainsFunc(all, isKind(fixed)) {
		return all[at], true
	}
	var list []holder
	for _, x := range all {
		if x.kind != kept && x.kind != active {
			list = append(list, x)
		}
	}
	if len(list) == 0 {
		list = all
	}
	for _, x := range list {
		if x.port != list[0].port || x.mac != list[0].mac {
			return holder{}, false
		}
	}
	return list[0], len(list) > 0
}

// nextHop addresses packets to who has the next hop's address. If that is another router, it takes them up.
func nextHop(r *view.Reader, _ string, having []holder, out *app.Output) {
	at, alone := holderOf(having)
	h := having[0].hop
	network := uint64(r.Number(pipeline.NetworkNumbers, h.network))
	match := flow.NewMatch(pipeline.Network.Is(network), flow.IPOf(h.address), isNextHop(h.address))
	if !alone {
		out.Flow(pipeline.NextHops, pipeline.Normal, match, refuse(noNeighbour),
			"router: several ports of the network share the next hop's address, and none has announced that it has it")
		return
	}
	if at.router == "" {
		reason := "the port has the next hop's address"
		if at.kind == active {
			reason = "the port has announced that it has the next hop's address, which several ports may have"
		}
		out.Flow(pipeline.NextHops, pipeline.Normal, match,
			flow.Do(flow.SetField(flow.EthDst.MAC(at.mac))).Goto(pipeline.RouteOutput.Table()), reason)
		return
	}
	if up, _ := view.Find(r, linksByMAC, h.network+"/"+at.mac.String()); len(up) == 1 && up[0].router == at.router {
		handOver(r, h, up[0], match, out)
		return
	}
	out.Flow(pipeline.NextHops, pipeline.Normal, match, refuse(noNeighbour),
		"router: the next hop is a router that is down, or to which no extra route leads")
}
