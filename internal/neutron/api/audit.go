package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/neutron/ipam"
	"github.com/dragonflow/dragonflow/internal/neutron/resource"
	"github.com/dragonflow/dragonflow/internal/neutron/rows"
	"github.com/dragonflow/dragonflow/internal/neutron/segment"
	"github.com/dragonflow/dragonflow/internal/neutron/translate"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// The audit compares the rows of resources with what they stand for, scope by scope: logical objects and
// reservations. Since both are written in one batch, a difference means that somebody else wrote into the
// database, or a fault of ours. It is repaired from the row and counted.

// driftCounter counts repaired differences.
type driftCounter struct{ n atomic.Int64 }

// Drift returns how many differences between resources and logical objects the server has repaired.
func (s *Server) Drift() int64 { return s.drift.n.Load() }

func (s *Server) auditLoop(ctx context.Context) error {
	for rest(ctx, s.opts.AuditInterval) {
		if !s.store.Live() {
			continue
		}
		err := s.Audit(ctx)
		_, swept := northbound.NewStore(s.opts.DB).SweepTombstones(ctx)
		if err := errors.Join(err, swept); err != nil && ctx.Err() == nil {
			s.log.Warn("audit not finished", "err", err)
		}
	}
	return nil
}

// auditPause lies between two scopes, so that an audit is not felt.
const auditPause = 2 * time.Millisecond

// Audit compares everything once and repairs what differs.
func (s *Server) Audit(ctx context.Context) error {
	seen := map[db.Scope]bool{}
	var failed error
	check := func(scope db.Scope) {
		if seen[scope] || !rest(ctx, auditPause) {
			return
		}
		seen[scope] = true
		if err := s.auditScope(ctx, scope); err != nil {
			failed = errors.Join(failed, fmt.Errorf("audit %s: %w", scope, err))
		}
	}
	for _, typ := range []*resource.Type{s.networks, s.subnets, s.ports, s.groups, s.rules, s.routers, s.floatingIPs, s.forwardings, s.activeAddresses,
		s.addressGroups, s.logs} {
		for _, row := range s.store.Select(typ.Kind, "") {
			for _, k := range s.keysOf(row) {
				check(k.Scope)
			}
		}
	}
	scopes, err := s.opts.DB.Scopes(ctx)
	if err != nil {
		return errors.Join(failed, fmt.Errorf("audit: %w", err))
	}
	for _, scope := range scopes {
		if audited(scope) {
			check(scope)
		}
	}
	return errors.Join(failed, s.auditDerived(ctx), ctx.Err())
}

// audited reports whether a scope holds what rows stand for.
func audited(scope db.Scope) bool {
	if scope == model.ScopeGlobal {
		return true
	}
	for _, prefix := range []string{"network/", "secgroup/", "router/", "chassis/", "qos/", "neutron/addresses/", segment.ScopePrefix} {
		if strings.HasPrefix(string(scope), prefix) {
			return true
		}
	}
	return false
}

// ownerType returns the type of the row that a stored value belongs to, nil if it is not ours to judge.
func (s *Server) ownerType(kind string) *resource.Type {
	switch model.Kind(kind) {
	case model.KindNetwork, segment.KindVNI:
		return s.networks
	case model.KindSubnet:
		return s.subnets
	case model.KindPort, model.KindBinding, model.KindSecurityGroupMember, model.KindRouterInterface, model.KindChassisAddress, model.KindExternalPort,
		ipam.KindAddress, ipam.KindMAC:
		return s.ports
	case model.KindSecurityGroup:
		return s.groups
	case model.KindSecurityGroupRule:
		return s.rules
	case model.KindRouter, model.KindRouterGateway, model.KindGatewayDuty, segment.KindTransit:
		return s.routers
	case model.KindFloatingIP:
		return s.floatingIPs
	case model.KindSecurityGroupLog:
		return s.logs
	case model.KindQoSPolicy:
		return s.qosPolicies
	case model.KindActiveAddress:
		return s.activeAddresses
	case model.KindPortForwarding:
		return s.forwardings
	}
	return nil
}

// keysOf returns the keys of everything that a row stands for.
func (s *Server) keysOf(row resource.Row) []db.Key {
	var out []db.Key
	for _, o := range translate.Objects(row) {
		out = append(out, northbound.KeyOf(o))
	}
	for k := range s.reservations(row) {
		out = append(out, k)
	}
	return out
}

