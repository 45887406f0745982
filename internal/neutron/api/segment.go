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

// vnis remembers for each type of tunnel, and for the VLANs of each physical network, where to look for a
// free identifier next. Servers begin at random, so that they do not get in each other's way, and go on from
// the last one given, so that one that has become free rests.
type vnis struct {
	mu   sync.Mutex
	next map[string]int
}

func (v *vnis) from(of string, size int) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	at, ok := v.next[of]
	if !ok {
		at = rand.IntN(size)
		v.next[of] = at
	}
	return at
}

func (v *vnis) taken(of string, position int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.next[of] = position + 1
}

// takeSegments completes the segments of a new network as its creator wants them, and reserves what they
// have.
func (o networkOps) takeSegments(t *rows.Txn, n *resource.Network) error {
	wanted := n.Segments
	if len(wanted) == 0 {
		wanted = make([]model.Segment, 1)
	}
	n.Segments = nil
	for _, s := range wanted {
		if err := o.addSegment(t, n, s); err != nil {
			return err
		}
	}
	return nil
}

// addSegment gives a network one more segment.
func (o networkOps) addSegment(t *rows.Txn, n *resource.Network, s model.Segment) error {
	s, err := o.wantedSegment(s)
	if err != nil {
		return err
	}
	if err := checkBeside(n.Segments, s); err != nil {
		return err
	}
	if s.ID == "" {
		s.ID = uuid.NewString()
	}
	switch {
	case s.SegmentationID == 0 && s.NetworkType != model.Flat:
		s, err = o.anySegment(t, n, s)
	case !o.reserveSegment(t, n, s):
		err = segmentInUse(s)
	}
	n.Segments = append(slices.Clone(n.Segments), s)
	return err
}

// checkBeside refuses a segment that would leave it open by which one a chassis reaches the network.
func checkBeside(others []model.Segment, s model.Segment) error {
	for _, x := range others {
		if x.IsProvider() && x.NetworkType == s.NetworkType && x.PhysicalNetwork == s.PhysicalNetwork && x.SegmentationID == s.SegmentationID {
			return segmentInUse(s)
		}
		if !x.IsProvider() && !s.IsProvider() {
			return resource.InvalidInput("a network can have one tunnelled segment")
		}
		if x.IsProvider() && s.IsProvider() && x.PhysicalNetwork == s.PhysicalNetwork {
			return resource.InvalidInput("a network can have one segment on physical_network '%s'", s.PhysicalNetwork)
		}
	}
	return nil
}

func segmentInUse(s model.Segment) error {
	switch s.NetworkType {
	case model.Flat:
		return resource.Conflict("FlatNetworkInUse",
			"Unable to create the flat network. Physical network %s is in use.", s.PhysicalNetwork)
	case model.VLAN:
		return resource.Conflict("VlanIdInUse", "Unable to create the network. The VLAN %d on physical network %s is in use.",
			s.SegmentationID, s.PhysicalNetwork)
	}
	return resource.Conflict("TunnelIdInUse", "Unable to create the network. The tunnel ID %d is in use.", s.SegmentationID)
}

// wantedSegment checks what the client named.
func (o networkOps) wantedSegment(s model.Segment) (model.Segment, error) {
	switch {
	case s.NetworkType == "" && (s.SegmentationID != 0 || s.PhysicalNetwork != ""):
		return s, resource.InvalidInput("network_type required")
	case s.NetworkType == "":
		s.NetworkType = o.opts.Segments.Type
	case !segment.Known(s.NetworkType):
		return s, resource.InvalidInput("network_type value '%s' not supported", s.NetworkType)
	case s.IsProvider():
		return s, o.checkPhysical(s)
	case s.PhysicalNetwork != "":
		return s, resource.InvalidInput("provider:physical_network specified for %s network", s.NetworkType)
	case o.opts.Segments.Transit.Contains(s.SegmentationID):
		return s, resource.InvalidInput("segmentation_id %d is reserved for the transit of routers", s.SegmentationID)
	}
	return s, nil
}

