package dhcp

import (
	"net/netip"
	"time"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/packet"
)

// RAConfig is what the hosts of a network are told by router advertisements.
type RAConfig struct {
	// MAC is the sender's; its link-local address is made from it.
	MAC packet.MAC
	// RouterLifetime is 0 while nobody routes at MAC: hosts then configure themselves and take no
	// default route. At most 65535 s (RFC 8319).
	RouterLifetime time.Duration
	// MTU is in bytes; 0 is not announced.
	MTU      int
	Prefixes []RAPrefix
	DNS      []netip.Addr
	Domain   string
}

// RAPrefix is a subnet whose RA mode is set.
type RAPrefix struct {
	Prefix netip.Prefix
	// Mode is empty for a subnet in which the receiver has no address: it learns only that the prefix
	// is on its link.
	Mode model.IPv6Mode
}

// Lifetimes of what is announced. Nothing in a network may stop because nobody repeats the announcement:
// they are the defaults of RFC 4861 section 6.2.1, days and weeks; that of name servers, which RFC 8106
// makes short, bridges a day.
const (
	prefixValid     = 30 * 24 * time.Hour
	prefixPreferred = 7 * 24 * time.Hour
	dnsLifetime     = 24 * time.Hour
	curHopLimit     = 64
)

func allNodes() netip.Addr { return netip.AddrFrom16([16]byte{0: 0xff, 1: 0x02, 15: 1}) }

// ReplyRS answers a router solicitation that a port with the given MAC sent. The answer goes to that host
// only, by multicast when it has no address yet (RFC 4861 section 6.2.6).
func ReplyRS(cfg *RAConfig, mac packet.MAC, frame []byte) (Reply, error) {
	if len(cfg.Prefixes) == 0 {
		return Reply{}, ErrNotServed
	}
	eth, err := packet.ParseEthernet(frame)
	if err != nil {
		return Reply{}, err
	}
	if eth.EtherType != packet.EtherTypeIPv6 {
		return Reply{}, ErrNotToServer
	}
	p, err := packet.ParseIPv6(eth.Payload)
	if err != nil {
		return Reply{}, err
	}
	rs, err := packet.ParseRouterSolicitation(p)
	if err != nil {
		return Reply{}, err
	}
	source, named := rs.Options.LinkAddr(packet.NDOptionSourceLinkAddr)
	if eth.Src != mac || named && source != mac {
		return Reply{}, ErrOtherClient
	}
	to := p.Src
	if to.IsUnspecified() {
		to = allNodes()
	}
	return Reply{Frame: BuildRA(cfg, to, mac), Request: "RS", Answer: "RA", Reason: "solicited"}, nil
}

// BuildRA returns a router advertisement for a host, or for all of them: to is then ff02::1, and mac is not
// looked at.
func BuildRA(cfg *RAConfig, to netip.Addr, mac packet.MAC) []byte {
	src := packet.LinkLocal(cfg.MAC)
	if to.IsMulticast() {
		mac = packet.MulticastMAC(to)
	}
	ra := packet.RouterAdvertisement{
		CurHopLimit:    curHopLimit,
		RouterLifetime: uint16(min(seconds(cfg.RouterLifetime), 1<<16-1)),
		Options:        cfg.options(),
	}
	for _, p := range cfg.Prefixes {
		ra.Managed = ra.Managed || p.Mode == model.DHCPv6Stateful
		ra.Other = ra.Other || p.Mode == model.DHCPv6Stateful || p.Mode == model.DHCPv6Stateless
	}
	message := ra.Append(make([]byte, 0, 16+len(ra.Options)), src, to)
	b := make([]byte, 0, packet.EthernetHeaderLength+packet.IPv6HeaderLength+len(message))
	b = packet.Ethernet{Dst: mac, Src: cfg.MAC, EtherType: packet.EtherTypeIPv6}.Append(b)
	b = packet.IPv6{HopLimit: 255, NextHeader: packet.ProtocolICMPv6, Src: src, Dst: to}.Append(b, len(message))
	return append(b, message...)
}

func (c *RAConfig) options() packet.NDOptions {
	o := make(packet.NDOptions, 0, 256).AppendLinkAddr(packet.NDOptionSourceLinkAddr, c.MAC)
	if c.MTU >= 1280 { // less is no IPv6 link (RFC 8200 section 5)
		o = o.AppendMTU(uint32(c.MTU))
	}
	for _, p := range c.Prefixes {
		o = o.AppendPrefix(packet.NDPrefix{
			Prefix: p.Prefix,
			OnLink: true,
			// Hosts form addresses themselves unless DHCPv6 hands them out; only a /64 has room for
			// their interface identifier (RFC 4862 section 5.5.3).
			Autonomous:        (p.Mode == model.SLAAC || p.Mode == model.DHCPv6Stateless) && p.Prefix.Bits() == 64,
			ValidLifetime:     seconds(prefixValid),
			PreferredLifetime: seconds(prefixPreferred),
		})
	}
	o = o.AppendRDNSS(seconds(dnsLifetime), onlyIPv6(c.DNS)...)
	if c.Domain != "" {
		o = o.AppendDNSSL(seconds(dnsLifetime), c.Domain)
	}
	return o
}
