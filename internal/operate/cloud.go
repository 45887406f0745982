package operate

import (
	"context"
	"errors"
	"fmt"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/model"
)

// Cloud is where questions about packets are answered: from the controller of this host, from the
// database, or from both. It is safe for concurrent use if its parts are.
type Cloud struct {
	// Here is the chassis of this host, nil if there is none to ask.
	Here Site
	// Topology is the database, nil if it is not to be asked. What other chassis do is computed from it.
	Topology Topology
	// Apps are what every chassis runs.
	Apps []*app.App
}

// inquiry is the answering of one question, during which each chassis is computed once.
type inquiry struct {
	*Cloud
	sites map[string]Site
}

// errNoDatabase says why other chassis are out of sight.
var errNoDatabase = errors.New("the database, from which that is computed, is not at hand")

// site returns a chassis.
func (q *inquiry) site(ctx context.Context, chassis string) (Site, error) {
	if q.Here != nil && q.Here.Chassis() == chassis {
		return q.Here, nil
	}
	if s := q.sites[chassis]; s != nil {
		return s, nil
	}
	if q.Topology == nil {
		return nil, errNoDatabase
	}
	w, err := Virtual(ctx, q.Topology, chassis, q.Apps)
	if err != nil {
		return nil, err
	}
	s := &still{w, chassis}
	q.sites[chassis] = s
	return s, nil
}

// isVirtual reports whether a site was computed.
func (q *inquiry) isVirtual(s Site) bool { return s != q.Here }

// locate finds a port, and the chassis at which its packets come into the switch: that of its binding,
// here if this host serves it, nil if it has none.
func (q *inquiry) locate(ctx context.Context, word string) (*model.Port, Site, error) {
	var p *model.Port
	var found error
	if q.Here != nil {
		here := false
		err := q.Here.Read(ctx, func(w World) {
			if p, found = w.port(word); found == nil {
				_, here = w.local(p)
				here = here || p.Host == "" || p.Host == q.Here.Chassis()
			}
		})
		if err != nil || here {
			return p, q.Here, err
		}
	}
	var unknown *unknownPort
	if found != nil && !errors.As(found, &unknown) {
		return nil, nil, found
	}
	if p == nil {
		if q.Topology == nil {
			return nil, nil, found
		}
		var err error
		if p, err = findPort(ctx, q.Topology, word); err != nil {
			return nil, nil, err
		}
	}
	if p.Host == "" {
		return p, nil, nil
	}
	s, err := q.site(ctx, p.Host)
	if err != nil {
		return nil, nil, fmt.Errorf("%s is bound to %s: %w", portName(p), p.Host, err)
	}
	return p, s, nil
}
