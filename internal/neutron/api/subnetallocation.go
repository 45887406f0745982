package api

import (
	"math"
	"net/netip"
	"strconv"

	"github.com/dragonflow/dragonflow/internal/neutron/ipam"
	"github.com/dragonflow/dragonflow/internal/neutron/resource"
	"github.com/dragonflow/dragonflow/internal/neutron/rows"
)

// badSubnet is Neutron's 400 for a request about a subnet that makes no sense.
func badSubnet(format string, args ...any) *resource.Error {
	return resource.Refused("BadRequest", "Bad subnets request: "+format+".", args...)
}

// takePrefix gives a new subnet its prefix from a pool, if one is wanted, and returns the pool.
func (s *Server) takePrefix(t *rows.Txn, n *resource.Subnet, given resource.Given) (*resource.SubnetPool, error) {
	if n.CIDR.IsValid() && given["prefixlen"] {
		return nil, badSubnet("cidr and prefixlen must not be supplied together")
	}
	id, err := s.wantedPool(t, n)
	if err != nil {
		return nil, err
	}
	if id == "" && !n.CIDR.IsValid() {
		return nil, badSubnet("a subnetpool must be specified in the absence of a cidr")
	}
	if id == "" {
		return nil, nil
	}
	if !n.CIDR.IsValid() && len(n.AllocationPools) > 0 {
		return nil, badSubnet("allocation_pools allowed only for specific subnet requests")
	}
	pool, err := s.touchPool(t, id)
	if err != nil {
		return nil, err
	}
	if n.IPVersion != 0 && n.IPVersion != pool.IPVersion {
		return nil, badSubnet("Cannot allocate IPv%d subnet from IPv%d subnet pool", n.IPVersion, pool.IPVersion)
	}
	n.SubnetPoolID, n.AddressScopeID = pool.ID, pool.AddressScopeID
	return pool, s.allocate(t, pool, n, given)
}

// wantedPool returns the id of the pool that a request names, or of the default one if it asks for that.
func (s *Server) wantedPool(t *rows.Txn, n *resource.Subnet) (string, error) {
	if !n.UseDefaultPool {
		return n.SubnetPoolID, nil
	}
	if n.SubnetPoolID != "" {
		return "", badSubnet("subnetpool_id and use_default_subnetpool cannot both be specified")
	}
	version := n.IPVersion
	if n.CIDR.IsValid() {
		version = 6
		if n.CIDR.Addr().Is4() {
			version = 4
		}
	}
	if version == 0 {
		return "", badSubnet("ip_version must be specified in the absence of cidr and subnetpool_id")
	}
	row, err := t.Get(s.defaultPools, strconv.Itoa(version))
	if notGone(err) != nil {
		return "", err
	}
	if err != nil {
		return "", badSubnet("No default subnetpool found for IPv%d", version)
	}
	return row.(*resource.DefaultPool).SubnetPoolID, nil
}

// allocate checks the prefix that a subnet names, or chooses one.
func (s *Server) allocate(t *rows.Txn, pool *resource.SubnetPool, n *resource.Subnet, given resource.Given) error {
	bits := pool.DefaultPrefixLen
	switch {
	case n.CIDR.IsValid():
		bits = n.CIDR.Bits()
	case given["prefixlen"]:
		bits = n.PrefixLen
	}
	if err := pool.CheckLength(bits); err != nil {
		return err
	}
	if !n.CIDR.IsValid() && n.GatewayIP.IsValid() { // the subnet in which this gateway lies
		n.CIDR = netip.PrefixFrom(n.GatewayIP, bits).Masked()
		if !n.CIDR.IsValid() {
			return badSubnet("gateway_ip %s is not in an IPv%d subnet of /%d", n.GatewayIP, pool.IPVersion, bits)
		}
	}
	cut := s.cut(t, pool.ID)
	if pool.DefaultQuota != nil && *pool.DefaultQuota > 0 {
		if err := checkPoolQuota(pool, cut, n.ProjectID, bits); err != nil {
			return err
		}
	}
	used := cidrs(cut)
	if n.CIDR.IsValid() {
		if !ipam.Covers(ipam.Free(pool.Prefixes, used), n.CIDR) {
			return notAllocated("Cannot allocate requested subnet from the available set of prefixes")
		}
		return nil
	}
	var ok bool
	if n.CIDR, ok = ipam.PickPrefix(pool.Prefixes, used, bits); !ok {
		return notAllocated("Insufficient prefix space to allocate subnet size /" + strconv.Itoa(bits))
	}
	return nil
}

func notAllocated(reason string) error {
	return resource.Conflict("SubnetAllocationError", "Failed to allocate subnet: %s.", reason)
}

// checkPoolQuota refuses a project more of a pool than the pool allows each.
func checkPoolQuota(pool *resource.SubnetPool, cut []*resource.Subnet, project string, bits int) error {
	unit := 32
	if pool.IPVersion == 6 {
		unit = 64
	}
	used := math.Exp2(float64(unit - bits))
	for _, o := range cut {
		if o.ProjectID == project {
			used += math.Exp2(float64(unit - o.CIDR.Bits()))
		}
	}
	if used > float64(*pool.DefaultQuota) {
		return resource.Conflict("SubnetPoolQuotaExceeded", "Per-project subnet pool prefix quota exceeded.")
	}
	return nil
}
