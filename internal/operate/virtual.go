package operate

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/engine"
	"github.com/dragonflow/dragonflow/internal/controller/number"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// Topology is where the logical topology is read from.
type Topology interface {
	// List returns everything in a scope.
	List(ctx context.Context, scope string) ([]northbound.Entry, db.Revision, error)
	// Scopes lists the scopes that there are.
	Scopes(ctx context.Context) ([]db.Scope, error)
}

// Stored is the topology in a database.
func Stored(s *northbound.Store) Topology { return &stored{s} }

type stored struct{ *northbound.Store }

func (s *stored) Scopes(ctx context.Context) ([]db.Scope, error) { return s.Connection().Scopes(ctx) }

// usable yields the objects of entries that a controller would use.
func usable(entries []northbound.Entry) []model.Object {
	var out []model.Object
	for _, e := range entries {
		if e.Err == nil && e.Object != nil && e.Object.Validate() == nil {
			out = append(out, e.Object)
		}
	}
	return out
}

// The OpenFlow ports of a virtual chassis: those of guests from 1, those of tunnels from firstTunnelPort.
const firstTunnelPort = 60000

// virtual makes the world of a chassis out of the topology: what a chassis wants is a function of the
// topology and of its name. That its guests' interfaces are plugged is assumed, and OpenFlow ports and
// numbers are invented.
type virtual struct {
	World
	topology Topology
	chassis  string
}

// Virtual computes what a chassis wants, without asking it.
func Virtual(ctx context.Context, t Topology, chassis string, apps []*app.App) (World, error) {
	v := &virtual{topology: t, chassis: chassis, World: World{View: view.NewDB(nil), Numbers: number.New()}}
	var err error
	v.Engine, err = engine.New(v.View, v.Numbers, apps, engine.Options{Track: []view.AnyTable{view.Interests}})
	if err != nil {
		return World{}, fmt.Errorf("compute chassis %s: %w", chassis, err)
	}
	view.Set(v.View, view.Self, view.Chassis{Name: chassis})
	for _, scope := range []string{model.ScopeGlobal, model.ScopeChassis(chassis)} {
		if err := v.load(ctx, scope); err != nil {
			return World{}, err
		}
	}
	if err := v.plug(); err != nil {
		return World{}, err
	}
	v.View.SetSynced(view.ScopeOVSDB, true)
	if err := v.settle(ctx); err != nil {
		return World{}, err
	}
	v.meet()
	return v.World, v.settle(ctx)
}

// settle evaluates until nothing changes any more.
func (v *virtual) settle(ctx context.Context) error {
	for v.Engine.Pending() {
		d := v.Engine.Step()
		for _, scope := range d.Changed(view.Interests) {
			if v.View.Synced(scope) {
				continue
			}
			if err := v.load(ctx, scope); err != nil {
				return err
			}
		}
	}
	return nil
}

// meet invents that the routers outside, to which the routers of the topology send, were found: a chassis knows it by
// asking them.
func (v *virtual) meet() {
	v.View.Each(view.RouterGateways, func(_ string, row any) {
		network := row.(*model.RouterGateway).NetworkID
		for _, s := range find(v.World, view.SubnetsByNetwork, network) {
			if s.GatewayIP.IsValid() {
				view.Set(v.View, view.Neighbours, view.Neighbour{NetworkID: network, Address: s.GatewayIP, MAC: model.MAC{0x02}})
			}
		}
	})
}

func (v *virtual) load(ctx context.Context, scope string) error {
	entries, _, err := v.topology.List(ctx, scope)
	if err != nil {
		return fmt.Errorf("compute chassis %s: read scope %s: %w", v.chassis, scope, err)
	}
	for _, o := range usable(entries) {
		v.View.Place(o)
	}
	v.View.SetSynced(scope, true)
	return nil
}

// plug invents the interfaces of the ports bound to the chassis, its tunnels, and its ways to physical networks.
func (v *virtual) plug() error {
	row, known := v.View.Row(view.ChassisAll, v.chassis)
	if !known {
		return fmt.Errorf("the database knows no chassis %q: no controller of that name ever ran", v.chassis)
	}
	self := row.(*model.Chassis)
	types := slices.Sorted(slices.Values(self.TunnelTypes))
	for i, t := range types {
		view.Set(v.View, view.TunnelPorts, view.TunnelPort{Type: t, OFPort: firstTunnelPort + uint32(i), Local: self.TunnelIP})
	}
	for i, name := range self.PhysicalNetworks {
		view.Set(v.View, view.ProviderPorts, view.ProviderPort{PhysicalNetwork: name, OFPort: firstTunnelPort + uint32(len(types)+i)})
	}
	n := uint32(0)
	v.View.Each(view.Bindings, func(id string, row any) {
		if row.(*model.Binding).IsSubPort() {
			return
		}
		if n++; n == firstTunnelPort {
			n += uint32(len(types) + len(self.PhysicalNetworks))
		}
		view.Set(v.View, view.Interfaces, view.Interface{Name: "of " + id, PortID: id, OFPort: n})
	})
	return nil
}

// findPort finds a port in the whole topology, by id, name or the beginning of its id, which may take
// reading all of its ports.
func findPort(ctx context.Context, t Topology, word string) (*model.Port, error) {
	scopes, err := t.Scopes(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the scopes of the database: %w", err)
	}
	var s portSearch
	for _, scope := range scopes {
		if !strings.HasPrefix(string(scope), "network/") || !strings.HasSuffix(string(scope), "/ports") {
			continue
		}
		entries, _, err := t.List(ctx, string(scope))
		if err != nil {
			return nil, fmt.Errorf("read scope %s: %w", scope, err)
		}
		for _, o := range usable(entries) {
			if p, ok := o.(*model.Port); ok {
				s.consider(p, word)
			}
		}
	}
	p, err := s.found(word)
	if p == nil && err == nil {
		err = fmt.Errorf("there is no port %q", word)
	}
	return p, err
}

// portSearch is looking for a port by what people type.
type portSearch struct {
	exact         *model.Port
	named, begins []*model.Port
}

func (s *portSearch) consider(p *model.Port, word string) {
	switch {
	case p.ID == word:
		s.exact = p
	case p.Name == word && word != "":
		s.named = append(s.named, p)
	case len(word) >= 4 && strings.HasPrefix(p.ID, word):
		s.begins = append(s.begins, p)
	}
}

// found returns the port, nil if there is none, or an error if there are several.
func (s *portSearch) found(word string) (*model.Port, error) {
	list := s.named
	if len(list) == 0 {
		list = s.begins
	}
	switch {
	case s.exact != nil:
		return s.exact, nil
	case len(list) == 0:
		return nil, nil
	case len(list) == 1:
		return list[0], nil
	}
	ids := make([]string, len(list))
	for i, p := range list {
		ids[i] = p.ID
	}
	return nil, fmt.Errorf("%d ports are called %q: use one of the ids %s", len(list), word, strings.Join(ids, ", "))
}
