package api

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/neutron/resource"
	"github.com/dragonflow/dragonflow/internal/neutron/rows"
	"github.com/dragonflow/dragonflow/internal/neutron/segment"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// vnis remembers for each type of tunnel where to look for a free VNI next. Servers begin at random, so
// that they do not get in each other's way, and go on from the last one given, so that a VNI that has
// become free rests.
type vnis struct {
	mu   sync.Mutex
	next map[model.NetworkType]int
}

func newVNIs(ranges segment.Ranges) *vnis {
	v := &vnis{next: map[model.NetworkType]int{}}
	for _, t := range []model.NetworkType{model.Geneve, model.VXLAN} {
		v.next[t] = rand.IntN(ranges.Size())
	}
	return v
}

func (v *vnis) from(t model.NetworkType) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.next[t]
}

func (v *vnis) taken(t model.NetworkType, position int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.next[t] = position + 1
}

// takeSegment completes the segment of a new network as its creator wants it, and reserves its VNI.
func (o networkOps) takeSegment(t *rows.Txn, n *resource.Network) error {
	s, err := o.wantedSegment(n)
	if err != nil {
		return err
	}
	s.ID = uuid.NewString()
	if s.SegmentationID == 0 {
		return o.anySegment(t, n, s)
	}
	if !o.reserveSegment(t, n, s) {
		return resource.Conflict("TunnelIdInUse",
			"Unable to create the network. The tunnel ID %d is in use.", s.SegmentationID)
	}
	n.Segments = []model.Segment{s}
	return nil
}

// wantedSegment checks what the client named.
func (o networkOps) wantedSegment(n *resource.Network) (s model.Segment, err error) {
	if len(n.Segments) > 0 {
		s = n.Segments[0]
	}
	switch {
	case s.NetworkType == "" && (s.SegmentationID != 0 || n.PhysicalNetwork != ""):
		return s, resource.InvalidInput("network_type required")
	case s.NetworkType == "":
		s.NetworkType = o.opts.Segments.Type
	case !segment.Known(s.NetworkType):
		return s, resource.InvalidInput("network_type value '%s' not supported", s.NetworkType)
	case n.PhysicalNetwork != "":
		return s, resource.InvalidInput("provider:physical_network specified for %s network", s.NetworkType)
	case o.opts.Segments.Transit.Contains(s.SegmentationID):
		return s, resource.InvalidInput("segmentation_id %d is reserved for the transit of routers", s.SegmentationID)
	}
	return s, nil
}

func (o networkOps) anySegment(t *rows.Txn, n *resource.Network, s model.Segment) error {
	free := func(vni uint32) bool {
		s.SegmentationID = vni
		return o.reserveSegment(t, n, s)
	}
	at, ok := o.opts.Segments.VNIs.Pick(o.vnis.from(s.NetworkType), free)
	if !ok {
		return resource.Conflict("NoNetworkAvailable",
			"Unable to create the network. No tenant network is available for allocation.")
	}
	o.vnis.taken(s.NetworkType, at)
	n.Segments = []model.Segment{s}
	return nil
}

func (o networkOps) reserveSegment(t *rows.Txn, n *resource.Network, s model.Segment) bool {
	return !o.store.Has(o.networks.Kind, rows.BySegment(s), n.ID) &&
		t.Reserve(segment.Key(s), segment.Reservation{Network: n.ID}.Encode())
}

// keepSegment refuses another segment than the network has, and gives it one if it has none.
func (o networkOps) keepSegment(t *rows.Txn, old, n *resource.Network) error {
	if len(old.Segments) == 0 {
		return o.giveSegment(t, n)
	}
	was, is := old.Segments[0], n.Segments[0]
	switch {
	case n.PhysicalNetwork != "":
		return providerFixed("provider:physical_network")
	case is.NetworkType != "" && is.NetworkType != was.NetworkType:
		return providerFixed("provider:network_type")
	case is.SegmentationID != 0 && is.SegmentationID != was.SegmentationID:
		return resource.InvalidInput("Only VLAN type networks can be updated")
	}
	n.Segments = old.Segments
	return nil
}

func providerFixed(attr string) error {
	return resource.InvalidInput("Plugin does not support updating the following provider network attributes: %s", attr)
}

// giveSegment gives a network of an older version what a new one has; an MTU that does not fit into a
// tunnel is lowered.
func (o networkOps) giveSegment(t *rows.Txn, n *resource.Network) error {
	if err := o.takeSegment(t, n); err != nil {
		return err
	}
	n.MTU = min(n.MTU, o.opts.Segments.MTU())
	return nil
}

// segmentReservations returns the reservation keys of a network with their values.
func segmentReservations(n *resource.Network) map[db.Key][]byte {
	out := map[db.Key][]byte{}
	for _, s := range n.Segments {
		out[segment.Key(s)] = segment.Reservation{Network: n.ID}.Encode()
	}
	return out
}

// upgradePause is how long a server waits before it tries again what failed.
const upgradePause = 5 * time.Second

// upgradeNetworks gives segments to the networks that a version before tunnels has stored: at the start,
// and with every audit those that such a version still running has made.
func (s *Server) upgradeNetworks(ctx context.Context) error {
	if s.store.WaitLive(ctx) != nil {
		return nil // ended before
	}
	for {
		pause := s.opts.AuditInterval
		if err := s.giveSegments(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("networks of an older version have no tunnel yet", "err", err)
			pause = upgradePause
		}
		if !rest(ctx, pause) {
			return nil
		}
	}
}

func (s *Server) giveSegments(ctx context.Context) error {
	var failed error
	for _, row := range s.store.Select(s.networks.Kind, "") {
		n := row.(*resource.Network)
		if len(n.Segments) > 0 || !n.Deleting.IsZero() {
			continue
		}
		limited, cancel := context.WithTimeout(ctx, s.opts.RequestTimeout)
		err := s.store.Update(limited, func(t *rows.Txn) error {
			row, err := t.Get(s.networks, n.ID)
			if err != nil {
				return notGone(err)
			}
			n := row.Clone().(*resource.Network)
			if len(n.Segments) > 0 {
				return nil
			}
			n.Subnets = slices.Clone(n.Subnets)
			s.stamp(n, n.Revision+1)
			if err := (networkOps{s}).giveSegment(t, n); err != nil {
				return err
			}
			t.Update(s.networks, n)
			return nil
		})
		cancel()
		failed = errors.Join(failed, err)
	}
	return failed
}
