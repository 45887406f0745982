package dhcp

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
)

// services is what a port has of ours, from its subnets alone.
type services struct {
	v4       *V4
	v6       *V6
	prefixes []RAPrefix
	raDNS    []netip.Addr
	problems []error
}

// servicesOf reads the subnets of the port's network.
func servicesOf(r *view.Reader, p view.LocalPort) services {
	var s services
	self, _ := view.Get(r, view.Self, "self")
	subnets, _ := view.Find(r, view.SubnetsByNetwork, p.Port.NetworkID)
	// Subnets of other segments are not on the guest's link.
	subnets = slices.DeleteFunc(subnets, func(n *model.Subnet) bool { return view.OnAnotherSegment(r, n) })
	for _, f := range p.Port.FixedIPs {
		i := slices.IndexFunc(subnets, func(n *model.Subnet) bool { return n.ID == f.SubnetID })
		if i < 0 || !subnets[i].EnableDHCP {
			continue
		}
		if f.IPAddress.Is4() {
			s.addV4(f.IPAddress, subnets[i], self)
		} else {
			s.addV6(f.IPAddress, subnets[i], self)
		}
	}
	if s.v4 != nil {
		s.v4.Extra = s.extra(4, p.Port.ExtraDHCPOpts)
	}
	if s.v6 != nil {
		s.v6.OnLink = onLink(subnets)
		s.v6.Extra = s.extra(6, p.Port.ExtraDHCPOpts)
	}
	for _, n := range subnets {
		s.addPrefix(n, p.Port, self)
	}
	return s
}

// addV4 takes the first IPv4 address: DHCPv4 can tell a client only one.
func (s *services) addV4(a netip.Addr, n *model.Subnet, self view.Chassis) {
	if s.v4 == nil && n.CIDR.Addr().Is4() {
		s.v4 = &V4{Address: a, Subnet: n.CIDR, Gateway: n.GatewayIP, DNS: nameServers(n, self), Routes: n.HostRoutes}
	}
}

func (s *services) addV6(a netip.Addr, n *model.Subnet, self view.Chassis) {
	if n.IPv6AddressMode != model.DHCPv6Stateful && n.IPv6AddressMode != model.DHCPv6Stateless {
		return
	}
	if s.v6 == nil {
		s.v6 = &V6{}
	}
	if n.IPv6AddressMode == model.DHCPv6Stateful {
		s.v6.Addresses = append(s.v6.Addresses, a)
	}
	s.v6.DNS = merge(s.v6.DNS, nameServers(n, self))
}

// addPrefix announces a subnet. A port with port security hears how to form addresses only where it has
// one: others it could not use.
func (s *services) addPrefix(n *model.Subnet, p *model.Port, self view.Chassis) {
	if !advertised(n) {
		return
	}
	prefix := RAPrefix{Prefix: n.CIDR}
	has := func(f model.FixedIP) bool { return f.SubnetID == n.ID }
	if !p.PortSecurityEnabled || slices.ContainsFunc(p.FixedIPs, has) {
		prefix.Mode = n.IPv6RAMode
	}
	s.prefixes = append(s.prefixes, prefix)
	s.raDNS = merge(s.raDNS, nameServers(n, self))
}

func (s *services) extra(version int, opts []model.DHCPOption) Options {
	o, errs := ParseOptions(version, opts)
	s.problems = append(s.problems, errs...)
	return o
}

func onLink(subnets []*model.Subnet) []netip.Prefix {
	var out []netip.Prefix
	for _, n := range subnets {
		if n.CIDR.Addr().Is6() {
			out = append(out, n.CIDR)
		}
	}
	return out
}

// nameServers are the subnet's, else the chassis' of the same family. Neutron's "0.0.0.0" or "::" says
// that there shall be none.
func nameServers(n *model.Subnet, self view.Chassis) []netip.Addr {
	var out []netip.Addr
	add := func(a netip.Addr) {
		if a.IsValid() && a.Is4() == n.CIDR.Addr().Is4() && !a.IsUnspecified() {
			out = append(out, a)
		}
	}
	if len(n.DNSNameservers) > 0 {
		for _, a := range n.DNSNameservers {
			add(a)
		}
		return out
	}
	for text := range strings.SplitSeq(self.DNSServers, ",") {
		if a, err := netip.ParseAddr(strings.TrimSpace(text)); err == nil {
			add(a)
		}
	}
	return out
}

func merge(list, more []netip.Addr) []netip.Addr {
	for _, a := range more {
		if !slices.Contains(list, a) {
			list = append(list, a)
		}
	}
	return list
}

// packetIn answers what a port asked. Who asked is told by the flow, not by the packet.
func packetIn(r *view.Reader, in app.PacketIn) (app.Reply, error) {
	if len(in.Userdata) < 2 {
		return app.Reply{}, errors.New("dhcp: a packet without the id of its port")
	}
	id := string(in.Userdata[1:])
	p, found := view.Get(r, view.LocalPorts, id)
	if found != view.Present {
		return app.Reply{}, fmt.Errorf("dhcp: port %s is not served here any more", id)
	}
	if in.Userdata[0] == askRA {
		return solicited(r, p, in.Data)
	}
	answer, err := answerTo(r, p, in.Userdata[0], in.Data)
	if err != nil {
		return app.Reply{}, fmt.Errorf("port %s: %w", id, err)
	}
	reply := app.Reply{Event: strings.ToLower(answer.Request)}
	if answer.Frame != nil {
		reply.Event = strings.ToLower(answer.Answer)
		reply.Packets = []app.PacketOut{app.To(p, answer.Frame)}
	}
	return reply, nil
}

func answerTo(r *view.Reader, p view.LocalPort, kind byte, frame []byte) (Reply, error) {
	s := servicesOf(r, p)
	switch kind {
	case askV4:
		return ReplyV4(s.config(r, p), frame)
	case askV6:
		return ReplyV6(s.config(r, p), frame)
	}
	return Reply{}, ErrNotServed
}

func (s *services) config(r *view.Reader, p view.LocalPort) *Config {
	self, _ := view.Get(r, view.Self, "self")
	lease := time.Duration(self.DHCPLeaseTime) * time.Second
	if self.DHCPLeaseTime == 1<<32-1 {
		lease = Forever
	}
	return &Config{
		MAC: p.Port.MACAddress, ServerMAC: view.ServiceMAC, MTU: p.MTU, Lease: lease,
		HostName: hostName(p.Port), Domain: domain(r, p), V4: s.v4, V6: s.v6,
	}
}

func domain(r *view.Reader, p view.LocalPort) string {
	if n, found := view.Get(r, view.Networks, p.Port.NetworkID); found == view.Present && n.DNSDomain != "" {
		return strings.TrimSuffix(n.DNSDomain, ".")
	}
	self, _ := view.Get(r, view.Self, "self")
	return strings.TrimSuffix(self.DNSDomain, ".")
}

// hostName is the port's dns_name, else made of its first address as Neutron does.
func hostName(p *model.Port) string {
	if p.DNSName != "" || len(p.FixedIPs) == 0 {
		return p.DNSName
	}
	return "host-" + strings.NewReplacer(".", "-", ":", "-").Replace(p.FixedIPs[0].IPAddress.String())
}
