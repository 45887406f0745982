package ipam

import (
	"net/netip"
	"slices"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/neutron/resource"
)

// Request asks for the addresses of a port.
type Request struct {
	NetworkID string
	// Subnets are those of the network.
	Subnets []*resource.Subnet
	MAC     model.MAC
	// Wanted is what the client asked for; Named says that it asked at all: without, the port gets an
	// address of each family.
	Wanted []model.FixedIP
	Named  bool
	// Kept are the addresses that the port has.
	Kept []model.FixedIP
	// Router says that the port is a router's: it takes no address by itself that hosts derive from a
	// prefix, and may take one of choice there.
	Router bool
	// Take reserves an address and reports false if it is in use.
	Take func(subnet string, a netip.Addr) bool
	// From returns where to begin looking in a subnet; it may be zero.
	From func(subnet string) netip.Addr
}

// Allocate returns the addresses of the port, in the order of the request, those that follow from the
// MAC last. Its errors are the API's.
func Allocate(r *Request) ([]model.FixedIP, error) {
	var out []model.FixedIP
	var err error
	if r.Named {
		out, err = r.wanted()
	} else {
		out, err = r.oneOfEach()
	}
	if err != nil || r.Router {
		return out, err
	}
	for _, s := range r.Subnets {
		if !s.AutoAddress() || slices.ContainsFunc(out, func(f model.FixedIP) bool { return f.SubnetID == s.ID }) {
			continue
		}
		f, err := r.derived(s)
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
}

// oneOfEach chooses an IPv4 address and an IPv6 address of those that are not derived from the MAC; a router
// chooses those, too.
func (r *Request) oneOfEach() ([]model.FixedIP, error) {
	var out []model.FixedIP
	for _, version := range []int{4, 6} {
		subnets := slices.DeleteFunc(slices.Clone(r.Subnets), func(s *resource.Subnet) bool {
			return s.IPVersion != version || s.AutoAddress() && !r.Router || len(s.AllocationPools) == 0
		})
		if len(subnets) == 0 {
			continue
		}
		f, ok := r.pick(subnets)
		if !ok {
			return nil, exhausted(r.NetworkID)
		}
		out = append(out, f)
	}
	if len(out) == 0 && r.hasPlainSubnet() {
		return nil, exhausted(r.NetworkID)
	}
	return out, nil
}

func (r *Request) hasPlainSubnet() bool {
	return slices.ContainsFunc(r.Subnets, func(s *resource.Subnet) bool { return !s.AutoAddress() })
}

func exhausted(network string) error {
	return resource.Conflict("IpAddressGenerationFailure", "No more IP addresses available on network %s.", network)
}

func (r *Request) pick(subnets []*resource.Subnet) (model.FixedIP, bool) {
	for _, s := range subnets {
		a, ok := Pick(s.AllocationPools, r.From(s.ID), func(a netip.Addr) bool { return r.Take(s.ID, a) })
		if ok {
			return model.FixedIP{SubnetID: s.ID, IPAddress: a}, true
		}
	}
	return model.FixedIP{}, false
}

// wanted serves a list of subnets and addresses. What the port has already is kept: an address that is
// named again, and for a subnet without an address one that it has there.
func (r *Request) wanted() ([]model.FixedIP, error) {
	kept := slices.Clone(r.Kept)
	keep := func(match func(model.FixedIP) bool) (model.FixedIP, bool) {
		i := slices.IndexFunc(kept, match)
		if i < 0 {
			return model.FixedIP{}, false
		}
		f := kept[i]
		kept = slices.Delete(kept, i, i+1)
		return f, true
	}
	out := make([]model.FixedIP, len(r.Wanted))
	for i, w := range r.Wanted { // those that name an address first, so that none is given away before
		if !w.IPAddress.IsValid() {
			continue
		}
		f, ok := keep(func(f model.FixedIP) bool { return f.IPAddress == w.IPAddress })
		if !ok || w.SubnetID != "" && w.SubnetID != f.SubnetID {
			var err error
			if f, err = r.named(w); err != nil {
				return nil, err
			}
		}
		out[i] = f
	}
	for i, w := range r.Wanted {
		if w.IPAddress.IsValid() {
			continue
		}
		f, ok := keep(func(f model.FixedIP) bool { return f.SubnetID == w.SubnetID })
		if !ok {
			var err error
			if f, err = r.anyOf(w.SubnetID); err != nil {
				return nil, err
			}
		}
		out[i] = f
	}
	return out, nil
}

// named takes an address that the client chose.
func (r *Request) named(w model.FixedIP) (model.FixedIP, error) {
	s, err := r.subnetOf(w)
	if err != nil {
		return model.FixedIP{}, err
	}
	if s.AutoAddress() && !r.Router && w.IPAddress != EUI64(s.CIDR, r.MAC) {
		return model.FixedIP{}, resource.InvalidInput("IPv6 address %s can not be directly assigned to a port on "+
			"subnet %s since the subnet is configured for automatic addresses", w.IPAddress, s.ID)
	}
	f := model.FixedIP{SubnetID: s.ID, IPAddress: w.IPAddress}
	if slices.Contains(r.Kept, f) {
		return f, nil
	}
	if !r.Take(s.ID, w.IPAddress) {
		return f, resource.Conflict("IpAddressAlreadyAllocated",
			"IP address %s already allocated in subnet %s", w.IPAddress, s.ID)
	}
	return f, nil
}

func (r *Request) subnetOf(w model.FixedIP) (*resource.Subnet, error) {
	if w.SubnetID != "" {
		s, err := r.subnet(w.SubnetID)
		if err == nil && !IsHost(s.CIDR, w.IPAddress) {
			return nil, resource.Refused("InvalidIpForSubnet",
				"IP address %s is not a valid IP for the specified subnet.", w.IPAddress)
		}
		return s, err
	}
	for _, s := range r.Subnets {
		if IsHost(s.CIDR, w.IPAddress) {
			return s, nil
		}
	}
	return nil, resource.Refused("InvalidIpForNetwork",
		"IP address %s is not a valid IP for any of the subnets on the specified network.", w.IPAddress)
}

func (r *Request) subnet(id string) (*resource.Subnet, error) {
	for _, s := range r.Subnets {
		if s.ID == id {
			return s, nil
		}
	}
	return nil, resource.InvalidInput("Failed to create port on network %s, because fixed_ips included invalid "+
		"subnet %s", r.NetworkID, id)
}

// anyOf takes an address of a subnet that the client chose.
func (r *Request) anyOf(id string) (model.FixedIP, error) {
	s, err := r.subnet(id)
	if err != nil {
		return model.FixedIP{}, err
	}
	if s.AutoAddress() && !r.Router {
		return r.derived(s)
	}
	f, ok := r.pick([]*resource.Subnet{s})
	if !ok {
		return f, exhausted(r.NetworkID)
	}
	return f, nil
}

// derived takes the address that the guest will derive from its MAC.
func (r *Request) derived(s *resource.Subnet) (model.FixedIP, error) {
	f := model.FixedIP{SubnetID: s.ID, IPAddress: EUI64(s.CIDR, r.MAC)}
	if slices.Contains(r.Kept, f) || r.Take(s.ID, f.IPAddress) {
		return f, nil
	}
	return f, resource.Conflict("IpAddressAlreadyAllocated",
		"IP address %s already allocated in subnet %s", f.IPAddress, s.ID)
}
