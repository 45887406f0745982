package api

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"github.com/dragonflow/dragonflow/internal/neutron/resource"
	"github.com/dragonflow/dragonflow/internal/neutron/rows"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

var (
	errFilledByNeutron = errors.New("this database holds what a Neutron has pushed: serve it with neutron-listen, or use another database or db-prefix for the API")
	errFilledByAPI     = errors.New("this database holds what clients of the API have made: a Neutron needs one of its own, see db and db-prefix")
)

// admit refuses a database that the other source of resources has filled, since each would undo what the other does.
func (s *Server) admit(ctx context.Context) error {
	if s.store.WaitLive(ctx) != nil {
		return nil // ended before
	}
	for _, typ := range []*resource.Type{s.networks, s.ports, s.groups} {
		for _, row := range s.store.Select(typ.Kind, "") {
			switch pushed := row.Base().Pushed; {
			case s.opts.Neutron && !pushed:
				return errFilledByAPI
			case !s.opts.Neutron && pushed:
				return errFilledByNeutron
			}
		}
	}
	s.admitted.Store(true)
	s.board.poke() // wakes who waits for it
	return nil
}

// marks are what has changed and has not been looked at yet. They are safe for concurrent use.
type marks struct {
	mu   sync.Mutex
	set  map[db.Key]bool
	wake chan struct{} // holds something if there are any
}

func newMarks() *marks { return &marks{set: map[db.Key]bool{}, wake: make(chan struct{}, 1)} }

func (m *marks) add(keys ...db.Key) {
	m.mu.Lock()
	for _, k := range keys {
		m.set[k] = true
	}
	m.mu.Unlock()
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// take waits for marks and returns them; ok is false when ctx has ended.
func (m *marks) take(ctx context.Context) (keys []db.Key, ok bool) {
	select {
	case <-m.wake:
	case <-ctx.Done():
		return nil, false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	keys = slices.Collect(maps.Keys(m.set))
	clear(m.set)
	return keys, true
}

// followPushes joins what belongs to a row again whenever this server sees the row change, until ctx ends: two
// servers may have been pushed two parts at the same time, each without the other.
func (s *Server) followPushes(ctx context.Context) error {
	for {
		keys, ok := s.joins.take(ctx)
		if !ok {
			return nil
		}
		for _, key := range keys {
			for _, c := range s.concerned(key) {
				if err := s.settleRow(ctx, c.typ, c.id); err != nil && ctx.Err() == nil {
					s.log.Warn("pushed objects not joined, will be tried again", "object", c.typ.Singular+"/"+c.id, "err", err)
					s.joins.add(key)
					rest(ctx, upgradePause)
				}
			}
		}
	}
}

// concerned are the rows that are joined with one that has changed.
func (s *Server) concerned(key db.Key) []child {
	var out []child
	add := func(typ *resource.Type, index string) {
		for _, row := range s.store.Select(typ.Kind, index) {
			out = append(out, child{typ, row.Base().ID})
		}
	}
	switch key.Kind {
	case s.networks.Kind:
		add(s.routers, rows.ByNetwork(key.ID))
		add(s.floatingIPs, rows.ByNetwork(key.ID))
	case s.subnetPools.Kind:
		add(s.subnets, rows.BySubnetPool(key.ID))
	case s.subnets.Kind:
		out = append(out, child{s.subnets, key.ID})
	case s.routers.Kind:
		out = append(out, child{s.routers, key.ID})
		add(s.floatingIPs, rows.ByRouter(key.ID))
		add(s.forwardings, rows.ByRouter(key.ID))
	case s.floatingIPs.Kind:
		out = append(out, child{s.floatingIPs, key.ID})
		add(s.forwardings, rows.ByFloatingIP(key.ID))
	case s.forwardings.Kind:
		out = append(out, child{s.forwardings, key.ID})
	case s.trunks.Kind:
		add(s.ports, rows.ByTrunk(key.ID))
		if row, ok := s.store.Cached(s.trunks.Kind, key.ID); ok {
			for _, p := range row.(*resource.Trunk).SubPorts {
				out = append(out, child{s.ports, p.PortID})
			}
		}
	case s.ports.Kind:
		if s.store.Count(s.trunks.Kind, rows.BySubPort(key.ID)) > 0 {
			out = append(out, child{s.ports, key.ID})
		}
		add(s.ports, rows.ByTrunk(s.trunkOf(key.ID)))
		add(s.floatingIPs, rows.ByPort(key.ID))
		add(s.forwardings, rows.ByPort(key.ID))
		if row, ok := s.store.Cached(s.ports.Kind, key.ID); ok {
			p := row.(*resource.Port)
			out = append(out, child{s.routers, p.DeviceID}, child{s.floatingIPs, p.DeviceID})
			if len(p.AllowedAddressPairs) > 0 {
				s.board.poke() // floating IPs of addresses that it shares with others
			}
		}
	}
	return out
}
