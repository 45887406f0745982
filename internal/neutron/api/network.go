package api

import (
	"context"
	"strings"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/neutron/resource"
	"github.com/dragonflow/dragonflow/internal/neutron/rows"
)

type networkOps struct{ *Server }

func (o networkOps) create(t *rows.Txn, row resource.Row, given resource.Given) error {
	n := row.(*resource.Network)
	if !given["qos_policy_id"] {
		var err error
		if n.QoSPolicyID, err = o.defaultQoSOf(t, n.ProjectID); err != nil {
			return err
		}
	}
	if err := o.checkZones(n.AvailabilityZoneHints); err != nil {
		return err
	}
	if err := o.takeSegments(t, n); err != nil {
		return err
	}
	if err := o.networkUsesQoS(t, n); err != nil {
		return err
	}
	if err := o.checkMTU(n); err != nil {
		return err
	}
	if err := o.checkQuota(t, o.networks, n.ProjectID); err != nil {
		return err
	}
	if _, err := o.defaultGroup(t, n.ProjectID); err != nil {
		return err
	}
	t.Create(o.networks, n)
	return nil
}

func (o networkOps) update(t *rows.Txn, oldRow, row resource.Row, _ resource.Given) error {
	old, n := oldRow.(*resource.Network), row.(*resource.Network)
	if err := o.keepSegments(t, old, n); err != nil {
		return err
	}
	if err := o.checkExternal(old, n); err != nil {
		return err
	}
	if n.QoSPolicyID != old.QoSPolicyID {
		if err := o.networkUsesQoS(t, n); err != nil {
			return err
		}
	}
	if n.MTU != old.MTU {
		if err := o.checkMTU(n); err != nil {
			return err
		}
	}
	for _, s := range o.store.Select(o.subnets.Kind, rows.ByNetwork(n.ID)) {
		if s.(*resource.Subnet).IPVersion == 6 && n.MTU < minIPv6MTU {
			return resource.Conflict("NetworkMTUSubnetConflict",
				"MTU of %s is not valid, subnet requires a minimum of %d", n.ID, minIPv6MTU)
		}
	}
	t.Update(o.networks, n)
	return nil
}

// minIPv6MTU is the least MTU of a link that carries IPv6 (RFC 8200 section 5).
const minIPv6MTU = 1280

func (o networkOps) checkMTU(n *resource.Network) error {
	largest := o.opts.Segments.LargestMTU(n.Segments)
	if n.MTU == 0 {
		n.MTU = largest
	}
	if n.MTU > largest {
		return resource.InvalidInput("Requested MTU is too big, maximum is %d", largest)
	}
	return nil
}

// checkExternal refuses to take a network away from the routers that have their gateways there, and from
// floating IPs.
func (o networkOps) checkExternal(old, n *resource.Network) error {
	if n.External || !old.External {
		return nil
	}
	for _, row := range o.store.Select(o.ports.Kind, rows.ByNetwork(n.ID)) {
		switch row.(*resource.Port).DeviceOwner {
		case model.RouterGatewayOwner, model.FloatingIPOwner:
			return resource.Conflict("ExternalNetworkInUse", "External network %s cannot be updated to be made non-external, "+
				"since it has existing gateway ports.", n.ID)
		}
	}
	return nil
}

// delete removes a network and its subnets, if no port is on it.
func (o networkOps) delete(ctx context.Context, id string, revision int64) error {
	return o.deleteInPhases(ctx, o.networks, id, revision)
}

// networkInUse refuses to delete a network that has ports.
func (s *Server) networkInUse(row resource.Row) error {
	ports := s.store.Select(s.ports.Kind, rows.ByNetwork(row.Base().ID))
	if len(ports) == 0 {
		return nil
	}
	var ids []string
	for _, p := range ports[:min(len(ports), 20)] {
		ids = append(ids, p.Base().ID)
	}
	return resource.Conflict("NetworkInUse", "Unable to complete operation on network %s. There are one or more "+
		"ports still in use on the network, id for these ports are: %s.", row.Base().ID, strings.Join(ids, ","))
}

// dropNetwork removes a marked network without ports, in one batch unless it has very many subnets.
func (s *Server) dropNetwork(ctx context.Context, row resource.Row) error {
	id := row.Base().ID
	return s.dropMarked(ctx, s.networks, id, func() []child {
		var out []child
		for _, subnet := range s.store.Select(s.subnets.Kind, rows.ByNetwork(id)) {
			out = append(out, child{s.subnets, subnet.Base().ID})
		}
		return out
	})
}
