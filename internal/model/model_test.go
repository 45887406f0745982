package model

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
)

func ptr(n int) *int { return &n }

func TestValidateNamesTheObjectAndTheField(t *testing.T) {
	meta := Meta{ID: "x", Revision: 1}
	mac := MAC{0xfa, 0x16, 0x3e, 0, 0, 1}
	prefix := netip.MustParsePrefix
	for field, o := range map[string]Object{
		"id":                   &Network{},
		"revision":             &Network{Meta: Meta{ID: "x", Revision: -1}},
		"mtu":                  &Network{Meta: meta, MTU: 40},
		"cidr":                 &Subnet{Meta: meta, NetworkID: "n", CIDR: netip.PrefixFrom(netip.MustParseAddr("10.0.0.1"), 24)},
		"gateway_ip":           &Subnet{Meta: meta, NetworkID: "n", CIDR: prefix("10.0.0.0/24"), GatewayIP: netip.MustParseAddr("fe80::1")},
		"ipv6 mode":            &Subnet{Meta: meta, NetworkID: "n", CIDR: prefix("10.0.0.0/24"), IPv6RAMode: SLAAC},
		"mac_address":          &Port{Meta: meta, NetworkID: "n", MACAddress: MAC{1}},
		"fixed_ips":            &Port{Meta: meta, NetworkID: "n", MACAddress: mac, FixedIPs: []FixedIP{{}}},
		"extra_dhcp_opts":      &Port{Meta: meta, NetworkID: "n", MACAddress: mac, ExtraDHCPOpts: []DHCPOption{{Name: "mtu", IPVersion: 5}}},
		"allowed_address_pair": &Port{Meta: meta, NetworkID: "n", MACAddress: mac, AllowedAddressPairs: []AddressPair{{}}},
		"status":               &Binding{Meta: meta, NetworkID: "n", Host: "c", Status: "MAYBE"},
		"host":                 &PortStatus{Meta: meta, NetworkID: "n"},
		"segments":             &Network{Meta: meta, Segments: []Segment{{NetworkType: Geneve, SegmentationID: 1 << 24}}},
		"physical_network":     &Network{Meta: meta, Segments: []Segment{{NetworkType: Flat}}},
		"VLAN":                 &Network{Meta: meta, Segments: []Segment{{NetworkType: VLAN, PhysicalNetwork: "p", SegmentationID: 4095}}},
		"chassis":              &RouterGateway{Meta: meta, RouterID: "r", NetworkID: "n", MACAddress: mac, Chassis: []GatewayChassis{{Name: "a"}, {Name: "a", Priority: 2}}},
		"transit_vni":          &RouterGateway{Meta: meta, RouterID: "r", NetworkID: "n", MACAddress: mac, TransitVNI: 1 << 24},
		"floating_ip_address":  &FloatingIP{Meta: meta, Host: "c", NetworkID: "n", MACAddress: mac, FloatingIPAddress: netip.MustParseAddr("2001:db8::1")},
		"port_id":              &FloatingIP{Meta: meta, Host: "c", NetworkID: "n", MACAddress: mac},
		"external_ports":       &PortForwarding{Meta: meta, Host: "c", ExternalPorts: PortRange{80, 79}},
		"internal_ports":       &PortForwarding{Meta: meta, Host: "c", ExternalPorts: PortRange{80, 81}, InternalPorts: PortRange{80, 82}},
		"network_id":           &ChassisAddress{Meta: meta, Host: "c", MACAddress: mac},
		"ip_address":           &AddressClaim{Meta: meta, NetworkID: "n", PortID: "p", Host: "c"},
		"id: must be":          &ActiveAddress{Meta: meta, NetworkID: "n", PortID: "p", MACAddress: mac, IPAddress: netip.MustParseAddr("10.0.0.1")},
		"tunnel_ip":            &Chassis{Meta: meta, TunnelIP: netip.MustParseAddr("224.0.0.1")},
		"bandwidths":           &Chassis{Meta: meta, PhysicalNetworks: []string{"physnet1"}, Bandwidths: map[string]int{"physnet2": 1000}},
		"minimum_bandwidths":   &QoSPolicy{Meta: meta, MinimumBandwidths: []QoSMinimum{{Direction: Egress}}},
		"routes":               &Router{Meta: meta, Routes: []Route{{Destination: prefix("10.0.0.0/24"), NextHop: netip.MustParseAddr("fe80::1")}}},
		"router_id":            &RouterInterface{Meta: meta, NetworkID: "n", MACAddress: mac},
		"direction":            &SecurityGroupRule{Meta: meta, SecurityGroupID: "g", EtherType: IPv4, Direction: "sideways"},
		"protocol":             &SecurityGroupRule{Meta: meta, SecurityGroupID: "g", EtherType: IPv4, Direction: Egress, Protocol: 256},
		"port_range":           &SecurityGroupRule{Meta: meta, SecurityGroupID: "g", EtherType: IPv4, Direction: Egress, PortRangeMin: ptr(-1)},
		"remote_ip_prefix":     &SecurityGroupRule{Meta: meta, SecurityGroupID: "g", EtherType: IPv4, Direction: Egress, RemoteIPPrefix: prefix("::/0")},
		"event":                &SecurityGroupLog{Meta: meta, PortID: "p", Event: "accept"},
		"project_id":           &SecurityGroupLog{Meta: meta, Event: LogAll},
		"addresses":            &SecurityGroupMember{Meta: meta, SecurityGroupID: "g", Addresses: []netip.Prefix{{}}},
	} {
		err := o.Validate()
		if err == nil || !strings.Contains(err.Error(), field) || !strings.Contains(err.Error(), string(o.Kind())) {
			t.Errorf("%s: %v", field, err)
		}
	}
}

