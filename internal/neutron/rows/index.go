package rows

import (
	"net/netip"
	"strconv"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/neutron/resource"
	"github.com/dragonflow/dragonflow/internal/neutron/segment"
)

// Index keys: rows are found by what they refer to.

// ByProject finds the rows of a project.
func ByProject(id string) string { return "project/" + id }

// ByNetwork finds the subnets, ports and floating IPs of a network, and the routers with a gateway there.
func ByNetwork(id string) string { return "network/" + id }

// BySubnet finds the ports with an address of a subnet.
func BySubnet(id string) string { return "subnet/" + id }

// BySubnetPool finds the subnets of a subnet pool.
func BySubnetPool(id string) string { return "subnetpool/" + id }

// ByAddressScope finds the subnet pools of an address scope.
func ByAddressScope(id string) string { return "address-scope/" + id }

// ByQoSPolicy finds the networks and ports that have a QoS policy.
func ByQoSPolicy(id string) string { return "qos/" + id }

// ByGroup finds the rules and the logs of a security group.
func ByGroup(id string) string { return "group/" + id }

// ByMembership finds the ports in a security group.
func ByMembership(group string) string { return "member/" + group }

// ByRemoteGroup finds the rules that name a group as their remote one.
func ByRemoteGroup(id string) string { return "remote-group/" + id }

// ByDevice finds the ports of a device.
func ByDevice(id string) string { return "device/" + id }

// ByFloatingIP finds the port forwardings of a floating IP.
func ByFloatingIP(id string) string { return "floatingip/" + id }

// ByPort finds the floating IPs, port forwardings, logs and announced addresses of a port, and its trunk.
func ByPort(id string) string { return "port/" + id }

// BySubPort finds the trunk that has a port as a sub-port.
func BySubPort(port string) string { return "sub-port/" + port }

// ByTrunk finds the ports of a trunk, with the sub-ports.
func ByTrunk(id string) string { return "trunk/" + id }

// ByRouter finds the floating IPs and port forwardings behind a router.
func ByRouter(id string) string { return "router/" + id }

// ByRouterOn finds the interfaces of routers on a network.
func ByRouterOn(network string) string { return "router-on/" + network }

// ByPair finds the ports that may have an address by an allowed address pair of just that address.
func ByPair(network string, a netip.Addr) string { return "pair/" + network + "/" + a.String() }

// ByGateway finds the router whose gateway a port is, if there are chassis for it.
func ByGateway(port string) string { return "gateway/" + port }

// ByTransit finds the router that has a transit VNI.
func ByTransit(vni uint32) string { return "transit/" + strconv.FormatUint(uint64(vni), 10) }

// ByOwner finds the ports of a device owner of which the server looks for all.
func ByOwner(deviceOwner string) string { return "owner/" + deviceOwner }

// OnChassis finds the ports that hold a chassis' own addresses.
func OnChassis(host string) string { return "chassis/" + host }

// ByHost finds the ports with a binding to a host, active or not, the routers of which it may be the gateway, and the
// floating IPs that it may serve.
func ByHost(host string) string { return "host/" + host }

// ByAddress finds the port that has an address on a network.
func ByAddress(network string, a netip.Addr) string { return "address/" + network + "/" + a.String() }

// BySegment finds the network that has a segment.
func BySegment(s model.Segment) string {
	return "segment/" + string(s.NetworkType) + "/" + segment.Name(s)
}

// BySegmentID finds the network of a segment.
func BySegmentID(id string) string { return "segment-id/" + id }

// ByMAC finds the port that has a MAC address on a network.
func ByMAC(network string, m model.MAC) string { return "mac/" + network + "/" + m.String() }

// ByName finds the rows of a name.
func ByName(name string) string { return "name/" + name }

