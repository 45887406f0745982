package api

import (
	"context"
	"errors"
	"slices"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/neutron/resource"
	"github.com/dragonflow/dragonflow/internal/neutron/rows"
)

// trunkPort returns a port that is in no trunk yet.
func (s *Server) trunkPort(t *rows.Txn, id string) (*resource.Port, error) {
	row, err := t.Get(s.ports, id)
	if err != nil {
		return nil, err
	}
	p := row.(*resource.Port)
	switch {
	case p.IsSubPort():
		return nil, resource.Conflict("TrunkPortInUse", "Port %s is in use by another trunk.", id)
	case p.TrunkID != "":
		return nil, parentInUse(id)
	}
	return p, nil
}

func parentInUse(id string) error {
	return resource.Conflict("ParentPortInUse", "Port %s is currently in use and is not eligible for use as a parent port.", id)
}

// inTrunk refuses to delete a port that is in a trunk.
func inTrunk(p *resource.Port) error {
	if p.IsSubPort() {
		return resource.Conflict("PortInUseAsSubPort", "Port %s is currently a subport for trunk %s.", p.ID, p.TrunkID)
	}
	return resource.Conflict("PortInUseAsTrunkParent", "Port %s is currently a parent port for trunk %s.", p.ID, p.TrunkID)
}

// checkSubPorts returns what a trunk is to get more, with the VLANs that are inherited.
func (s *Server) checkSubPorts(t *rows.Txn, x *resource.Trunk, list []resource.SubPort) ([]resource.SubPort, error) {
	if len(x.SubPorts)+len(list) > resource.MaxSubPorts {
		return nil, resource.InvalidInput("a trunk has at most %d sub-ports", resource.MaxSubPorts)
	}
	most, err := s.mtuOf(t, x.PortID)
	if err != nil {
		return nil, err
	}
	all := slices.Clone(x.SubPorts)
	for _, p := range list {
		if p.PortID == x.PortID {
			return nil, parentInUse(p.PortID)
		}
		if p, err = s.checkSubPort(t, x, p, most); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(all, func(o resource.SubPort) bool {
			return o.SegmentationType == p.SegmentationType && o.SegmentationID == p.SegmentationID
		}) {
			return nil, resource.Conflict("DuplicateSubPort", "segmentation_type %s and segmentation_id %d already in use on trunk %s.",
				p.SegmentationType, p.SegmentationID, x.ID)
		}
		all = append(all, p)
	}
	return all[len(x.SubPorts):], nil
}

// checkSubPort checks one port that is to become a sub-port, and inherits its VLAN if that is wanted.
func (s *Server) checkSubPort(t *rows.Txn, x *resource.Trunk, sub resource.SubPort, most int) (resource.SubPort, error) {
	p, err := s.trunkPort(t, sub.PortID)
	if err != nil {
		return sub, err
	}
	if p.DeviceID != "" {
		return sub, portInUse(p)
	}
	n, err := s.network(t, p.NetworkID)
	if err != nil {
		return sub, err
	}
	if n.MTU > most {
		return sub, resource.Conflict("SubPortMtuGreaterThanTrunkPortMtu", "MTU %d of subport %s cannot be greater than MTU %d of trunk %s.",
			n.MTU, p.ID, most, x.ID)
	}
	if sub.SegmentationType == resource.SegmentationInherit {
		if len(n.Segments) != 1 || n.Segments[0].NetworkType != model.VLAN {
			return sub, resource.InvalidInput("the network of sub-port %s has no VLAN to inherit", p.ID)
		}
		sub.SegmentationType, sub.SegmentationID = resource.SegmentationVLAN, int(n.Segments[0].SegmentationID)
	}
	return sub, sub.CheckVLAN()
}

// mtuOf is the MTU of a port's network.
func (s *Server) mtuOf(t *rows.Txn, port string) (int, error) {
	row, err := t.Get(s.ports, port)
	if err != nil {
		return 0, err
	}
	n, err := s.network(t, row.(*resource.Port).NetworkID)
	if err != nil {
		return 0, err
	}
	return n.MTU, nil
}

// trunkOf is the id of the trunk that a port carries, empty if it carries none.
func (s *Server) trunkOf(port string) string {
	for _, row := range s.store.Select(s.trunks.Kind, rows.ByPort(port)) {
		return row.Base().ID
	}
	return ""
}

// joinSubPort makes a port what the trunks say: a sub-port is bound where its parent is, now and for a migration. The row
// is the caller's.
func (s *Server) joinSubPort(t *rows.Txn, p *resource.Port) {
	x, sub := s.trunkWith(t, p.ID)
	if x == nil {
		if p.IsSubPort() {
			p.HostID, p.Inactive = p.OwnHostID, nil
			p.TrunkID, p.ParentPortID, p.SegmentationID, p.OwnHostID = "", "", 0, ""
		}
		return
	}
	if !p.IsSubPort() {
		p.OwnHostID = p.HostID
	}
	p.TrunkID, p.ParentPortID, p.SegmentationID = x.ID, x.PortID, uint16(sub.SegmentationID)
	p.HostID, p.Inactive = "", nil
	row, ok := t.Lookup(s.ports, x.PortID)
	if !ok || row.(*resource.Port).IsSubPort() {
		return
	}
	parent := row.(*resource.Port)
	p.HostID = parent.HostID
	for _, b := range parent.Inactive {
		p.Inactive = append(p.Inactive, resource.PortBinding{HostID: b.HostID, VNICType: p.VNICType})
	}
}