func TestEveryKindCanBeMadeAndLiesInAScope(t *testing.T) {
	for _, k := range []Kind{
		KindNetwork, KindSubnet, KindPort, KindBinding, KindPortStatus, KindChassis, KindHeartbeat, KindEpoch, KindRouter, KindRouterInterface,
		KindRouterGateway, KindGatewayDuty, KindFloatingIP, KindExternalPort, KindPortForwarding, KindChassisAddress, KindAddressClaim, KindActiveAddress, KindChassisStatus,
		KindSecurityGroup, KindSecurityGroupRule, KindSecurityGroupMember, KindSecurityGroupLog,
	} {
		o := New(k)
		if o == nil || o.Kind() != k {
			t.Errorf("New(%s) = %T", k, o)
			continue
		}
		if o.Scope() == "" {
			t.Errorf("%s lies in no scope", k)
		}
		if o.Validate() == nil {
			t.Errorf("an empty %s is valid", k)
		}
	}
	if New("Unheard") != nil {
		t.Error("an unknown kind was made")
	}
}

func TestAddressesAreTheFixedOnesAndThePairsOnce(t *testing.T) {
	p := &Port{
		FixedIPs: []FixedIP{{IPAddress: netip.MustParseAddr("10.0.0.1")}, {IPAddress: netip.MustParseAddr("2001:db8::1")}},
		AllowedAddressPairs: []AddressPair{
			{IPAddress: netip.MustParsePrefix("10.0.0.1/32")}, {IPAddress: netip.PrefixFrom(netip.MustParseAddr("10.1.2.3"), 16)},
		},
	}
	var got []string
	for _, a := range p.Addresses() {
		got = append(got, a.String())
	}
	if s := strings.Join(got, " "); s != "10.0.0.1/32 2001:db8::1/128 10.1.0.0/16" {
		t.Errorf("addresses = %s", s)
	}
}

func TestMACsAreWrittenCanonically(t *testing.T) {
	var m MAC
	if err := json.Unmarshal([]byte(`"FA-16-3E-00-00-0A"`), &m); err != nil || m.String() != "fa:16:3e:00:00:0a" {
		t.Errorf("%s, %v", m, err)
	}
	for _, bad := range []string{"", "fa:16:3e:00:00", "fa:16:3e:00:00:01:02:03", "zz:16:3e:00:00:01"} {
		if _, err := ParseMAC(bad); err == nil {
			t.Errorf("%q passes for an address", bad)
		}
	}
	if !(MAC{1}).IsMulticast() || (MAC{2}).IsMulticast() {
		t.Error("the group bit is the lowest of the first byte")
	}
}

func TestTheFirstGatewayIsThatOfTheHighestPriority(t *testing.T) {
	given := []GatewayChassis{{"c", 1}, {"b", 2}, {"a", 2}}
	got := ByPriority(given)
	if got[0].Name != "a" || got[1].Name != "b" || got[2].Name != "c" {
		t.Errorf("order = %v", got)
	}
	if given[0].Name != "c" {
		t.Error("the list that was given has changed")
	}
}
