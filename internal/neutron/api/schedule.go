package api

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/neutron/resource"
	"github.com/dragonflow/dragonflow/internal/neutron/rows"
)

// maxGatewayChassis is how many chassis are chosen that may be a router's gateway. The first one is, as long
// as it lives; each of them follows the router's networks.
const maxGatewayChassis = 3

// place is what the choice of chassis looks at.
type place struct {
	name           string
	gateway, alive bool
	tunnels        []model.NetworkType
	physical       []string
	zones          []string
}

// within reports whether the chassis is in one of the zones at which a router hints.
func (p place) within(hints []string) bool {
	return len(hints) == 0 || slices.ContainsFunc(p.zones, func(z string) bool { return slices.Contains(hints, z) })
}

// beside reports whether two chassis fail with the same zone. Those without any may.
func (p place) beside(q place) bool {
	return len(p.zones)+len(q.zones) == 0 ||
		slices.ContainsFunc(p.zones, func(z string) bool { return slices.Contains(q.zones, z) })
}

// reaches reports whether the chassis is connected to an external network: to a physical network that carries it, or,
// where tunnels alone do, by these.
func (p place) reaches(n *resource.Network) bool {
	if s, ok := model.TunnelOnly(n.Segments); ok {
		return slices.Contains(p.tunnels, s.NetworkType)
	}
	return slices.ContainsFunc(n.Segments, func(s model.Segment) bool {
		return s.IsProvider() && slices.Contains(p.physical, s.PhysicalNetwork)
	})
}

func (p place) equal(q place) bool {
	return p.name == q.name && p.gateway == q.gateway && p.alive == q.alive &&
		slices.Equal(p.tunnels, q.tunnels) && slices.Equal(p.physical, q.physical) &&
		slices.Equal(p.zones, q.zones)
}

// places returns the chassis, by name.
func (b *board) places() []place {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.sortedPlaces()
}

// sortedPlaces is places for who has the lock.
func (b *board) sortedPlaces() []place {
	out := make([]place, 0, len(b.chassis))
	for _, name := range b.sorted() {
		c, r := b.chassis[name], b.reports[name]
		p := place{name: name, gateway: c.Gateway, physical: c.PhysicalNetworks, zones: c.AvailabilityZones, alive: r != nil && r.beat != nil}
		if c.TunnelIP.IsValid() {
			p.tunnels = c.TunnelTypes
		}
		out = append(out, p)
	}
	return out
}

// schedule chooses the chassis that may be the gateway of a router on an external network, given those that
// were chosen before.
func (s *Server) schedule(r *resource.Router, n *resource.Network, old []model.GatewayChassis) []model.GatewayChassis {
	return choose(s.board.places(), wish{r.ID, r.AvailabilityZoneHints}, n, old)
}

// wish is what a router has to say about its gateways.
type wish struct {
	router string
	hints  []string
}

// choose prefers chassis that were chosen before. Those that still can be the gateway stay, in their order, dead ones too:
// a chassis is not moved away from because it does not report. New ones come after them, so that nothing moves, from the
// zones with the fewest.
func choose(places []place, w wish, n *resource.Network, old []model.GatewayChassis) []model.GatewayChassis {
	var fresh, chosen []place
	for _, p := range places {
		if p.gateway && p.reaches(n) && p.within(w.hints) {
			fresh = append(fresh, p)
		}
	}
	for _, c := range model.ByPriority(old) {
		if i := slices.IndexFunc(fresh, func(p place) bool { return p.name == c.Name }); i >= 0 {
			chosen = append(chosen, fresh[i])
		}
	}
	slices.SortFunc(fresh, func(a, b place) int { return cmp.Compare(weight(w.router, b.name), weight(w.router, a.name)) })
	if slices.ContainsFunc(fresh, living) {
		fresh = slices.DeleteFunc(fresh, func(p place) bool { return !p.alive })
	}
	fresh = slices.DeleteFunc(fresh, func(p place) bool { return has(chosen, p) })
	chosen = fill(chosen, fresh)
	var out []model.GatewayChassis
	for i, p := range chosen {
		out = append(out, model.GatewayChassis{Name: p.name, Priority: len(chosen) - i})
	}
	return out
}

func living(p place) bool { return p.alive }

func has(list []place, p place) bool {
	return slices.ContainsFunc(list, func(q place) bool { return q.name == p.name })
}

// fill adds chassis until there are enough, and one that lives. If all are in one zone, one that waits makes room for one
// elsewhere, so that a zone that fails does not take all of them; that which is the gateway stays it.
func fill(chosen, fresh []place) []place {
	for len(chosen) < maxGatewayChassis || !slices.ContainsFunc(chosen, living) {
		next := apart(fresh, chosen)
		if next < 0 || len(chosen) >= maxGatewayChassis && !fresh[next].alive {
			return chosen
		}
		chosen, fresh = append(chosen, fresh[next]), slices.Delete(fresh, next, next+1)
	}
	if !inOneZone(chosen) {
		return chosen
	}
	for next := apart(fresh, chosen); next >= 0; next = apart(fresh, chosen) {
		if others, can := spread(chosen, fresh[next]); can {
			return others
		}
		fresh = slices.Delete(fresh, next, next+1)
	}
	return chosen
}

