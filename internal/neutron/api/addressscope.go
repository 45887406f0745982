package api

import (
	"context"
	"errors"
	"slices"

	"github.com/dragonflow/dragonflow/internal/neutron/resource"
	"github.com/dragonflow/dragonflow/internal/neutron/rows"
)

type scopeOps struct{ *Server }

func (o scopeOps) create(t *rows.Txn, row resource.Row, _ resource.Given) error {
	t.Create(o.addressScopes, row)
	return nil
}

func (o scopeOps) update(t *rows.Txn, oldRow, row resource.Row, _ resource.Given) error {
	if oldRow.(*resource.AddressScope).Shared && !row.(*resource.AddressScope).Shared {
		return resource.Refused("AddressScopeUpdateError",
			"Unable to update address scope %s : Shared address scope can't be unshared.", row.Base().ID)
	}
	t.Update(o.addressScopes, row)
	return nil
}

func (o scopeOps) delete(ctx context.Context, id string, revision int64) error {
	return o.store.Update(ctx, func(t *rows.Txn) error {
		row, err := t.Get(o.addressScopes, id)
		if err != nil {
			return err
		}
		if err := checkRevision(row, revision); err != nil {
			return err
		}
		if o.store.Count(o.subnetPools.Kind, rows.ByAddressScope(id)) > 0 {
			return resource.Conflict("AddressScopeInUse", "Unable to complete operation on address scope %s. There are one "+
				"or more subnet pools in use on the address scope.", id)
		}
		t.Delete(o.addressScopes, id)
		return nil
	})
}

// joinScope checks that a pool may be in its address scope, and makes the batch conflict with others that
// change what is in it.
func (s *Server) joinScope(t *rows.Txn, p *resource.SubnetPool) error {
	if p.AddressScopeID == "" {
		return nil
	}
	row, err := t.Get(s.addressScopes, p.AddressScopeID)
	if err != nil {
		return err
	}
	if v := row.(*resource.AddressScope).IPVersion; v != p.IPVersion {
		return resource.Refused("IllegalSubnetPoolIpVersionAssociationToAddressScope", "Illegal subnetpool association: "+
			"subnetpool %s cannot associate with address scope %s because subnetpool ip_version is not %d.",
			p.ID, p.AddressScopeID, v)
	}
	members := s.store.Select(s.subnetPools.Kind, rows.ByAddressScope(p.AddressScopeID))
	for _, other := range slices.Concat(members, t.Created(s.subnetPools)) {
		o := other.(*resource.SubnetPool)
		if o.ID != p.ID && o.AddressScopeID == p.AddressScopeID && overlap(o, p) {
			return resource.Conflict("AddressScopePrefixConflict", "Failed to associate address scope: subnetpools within "+
				"an address scope must have unique prefixes.")
		}
	}
	t.Update(s.addressScopes, row.Clone())
	return nil
}

func overlap(a, b *resource.SubnetPool) bool {
	for _, x := range a.Prefixes {
		for _, y := range b.Prefixes {
			if x.Overlaps(y) {
				return true
			}
		}
	}
	return false
}

// checkAffinity refuses to move a pool to another address scope if there are networks on which its subnets
// would then be of another scope than the others. Every subnet that comes to such a network writes the
// pool's row, see checkSiblings.
func (s *Server) checkAffinity(p *resource.SubnetPool) error {
	for _, row := range s.store.Select(s.subnets.Kind, rows.BySubnetPool(p.ID)) {
		for _, other := range s.store.Select(s.subnets.Kind, rows.ByNetwork(row.(*resource.Subnet).NetworkID)) {
			o := other.(*resource.Subnet)
			if o.IPVersion == p.IPVersion && o.SubnetPoolID != p.ID {
				return errAffinity
			}
		}
	}
	return nil
}

// followPool moves a subnet to the address scope of its pool. Each is a batch of its own, since a pool may have many.
func (s *Server) followPool(ctx context.Context, id string) error {
	return s.store.Update(ctx, func(t *rows.Txn) error {
		row, err := t.Get(s.subnets, id)
		if err != nil {
			return notGone(err)
		}
		pool, err := t.Get(s.subnetPools, row.(*resource.Subnet).SubnetPoolID)
		if err != nil {
			return notGone(err)
		}
		n := row.Clone().(*resource.Subnet)
		if n.AddressScopeID == pool.(*resource.SubnetPool).AddressScopeID {
			return nil
		}
		n.AddressScopeID = pool.(*resource.SubnetPool).AddressScopeID
		s.stamp(n, n.Revision+1)
		t.Update(s.subnets, n)
		return nil
	})
}

// updated moves the subnets of a pool with it to another address scope.
func (o poolOps) updated(ctx context.Context, row resource.Row) error {
	var failed error
	for _, n := range o.store.Select(o.subnets.Kind, rows.BySubnetPool(row.Base().ID)) {
		if n.(*resource.Subnet).AddressScopeID != row.(*resource.SubnetPool).AddressScopeID {
			failed = errors.Join(failed, o.followPool(ctx, n.Base().ID))
		}
	}
	return failed
}

var errAffinity = resource.Refused("NetworkAddressScopeAffinityError",
	"Subnets of the same address family hosted on the same network must all participate in the same address scope.")

// checkSiblings refuses a subnet that is not of the pool of the other subnets of its network and IP
// version, or not of their address scope. A nil pool is none.
func (s *Server) checkSiblings(t *rows.Txn, n *resource.Subnet, pool *resource.SubnetPool, siblings []*resource.Subnet) error {
	scope := ""
	for _, o := range siblings {
		if o.IPVersion != n.IPVersion || o.SubnetPoolID == "" {
			continue
		}
		p, err := s.touchPool(t, o.SubnetPoolID)
		if err != nil {
			return err
		}
		scope = p.AddressScopeID
	}
	if scope != "" && pool != nil && pool.AddressScopeID != scope {
		return errAffinity
	}
	for _, o := range siblings {
		if o.IPVersion != n.IPVersion || o.SubnetPoolID == n.SubnetPoolID || pool != nil && scope != "" {
			continue
		}
		return resource.Refused("NetworkSubnetPoolAffinityError",
			"Subnets hosted on the same network must be allocated from the same subnet pool.")
	}
	return nil
}

// decorateNetwork fills in the address scopes of a network's subnets, and whether they are on segments.
func (s *Server) decorateNetwork(row resource.Row) resource.Row {
	n := row.Clone().(*resource.Network)
	for _, id := range n.Subnets {
		subnet, ok := s.store.Cached(s.subnets.Kind, id)
		if !ok {
			continue
		}
		n.Routed = n.Routed || subnet.(*resource.Subnet).SegmentID != ""
		pool, ok := s.store.Cached(s.subnetPools.Kind, subnet.(*resource.Subnet).SubnetPoolID)
		if !ok {
			continue
		}
		if p := pool.(*resource.SubnetPool); p.IPVersion == 4 {
			n.IPv4AddressScope = p.AddressScopeID
		} else {
			n.IPv6AddressScope = p.AddressScopeID
		}
	}
	return n
}
