package translate

import (
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/neutron/resource"
)

// gatewayPort tells who takes what is for a router's gateway.
func gatewayPort(r *resource.Router) *model.ExternalPort {
	g, m := r.Gateway, meta(r)
	m.ID = g.PortID
	return &model.ExternalPort{Meta: m, NetworkID: g.NetworkID, MACAddress: g.MACAddress, RouterID: r.ID, Chassis: g.Chassis}
}

// floatingPort tells who takes what is for a floating IP: the chassis that may serve it, in their order, or, of one of
// which ports are forwarded, the gateway of its router.
func floatingPort(f *resource.FloatingIP) []model.Object {
	if f.FloatingPortID == "" || f.RouterID == "" {
		return nil
	}
	m := meta(f)
	m.ID = f.FloatingPortID
	e := &model.ExternalPort{Meta: m, NetworkID: f.NetworkID, MACAddress: f.MACAddress, RouterID: f.RouterID}
	for i, h := range f.Hosts {
		e.Chassis = append(e.Chassis, model.GatewayChassis{Name: h, Priority: len(f.Hosts) - i})
	}
	return []model.Object{e}
}

// chassisPort tells who takes what is for a chassis' own address.
func chassisPort(r *resource.Port) *model.ExternalPort {
	return &model.ExternalPort{
		Meta: meta(r), NetworkID: r.NetworkID, MACAddress: r.MACAddress, Chassis: []model.GatewayChassis{{Name: r.DeviceID, Priority: 1}},
	}
}
