package api

import (
	"context"
	"errors"
	"slices"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/neutron/resource"
	"github.com/dragonflow/dragonflow/internal/neutron/rows"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// A routed network has each of its subnets on one of its segments, and routers outside between these. A port's
// addresses are of the segment that its host reaches; before it has a host, it may have none.

// routed reports whether subnets are those of a routed network: all of them have segments then.
func routed(subnets []*resource.Subnet) bool {
	return slices.ContainsFunc(subnets, func(s *resource.Subnet) bool { return s.SegmentID != "" })
}

// segmentOf returns the segment by which the chassis reaches a network, as its controller chooses it.
func (p place) segmentOf(n *resource.Network) (model.Segment, bool) {
	return model.SegmentFor(n.Segments, func(name string) bool { return slices.Contains(p.physical, name) })
}

// carries reports whether the chassis has a segment of a network; one of an older version gets its segment soon.
func (p place) carries(n *resource.Network) bool {
	_, reached := p.segmentOf(n)
	return reached || len(n.Segments) == 0 && !n.Unsegmented
}

// placeOf returns a chassis, of which this server may not have heard yet; ok is false if there is none.
func (s *Server) placeOf(ctx context.Context, host string) (p place, ok bool, err error) {
	c, _ := s.board.find(host)
	if c == nil {
		c, _, err = northbound.Get[model.Chassis](ctx, northbound.NewStore(s.opts.DB), model.ScopeGlobal, host)
		if errors.Is(err, db.ErrNotFound) || errors.Is(err, db.ErrInvalidKey) {
			return place{}, false, nil
		}
		if err != nil {
			return place{}, false, err
		}
	}
	return place{name: host, physical: c.PhysicalNetworks}, true, nil
}

// within are the subnets of which a port may have addresses: all, or on a routed network those of the segment
// that its host reaches, or while it has no host those of the segment of the addresses that are asked for.
func (s *Server) within(t *rows.Txn, n *resource.Network, subnets []*resource.Subnet, p *resource.Port) ([]*resource.Subnet, error) {
	if !routed(subnets) {
		return subnets, nil
	}
	if isRouterPort(p) {
		return nil, errRoutedRouter
	}
	if p.HostID == "" {
		return withinAsked(subnets, p.FixedIPs)
	}
	at, ok, err := s.placeOf(t.Context(), p.HostID)
	if err != nil {
		return nil, err
	}
	var out []*resource.Subnet
	if here, reached := at.segmentOf(n); ok && reached {
		out = ofSegment(subnets, here.ID)
	}
	if len(out) == 0 {
		return nil, resource.Conflict("HostNotConnectedToAnySegment", "Host %s is not connected to any segments on routed provider "+
			"network '%s'.  It should be connected to one.", p.HostID, n.ID)
	}
	return out, nil
}

// errRoutedRouter refuses what our routers, which are on all chassis, cannot do.
var errRoutedRouter = resource.InvalidInput("routers can have no ports on a network whose subnets are on segments: routers outside join them")

func ofSegment(subnets []*resource.Subnet, id string) []*resource.Subnet {
	return slices.DeleteFunc(slices.Clone(subnets), func(s *resource.Subnet) bool { return s.SegmentID != id })
}

// withinAsked are the subnets of the segment to which the addresses belong that are asked for. What belongs to
// none is left to who looks for the addresses, to be refused.
func withinAsked(subnets []*resource.Subnet, asked []model.FixedIP) ([]*resource.Subnet, error) {
	at, found := "", false
	for _, f := range asked {
		i := slices.IndexFunc(subnets, func(s *resource.Subnet) bool {
			return f.SubnetID == s.ID || f.SubnetID == "" && s.CIDR.Contains(f.IPAddress)
		})
		switch {
		case i < 0:
			return subnets, nil
		case found && subnets[i].SegmentID != at:
			return nil, resource.Refused("FixedIpsSubnetsNotOnSameSegment", "Cannot allocate addresses from different segments.")
		}
		at, found = subnets[i].SegmentID, true
	}
	return ofSegment(subnets, at), nil
}

// settleHost gives a port that is bound for the first time the addresses that it could not have before, and
// refuses a host that does not reach the segment of those that it has. Named says that the client has named its
// addresses, which have been taken.
func (s *Server) settleHost(t *rows.Txn, old, p *resource.Port, named bool) error {
	if p.HostID == "" || p.HostID == old.HostID {
		return nil
	}
	n, err := s.network(t, p.NetworkID)
	if err != nil {
		return err
	}
	if !named && old.HostID == "" && len(p.FixedIPs) == 0 && p.IPAllocation == resource.IPDeferred {
		return portOps{s}.takeAddresses(t, n, old, p, false)
	}
	return s.checkHost(t, n, p, p.HostID)
}

// checkHost refuses a host that does not reach the segment of a port's addresses.
func (s *Server) checkHost(t *rows.Txn, n *resource.Network, p *resource.Port, host string) error {
	subnets, err := s.subnetsOf(t, n)
	if err != nil || !routed(subnets) || len(p.FixedIPs) == 0 {
		return err
	}
	there := p.Clone().(*resource.Port)
	there.HostID = host
	reached, err := s.within(t, n, subnets, there)
	if err != nil {
		return err
	}
	for _, f := range p.FixedIPs {
		if !slices.ContainsFunc(reached, func(s *resource.Subnet) bool { return s.ID == f.SubnetID }) {
			return resource.Conflict("HostNotCompatibleWithFixedIps", "Host %s is not connected to a segment where the existing fixed_ips "+
				"on port %s will function given the routed network topology.", host, p.ID)
		}
	}
	return nil
}

// mayDerive reports whether a port may have an address that follows from a subnet.
func (s *Server) mayDerive(t *rows.Txn, p *resource.Port, subnet *resource.Subnet) (bool, error) {
	if subnet.SegmentID == "" {
		return true, nil
	}
	n, err := s.network(t, p.NetworkID)
	if err != nil {
		return false, notGone(err)
	}
	subnets, err := s.subnetsOf(t, n)
	if err != nil || isRouterPort(p) {
		return false, err
	}
	reached, err := s.within(t, n, subnets, p)
	if e := (*resource.Error)(nil); errors.As(err, &e) {
		return false, nil // it may be nowhere
	}
	return slices.ContainsFunc(reached, func(s *resource.Subnet) bool { return s.ID == subnet.ID }), err
}

// checkSegment checks the segment of a new subnet.
func (o subnetOps) checkSegment(n *resource.Network, s *resource.Subnet, siblings []*resource.Subnet) error {
	mixed := slices.ContainsFunc(siblings, func(x *resource.Subnet) bool { return x.ID != s.ID && (x.SegmentID == "") != (s.SegmentID == "") })
	known := slices.ContainsFunc(n.Segments, func(x model.Segment) bool { return x.ID == s.SegmentID })
	switch {
	case s.SegmentID != "" && !known && o.store.Count(o.networks.Kind, rows.BySegmentID(s.SegmentID)) == 0:
		return o.segments.NotFound(s.SegmentID)
	case mixed:
		return notAllOnSegments(n)
	case s.SegmentID != "" && !known:
		return resource.Refused("NetworkIdsDontMatch", "The subnet's network id, '%s', doesn't match the network_id of segment '%s'", n.ID, s.SegmentID)
	}
	return nil
}

func notAllOnSegments(n *resource.Network) error {
	return resource.Refused("SubnetsNotAllAssociatedWithSegments", "All of the subnets on network '%s' must either all be "+
		"associated with segments or all not associated with any segment.", n.ID)
}

// moveSegment checks the segment that a subnet is to have now: a network with one segment and one subnet
// becomes a routed one by it.
func (o subnetOps) moveSegment(n *resource.Network, old, s *resource.Subnet, siblings []*resource.Subnet) error {
	switch {
	case s.SegmentID == old.SegmentID:
		return nil
	case len(siblings) > 1:
		return notAllOnSegments(n)
	case old.SegmentID != "":
		return resource.Refused("SubnetSegmentAssociationChangeNotAllowed",
			"A subnet that is already associated with a segment cannot have its segment association changed.")
	case len(n.Segments) > 1:
		return resource.Refused("NoUpdateSubnetWhenMultipleSegmentsOnNetwork", "The network '%s' has multiple segments, it is only possible to "+
			"associate an existing subnet with a segment on networks with a single segment.", n.ID)
	}
	for _, row := range o.store.Select(o.ports.Kind, rows.BySubnet(s.ID)) {
		switch p := row.(*resource.Port); {
		case isRouterPort(p), p.DeviceOwner == model.FloatingIPOwner, p.DeviceOwner == model.ChassisAddressOwner:
			return errRoutedRouter
		}
	}
	return o.checkSegment(n, s, siblings)
}

// settlePeers has each subnet of a routed network lead to those of the other segments.
func (s *Server) settlePeers(ctx context.Context, network string) error {
	var failed error
	var subnets []*resource.Subnet
	for _, row := range s.store.Select(s.subnets.Kind, rows.ByNetwork(network)) {
		subnets = append(subnets, row.(*resource.Subnet))
	}
	if !routed(subnets) {
		return nil
	}
	for _, subnet := range subnets {
		if !slices.Equal(subnet.PeerRoutes, subnet.RoutesToPeers(subnets)) {
			failed = errors.Join(failed, s.settlePeer(ctx, network, subnet.ID))
		}
	}
	return failed
}

func (s *Server) settlePeer(ctx context.Context, network, id string) error {
	return s.store.Update(ctx, func(t *rows.Txn) error {
		n, err := s.network(t, network)
		if err != nil {
			return notGone(err)
		}
		row, err := t.Get(s.subnets, id)
		if err != nil {
			return notGone(err)
		}
		siblings, err := s.subnetsOf(t, n)
		if err != nil {
			return err
		}
		subnet := row.Clone().(*resource.Subnet)
		subnet.PeerRoutes = subnet.RoutesToPeers(siblings)
		if slices.Equal(subnet.PeerRoutes, row.(*resource.Subnet).PeerRoutes) {
			return nil
		}
		s.stamp(subnet, subnet.Revision+1)
		t.Update(s.networks, n.Clone()) // as with each change of a subnet
		t.Update(s.subnets, subnet)
		return nil
	})
}
