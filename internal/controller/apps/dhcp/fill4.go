package dhcp

import (
	"encoding/binary"
	"math"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/dragonflow/dragonflow/internal/model"
)

// DHCPv4 options that the library does not name as we need them.
const (
	code4DomainSearch = 119
	code4Routes       = 121
	code4MSRoutes     = 249
	code4TFTPAddress  = 150
	code4IPXE         = 175
)

// Sizes of RFC 2131 section 2 and RFC 791, in bytes.
const (
	fixedFields4    = 240 // to the magic cookie, with it
	minDatagram4    = 576
	headers4        = 20 + 8
	nameField4      = 63  // sname without its final zero
	bootFileField4  = 127 // file without its final zero
	maxOptionLength = 255
)

// fill writes what the port is told into an OFFER or ACK.
func (r *request4) fill(m *dhcpv4.DHCPv4, answer dhcpv4.MessageType) {
	o := r.ownOptions()
	r.applyExtra(o)
	if r.kind == dhcpv4.MessageTypeInform { // RFC 2131 section 4.3.5
		delete(o, uint8(dhcpv4.OptionIPAddressLeaseTime))
		delete(o, uint8(dhcpv4.OptionRenewTimeValue))
		delete(o, uint8(dhcpv4.OptionRebindingTimeValue))
	}
	r.fillBoot(m, o)
	r.keepRequested(o)
	o[uint8(dhcpv4.OptionDHCPMessageType)] = []byte{byte(answer)}
	o[uint8(dhcpv4.OptionServerIdentifier)] = r.cfg.V4.ServerID().AsSlice()
	if answer == dhcpv4.MessageTypeAck && r.kind == dhcpv4.MessageTypeDiscover {
		o[uint8(dhcpv4.OptionRapidCommit)] = nil
	}
	r.echoClientID(o)
	shrink(o, r.limit())
	m.Options = o
}

// ownOptions returns what follows from the port's subnet and network.
func (r *request4) ownOptions() dhcpv4.Options {
	v4, lease := r.cfg.V4, r.lease()
	gateway := r.gateway()
	o := dhcpv4.Options{
		uint8(dhcpv4.OptionSubnetMask):         net.CIDRMask(v4.Subnet.Bits(), 32),
		uint8(dhcpv4.OptionBroadcastAddress):   broadcastOf(v4.Subnet).AsSlice(),
		uint8(dhcpv4.OptionIPAddressLeaseTime): be32(lease),
		uint8(dhcpv4.OptionRenewTimeValue):     be32(part(lease, 1, 2)),
		uint8(dhcpv4.OptionRebindingTimeValue): be32(part(lease, 7, 8)),
	}
	if gateway.IsValid() {
		o[uint8(dhcpv4.OptionRouter)] = gateway.AsSlice()
	}
	if dns := addressBytes(onlyIPv4(v4.DNS)); len(dns) > 0 {
		o[uint8(dhcpv4.OptionDomainNameServer)] = dns
	}
	if routes := encodeRoutes(routesOf(v4.Routes, gateway)); len(routes) > 0 {
		o[code4Routes], o[code4MSRoutes] = routes, routes
	}
	if r.cfg.HostName != "" {
		o[uint8(dhcpv4.OptionHostName)] = []byte(r.cfg.HostName)
	}
	if r.cfg.Domain != "" {
		o[uint8(dhcpv4.OptionDomainName)] = []byte(r.cfg.Domain)
		if search, err := encodeDomains([]string{r.cfg.Domain}); err == nil {
			o[code4DomainSearch] = search
		}
	}
	if r.cfg.MTU > 0 && r.cfg.MTU <= math.MaxUint16 {
		o[uint8(dhcpv4.OptionInterfaceMTU)] = binary.BigEndian.AppendUint16(nil, uint16(r.cfg.MTU))
	}
	return o
}

func be32(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }

func broadcastOf(p netip.Prefix) netip.Addr {
	a := p.Masked().Addr().As4()
	host := uint32(uint64(1)<<(32-p.Bits()) - 1)
	return netip.AddrFrom4([4]byte(be32(binary.BigEndian.Uint32(a[:]) | host)))
}

func onlyIPv4(list []netip.Addr) []netip.Addr {
	return slices.DeleteFunc(slices.Clone(list), func(a netip.Addr) bool { return !a.Is4() })
}

// routesOf returns all that option 121 must have, since a client that reads it ignores the router option
// (RFC 3442): the host routes, the metadata service on the link itself, and the default route. A host
// route for the same destination wins.
func routesOf(host []model.Route, gateway netip.Addr) []model.Route {
	out := slices.Clone(host)
	add := func(dst netip.Prefix, hop netip.Addr) {
		if !slices.ContainsFunc(out, func(r model.Route) bool { return r.Destination == dst }) {
			out = append(out, model.Route{Destination: dst, NextHop: hop})
		}
	}
	add(netip.PrefixFrom(linkLocalServer(), 32), netip.IPv4Unspecified()) // "on the link", RFC 3442
	if gateway.IsValid() {
		add(netip.PrefixFrom(netip.IPv4Unspecified(), 0), gateway)
	}
	return out
}

// lease is the configured time in seconds, or that of the port's own options.
func (r *request4) lease() uint32 {
	if b, ok := r.extra(uint16(dhcpv4.OptionIPAddressLeaseTime)); ok && len(b) == 4 {
		return binary.BigEndian.Uint32(b)
	}
	return seconds(r.cfg.Lease)
}