// reservations returns the reservation keys of a row with their values.
func (s *Server) reservations(row resource.Row) map[db.Key][]byte {
	if n, ok := row.(*resource.Network); ok && !s.opts.Neutron {
		return segmentReservations(n)
	}
	if r, ok := row.(*resource.Router); ok && r.Gateway != nil && r.Gateway.TransitVNI != 0 {
		return map[db.Key][]byte{segment.TransitKey(r.Gateway.TransitVNI): segment.Reservation{Router: r.ID}.Encode()}
	}
	p, ok := row.(*resource.Port)
	if !ok || s.opts.Neutron {
		return nil
	}
	out := map[db.Key][]byte{ipam.MACKey(p.NetworkID, p.MACAddress): ipam.Reservation{Port: p.ID}.Encode()}
	for _, f := range p.FixedIPs {
		out[ipam.AddressKey(p.NetworkID, f.IPAddress)] = ipam.Reservation{Port: p.ID, Subnet: f.SubnetID}.Encode()
	}
	return out
}

// auditScope compares one scope.
func (s *Server) auditScope(ctx context.Context, scope db.Scope) error {
	items, _, err := s.opts.DB.List(ctx, scope)
	if err != nil {
		return err
	}
	stored := map[db.Key]db.Item{}
	for _, it := range items {
		stored[it.Key] = it
	}
	var failed error
	for _, row := range s.rowsIn(scope) {
		for _, k := range s.keysOf(row) {
			if it, ok := stored[k]; k.Scope == scope && (!ok || !s.asWanted(row, it)) {
				failed = errors.Join(failed, s.repair(ctx, k, row))
			}
			delete(stored, k)
		}
	}
	for k := range stored {
		if s.ownerType(k.Kind) != nil {
			failed = errors.Join(failed, s.repair(ctx, k, nil))
		}
	}
	return failed
}

// rowsIn returns the rows that have something in a scope.
func (s *Server) rowsIn(scope db.Scope) []resource.Row {
	parts := strings.Split(string(scope), "/")
	last := len(parts) - 1
	one := func(typ *resource.Type, id string) []resource.Row {
		if row, ok := s.store.Cached(typ.Kind, id); ok {
			return []resource.Row{row}
		}
		return nil
	}
	switch {
	case scope == model.ScopeGlobal:
		return s.store.Select(s.logs.Kind, "")
	case parts[0] == "network" && parts[last] == "ports":
		at := rows.ByNetwork(parts[1])
		return slices.Concat(s.store.Select(s.ports.Kind, at), s.store.Select(s.activeAddresses.Kind, at), s.store.Select(s.routers.Kind, at),
			s.store.Select(s.floatingIPs.Kind, at))
	case parts[0] == "network":
		return append(one(s.networks, parts[1]), s.store.Select(s.subnets.Kind, rows.ByNetwork(parts[1]))...)
	case parts[0] == "secgroup" && parts[last] == "members":
		return append(one(s.addressGroups, parts[1]), s.store.Select(s.ports.Kind, rows.ByMembership(parts[1]))...)
	case parts[0] == "secgroup":
		return append(one(s.groups, parts[1]), s.store.Select(s.rules.Kind, rows.ByGroup(parts[1]))...)
	case parts[0] == "router":
		return append(one(s.routers, parts[1]), s.store.Select(s.ports.Kind, rows.ByDevice(parts[1]))...)
	case parts[0] == "chassis":
		at := rows.ByHost(strings.Join(parts[1:], "/"))
		return slices.Concat(s.store.Select(s.ports.Kind, at), s.store.Select(s.routers.Kind, at), s.store.Select(s.floatingIPs.Kind, at),
			s.store.Select(s.forwardings.Kind, at), s.store.Select(s.ports.Kind, rows.OnChassis(strings.Join(parts[1:], "/"))))
	case scope == segment.TransitScope:
		return s.store.Select(s.routers.Kind, "")
	}
	if strings.HasPrefix(string(scope), segment.ScopePrefix) {
		return s.store.Select(s.networks.Kind, "")
	}
	return s.store.Select(s.ports.Kind, rows.ByNetwork(parts[last]))
}

// wanted returns what a row wants to be stored under a key, nil for nothing.
func (s *Server) wanted(row resource.Row, key db.Key) (model.Object, []byte) {
	if row == nil {
		return nil, nil
	}
	for _, o := range translate.Objects(row) {
		if northbound.KeyOf(o) == key {
			return o, nil
		}
	}
	return nil, s.reservations(row)[key]
}

