package fast

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/dragonflow/dragonflow/internal/testkit/packet"
	"github.com/dragonflow/dragonflow/test/scenario"
)

// Lease asks for an address by DHCP and configures the machine with the answer.
func (g *guest) Lease(ctx context.Context, v6 bool) (scenario.Lease, error) {
	if v6 {
		return g.lease6(ctx)
	}
	offer, err := ask4(ctx, g, dhcpv4.MessageTypeOffer, dhcpv4.WithMessageType(dhcpv4.MessageTypeDiscover))
	if err != nil {
		return scenario.Lease{}, err
	}
	ack, err := ask4(ctx, g, dhcpv4.MessageTypeAck, dhcpv4.WithMessageType(dhcpv4.MessageTypeRequest),
		dhcpv4.WithOption(dhcpv4.OptRequestedIPAddress(offer.YourIPAddr)), dhcpv4.WithOption(dhcpv4.OptServerIdentifier(offer.ServerIdentifier())))
	if err != nil {
		return scenario.Lease{}, err
	}
	address, _ := netip.AddrFromSlice(ack.YourIPAddr.To4())
	mask, _ := ack.SubnetMask().Size()
	l := scenario.Lease{Address: address}
	if mtu := ack.Options.Get(dhcpv4.OptionInterfaceMTU); len(mtu) == 2 {
		l.MTU = int(binary.BigEndian.Uint16(mtu))
	}
	s := scenario.Settings{Addresses: []netip.Prefix{netip.PrefixFrom(address, mask)}, MTU: l.MTU}
	for _, router := range ack.Router() {
		via, _ := netip.AddrFromSlice(router.To4())
		s.Routes = append(s.Routes, scenario.Route{To: netip.PrefixFrom(netip.IPv4Unspecified(), 0), Via: via})
	}
	return l, g.Configure(ctx, s)
}

// askAgain is when a client repeats itself.
const askAgain = time.Second

// exchange sends a frame, again each second, until one comes that f accepts.
func (g *guest) exchange(ctx context.Context, frame []byte, f func(seen []byte) bool) error {
	t := g.tap()
	defer func() { _ = t.Close() }() // a tap that is let go
	again, tick := time.NewTicker(askAgain), time.NewTicker(lookEvery)
	defer again.Stop()
	defer tick.Stop()
	if err := g.send(frame); err != nil {
		return err
	}
	for {
		for _, seen := range t.Seen() {
			if f(seen) {
				return nil
			}
		}
		select {
		case <-again.C:
			if err := g.send(frame); err != nil {
				return err
			}
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func ask4(ctx context.Context, g *guest, want dhcpv4.MessageType, modifiers ...dhcpv4.Modifier) (answer *dhcpv4.DHCPv4, err error) {
	id, err := dhcpv4.GenerateTransactionID()
	if err != nil {
		return nil, err
	}
	frame := packet.DHCPv4Client(g.mac, append(modifiers, dhcpv4.WithTransactionID(id),
		dhcpv4.WithRequestedOptions(dhcpv4.OptionSubnetMask, dhcpv4.OptionRouter, dhcpv4.OptionInterfaceMTU))...)
	err = g.exchange(ctx, frame, func(seen []byte) bool {
		m, err := packet.ParseDHCPv4(seen)
		if err != nil || m.TransactionID != id || m.MessageType() != want {
			return false
		}
		answer = m
		return true
	})
	return answer, err
}

var errNoAddress = errors.New("the answer has no address")

func (g *guest) lease6(ctx context.Context) (scenario.Lease, error) {
	solicit, err := dhcpv6.NewSolicit(g.mac)
	if err != nil {
		return scenario.Lease{}, err
	}
	advertise, err := g.ask6(ctx, solicit, dhcpv6.MessageTypeAdvertise)
	if err != nil {
		return scenario.Lease{}, err
	}
	request, err := dhcpv6.NewRequestFromAdvertise(advertise)
	if err != nil {
		return scenario.Lease{}, err
	}
	reply, err := g.ask6(ctx, request, dhcpv6.MessageTypeReply)
	if err != nil {
		return scenario.Lease{}, err
	}
	if reply.Options.OneIANA() == nil || reply.Options.OneIANA().Options.OneAddress() == nil {
		return scenario.Lease{}, errNoAddress
	}
	address, _ := netip.AddrFromSlice(reply.Options.OneIANA().Options.OneAddress().IPv6Addr)
	const prefix = 64 // DHCPv6 says nothing of it: a router's advertisement does
	return scenario.Lease{Address: address}, g.addAddress(netip.PrefixFrom(address, prefix))
}

func (g *guest) ask6(ctx context.Context, m *dhcpv6.Message, want dhcpv6.MessageType) (answer *dhcpv6.Message, err error) {
	err = g.exchange(ctx, packet.DHCPv6Client(g.mac, linkLocal(g.mac), m), func(seen []byte) bool {
		a, err := packet.ParseDHCPv6(seen)
		if err != nil || a.TransactionID != m.TransactionID || a.MessageType != want {
			return false
		}
		answer = a
		return true
	})
	return answer, err
}

// linkLocal is the address that a host forms from its MAC address (RFC 4291 appendix A).
func linkLocal(m net.HardwareAddr) netip.Addr {
	return netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80, 8: m[0] ^ 2, 9: m[1], 10: m[2], 11: 0xff, 12: 0xfe, 13: m[3], 14: m[4], 15: m[5]})
}

// solicit asks for a router until one advertises itself, and configures the machine by what it says (RFC 4862).
func (g *guest) solicit(ctx context.Context) error {
	frame := packet.Build(packet.Ethernet(g.mac, "33:33:00:00:00:02"), packet.IP(linkLocal(g.mac), "ff02::2"), packet.RouterSolicitation(g.mac))
	return g.exchange(ctx, frame, g.advertised)
}

// advertised takes over what a router advertisement says; false if the frame is none.
func (g *guest) advertised(frame []byte) bool {
	p := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.NoCopy)
	ip, _ := p.Layer(layers.LayerTypeIPv6).(*layers.IPv6)
	ra, _ := p.Layer(layers.LayerTypeICMPv6RouterAdvertisement).(*layers.ICMPv6RouterAdvertisement)
	if ip == nil || ra == nil {
		return false
	}
	for _, o := range ra.Options {
		const autonomous, length, prefixAt = 0x40, 30, 14
		if o.Type != layers.ICMPv6OptPrefixInfo || len(o.Data) < length || o.Data[1]&autonomous == 0 {
			continue
		}
		prefix := netip.AddrFrom16([16]byte(o.Data[prefixAt:])).As16()
		own := linkLocal(g.mac).As16()
		copy(own[:8], prefix[:8])
		_ = g.addAddress(netip.PrefixFrom(netip.AddrFrom16(own), int(o.Data[0]))) // it may have it already
	}
	if ra.RouterLifetime > 0 {
		via, _ := netip.AddrFromSlice(ip.SrcIP)
		g.addRoute(scenario.Route{To: netip.PrefixFrom(netip.IPv6Unspecified(), 0), Via: via})
	}
	return true
}
