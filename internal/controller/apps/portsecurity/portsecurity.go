// Package portsecurity is the app that keeps a guest from using addresses that are not its own, as
// Neutron's port_security_enabled, fixed_ips and allowed_address_pairs say: in Ethernet, ARP, IP and
// neighbour discovery; and from playing DHCP server or router for its neighbours.
//
// Flows are linear in the pairs of MAC and IP address that a port may use. What every port may or may
// not do is one flow for the chassis. Each cause of a drop is a flow of its own, so that it is counted.
package portsecurity

import (
	"net/netip"
	"slices"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/packet"
)

// New returns the app.
func New() *app.App {
	return &app.App{
		Name: "portsecurity", ID: 4,
		Rules: []app.Rule{
			app.For("portsecurity.port", view.LocalPorts, port),
			app.For("portsecurity.everybody", view.Self, everybody),
			app.For("portsecurity.metadata", view.MetadataPorts, metadata),
		},
	}
}

// pair is a MAC address with the IP addresses that the port may use together with it.
type pair struct {
	mac model.MAC
	ip  netip.Prefix
}

// port emits what one port may send and receive.
func port(_ *view.Reader, p view.LocalPort, out *app.Output) {
	from, to := pipeline.SourcePort.Is(uint64(p.Key)), pipeline.DestPort.Is(uint64(p.Key))
	if !p.Port.PortSecurityEnabled {
		out.Flow(pipeline.EgressPortSecurity, pipeline.Normal, flow.NewMatch(from),
			flow.Goto(pipeline.EgressBandwidth.Table()), "the port has no port security: it may send what it likes")
		out.Flow(pipeline.IngressPortSecurity, pipeline.Normal, flow.NewMatch(to),
			flow.Goto(pipeline.Deliver.Table()), "the port has no port security: it receives what is sent to it")
		return
	}
	macs, pairs := owned(p.Port)
	for _, mac := range macs {
		out.Flow(pipeline.EgressPortSecurity, pipeline.Normal, flow.NewMatch(from, flow.EthSrc.MAC(mac)),
			flow.Goto(pipeline.EgressPortSecurityIP.Table()), "the MAC address is the port's")
		out.Flow(pipeline.EgressPortSecurityND, pipeline.Normal,
			solicitation(from, flow.EthSrc.MAC(mac), flow.NDSLL.MAC(mac)), toConntrack(),
			"the solicitation tells the sender's own MAC address")
		out.Flow(pipeline.EgressPortSecurityIP, pipeline.Normal,
			rarp(from, flow.EthSrc.MAC(mac), flow.ARPOp.Is(uint64(packet.RARPRequest)), flow.ARPSHA.MAC(mac), flow.ARPTHA.MAC(mac)), pass(),
			"the MAC address that the RARP request announces is the port's")
		out.Flow(pipeline.IngressPortSecurity, pipeline.Normal, flow.NewMatch(to, flow.EthDst.MAC(mac)),
			flow.Goto(pipeline.Deliver.Table()), "the packet is addressed to the port")
	}
	for _, a := range pairs {
		if a.ip.Addr().Is4() {
			allowIPv4(from, a, out)
		} else {
			allowIPv6(from, a, out)
		}
	}
	refuse(from, out)
}

// owned returns the MAC addresses that a port may use, and with which IP addresses. Each MAC address
// has the link-local address that a host forms from it (RFC 4291 appendix A).
func owned(p *model.Port) ([]model.MAC, []pair) {
	macs := []model.MAC{p.MACAddress}
	var pairs []pair
	add := func(mac model.MAC, ip netip.Prefix) {
		if !slices.Contains(macs, mac) {
			macs = append(macs, mac)
		}
		if a := (pair{mac, ip.Masked()}); !slices.Contains(pairs, a) {
			pairs = append(pairs, a)
		}
	}
	for _, f := range p.FixedIPs {
		add(p.MACAddress, host(f.IPAddress))
	}
	for _, a := range p.AllowedAddressPairs {
		add(a.MACAddress, a.IPAddress)
	}
	for _, mac := range slices.Clone(macs) {
		add(mac, host(packet.LinkLocal(mac)))
	}
	return macs, pairs
}

