package api

import (
	"context"
	"slices"
	"time"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/neutron/resource"
	"github.com/dragonflow/dragonflow/internal/neutron/rows"
	"github.com/dragonflow/dragonflow/internal/northbound"
)

// followClaims tells everybody who has an address that several ports may have, as the chassis of these hear
// it announced. Until ctx ends.
func (s *Server) followClaims(ctx context.Context) error {
	if s.store.WaitLive(ctx) != nil {
		return nil // ended before
	}
	for {
		var claims []*model.AddressClaim
		err := s.board.wait(ctx, func() bool {
			for key, c := range s.board.claims {
				claims = append(claims, c)
				delete(s.board.claims, key)
			}
			return len(claims) > 0
		})
		if err != nil {
			return nil // ended
		}
		slices.SortFunc(claims, func(a, b *model.AddressClaim) int { return int(min(max(a.Seq-b.Seq, -1), 1)) })
		for _, c := range claims {
			if err := s.claim(ctx, c); err != nil && ctx.Err() == nil {
				s.log.Warn("claim of an address not taken, will be tried again", "port", c.PortID, "address", c.IPAddress.String(),
					"chassis", c.Host, "err", err)
				s.board.keepClaim(c)
				rest(ctx, time.Second)
			}
		}
	}
}

// keepClaim keeps a claim for another attempt, unless there is a newer one.
func (b *board) keepClaim(c *model.AddressClaim) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if old := b.claims[northbound.KeyOf(c)]; old == nil || old.Seq < c.Seq {
		b.claims[northbound.KeyOf(c)] = c
	}
}

// claim lets a port have an address, if it may have it, is on the chassis that says so, and nobody has
// claimed the address later. A claim of a port that may not have the address is as if it were not there.
func (s *Server) claim(ctx context.Context, c *model.AddressClaim) error {
	ctx, cancel := context.WithTimeout(ctx, s.opts.RequestTimeout)
	defer cancel()
	return s.store.Update(ctx, func(t *rows.Txn) error {
		row, err := t.Get(s.ports, c.PortID)
		if err != nil {
			return notGone(err)
		}
		p := row.(*resource.Port)
		if p.NetworkID != c.NetworkID || !p.MayHave(c.IPAddress, c.MACAddress) || p.HostID != c.Host && inactive(p, c.Host) < 0 {
			return nil
		}
		a := &resource.ActiveAddress{Common: resource.Common{ID: resource.ActiveAddressID(c.NetworkID, c.IPAddress)}, NetworkID: c.NetworkID,
			IPAddress: c.IPAddress, PortID: c.PortID, MACAddress: c.MACAddress, Seq: c.Seq}
		old, err := t.Get(s.activeAddresses, a.ID)
		switch {
		case notGone(err) != nil:
			return err
		case err != nil:
			s.stamp(a, 1)
			t.Create(s.activeAddresses, a)
		case old.(*resource.ActiveAddress).Seq >= c.Seq:
			return nil
		default:
			s.stamp(a, old.Base().Revision+1)
			t.Update(s.activeAddresses, a)
		}
		t.After(s.board.poke)        // what is for floating IPs of the address goes to its chassis
		t.Update(s.ports, p.Clone()) // so that who takes the address pair away at the same time sees it
		return nil
	})
}

// leaveAddresses takes addresses away from a port that may no longer have them, in the batch in which the
// port is written.
func (s *Server) leaveAddresses(t *rows.Txn, p *resource.Port) error {
	for _, row := range s.store.Select(s.activeAddresses.Kind, rows.ByPort(p.ID)) {
		row, err := t.Get(s.activeAddresses, row.Base().ID)
		if notGone(err) != nil {
			return err
		}
		if err != nil {
			continue
		}
		if a := row.(*resource.ActiveAddress); a.PortID == p.ID && !p.MayHave(a.IPAddress, a.MACAddress) {
			t.Delete(s.activeAddresses, a.ID)
		}
	}
	return nil
}