// gateway is the default router: the first of the port's own options if it has one.
func (r *request4) gateway() netip.Addr {
	if b, ok := r.extra(uint16(dhcpv4.OptionRouter)); ok {
		return addr4(b[:min(4, len(b))])
	}
	return r.cfg.V4.Gateway
}

// extra returns the value of the port's own option, empty if the option is to be left out.
func (r *request4) extra(code uint16) ([]byte, bool) {
	for _, e := range r.cfg.V4.Extra.list {
		if e.code == code && e.when.holds(r.isIPXE()) {
			return e.data, true
		}
	}
	return nil, false
}

// isIPXE reports whether the client is iPXE: it sends its encapsulated options.
func (r *request4) isIPXE() bool {
	_, ok := r.msg.Options[code4IPXE]
	return ok
}

func (r *request4) applyExtra(o dhcpv4.Options) {
	for _, e := range r.cfg.V4.Extra.list {
		switch {
		case !e.when.holds(r.isIPXE()):
		case len(e.data) == 0:
			delete(o, uint8(e.code))
		default:
			o[uint8(e.code)] = e.data
		}
	}
}

// fillBoot tells old firmware in the header's fields what newer one reads in options 66 and 67
// (RFC 2131 section 2).
func (r *request4) fillBoot(m *dhcpv4.DHCPv4, o dhcpv4.Options) {
	server := string(o[uint8(dhcpv4.OptionTFTPServerName)])
	next := r.cfg.V4.Extra.nextServer
	if a, err := netip.ParseAddr(server); err == nil && a.Is4() {
		if !next.IsValid() {
			next = a
		}
	} else if len(server) <= nameField4 {
		m.ServerHostName = server
	}
	if b := o[code4TFTPAddress]; !next.IsValid() && len(b) >= 4 {
		next = addr4(b[:4])
	}
	if next.IsValid() {
		m.ServerIPAddr = next.AsSlice()
	}
	if file := string(o[uint8(dhcpv4.OptionBootfileName)]); len(file) <= bootFileField4 {
		m.BootFileName = strings.TrimRight(file, "\x00")
	}
}

// keepRequested deletes what the client neither asked for nor must know in any case. A client without
// a list gets everything but Microsoft's copy of the routes.
func (r *request4) keepRequested(o dhcpv4.Options) {
	list, asked := r.msg.Options[uint8(dhcpv4.OptionParameterRequestList)]
	for code := range o {
		switch {
		case necessary4(code), asked && slices.Contains(list, code), !asked && code != code4MSRoutes:
		default:
			delete(o, code)
		}
	}
}

// necessary4 are the options that clients get unasked: without them a guest's network does not work,
// and some clients ask for too little.
func necessary4(code uint8) bool {
	switch code {
	case uint8(dhcpv4.OptionSubnetMask), uint8(dhcpv4.OptionRouter), uint8(dhcpv4.OptionDomainNameServer),
		uint8(dhcpv4.OptionHostName), uint8(dhcpv4.OptionDomainName), uint8(dhcpv4.OptionInterfaceMTU),
		uint8(dhcpv4.OptionBroadcastAddress), uint8(dhcpv4.OptionIPAddressLeaseTime),
		uint8(dhcpv4.OptionRenewTimeValue), uint8(dhcpv4.OptionRebindingTimeValue), code4Routes:
		return true
	}
	return false
}

// limit is how many bytes of options the client takes (RFC 2132 section 9.10); never more than fit into
// one packet of the network.
func (r *request4) limit() int {
	size := minDatagram4
	if b := r.msg.Options[uint8(dhcpv4.OptionMaximumDHCPMessageSize)]; len(b) == 2 {
		size = max(size, int(binary.BigEndian.Uint16(b)))
	}
	if r.cfg.MTU >= minDatagram4 {
		size = min(size, r.cfg.MTU)
	}
	return size - headers4 - fixedFields4 - 1 // the end option
}

// shrink deletes options until they fit: first those that no network needs, the longest first, then
// those that a guest can live without.
func shrink(o dhcpv4.Options, limit int) {
	total := 0
	for _, data := range o {
		total += encodedLength(data)
	}
	for total > limit {
		victim, ok := leastNeeded(o)
		if !ok {
			return
		}
		total -= encodedLength(o[victim])
		delete(o, victim)
	}
}

// encodedLength includes code and length, and those of the further parts of a long option (RFC 3396).
func encodedLength(data []byte) int {
	return len(data) + 2*max(1, (len(data)+maxOptionLength-1)/maxOptionLength)
}

func leastNeeded(o dhcpv4.Options) (victim uint8, ok bool) {
	rank := func(code uint8) int {
		switch {
		case code == uint8(dhcpv4.OptionDHCPMessageType), code == uint8(dhcpv4.OptionServerIdentifier),
			code == uint8(dhcpv4.OptionIPAddressLeaseTime), code == uint8(dhcpv4.OptionSubnetMask),
			code == uint8(dhcpv4.OptionRapidCommit):
			return 0
		case code == uint8(dhcpv4.OptionRouter), code == uint8(dhcpv4.OptionInterfaceMTU), code == code4Routes:
			return 1
		case necessary4(code), code == uint8(dhcpv4.OptionClientIdentifier), code == uint8(dhcpv4.OptionBootfileName),
			code == uint8(dhcpv4.OptionTFTPServerName):
			return 2
		}
		return 3
	}
	for code, data := range o {
		better := rank(code) - rank(victim)
		if better == 0 {
			better = len(data) - len(o[victim])
		}
		if better == 0 {
			better = int(code) - int(victim)
		}
		if rank(code) > 0 && (!ok || better > 0) {
			victim, ok = code, true
		}
	}
	return victim, ok
}
