package api

import (
	"context"
	"slices"
	"time"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/neutron/resource"
	"github.com/dragonflow/dragonflow/internal/neutron/rows"
)

// followArrivals activates the bindings of guests that a live migration has brought to their target, as the
// target reports, so that everybody sends there without waiting for who migrates to say so. Until ctx ends.
func (s *Server) followArrivals(ctx context.Context) error {
	if s.store.WaitLive(ctx) != nil {
		return nil // ended before
	}
	for {
		var arrived []*model.PortStatus
		err := s.board.wait(ctx, func() bool {
			for id, status := range s.board.arrived {
				arrived = append(arrived, status)
				delete(s.board.arrived, id)
			}
			return len(arrived) > 0
		})
		if err != nil {
			return nil // ended
		}
		for _, status := range arrived {
			if err := s.arrive(ctx, status); err != nil && ctx.Err() == nil {
				s.log.Warn("binding of a guest that has arrived not activated, will be tried again", "port", status.ID,
					"chassis", status.Host, "err", err)
				s.board.again(status)
				rest(ctx, time.Second)
			}
		}
	}
}

// again keeps a report for another attempt, unless there is a newer one.
func (b *board) again(status *model.PortStatus) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.arrived[status.ID] == nil {
		b.arrived[status.ID] = status
	}
}

// arrive activates the binding of one port, unless the report is about the port as it was before its
// bindings changed: then another report is to come.
func (s *Server) arrive(ctx context.Context, status *model.PortStatus) error {
	ctx, cancel := context.WithTimeout(ctx, s.opts.RequestTimeout)
	defer cancel()
	return s.store.Update(ctx, func(t *rows.Txn) error {
		row, err := t.Get(s.ports, status.ID)
		if err != nil {
			return notGone(err)
		}
		p := row.Clone().(*resource.Port)
		at := inactive(p, status.Host)
		if at < 0 || p.IsSubPort() || // a sub-port comes with its parent
			status.Realised < p.Revision {
			return nil
		}
		p.Inactive = slices.Clone(p.Inactive)
		swapBindings(p, at)
		if s.opts.Neutron {
			p.Arrived = status.Host
		}
		s.stamp(p, p.Revision+1)
		t.Update(s.ports, p)
		return s.followPort(t, row.(*resource.Port), p)
	})
}