// spread puts another chassis that lives in the place of one that waits, the last one if that does, so that they are
// not all in one zone any more. It reports whether that is possible.
func spread(chosen []place, next place) ([]place, bool) {
	acting := slices.IndexFunc(chosen, living)
	for i := len(chosen) - 1; i >= 0; i-- {
		others := append(slices.Delete(slices.Clone(chosen), i, i+1), next)
		if i != acting && next.alive && !inOneZone(others) {
			return others, true
		}
	}
	return nil, false
}

// apart finds the first of those in whose zones the fewest chassis have been chosen; -1 if there is none.
func apart(fresh, chosen []place) int {
	best, fewest := -1, 0
	for i, p := range fresh {
		n := 0
		for _, q := range chosen {
			if p.beside(q) {
				n++
			}
		}
		if best < 0 || n < fewest {
			best, fewest = i, n
		}
	}
	return best
}

// inOneZone reports whether one zone has all these chassis.
func inOneZone(list []place) bool {
	return slices.ContainsFunc(list[0].zones, func(z string) bool {
		return !slices.ContainsFunc(list, func(p place) bool { return !slices.Contains(p.zones, z) })
	})
}

// weight orders the chassis for each router otherwise, so that routers are spread evenly and a chassis more
// or less concerns few of them (rendezvous hashing).
func weight(router, chassis string) uint64 {
	sum := sha256.Sum256([]byte(router + "/" + chassis))
	return binary.BigEndian.Uint64(sum[:])
}

// followPlaces repairs what follows from which chassis there are, whenever these are others, when it is
// asked to, and with every audit. Until ctx ends.
func (s *Server) followPlaces(ctx context.Context) error {
	if s.store.WaitLive(ctx) != nil {
		return nil // ended before
	}
	var seen []place
	pokes := 0
	for {
		limited, cancel := context.WithTimeout(ctx, s.opts.AuditInterval)
		err := s.board.wait(limited, func() bool {
			now := s.board.sortedPlaces()
			changed := s.board.inSync && (pokes != s.board.pokes || !slices.EqualFunc(now, seen, place.equal))
			seen, pokes = now, s.board.pokes
			return changed
		})
		cancel()
		if ctx.Err() != nil {
			return nil
		}
		if known := s.board.known(); err != nil && !known {
			continue
		}
		for err := s.settlePlaces(ctx); err != nil && ctx.Err() == nil; err = s.settlePlaces(ctx) {
			s.log.Warn("chassis of gateways and floating IPs not all chosen anew, will be tried again", "err", err)
			rest(ctx, upgradePause)
		}
		rest(ctx, settlePause)
	}
}

// settlePause lies between two looks at everything that follows from the chassis, so that many changes cost
// one.
const settlePause = 50 * time.Millisecond

// known reports whether the list of chassis has been read.
func (b *board) known() bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.inSync
}

// settlePlaces chooses chassis anew for what is not where it should be.
func (s *Server) settlePlaces(ctx context.Context) error {
	if s.opts.Neutron {
		return s.settlePushed(ctx)
	}
	return errors.Join(s.settleGateways(ctx), s.settleFloatingIPs(ctx), s.settleForwardings(ctx),
		s.settleAddresses(ctx))
}

// settleGateways gives routers the gateway chassis that they should have now.
func (s *Server) settleGateways(ctx context.Context) error {
	var failed error
	for _, row := range s.store.Select(s.routers.Kind, "") {
		r := row.(*resource.Router)
		if r.Gateway == nil {
			continue
		}
		n, ok := s.store.Cached(s.networks.Kind, r.Gateway.NetworkID)
		if !ok || slices.Equal(s.schedule(r, n.(*resource.Network), r.Gateway.Chassis), r.Gateway.Chassis) {
			continue
		}
		failed = errors.Join(failed, s.settleGateway(ctx, r.ID))
	}
	return failed
}

func (s *Server) settleGateway(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, s.opts.RequestTimeout)
	defer cancel()
	return s.store.Update(ctx, func(t *rows.Txn) error {
		row, err := t.Get(s.routers, id)
		if err != nil {
			return notGone(err)
		}
		r := row.Clone().(*resource.Router)
		if r.Gateway == nil {
			return nil
		}
		n, err := s.network(t, r.Gateway.NetworkID)
		if err != nil {
			return notGone(err)
		}
		g := *r.Gateway
		g.Chassis = s.schedule(r, n, g.Chassis)
		if slices.Equal(g.Chassis, r.Gateway.Chassis) {
			return nil
		}
		r.Gateway = &g
		s.stamp(r, r.Revision+1)
		t.Update(s.routers, r)
		return nil
	})
}
