package api

import (
	"context"
	"net/netip"
	"strings"

	"github.com/dragonflow/dragonflow/internal/neutron/resource"
	"github.com/dragonflow/dragonflow/internal/neutron/rows"
)

type routerOps struct{ *Server }

func (o routerOps) create(t *rows.Txn, row resource.Row, _ resource.Given) error {
	r := row.(*resource.Router)
	if err := o.checkQuota(t, o.routers, r.ProjectID); err != nil {
		return err
	}
	if err := o.checkZones(r.AvailabilityZoneHints); err != nil {
		return err
	}
	if err := o.setGateway(t, r); err != nil {
		return err
	}
	t.Create(o.routers, r)
	return nil
}

func (o routerOps) update(t *rows.Txn, _, row resource.Row, given resource.Given) error {
	r := row.(*resource.Router)
	if given["external_gateway_info"] {
		if err := o.setGateway(t, r); err != nil {
			return err
		}
	}
	if given["routes"] {
		attached, err := o.attached(t, r)
		if err != nil {
			return err
		}
		if err := attached.checkRoutes(r); err != nil {
			return err
		}
	}
	t.Update(o.routers, r)
	t.After(o.board.poke)
	return nil
}

func (o routerOps) delete(ctx context.Context, id string, revision int64) error {
	return o.store.Update(ctx, func(t *rows.Txn) error {
		row, err := t.Get(o.routers, id)
		if err != nil {
			return err
		}
		if err := checkRevision(row, revision); err != nil {
			return err
		}
		if ports := row.(*resource.Router).Interfaces; len(ports) > 0 {
			return resource.Conflict("RouterInUse", "Router %s has ports still attached: %s", id,
				strings.Join(ports[:min(len(ports), 20)], ", "))
		}
		if r := row.Clone().(*resource.Router); r.Gateway != nil {
			r.Routes = nil
			if err := o.clearGateway(t, r); err != nil {
				return err
			}
		}
		t.Delete(o.routers, id)
		return nil
	})
}

// attachment is an address of a router on a subnet.
type attachment struct {
	port    *resource.Port
	subnet  *resource.Subnet
	address netip.Addr
}

type attachments []attachment

// attached returns where a router that the batch depends on is attached, on its external network too. It is
// as the router's row says: both are always written together.
func (s *Server) attached(t *rows.Txn, r *resource.Router) (attachments, error) {
	inside, err := s.interfaces(t, r)
	if err != nil {
		return nil, err
	}
	outside, err := s.gatewayAttachments(t, r)
	return append(inside, outside...), err
}

// interfaces returns where a router is attached inside.
func (s *Server) interfaces(t *rows.Txn, r *resource.Router) (attachments, error) {
	var out attachments
	for _, id := range r.Interfaces {
		row, err := t.Peek(s.ports, id)
		if notGone(err) != nil {
			return nil, err
		}
		if err != nil {
			return nil, t.Outdated(s.routers, r.ID)
		}
		more, err := s.attachmentsOf(t, row.(*resource.Port))
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
	}
	return out, nil
}

// attachmentsOf returns the addresses of one port with their subnets, which stay while it is there.
func (s *Server) attachmentsOf(t *rows.Txn, p *resource.Port) (attachments, error) {
	var out attachments
	for _, f := range p.FixedIPs {
		row, err := t.Peek(s.subnets, f.SubnetID)
		if err != nil {
			return nil, err
		}
		out = append(out, attachment{p, row.(*resource.Subnet), f.IPAddress})
	}
	return out, nil
}

// without returns the attachments of all ports but one.
func (l attachments) without(port string) attachments {
	var out attachments
	for _, a := range l {
		if a.port.ID != port {
			out = append(out, a)
		}
	}
	return out
}

func (l attachments) checkRoutes(r *resource.Router) error {
	var connected []netip.Prefix
	var own []netip.Addr
	for _, a := range l {
		connected = append(connected, a.subnet.CIDR)
		own = append(own, a.address)
	}
	return resource.CheckRoutes(r.Routes, connected, own)
}

// badRouter is Neutron's 400 for a request about a router that makes no sense.
func badRouter(format string, args ...any) *resource.Error {
	return resource.Refused("BadRequest", "Bad router request: "+format+".", args...)
}

// check refuses more addresses where the router is attached already, or where two prefixes overlap: it
// would not know where to send what is for both.
func (l attachments) check(more attachments) error {
	for _, b := range more {
		if b.subnet.SegmentID != "" {
			return errRoutedRouter
		}
	}
	for _, a := range l {
		for _, b := range more {
			if a.subnet.ID == b.subnet.ID {
				return badRouter("Router already has a port on subnet %s", a.subnet.ID)
			}
		}
	}
	for _, a := range l {
		for _, b := range more {
			if a.subnet.CIDR.Overlaps(b.subnet.CIDR) {
				return badRouter("Cidr %s of subnet %s overlaps with cidr %s of subnet %s", b.subnet.CIDR, b.subnet.ID,
					a.subnet.CIDR, a.subnet.ID)
			}
		}
	}
	return nil
}

// checkPort refuses a port that cannot be one interface of a router with these other attachments.
func (l attachments) checkPort(more attachments) error {
	if len(more) == 0 {
		return badRouter("Router port must have at least one fixed IP")
	}
	v4 := ""
	for _, b := range more {
		if err := checkRAs(b.subnet); err != nil {
			return err
		}
		if b.subnet.IPVersion == 4 && v4 != "" {
			return badRouter("Cannot have multiple IPv4 subnets on router port")
		}
		if b.subnet.IPVersion == 4 {
			v4 = b.subnet.ID
			continue
		}
		if other := l.v6Port(b.port.NetworkID); other != nil {
			return badRouter("Router already contains IPv6 port %s belonging to network id %s. Only one IPv6 port from "+
				"the same network subnet can be connected to a router", other.ID, other.NetworkID)
		}
	}
	for i := range more {
		if more[:i].has(more[i].subnet.ID) {
			return badRouter("Router already has a port on subnet %s", more[i].subnet.ID)
		}
	}
	return l.check(more)
}

func (l attachments) has(subnet string) bool {
	for _, a := range l {
		if a.subnet.ID == subnet {
			return true
		}
	}
	return false
}

// v6Port returns the port with the router's IPv6 addresses on a network, nil if there is none: one link
// has one router of a prefix (RFC 4861), so all prefixes are announced by one port.
func (l attachments) v6Port(network string) *resource.Port {
	for _, a := range l {
		if a.port.NetworkID == network && a.subnet.IPVersion == 6 && a.port.RouterID() != "" {
			return a.port
		}
	}
	return nil
}

// checkRAs refuses a subnet whose guests get their addresses from somebody else's advertisements.
func checkRAs(s *resource.Subnet) error {
	if s.IPVersion == 6 && s.IPv6RAMode == "" && s.IPv6AddressMode != "" {
		return badRouter("IPv6 subnet %s configured to receive RAs from an external router cannot be added to "+
			"Neutron Router", s.ID)
	}
	return nil
}
