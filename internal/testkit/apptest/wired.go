package apptest

import (
	"slices"
	"strconv"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
)

// Wire is the device of a [Wired] switch that is its physical network, Tunnel the one that is its tunnels.
const (
	Wire   = "wire"
	Tunnel = "tun"
)

// Wired is a switch whose physical network is a device of its own.
type Wired struct {
	*Switch
	World *World
	// Ports are those that are plugged in.
	Ports []*model.Port
}

// NewWired makes a world of rows, and the switch that does what it says. A [view.ProviderPort], [view.TunnelPort] or
// [view.Interface] among the rows becomes a device; an interface needs its port among them.
func NewWired(t *testing.T, apps []*app.App, rows ...any) *Wired {
	t.Helper()
	w := New(t, apps...)
	s := &Wired{Switch: w.Switch(), World: w}
	number := func(name string) uint32 {
		n, err := strconv.ParseUint(s.AddPort(Bridge, name), 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		return uint32(n)
	}
	for _, r := range rows {
		switch r := r.(type) {
		case view.ProviderPort:
			w.Set(view.ProviderPort{PhysicalNetwork: r.PhysicalNetwork, OFPort: number(Wire)})
		case view.TunnelPort:
			w.Set(view.TunnelPort{Type: r.Type, OFPort: number(Tunnel)})
		case view.Interface:
			i := slices.IndexFunc(rows, func(x any) bool { p, is := x.(*model.Port); return is && p.ID == r.PortID })
			s.Plug(rows[i].(*model.Port))
			s.Ports = append(s.Ports, rows[i].(*model.Port))
		default:
			w.Set(r)
		}
	}
	s.Update()
	return s
}

// Update evaluates what has changed in the world, and installs it.
func (s *Wired) Update() {
	s.World.MustStep()
	s.Install()
}
