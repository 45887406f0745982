// Package neighbour is the app that answers ARP requests and neighbour solicitations for addresses of the
// model, in flows of the asker's own chassis: no broadcast leaves it, and an answer needs no controller.
//
// An address is answered for when exactly one port of the network has it as a fixed IP, and no other port
// may use it as an allowed address pair: whoever holds a shared address must tell so itself. Everything else
// goes on to all ports of the network, as on any switch.
package neighbour

import (
	"net/netip"
	"slices"
	"time"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/packet"
)

const appID = 5

// New returns the app.
func New() *app.App {
	return &app.App{
		Name: "neighbour", ID: appID,
		Rules: []app.Rule{
			app.For("neighbour.network", view.LocalPorts, network),
			app.For("neighbour.server", view.Subnets, server),
			app.For("neighbour.metadata", served, metadata),
			app.ForEach("neighbour.address", portsByAddress, address),
			app.For("neighbour.own", view.LocalPorts, own),
			app.For("neighbour.reply", view.Self, reply),
			app.For("neighbour.detects", view.LocalPorts, detects),
			app.For("neighbour.wire", view.Wires, wire),
			app.For("neighbour.resolve", view.Resolves, resolve),
			app.For("neighbour.wire-address", view.WireAddresses, wireAddress),
			app.For("neighbour.wire-reply", view.Self, wireReply),
		},
		PacketIn:  packetIn,
		Announcer: &app.Announcer{Table: utterances, Send: announce, Again: askSoon, Pauses: []time.Duration{soon, 3 * soon}},
		Tickers:   []app.Ticker{{Every: askEvery, Send: askAgain}, {Every: lookEvery, Send: lookAgain}},
	}
}

// servedNetwork is a network with a port on this chassis: somebody may ask there.
type servedNetwork struct {
	id  string
	key uint32
}

// claim says that somebody has an address.
type claim struct {
	network string
	address netip.Addr
	mac     model.MAC
	// router says that it is a router's interface.
	router bool
}

// addressKey is the key of an address in portsByAddress.
func addressKey(network string, a netip.Addr) string { return network + "/" + a.String() }

var (
	served = view.NewDerived("ServedNetwork", func(n servedNetwork) string { return n.id })
	// portsByAddress finds the ports, wherever they are plugged, that have an address.
	portsByAddress = view.NewIndex(view.Ports, "Address", func(p *model.Port) []string {
		addresses := addressesOf(p)
		keys := make([]string, len(addresses))
		for i, a := range addresses {
			keys[i] = addressKey(p.NetworkID, a)
		}
		return keys
	}, nil)
)

// addressesOf returns the addresses of a port that is up.
func addressesOf(p *model.Port) []netip.Addr {
	if !p.AdminStateUp {
		return nil
	}
	list := make([]netip.Addr, 0, len(p.FixedIPs)+1)
	for _, f := range p.FixedIPs {
		list = append(list, f.IPAddress)
	}
	// A router advertises itself by its link-local address (RFC 4861 section 6.1.2). What a guest has made
	// of its own, only the guest knows.
	if isRouter(p) && slices.ContainsFunc(list, netip.Addr.Is6) {
		list = append(list, packet.LinkLocal(p.MACAddress))
	}
	return list
}

// isRouter reports whether a router owns the port: as one of its interfaces, or as its gateway.
func isRouter(p *model.Port) bool {
	return p.IsRouterInterface() || p.DeviceOwner == model.RouterGatewayOwner
}

// network tells that somebody on this chassis may ask on a network.
func network(_ *view.Reader, p view.LocalPort, out *app.Output) {
	app.Emit(out, served, servedNetwork{id: p.Port.NetworkID, key: p.NetworkKey})
}

// dhcpServer is where the DHCP server of a subnet without gateway shows itself. Where there is a gateway the
// server shows its address, which is not ours to answer for.
var dhcpServer = view.MetadataIPv4

func showsServer(s *model.Subnet) bool {
	return s.EnableDHCP && s.CIDR.Addr().Is4() && !s.GatewayIP.IsValid()
}

// server lets clients on a subnet without gateway renew by unicast.
func server(r *view.Reader, s *model.Subnet, out *app.Output) {
	if showsServer(s) {
		ours(r, s.NetworkID, dhcpServer, out)
	}
}

// metadata lets guests find the service of metadata on their own link, on whatever network they are.
func metadata(r *view.Reader, n servedNetwork, out *app.Output) {
	if _, found := view.Get(r, view.MetadataPorts, view.MetadataPortKey); found == view.Present {
		ours(r, n.id, view.MetadataIPv4, out)
		ours(r, n.id, view.MetadataIPv6, out)
	}
}

// ours answers for an address of a service that this chassis gives itself, unless a port has it.
func ours(r *view.Reader, network string, a netip.Addr, out *app.Output) {
	if ports, _ := view.Find(r, portsByAddress, addressKey(network, a)); len(ports) == 0 {
		answer(r, claim{network: network, address: a, mac: view.ServiceMAC}, "", out)
	}
}

// address answers for an address if one port alone has it.
func address(r *view.Reader, key string, ports []*model.Port, out *app.Output) {
	p := ports[0]
	a, err := netip.ParseAddr(key[len(p.NetworkID)+1:])
	if err != nil || len(ports) > 1 || a == dhcpServer && taken(r, p.NetworkID) || elsewhere(r, p, a) {
		return
	}
	answer(r, claim{p.NetworkID, a, p.MACAddress, isRouter(p)}, p.ID, out)
}

// elsewhere reports whether an address is on another segment of its network, where nobody asks from here.
func elsewhere(r *view.Reader, p *model.Port, a netip.Addr) bool {
	return slices.ContainsFunc(p.FixedIPs, func(f model.FixedIP) bool {
		return f.IPAddress == a && view.AddressElsewhere(r, p.NetworkID, f)
	})
}

// ownerOf finds who alone has an address, as address and ours do.
func ownerOf(r *view.Reader, network string, a netip.Addr) (claim, bool) {
	ports, _ := view.Find(r, portsByAddress, addressKey(network, a))
	switch {
	case len(ports) == 1:
		c := claim{network, a, ports[0].MACAddress, isRouter(ports[0])}
		return c, !shared(r, c, ports[0].ID) && !elsewhere(r, ports[0], a)
	case len(ports) == 0 && a == view.MetadataIPv6:
		c := claim{network: network, address: a, mac: view.ServiceMAC}
		_, found := view.Get(r, view.MetadataPorts, view.MetadataPortKey)
		return c, found == view.Present && !shared(r, c, "")
	}
	return claim{}, false
}

// taken reports whether 169.254.169.254 is the DHCP server of a network.
func taken(r *view.Reader, network string) bool {
	subnets, _ := view.Find(r, view.SubnetsByNetwork, network)
	return slices.ContainsFunc(subnets, showsServer)
}

// shared reports whether, besides a port, somebody may use its address. A router's interface has no other way to
// tell that it has the address than we have.
func shared(r *view.Reader, c claim, port string) bool {
	if c.router {
		return false
	}
	for _, p := range view.Covering(r, view.PortsByAddressPair, c.network, netip.PrefixFrom(c.address, c.address.BitLen())) {
		for _, pair := range p.AllowedAddressPairs {
			if pair.IPAddress.Contains(c.address) && (p.ID != port || pair.MACAddress != c.mac) {
				return true
			}
		}
	}
	return false
}
