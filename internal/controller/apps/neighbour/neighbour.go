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
			app.For("neighbour.port", view.Ports, port),
			app.For("neighbour.server", view.Subnets, server),
			app.For("neighbour.address", addresses, address),
			app.For("neighbour.own", view.LocalPorts, own),
			app.For("neighbour.reply", view.Self, reply),
			app.For("neighbour.meter", served, meter),
		},
		PacketIn: packetIn,
	}
}

// servedNetwork is a network with a port on this chassis: somebody may ask there.
type servedNetwork struct {
	id  string
	key uint32
}

// claim says that a port has an address as a fixed IP.
type claim struct {
	network string
	address netip.Addr
	port    string
	mac     model.MAC
	// router says that the port is a router's interface.
	router bool
}

// pair says that a port may use the addresses of a prefix with a MAC address.
type pair struct {
	network string
	prefix  netip.Prefix
	port    string
	mac     model.MAC
}

// claimed is an address that somebody claims.
type claimed struct {
	network string
	address netip.Addr
}

func (a claimed) key() string { return a.network + "/" + a.address.String() }

// serverPort stands for us in claims; no port has this id.
const serverPort = "service"

var (
	served = view.NewDerived("ServedNetwork", func(n servedNetwork) string { return n.id })
	claims = view.NewDerived("AddressClaim", func(c claim) string {
		return claimed{c.network, c.address}.key() + "/" + c.port
	})
	claimsByAddress = view.NewIndex(claims, "address", func(c claim) []string {
		return []string{claimed{c.network, c.address}.key()}
	}, nil)
	pairs = view.NewDerived("AddressPair", func(p pair) string {
		return p.network + "/" + p.prefix.String() + "/" + p.port + "/" + p.mac.String()
	})
	pairsByPrefix = view.NewPrefixIndex(pairs, "prefix", func(p pair) (string, netip.Prefix) { return p.network, p.prefix })
	addresses     = view.NewDerived("Address", claimed.key)
)

// network tells that somebody on this chassis may ask on a network.
func network(_ *view.Reader, p view.LocalPort, out *app.Output) {
	app.Emit(out, served, servedNetwork{id: p.Port.NetworkID, key: p.NetworkKey})
}

// port derives what addresses a port has, wherever it is plugged.
func port(_ *view.Reader, p *model.Port, out *app.Output) {
	for _, a := range p.AllowedAddressPairs {
		app.Emit(out, pairs, pair{p.NetworkID, a.IPAddress.Masked(), p.ID, a.MACAddress})
	}
	if !p.AdminStateUp {
		return
	}
	has := func(a netip.Addr) {
		app.Emit(out, claims, claim{p.NetworkID, a, p.ID, p.MACAddress, p.IsRouterInterface()})
		app.Emit(out, addresses, claimed{p.NetworkID, a})
	}
	for _, f := range p.FixedIPs {
		has(f.IPAddress)
	}
	// A router advertises itself by its link-local address (RFC 4861 section 6.1.2). What a guest has made
	// of its own, only the guest knows.
	if p.IsRouterInterface() && slices.ContainsFunc(p.FixedIPs, func(f model.FixedIP) bool { return f.IPAddress.Is6() }) {
		has(packet.LinkLocal(p.MACAddress))
	}
}

// server lets clients on a subnet without gateway renew by unicast: there the DHCP server shows itself as
// 169.254.169.254. Where there is a gateway the server shows its address, which is not ours to answer for.
func server(_ *view.Reader, s *model.Subnet, out *app.Output) {
	if !s.EnableDHCP || !s.CIDR.Addr().Is4() || s.GatewayIP.IsValid() {
		return
	}
	a := netip.AddrFrom4([4]byte{169, 254, 169, 254})
	app.Emit(out, claims, claim{s.NetworkID, a, serverPort, view.ServiceMAC, false})
	app.Emit(out, addresses, claimed{s.NetworkID, a})
}

// owner returns who alone may be told as having an address.
func owner(r *view.Reader, a claimed) (claim, bool) {
	list, _ := view.Find(r, claimsByAddress, a.key())
	if len(list) != 1 {
		return claim{}, false
	}
	if list[0].router { // it has no other way to tell so than we have
		return list[0], true
	}
	for _, p := range view.Covering(r, pairsByPrefix, a.network, netip.PrefixFrom(a.address, a.address.BitLen())) {
		if p.port != list[0].port || p.mac != list[0].mac {
			return claim{}, false
		}
	}
	return list[0], true
}
