package api

import (
	"context"
	"slices"

	"github.com/dragonflow/dragonflow/internal/neutron/ipam"
	"github.com/dragonflow/dragonflow/internal/neutron/resource"
	"github.com/dragonflow/dragonflow/internal/neutron/rows"
)

type subnetOps struct{ *Server }

func (o subnetOps) create(t *rows.Txn, row resource.Row, given resource.Given) error {
	s := row.(*resource.Subnet)
	pool, err := o.takePrefix(t, s, given)
	if err != nil {
		return err
	}
	completeSubnet(s, given)
	if err := ipam.CheckSubnet(s); err != nil {
		return err
	}
	n, err := o.network(t, s.NetworkID)
	if err != nil {
		return err
	}
	if s.IPVersion == 6 && n.MTU < minIPv6MTU {
		return resource.Conflict("NetworkMTUSubnetConflict",
			"MTU of %s is not valid, subnet requires a minimum of %d", n.ID, minIPv6MTU)
	}
	siblings, err := o.subnetsOf(t, n)
	if err != nil {
		return err
	}
	if err := ipam.CheckOverlap(s, siblings); err != nil {
		return err
	}
	if err := o.checkSiblings(t, s, pool, siblings); err != nil {
		return err
	}
	if err := o.checkSegment(n, s, siblings); err != nil {
		return err
	}
	s.PeerRoutes = s.RoutesToPeers(siblings)
	if err := o.checkQuota(t, o.subnets, s.ProjectID); err != nil {
		return err
	}
	n = n.Clone().(*resource.Network)
	n.Subnets = append(slices.Clone(n.Subnets), s.ID)
	t.Update(o.networks, n)
	t.Create(o.subnets, s)
	return nil
}

// updated has the subnets of the other segments follow.
func (o subnetOps) updated(ctx context.Context, row resource.Row) error {
	return o.settlePeers(ctx, row.(*resource.Subnet).NetworkID)
}

// created gives the ports that were there before an automatic subnet their addresses; those that come
// later get them as they are made. The subnets of other segments get their routes to it.
func (o subnetOps) created(ctx context.Context, row resource.Row) error {
	s := row.(*resource.Subnet)
	if err := o.settlePeers(ctx, s.NetworkID); err != nil {
		return err
	}
	if !s.AutoAddress() {
		return nil
	}
	for _, p := range o.store.Select(o.ports.Kind, rows.ByNetwork(s.NetworkID)) {
		if err := o.derive(ctx, p.Base().ID, s); err != nil {
			return err
		}
	}
	return nil
}

// completeSubnet fills in what the client left open.
func completeSubnet(s *resource.Subnet, given resource.Given) {
	if s.IPVersion == 0 {
		s.IPVersion = 6
		if s.CIDR.Addr().Is4() {
			s.IPVersion = 4
		}
	}
	if !given["gateway_ip"] && !s.CIDR.IsSingleIP() {
		s.GatewayIP = ipam.Gateway(s.CIDR)
	}
	if !given["allocation_pools"] {
		s.AllocationPools = ipam.Pools(s.CIDR, s.GatewayIP)
	}
}

func (o subnetOps) update(t *rows.Txn, oldRow, row resource.Row, given resource.Given) error {
	old, s := oldRow.(*resource.Subnet), row.(*resource.Subnet)
	if given["allocation_pools"] && len(s.AllocationPools) == 0 {
		s.AllocationPools = ipam.Pools(s.CIDR, s.GatewayIP)
	}
	if err := ipam.CheckSubnet(s); err != nil {
		return err
	}
	if err := o.leaveGateway(t, old, s); err != nil {
		return err
	}
	n, err := o.network(t, s.NetworkID)
	if err != nil {
		return err
	}
	siblings, err := o.subnetsOf(t, n)
	if err != nil {
		return err
	}
	if err := o.moveSegment(n, old, s, siblings); err != nil {
		return err
	}
	s.PeerRoutes = s.RoutesToPeers(siblings)
	t.Update(o.networks, n.Clone()) // so that ports under way see the subnet as it is now
	t.Update(o.subnets, s)
	return nil
}

// leaveGateway refuses to change a gateway address that a port has, such as a router's.
func (o subnetOps) leaveGateway(t *rows.Txn, old, s *resource.Subnet) error {
	if s.GatewayIP == old.GatewayIP || !old.GatewayIP.IsValid() {
		return nil
	}
	user := ""
	for _, p := range o.store.Select(o.ports.Kind, rows.ByAddress(s.NetworkID, old.GatewayIP)) {
		user = " by port " + p.Base().ID
	}
	if user == "" && t.Absent(ipam.AddressKey(s.NetworkID, old.GatewayIP)) {
		return nil
	}
	return resource.Conflict("GatewayIpInUse", "Current gateway ip %s already in use%s. Unable to update.", old.GatewayIP, user)
}

func (s *Server) network(t *rows.Txn, id string) (*resource.Network, error) {
	row, err := t.Get(s.networks, id)
	if err != nil {
		return nil, err
	}
	return row.(*resource.Network), nil
}

// subnetsOf returns the subnets of a network that the batch depends on. They are as the network's row
// says: both are always written together.
func (s *Server) subnetsOf(t *rows.Txn, n *resource.Network) ([]*resource.Subnet, error) {
	out := make([]*resource.Subnet, 0, len(n.Subnets))
	for _, id := range n.Subnets {
		row, err := t.Peek(s.subnets, id)
		if notGone(err) != nil {
			return nil, err
		}
		if err != nil {
			return nil, t.Outdated(s.networks, n.ID)
		}
		out = append(out, row.(*resource.Subnet))
	}
	return out, nil
}

func (o subnetOps) delete(ctx context.Context, id string, revision int64) error {
	return o.deleteInPhases(ctx, o.subnets, id, revision)
}

// subnetInUse refuses to delete a subnet whose addresses were given to ports. Addresses that follow from
// the prefix go with it.
func (s *Server) subnetInUse(row resource.Row) error {
	subnet := row.(*resource.Subnet)
	for _, p := range s.store.Select(s.ports.Kind, rows.BySubnet(subnet.ID)) {
		if !subnet.AutoAddress() || isRouterPort(p.(*resource.Port)) {
			return resource.Conflict("SubnetInUse", "Unable to complete operation on subnet %s: One or more ports "+
				"have an IP allocation from this subnet.", subnet.ID)
		}
	}
	return nil
}

// dropSubnet removes a marked subnet after the addresses that ports have derived from it.
func (s *Server) dropSubnet(ctx context.Context, row resource.Row) error {
	subnet := row.(*resource.Subnet)
	for _, p := range s.store.Select(s.ports.Kind, rows.BySubnet(subnet.ID)) {
		if err := s.forgetSubnet(ctx, p.Base().ID, subnet.ID); err != nil {
			return err
		}
	}
	err := s.store.Update(ctx, func(t *rows.Txn) error {
		marked, err := t.GetMarked(s.subnets, subnet.ID)
		if err != nil || marked.Base().Deleting.IsZero() {
			return notGone(err)
		}
		row, err := t.GetMarked(s.networks, subnet.NetworkID)
		if err != nil {
			return notGone(err)
		}
		n := row.Clone().(*resource.Network)
		n.Subnets = slices.DeleteFunc(slices.Clone(n.Subnets), func(id string) bool { return id == subnet.ID })
		t.Update(s.networks, n)
		t.Delete(s.subnets, subnet.ID)
		return nil
	})
	if err != nil {
		return err
	}
	return s.settlePeers(ctx, subnet.NetworkID)
}
