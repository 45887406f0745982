package api

import (
	"context"
	"errors"
	"slices"

	"github.com/google/uuid"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/neutron/resource"
	"github.com/dragonflow/dragonflow/internal/neutron/rows"
)

// chassisOn is a chassis on an external network.
type chassisOn struct{ chassis, network string }

// portID is the id of the port that holds the chassis' address there. It follows from both, so that servers
// that do the same make one.
func (c chassisOn) portID() string {
	return uuid.NewSHA1(uuid.NameSpaceDNS, []byte(c.chassis+".on."+c.network+".dragonflow")).String()
}

// wantedAddresses are where chassis need addresses of their own: on the external networks of routers with
// distributed SNAT behind which they have ports, if they reach them.
func (s *Server) wantedAddresses() map[chassisOn]bool {
	out := map[chassisOn]bool{}
	places := s.board.placesByName()
	for _, row := range s.store.Select(s.routers.Kind, "") {
		r := row.(*resource.Router)
		if r.Gateway == nil || !r.DistributedSNAT || !r.Gateway.EnableSNAT {
			continue
		}
		stored, ok := s.store.Cached(s.networks.Kind, r.Gateway.NetworkID)
		if !ok {
			continue
		}
		for _, host := range s.hostsBehind(r) {
			if p, ok := places[host]; ok && p.reaches(stored.(*resource.Network)) {
				out[chassisOn{host, r.Gateway.NetworkID}] = true
			}
		}
	}
	return out
}

// hostsBehind are the chassis with ports on a router's networks.
func (s *Server) hostsBehind(r *resource.Router) []string {
	var out []string
	for _, row := range s.store.Select(s.ports.Kind, rows.ByDevice(r.ID)) {
		if row.(*resource.Port).RouterID() != r.ID {
			continue
		}
		for _, p := range s.store.Select(s.ports.Kind, rows.ByNetwork(row.(*resource.Port).NetworkID)) {
			if h := p.(*resource.Port).HostID; h != "" {
				out = append(out, h)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// settleAddresses gives chassis the addresses that they need on external networks, and takes back those that
// they do not need. An external network without free addresses is no error: what has no address is
// translated by the gateway.
func (s *Server) settleAddresses(ctx context.Context) error {
	var failed error
	wanted := s.wantedAddresses()
	for _, row := range s.store.Select(s.ports.Kind, rows.ByOwner(model.ChassisAddressOwner)) {
		p := row.(*resource.Port)
		at := chassisOn{p.DeviceID, p.NetworkID}
		if !wanted[at] {
			failed = errors.Join(failed, s.takeBack(ctx, p.ID))
		}
		delete(wanted, at)
	}
	for at := range wanted {
		err := s.giveAddress(ctx, at)
		if refused := (*resource.Error)(nil); errors.As(err, &refused) {
			s.log.Warn("no address for distributed SNAT, the gateway translates", "chassis", at.chassis, "network", at.network, "err", err)
			continue
		}
		failed = errors.Join(failed, err)
	}
	return failed
}

// tellAddresses is settleAddresses where Neutron allocates: it is told which chassis need one.
func (s *Server) tellAddresses() {
	if !s.board.known() {
		return
	}
	told := s.status.all(statusAddress)
	for at := range s.wantedAddresses() {
		key := statusKey{statusAddress, at.portID()}
		s.status.set(key, addressState{ID: key.id, Host: at.chassis, NetworkID: at.network})
		delete(told, key)
	}
	for key := range told {
		s.status.set(key, nil)
	}
}

func (s *Server) takeBack(ctx context.Context, port string) error {
	ctx, cancel := context.WithTimeout(ctx, s.opts.RequestTimeout)
	defer cancel()
	return s.store.Update(ctx, func(t *rows.Txn) error {
		row, err := t.Get(s.ports, port)
		if err != nil {
			return notGone(err)
		}
		portOps{s}.drop(t, row.(*resource.Port))
		return nil
	})
}

func (s *Server) giveAddress(ctx context.Context, at chassisOn) error {
	ctx, cancel := context.WithTimeout(ctx, s.opts.RequestTimeout)
	defer cancel()
	return s.store.Update(ctx, func(t *rows.Txn) error {
		if _, err := t.Get(s.ports, at.portID()); err == nil || notGone(err) != nil {
			return err
		}
		n, err := s.network(t, at.network)
		if err != nil {
			return notGone(err)
		}
		p := s.ports.New().(*resource.Port)
		p.ID, p.NetworkID, p.DeviceID, p.DeviceOwner = at.portID(), n.ID, at.chassis, model.ChassisAddressOwner
		p.PortSecurityEnabled = false
		s.stamp(p, 1)
		subnets, err := s.ipv4SubnetsOf(t, n)
		if err != nil || len(subnets) == 0 {
			return err
		}
		return portOps{s}.addOn(t, n, subnets, p)
	})
}

// followsDistribution reports whether a chassis may need an address, or need it no more, when ports on a
// network come and go.
func (s *Server) followsDistribution(network string) bool {
	for _, row := range s.store.Select(s.ports.Kind, rows.ByRouterOn(network)) {
		if r, ok := s.store.Cached(s.routers.Kind, row.(*resource.Port).RouterID()); ok && r.(*resource.Router).DistributedSNAT {
			return true
		}
	}
	return false
}