// asWanted reports whether a stored value is what the row wants.
func (s *Server) asWanted(row resource.Row, it db.Item) bool {
	o, raw := s.wanted(row, it.Key)
	if o == nil {
		return raw != nil && bytes.Equal(raw, it.Value)
	}
	got, err := northbound.Decode(it.Key, it.Value)
	if err != nil {
		return errors.Is(err, northbound.ErrNewerSchema)
	}
	return translate.SameStored(o, got)
}

// repair writes or removes the value of a key as the row to which it belongs wants it now.
func (s *Server) repair(ctx context.Context, key db.Key, row resource.Row) error {
	var done string
	err := s.store.Update(ctx, func(t *rows.Txn) error {
		done = ""
		it, err := s.opts.DB.Get(ctx, key)
		if err != nil && !errors.Is(err, db.ErrNotFound) {
			return err
		}
		owner, err := s.owner(t, key, it, row)
		if err != nil {
			return err
		}
		o, raw := s.wanted(owner, key)
		switch {
		case it.Revision != 0 && owner != nil && s.asWanted(owner, it), it.Revision == 0 && o == nil && raw == nil:
			return nil
		case o != nil:
			done = "written"
			return t.PutObject(o, it.Revision)
		case raw != nil:
			done = "written"
			t.PutRaw(key, raw, it.Revision)
		default:
			done = "removed"
			t.Remove(key, it.Revision)
		}
		return nil
	})
	if err == nil && done != "" {
		s.drift.n.Add(1)
		s.log.Warn("difference repaired", "object", key.String(), "outcome", done)
	}
	return err
}

// owner returns the row that a key belongs to, as of now, nil if there is none.
func (s *Server) owner(t *rows.Txn, key db.Key, it db.Item, row resource.Row) (resource.Row, error) {
	id, typ := key.ID, s.ownerType(key.Kind)
	switch key.Kind {
	case ipam.KindAddress, ipam.KindMAC:
		id = ipam.Holder(it.Value)
	case segment.KindVNI, segment.KindTransit:
		id = segment.Holder(it.Value)
	case string(model.KindActiveAddress):
		id = strings.Split(string(key.Scope), "/")[1] + "," + key.ID
	case string(model.KindRouterGateway): // its own id is the port's
		id = strings.TrimPrefix(string(key.Scope), model.ScopeRouter(""))
	case string(model.KindExternalPort):
		port, err := t.GetMarked(s.ports, id)
		if err != nil {
			return nil, notGone(err)
		}
		typ, id = s.externalOwner(port.(*resource.Port))
	}
	if row != nil {
		id = row.Base().ID
	}
	if _, ok := row.(*resource.AddressGroup); ok {
		typ = s.addressGroups
	}
	owner, err := t.GetMarked(typ, id)
	if err != nil {
		return nil, notGone(err)
	}
	return owner, nil
}

// externalOwner returns the type and the id of the row that says who takes what is for a port: that of the router or
// the floating IP that it belongs to, or its own.
func (s *Server) externalOwner(p *resource.Port) (*resource.Type, string) {
	switch p.DeviceOwner {
	case model.RouterGatewayOwner:
		return s.routers, p.DeviceID
	case model.FloatingIPOwner:
		return s.floatingIPs, p.DeviceID
	}
	return s.ports, p.ID
}

// auditDerived does what follows from changes and a server did not get to: it gives ports the addresses of automatic
// subnets, subnets their routes to those of other segments, and moves subnets to the address scopes of their pools.
func (s *Server) auditDerived(ctx context.Context) error {
	var failed error
	for _, row := range s.store.Select(s.subnets.Kind, "") {
		subnet := row.(*resource.Subnet)
		if !s.opts.Neutron && subnet.AutoAddress() && subnet.Deleting.IsZero() {
			failed = errors.Join(failed, subnetOps{s}.created(ctx, subnet))
		}
	}
	for _, row := range s.store.Select(s.networks.Kind, "") {
		failed = errors.Join(failed, s.settlePeers(ctx, row.Base().ID))
	}
	for _, row := range s.store.Select(s.subnetPools.Kind, "") {
		failed = errors.Join(failed, poolOps{s}.updated(ctx, row))
	}
	return errors.Join(failed, s.auditSubPorts(ctx))
}