func indexKeys(row resource.Row) []string {
	c := row.Base()
	keys := []string{ByProject(c.ProjectID), ByName(c.Name)}
	switch r := row.(type) {
	case *resource.Network:
		if r.QoSPolicyID != "" {
			keys = append(keys, ByQoSPolicy(r.QoSPolicyID))
		}
		for _, s := range r.Segments {
			keys = append(keys, BySegment(s), BySegmentID(s.ID))
		}
	case *resource.Subnet:
		keys = append(keys, ByNetwork(r.NetworkID))
		if r.SubnetPoolID != "" {
			keys = append(keys, BySubnetPool(r.SubnetPoolID))
		}
	case *resource.Router:
		keys = append(keys, routerKeys(r)...)
	case *resource.FloatingIP:
		keys = append(keys, floatingKeys(r)...)
	case *resource.ActiveAddress:
		keys = append(keys, ByNetwork(r.NetworkID), ByPort(r.PortID))
	case *resource.PortForwarding:
		keys = append(keys, ByFloatingIP(r.FloatingIPID), ByPort(r.InternalPortID), ByRouter(r.RouterID))
		for _, h := range r.Hosts {
			keys = append(keys, ByHost(h))
		}
	case *resource.Trunk:
		keys = append(keys, ByPort(r.PortID))
		for _, p := range r.SubPorts {
			keys = append(keys, BySubPort(p.PortID))
		}
	case *resource.Log:
		keys = append(keys, logKeys(r)...)
	case *resource.SubnetPool:
		if r.AddressScopeID != "" {
			keys = append(keys, ByAddressScope(r.AddressScopeID))
		}
	case *resource.Port:
		keys = append(keys, ByNetwork(r.NetworkID), ByMAC(r.NetworkID, r.MACAddress))
		keys = append(keys, portKeys(r)...)
	case *resource.SecurityGroupRule:
		keys = append(keys, ByGroup(r.SecurityGroupID))
		if r.RemoteGroupID != "" {
			keys = append(keys, ByRemoteGroup(r.RemoteGroupID))
		}
	}
	return keys
}

func logKeys(l *resource.Log) []string {
	var keys []string
	if l.ResourceID != "" {
		keys = append(keys, ByGroup(l.ResourceID))
	}
	if l.TargetID != "" {
		keys = append(keys, ByPort(l.TargetID))
	}
	return keys
}

func routerKeys(r *resource.Router) []string {
	if r.Gateway == nil {
		return nil
	}
	keys := []string{ByNetwork(r.Gateway.NetworkID), ByTransit(r.Gateway.TransitVNI)}
	if len(r.Gateway.Chassis) > 0 {
		keys = append(keys, ByGateway(r.Gateway.PortID))
	}
	for _, c := range r.Gateway.Chassis {
		keys = append(keys, ByHost(c.Name))
	}
	return keys
}

func floatingKeys(f *resource.FloatingIP) []string {
	keys := []string{ByNetwork(f.NetworkID)}
	if f.PortID != "" {
		keys = append(keys, ByPort(f.PortID))
	}
	if f.RouterID != "" {
		keys = append(keys, ByRouter(f.RouterID))
	}
	for _, h := range f.Hosts {
		keys = append(keys, ByHost(h))
	}
	return keys
}

func portKeys(p *resource.Port) []string {
	var keys []string
	for _, f := range p.FixedIPs {
		keys = append(keys, ByAddress(p.NetworkID, f.IPAddress), BySubnet(f.SubnetID))
	}
	for _, g := range p.SecurityGroups {
		keys = append(keys, ByMembership(g))
	}
	if p.QoSPolicyID != "" {
		keys = append(keys, ByQoSPolicy(p.QoSPolicyID))
	}
	if p.DeviceID != "" {
		keys = append(keys, ByDevice(p.DeviceID))
	}
	if p.HostID != "" {
		keys = append(keys, ByHost(p.HostID))
	}
	for _, a := range p.AllowedAddressPairs {
		if a.IPAddress.IsSingleIP() {
			keys = append(keys, ByPair(p.NetworkID, a.IPAddress.Addr()))
		}
	}
	if p.DeviceOwner == model.ChassisAddressOwner {
		keys = append(keys, ByOwner(p.DeviceOwner), OnChassis(p.DeviceID))
	}
	if p.TrunkID != "" {
		keys = append(keys, ByTrunk(p.TrunkID))
	}
	if p.RouterID() != "" {
		keys = append(keys, ByRouterOn(p.NetworkID))
	}
	for _, b := range p.Inactive {
		keys = append(keys, ByHost(b.HostID))
	}
	return keys
}
