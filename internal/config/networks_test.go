package config

import "testing"

func TestNetworksProblems(t *testing.T) {
	defaults := defaultNetworks()
	if found := defaults.problems(); len(found) != 0 || defaults.Plan().Check() != nil || defaults.Plan().MTU() != 1450 {
		t.Errorf("the defaults have problems: %v, %v, MTU %d", found, defaults.Plan().Check(), defaults.Plan().MTU())
	}
	for key, change := range map[string]func(*Networks){
		"tenant-network-type":   func(n *Networks) { n.TenantNetworkType = "vlan" },
		"vni-ranges":            func(n *Networks) { n.VNIRanges = []string{"1-15728640"} }, // one of transit
		"transit-vnis":          func(n *Networks) { n.TransitVNIs = []string{"0"} },
		"network-vlan-ranges":   func(n *Networks) { n.NetworkVLANRanges = []string{"physnet1:1:4095"} },
		"physical-network-mtus": func(n *Networks) { n.PhysicalNetMTUs = []string{"physnet1"} },
		"physical-mtu":          func(n *Networks) { n.PhysicalMTU = 500 },
		"overlay-ip-version":    func(n *Networks) { n.OverlayIPVersion = 5 },
	} {
		n := defaultNetworks()
		change(&n)
		if found := n.problems(); len(found) != 1 || found[key] == "" {
			t.Errorf("%s: problems %v", key, found)
		}
	}
	n := defaultNetworks()
	n.VNIRanges, n.TransitVNIs = nil, nil
	if found := n.problems(); len(found) != 1 || found["vni-ranges"] == "" {
		t.Errorf("no ranges: problems %v", found)
	}
}