func host(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

func allowIPv4(from flow.Constraint, a pair, out *app.Output) {
	mac := flow.EthSrc.MAC(a.mac)
	out.Flow(pipeline.EgressPortSecurityIP, pipeline.Normal,
		flow.NewMatch(from, mac, flow.IPv4(), flow.IPv4Src.Prefix(a.ip)), toConntrack(),
		"the IPv4 source address is the port's")
	out.Flow(pipeline.EgressPortSecurityIP, pipeline.Normal,
		flow.NewMatch(from, mac, flow.ARP(), flow.ARPSHA.MAC(a.mac), flow.ARPSPA.Prefix(a.ip)), pass(),
		"the addresses that the ARP packet announces are the port's")
	out.Flow(pipeline.EgressPortSecurityIP, pipeline.Normal+1,
		flow.NewMatch(from, mac, flow.ARP(), flow.ARPOp.Is(uint64(packet.ARPRequest)), flow.ARPSHA.MAC(a.mac),
			flow.ARPSPA.Is(0), flow.ARPTPA.Prefix(a.ip)), pass(),
		"the port probes whether somebody else has its address (RFC 5227)")
}

func allowIPv6(from flow.Constraint, a pair, out *app.Output) {
	mac, target := flow.EthSrc.MAC(a.mac), flow.NDTarget.Prefix(a.ip)
	out.Flow(pipeline.EgressPortSecurityIP, pipeline.Normal,
		flow.NewMatch(from, mac, flow.IPv6(), flow.IPv6Src.Prefix(a.ip)), toND(),
		"the IPv6 source address is the port's")
	out.Flow(pipeline.EgressPortSecurityND, pipeline.High+1,
		solicitation(from, mac, flow.IPv6Src.Addr(netip.IPv6Unspecified()), target), toConntrack(),
		"the port looks whether somebody else has its address (RFC 4862)")
	out.Flow(pipeline.EgressPortSecurityND, pipeline.Normal,
		advertisement(from, mac, target, flow.NDTLL.MAC(a.mac)), toConntrack(),
		"the addresses that the advertisement tells are the port's")
	// The option may be missing in the answer to a unicast solicitation (RFC 4861 §4.4).
	out.Flow(pipeline.EgressPortSecurityND, pipeline.Normal,
		advertisement(from, mac, target, flow.NDTLL.Is(0)), toConntrack(),
		"the address that the advertisement confirms is the port's")
}

// refuse counts what one port sends under false names.
func refuse(from flow.Constraint, out *app.Output) {
	out.Flow(pipeline.EgressPortSecurity, pipeline.Low, flow.NewMatch(from), flow.Drop(),
		"spoofed MAC: the source MAC address is not one of the port's")
	out.Flow(pipeline.EgressPortSecurityIP, pipeline.Low, flow.NewMatch(from, flow.IPv4()), flow.Drop(),
		"spoofed IPv4: the source address is not one that the port may use with this MAC address")
	out.Flow(pipeline.EgressPortSecurityIP, pipeline.Low, flow.NewMatch(from, flow.IPv6()), flow.Drop(),
		"spoofed IPv6: the source address is not one that the port may use with this MAC address")
	out.Flow(pipeline.EgressPortSecurityIP, pipeline.Low, flow.NewMatch(from, flow.ARP()), flow.Drop(),
		"spoofed ARP: the sender's addresses are not a pair that the port may use")
	out.Flow(pipeline.EgressPortSecurityND, pipeline.Low, advertisement(from), flow.Drop(),
		"spoofed ND: the advertised addresses are not a pair that the port may use")
}

func toConntrack() flow.Instructions { return flow.Goto(pipeline.EgressConntrack.Table()) }
func pass() flow.Instructions        { return flow.Goto(pipeline.EgressBandwidth.Table()) }
func toND() flow.Instructions        { return flow.Goto(pipeline.EgressPortSecurityND.Table()) }

func icmpv6(kind uint8, and ...flow.Constraint) flow.Match {
	return flow.NewMatch(append(and, flow.IPv6(), flow.IPProto.Is(flow.ProtoICMPv6), flow.ICMPv6Type.Is(uint64(kind)))...)
}

func rarp(and ...flow.Constraint) flow.Match {
	return flow.NewMatch(append(and, flow.EthType.Is(flow.EthTypeRARP))...)
}

func solicitation(and ...flow.Constraint) flow.Match {
	return icmpv6(packet.ICMPv6NeighborSol, and...)
}

func advertisement(and ...flow.Constraint) flow.Match {
	return icmpv6(packet.ICMPv6NeighborAdv, and...)
}