// checkPhysical checks what the client named of a flat network or a VLAN.
func (o networkOps) checkPhysical(s model.Segment) error {
	switch {
	case s.NetworkType == model.Flat && s.PhysicalNetwork == "":
		return resource.InvalidInput("physical_network required for flat provider network")
	case s.NetworkType == model.Flat && s.SegmentationID != 0:
		return resource.InvalidInput("segmentation_id prohibited for flat provider network")
	case s.NetworkType == model.Flat:
		return nil
	case s.PhysicalNetwork == "" && s.SegmentationID != 0:
		return resource.InvalidInput("segmentation_id requires physical_network for VLAN provider network")
	case s.PhysicalNetwork == "":
		return nil
	case s.SegmentationID > model.MaxVLAN:
		return resource.InvalidInput("segmentation_id out of range (1 through %d)", model.MaxVLAN)
	}
	vlans, known := o.opts.Segments.VLANsOf(s.PhysicalNetwork)
	switch {
	case !known:
		return resource.InvalidInput("physical_network '%s' unknown for VLAN provider network", s.PhysicalNetwork)
	case s.SegmentationID == 0 && len(vlans) == 0:
		return resource.InvalidInput("Physical network %s requires segmentation_id to be specified when creating a "+
			"provider network", s.PhysicalNetwork)
	}
	return nil
}

// anySegment completes a segment with an identifier that is free.
func (o networkOps) anySegment(t *rows.Txn, n *resource.Network, s model.Segment) (model.Segment, error) {
	for _, from := range o.spaces(s) {
		if len(from.VLANs) == 0 {
			continue
		}
		s.PhysicalNetwork = from.Name
		hint := string(s.NetworkType) + "/" + from.Name
		at, ok := from.VLANs.Pick(o.vnis.from(hint, from.VLANs.Size()), func(id uint32) bool {
			s.SegmentationID = id
			return o.reserveSegment(t, n, s)
		})
		if ok {
			o.vnis.taken(hint, at)
			return s, nil
		}
	}
	return s, resource.Conflict("NoNetworkAvailable",
		"Unable to create the network. No tenant network is available for allocation.")
}

// spaces are the identifiers among which one for a segment may be chosen. Those of tunnels are on no
// physical network.
func (o networkOps) spaces(s model.Segment) []segment.PhysicalNetwork {
	if s.NetworkType != model.VLAN {
		return []segment.PhysicalNetwork{{VLANs: o.opts.Segments.VNIs}}
	}
	return slices.DeleteFunc(slices.Clone(o.opts.Segments.VLANs), func(p segment.PhysicalNetwork) bool {
		return s.PhysicalNetwork != "" && s.PhysicalNetwork != p.Name
	})
}

func (o networkOps) reserveSegment(t *rows.Txn, n *resource.Network, s model.Segment) bool {
	return !o.store.Has(o.networks.Kind, rows.BySegment(s), n.ID) &&
		t.Reserve(segment.Key(s), segment.Reservation{Network: n.ID}.Encode())
}

// keepSegments refuses other segments than the network has, but for another VLAN, and gives it one if it has
// none.
func (o networkOps) keepSegments(t *rows.Txn, old, n *resource.Network) error {
	if len(old.Segments) == 0 && !old.Unsegmented {
		return o.giveSegment(t, n)
	}
	if len(old.Segments) == 0 {
		n.Segments = nil // segments have an API of their own
	}
	if len(old.Segments) != 1 {
		return nil // the attributes of one were refused
	}
	was, is := old.Segments[0], n.Segments[0]
	n.Segments = old.Segments
	switch {
	case is.PhysicalNetwork != "" && is.PhysicalNetwork != was.PhysicalNetwork:
		return providerFixed("provider:physical_network")
	case is.NetworkType != "" && is.NetworkType != was.NetworkType:
		return providerFixed("provider:network_type")
	case is.SegmentationID == 0 || is.SegmentationID == was.SegmentationID:
		return nil
	case was.NetworkType != model.VLAN:
		return resource.InvalidInput("Only VLAN type networks can be updated")
	}
	now := was
	now.SegmentationID = is.SegmentationID
	if err := o.checkPhysical(now); err != nil {
		return err
	}
	if !o.reserveSegment(t, n, now) {
		return segmentInUse(now)
	}
	t.Release(segment.Key(was))
	n.Segments = []model.Segment{now}
	return nil
}

func providerFixed(attr string) error {
	return resource.InvalidInput("Plugin does not support updating the following provider network attributes: %s", attr)
}

// giveSegment gives a network of an older version what a new one has; an MTU that does not fit into a
// tunnel is lowered.
func (o networkOps) giveSegment(t *rows.Txn, n *resource.Network) error {
	if err := o.takeSegments(t, n); err != nil {
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
		if len(n.Segments) > 0 || n.Unsegmented || !n.Deleting.IsZero() {
			continue
		}
		limited, cancel := context.WithTimeout(ctx, s.opts.RequestTimeout)
		err := s.store.Update(limited, func(t *rows.Txn) error {
			row, err := t.Get(s.networks, n.ID)
			if err != nil {
				return notGone(err)
			}
			n := row.Clone().(*resource.Network)
			if len(n.Segments) > 0 || n.Unsegmented {
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
