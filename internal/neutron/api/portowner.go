package api

import (
	"slices"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/neutron/resource"
	"github.com/dragonflow/dragonflow/internal/neutron/rows"
)

// ownedRouter returns the router of which a port is an interface, nil if it is none.
func (s *Server) ownedRouter(t *rows.Txn, p *resource.Port) (*resource.Router, error) {
	id := p.RouterID()
	if id == "" {
		return nil, nil
	}
	row, err := t.Get(s.routers, id)
	if err != nil {
		return nil, notGone(err)
	}
	r := row.(*resource.Router)
	if !slices.Contains(r.Interfaces, p.ID) {
		return nil, nil
	}
	return r, nil
}

// isOwned reports whether a port is a part of another resource: a router's interface or gateway, or where a
// floating IP is.
func (s *Server) isOwned(t *rows.Txn, p *resource.Port) (bool, error) {
	if r, err := s.ownedRouter(t, p); err != nil || r != nil {
		return true, err
	}
	if r, err := s.ownGateway(t, p); err != nil || r != nil {
		return true, err
	}
	if p.DeviceOwner == model.ChassisAddressOwner {
		return true, nil
	}
	return s.ownFloatingIP(t, p)
}

// checkDeletable refuses to delete a port that is a part of another resource.
func (s *Server) checkDeletable(t *rows.Txn, p *resource.Port) error {
	if p.TrunkID != "" {
		return inTrunk(p)
	}
	owned, err := s.isOwned(t, p)
	if err != nil || !owned {
		return err
	}
	return resource.Conflict("ServicePortInUse", "Port %s cannot be deleted directly via the port API: has device owner %s.",
		p.ID, p.DeviceOwner)
}

// checkOwner refuses to make a port a router's interface, or to take one away from it, by changing the
// port; and to bind one: a router is on every chassis.
func (s *Server) checkOwner(t *rows.Txn, old, p *resource.Port) error {
	owned, err := s.isOwned(t, old)
	if err != nil {
		return err
	}
	if owned && (p.DeviceID != old.DeviceID || p.DeviceOwner != old.DeviceOwner || p.HostID != "") {
		return portInUse(old)
	}
	if old.IsSubPort() && p.HostID != old.HostID { // it is where its parent is
		return portInUse(old)
	}
	if !owned && p.RouterID() != "" && p.RouterID() != old.RouterID() {
		return errHandMade
	}
	if !owned && p.DeviceOwner == model.ChassisAddressOwner {
		return errServersOwn
	}
	return nil
}

var errHandMade = resource.InvalidInput("a port with a device_owner of %s… and a device_id becomes an interface of a "+
	"router by its add_router_interface", model.RouterInterfaceOwner)

var errServersOwn = resource.InvalidInput("ports with a device_owner of %s are made by the server", model.ChassisAddressOwner)
