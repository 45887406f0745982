package config

import (
	"fmt"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/neutron/segment"
)

// Networks is how the server makes networks that travel between chassis.
type Networks struct {
	TenantNetworkType string   `key:"tenant-network-type" help:"tunnel of networks for which the API's caller names no provider:network_type: geneve or vxlan"`
	VNIRanges         []string `key:"vni-ranges" help:"virtual network identifiers that such networks get, for each type of tunnel: FIRST-LAST,…"`
	TransitVNIs       []string `key:"transit-vnis" help:"identifiers that no network gets, also not by provider:segmentation_id: kept for what routers send between chassis; the same on all servers"`
	PhysicalMTU       int      `key:"physical-mtu" help:"largest IP packet that the network between the hosts carries; networks get what a tunnel leaves of it"`
	NetworkVLANRanges []string `key:"network-vlan-ranges" help:"physical networks with VLANs, and those of them that networks get whose creator names none: NAME:FIRST:LAST or NAME,…; empty: any physical network, and VLANs must be named"`
	PhysicalNetMTUs   []string `key:"physical-network-mtus" help:"largest IP packet of physical networks that differ from physical-mtu: NAME:BYTES,…"`
	OverlayIPVersion  int      `key:"overlay-ip-version" help:"4 or 6: version of the addresses that chassis have as tunnel-ip; 6 leaves networks 20 bytes less"`
}

func defaultNetworks() Networks {
	p := segment.DefaultPlan()
	return Networks{
		TenantNetworkType: string(p.Type), VNIRanges: []string{p.VNIs.String()}, TransitVNIs: []string{p.Transit.String()},
		PhysicalMTU: p.PhysicalMTU, OverlayIPVersion: p.IPVersion,
	}
}

func (*Networks) title() string { return "Server: networks" }

func (n *Networks) problems() map[string]string {
	found := map[string]string{}
	p := n.Plan()
	bad := func(words []string) bool { _, err := segment.ParseRanges(words); return err != nil }
	if !segment.IsTunnel(p.Type) {
		found["tenant-network-type"] = "must be geneve or vxlan"
	}
	ranges := fmt.Sprintf("must be ranges such as 1-1000 within 1-%d", segment.MaxVNI)
	if bad(n.VNIRanges) || len(p.VNIs) == 0 {
		found["vni-ranges"] = ranges
	}
	switch {
	case bad(n.TransitVNIs):
		found["transit-vnis"] = ranges
	case p.VNIs.Overlaps(p.Transit):
		found["vni-ranges"] = "must not overlap transit-vnis " + p.Transit.String()
	}
	if p.IPVersion != 4 && p.IPVersion != 6 {
		found["overlay-ip-version"] = "must be 4 or 6"
	}
	if _, err := segment.ParseVLANRanges(n.NetworkVLANRanges); err != nil {
		found["network-vlan-ranges"] = err.Error()
	}
	if _, err := segment.ParseMTUs(n.PhysicalNetMTUs); err != nil {
		found["physical-network-mtus"] = err.Error()
	}
	const leastMTU, mostMTU = 576, 65535
	if p.PhysicalMTU < leastMTU || p.PhysicalMTU > mostMTU {
		found["physical-mtu"] = fmt.Sprintf("must lie in %d-%d", leastMTU, mostMTU)
	}
	return found
}

// Plan is how networks are tunnelled.
func (n *Networks) Plan() segment.Plan {
	vnis, _ := segment.ParseRanges(n.VNIRanges) // checked by problems
	transit, _ := segment.ParseRanges(n.TransitVNIs)
	vlans, _ := segment.ParseVLANRanges(n.NetworkVLANRanges)
	mtus, _ := segment.ParseMTUs(n.PhysicalNetMTUs)
	return segment.Plan{
		Type: model.NetworkType(n.TenantNetworkType), VNIs: vnis, Transit: transit,
		PhysicalMTU: n.PhysicalMTU, IPVersion: n.OverlayIPVersion, VLANs: vlans, PhysicalMTUs: mtus,
	}
}