// trunkWith finds the trunk that has a port as a sub-port; nil if there is none. There could be two only while a Neutron
// has pushed the one and not yet the other.
func (s *Server) trunkWith(t *rows.Txn, port string) (*resource.Trunk, resource.SubPort) {
	var found *resource.Trunk
	for _, row := range t.Select(s.trunks, rows.BySubPort(port)) {
		if x := row.(*resource.Trunk); found == nil || x.Revision > found.Revision || x.Revision == found.Revision && x.ID < found.ID {
			found = x
		}
	}
	if found == nil {
		return nil, resource.SubPort{}
	}
	return found, found.SubPorts[found.SubPort(port)]
}

// settleAll settles sub-ports in the batch.
func (s *Server) settleAll(t *rows.Txn, list []resource.SubPort) error {
	for _, p := range list {
		if err := s.settleSubPort(t, p.PortID); err != nil {
			return err
		}
	}
	return nil
}

// settleSubPort makes a port what the trunks, as the batch leaves them, say.
func (s *Server) settleSubPort(t *rows.Txn, id string) error {
	if row, ok := t.Lookup(s.ports, id); ok { // most are as they should be, and the batch need not depend on them
		p := row.Clone().(*resource.Port)
		if s.joinSubPort(t, p); sameRow(row, p) {
			return nil
		}
	}
	row, err := t.Get(s.ports, id)
	if err != nil {
		return notGone(err)
	}
	old := row.(*resource.Port)
	p := old.Clone().(*resource.Port)
	s.joinSubPort(t, p)
	if !s.opts.Neutron { // which says itself whose the port is
		switch {
		case p.IsSubPort() && p.DeviceOwner == "":
			p.DeviceOwner = model.SubPortOwner
		case !p.IsSubPort() && p.DeviceOwner == model.SubPortOwner:
			p.DeviceOwner = ""
		}
	}
	if sameRow(old, p) {
		return nil
	}
	s.stamp(p, p.Revision+1)
	t.Update(s.ports, p)
	return s.followPort(t, old, p)
}

// followParent has sub-ports follow a port that is written: as many as fit into the batch at once, the others right after
// it. On their chassis they go by the parent anyway.
func (s *Server) followParent(t *rows.Txn, old, p *resource.Port) error {
	if p.HostID == old.HostID && slices.EqualFunc(p.Inactive, old.Inactive, func(a, b resource.PortBinding) bool { return a.HostID == b.HostID }) {
		return nil
	}
	x := p.TrunkID
	if s.opts.Neutron {
		x = s.trunkOf(p.ID)
	}
	if x == "" || p.IsSubPort() {
		return nil
	}
	const opsOfOne = 8
	for _, row := range s.store.Select(s.ports.Kind, rows.ByTrunk(x)) {
		id := row.Base().ID
		if id == p.ID {
			continue
		}
		if t.Size()+opsOfOne > s.opts.DB.Capabilities.AtomicOps/2 {
			t.After(func() { s.subPorts.add(rows.RowKey(s.ports, id)) })
			continue
		}
		if err := s.settleSubPort(t, id); err != nil {
			return err
		}
	}
	return nil
}

// followSubPorts settles the sub-ports that did not fit into the batch of their parent, until ctx ends. What a server does
// not get to, the audit does.
func (s *Server) followSubPorts(ctx context.Context) error {
	for {
		keys, ok := s.subPorts.take(ctx)
		if !ok {
			return nil
		}
		for _, key := range keys {
			if err := s.settleOne(ctx, key.ID); err != nil && ctx.Err() == nil {
				s.log.Warn("sub-port does not follow its parent, will be tried again", "port", key.ID, "err", err)
				s.subPorts.add(key)
				rest(ctx, upgradePause)
			}
		}
	}
}

func (s *Server) settleOne(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, s.opts.RequestTimeout)
	defer cancel()
	return s.store.Update(ctx, func(t *rows.Txn) error { return s.settleSubPort(t, id) })
}

// auditSubPorts settles all sub-ports, and the ports that are none any more.
func (s *Server) auditSubPorts(ctx context.Context) error {
	var failed error
	for _, x := range s.store.Select(s.trunks.Kind, "") {
		for _, p := range x.(*resource.Trunk).SubPorts {
			failed = errors.Join(failed, s.settleOne(ctx, p.PortID))
		}
		for _, p := range s.store.Select(s.ports.Kind, rows.ByTrunk(x.Base().ID)) {
			failed = errors.Join(failed, s.settleOne(ctx, p.Base().ID))
		}
	}
	return failed
}
