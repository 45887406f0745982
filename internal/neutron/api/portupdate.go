package api

import (
	"context"
	"slices"
	"strings"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/neutron/ipam"
	"github.com/dragonflow/dragonflow/internal/neutron/resource"
	"github.com/dragonflow/dragonflow/internal/neutron/rows"
)

func (o portOps) update(t *rows.Txn, oldRow, row resource.Row, given resource.Given) error {
	old, p := oldRow.(*resource.Port), row.(*resource.Port)
	if err := checkPort(p); err != nil {
		return err
	}
	if err := o.checkOwner(t, old, p); err != nil {
		return err
	}
	if err := o.updateGroups(t, old, p, given); err != nil {
		return err
	}
	if err := o.updateMAC(t, old, p, given); err != nil {
		return err
	}
	if given["fixed_ips"] || p.MACAddress != old.MACAddress {
		n, err := o.network(t, p.NetworkID)
		if err != nil {
			return err
		}
		if err := o.withoutDerived(t, n, p); err != nil {
			return err
		}
		if err := o.takeAddresses(t, n, old, p, true); err != nil {
			return err
		}
		if err := o.reattach(t, p); err != nil {
			return err
		}
	}
	if err := o.settleHost(t, old, p, given["fixed_ips"]); err != nil {
		return err
	}
	if p.QoSPolicyID != old.QoSPolicyID {
		if err := o.portUsesQoS(t, p); err != nil {
			return err
		}
	}
	settleBinding(old, p)
	t.Update(o.ports, p)
	return o.followPort(t, old, p)
}

// settleBinding lets a port that is bound anew have one binding to its host.
func settleBinding(old, p *resource.Port) {
	if p.HostID != old.HostID {
		p.Inactive = slices.DeleteFunc(slices.Clone(p.Inactive), func(b resource.PortBinding) bool { return b.HostID == p.HostID })
	}
}

// withoutDerived takes out of the wanted addresses those that follow from the MAC: they come by
// themselves, and change with it.
func (o portOps) withoutDerived(t *rows.Txn, n *resource.Network, p *resource.Port) error {
	subnets, err := o.subnetsOf(t, n)
	if err != nil || isRouterPort(p) {
		return err
	}
	p.FixedIPs = slices.DeleteFunc(slices.Clone(p.FixedIPs), func(f model.FixedIP) bool {
		return slices.ContainsFunc(subnets, func(s *resource.Subnet) bool {
			named := f.SubnetID == s.ID && !f.IPAddress.IsValid()
			return s.AutoAddress() && (named || s.CIDR.Contains(f.IPAddress) && f.SubnetID != "" ||
				f.IPAddress == ipam.EUI64(s.CIDR, p.MACAddress))
		})
	})
	return nil
}

func (o portOps) updateMAC(t *rows.Txn, old, p *resource.Port, given resource.Given) error {
	if !given["mac_address"] || p.MACAddress == old.MACAddress {
		return nil
	}
	if strings.HasPrefix(p.DeviceOwner, "network:") {
		return resource.Conflict("UnsupportedPortDeviceOwner", "Operation mac address update is not supported for "+
			"device_owner %s on port %s.", p.DeviceOwner, p.ID)
	}
	if old.HostID != "" && p.HostID != "" {
		return resource.Conflict("PortBound", "Unable to complete operation on port %s, port is already bound, port "+
			"type: ovs, old_mac %s, new_mac %s.", p.ID, old.MACAddress, p.MACAddress)
	}
	t.Release(ipam.MACKey(old.NetworkID, old.MACAddress))
	return o.takeMAC(t, p)
}

func (o portOps) updateGroups(t *rows.Txn, old, p *resource.Port, given resource.Given) error {
	if !p.PortSecurityEnabled && len(p.SecurityGroups) > 0 {
		if given["security_groups"] {
			return resource.Refused("PortSecurityAndIPRequiredForSecurityGroups", "Port security must be enabled and "+
				"port must have an IP address in order to use security groups.")
		}
		return resource.Conflict("PortSecurityPortHasSecurityGroup", "Port has security group associated. Cannot "+
			"disable port security or IP address until security group is removed.")
	}
	for _, id := range p.SecurityGroups {
		if slices.Contains(old.SecurityGroups, id) {
			continue
		}
		if _, err := t.Get(o.groups, id); err != nil {
			return err
		}
	}
	return nil
}

// derive gives a port the address that follows from an automatic subnet of its network, if it lacks it.
func (s *Server) derive(ctx context.Context, port string, subnet *resource.Subnet) error {
	return s.store.Update(ctx, func(t *rows.Txn) error {
		if _, err := t.Get(s.subnets, subnet.ID); err != nil {
			return notGone(err)
		}
		row, err := t.Get(s.ports, port)
		if err != nil {
			return notGone(err)
		}
		p := row.Clone().(*resource.Port)
		f := model.FixedIP{SubnetID: subnet.ID, IPAddress: ipam.EUI64(subnet.CIDR, p.MACAddress)}
		if slices.Contains(p.FixedIPs, f) || isRouterPort(p) {
			return nil
		}
		if may, err := s.mayDerive(t, p, subnet); err != nil || !may {
			return err
		}
		key := ipam.AddressKey(p.NetworkID, f.IPAddress)
		if !t.Reserve(key, ipam.Reservation{Port: p.ID, Subnet: subnet.ID}.Encode()) {
			return resource.Conflict("IpAddressAlreadyAllocated",
				"IP address %s already allocated in subnet %s", f.IPAddress, subnet.ID)
		}
		p.FixedIPs = append(slices.Clone(p.FixedIPs), f)
		s.stamp(p, p.Revision+1)
		t.Update(s.ports, p)
		return nil
	})
}

// forgetSubnet takes the addresses of a subnet away from a port.
func (s *Server) forgetSubnet(ctx context.Context, port, subnet string) error {
	return s.store.Update(ctx, func(t *rows.Txn) error {
		row, err := t.Get(s.ports, port)
		if err != nil {
			return notGone(err)
		}
		p := row.Clone().(*resource.Port)
		p.FixedIPs = slices.DeleteFunc(slices.Clone(p.FixedIPs), func(f model.FixedIP) bool {
			if f.SubnetID == subnet {
				t.Release(ipam.AddressKey(p.NetworkID, f.IPAddress))
			}
			return f.SubnetID == subnet
		})
		s.stamp(p, p.Revision+1)
		t.Update(s.ports, p)
		return nil
	})
}

// BindPort binds a port that is bound nowhere to a host, as "standalone" does when the port's interface
// appears. A port that is bound to that host already is left as it is; one that is bound elsewhere is
// refused with a conflict.
func (s *Server) BindPort(ctx context.Context, portID, host string) error {
	return s.store.Update(ctx, func(t *rows.Txn) error {
		row, err := t.Get(s.ports, portID)
		if err != nil {
			return err
		}
		old := row.(*resource.Port)
		if old.HostID == host {
			return nil
		}
		if old.HostID != "" {
			return resource.Conflict("PortBound", "Port %s is bound to host %s already.", portID, old.HostID)
		}
		p := old.Clone().(*resource.Port)
		p.HostID = host
		settleBinding(old, p)
		if err := checkPort(p); err != nil {
			return err
		}
		if err := s.checkOwner(t, old, p); err != nil {
			return err
		}
		if err := s.settleHost(t, old, p, false); err != nil {
			return err
		}
		s.stamp(p, p.Revision+1)
		t.Update(s.ports, p)
		return s.followPort(t, old, p)
	})
}
