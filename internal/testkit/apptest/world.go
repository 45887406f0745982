// Package apptest tests apps: it builds small worlds in code, compares the flows that the apps derive
// from them with golden text, and holds the apps to the engine's law: whatever the history, incremental
// equals recompute.
package apptest

import (
	"flag"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/engine"
	"github.com/dragonflow/dragonflow/internal/controller/number"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
)

var update = flag.Bool("update", false, "rewrite golden files with what the tests got")

// Host is the name of the chassis in worlds.
const Host = "c1"

// World is a view with an engine over it. After every Step it checks that recomputing everything gives
// the same.
type World struct {
	t       testing.TB
	DB      *view.DB
	Numbers *number.Allocator
	Engine  *engine.Engine
}

// New returns an empty world whose OVSDB, global and own chassis scope are in sync.
func New(t testing.TB, apps ...*app.App) *World {
	t.Helper()
	w := &World{t: t, DB: view.NewDB(nil), Numbers: number.New()}
	var err error
	if w.Engine, err = engine.New(w.DB, w.Numbers, apps, engine.Options{Strict: true}); err != nil {
		t.Fatal(err)
	}
	view.Set(w.DB, view.Self, view.Chassis{Name: Host, DHCPLeaseTime: 86400})
	w.Sync(view.ScopeOVSDB, model.ScopeGlobal, model.ScopeChassis(Host))
	return w
}

// Set places rows (model objects, view.Interface …) and marks the scopes of model objects as in sync.
func (w *World) Set(rows ...any) {
	w.t.Helper()
	for _, r := range rows {
		w.place(r)
		if o, ok := r.(model.Object); ok {
			w.DB.SetSynced(o.Scope(), true)
		}
	}
}

// SetUnsynced places rows and leaves the marks of their scopes alone.
func (w *World) SetUnsynced(rows ...any) {
	w.t.Helper()
	for _, r := range rows {
		w.place(r)
	}
}

func (w *World) place(r any) {
	w.t.Helper()
	switch r := r.(type) {
	case model.Object:
		if err := r.Validate(); err != nil {
			w.t.Fatal(err)
		}
		w.DB.Place(r)
	case view.Interface:
		view.Set(w.DB, view.Interfaces, r)
	case view.TunnelPort:
		view.Set(w.DB, view.TunnelPorts, r)
	case view.MetadataPort:
		view.Set(w.DB, view.MetadataPorts, r)
	case view.ProviderPort:
		view.Set(w.DB, view.ProviderPorts, r)
	case view.WatchPort:
		view.Set(w.DB, view.WatchPorts, r)
	case view.Announcement:
		view.Set(w.DB, view.Announcements, r)
	case view.Arrival:
		view.Set(w.DB, view.Arrivals, r)
	case view.Departure:
		view.Set(w.DB, view.Departures, r)
	case view.Neighbour:
		view.Set(w.DB, view.Neighbours, r)
	case view.Chassis:
		view.Set(w.DB, view.Self, r)
	default:
		w.t.Fatalf("a world has no table for a %T", r)
	}
}

// Remove takes rows away.
func (w *World) Remove(rows ...any) {
	w.t.Helper()
	for _, r := range rows {
		switch r := r.(type) {
		case model.Object:
			w.DB.DeleteAny(view.TableOf(r.Kind()), view.KeyOf(r))
		case view.Interface:
			view.Delete(w.DB, view.Interfaces, r.Name)
		case view.MetadataPort:
			view.Delete(w.DB, view.MetadataPorts, view.MetadataPortKey)
		case view.Announcement:
			view.Delete(w.DB, view.Announcements, view.ActiveKey(r.NetworkID, r.Address))
		case view.Arrival:
			view.Delete(w.DB, view.Arrivals, r.PortID)
		case view.Departure:
			view.Delete(w.DB, view.Departures, r.PortID)
		case view.TunnelPort:
			view.Delete(w.DB, view.TunnelPorts, string(r.Type))
		case view.ProviderPort:
			view.Delete(w.DB, view.ProviderPorts, r.PhysicalNetwork)
		case view.WatchPort:
			view.Delete(w.DB, view.WatchPorts, r.Chassis)
		case view.Neighbour:
			view.Delete(w.DB, view.Neighbours, view.NeighbourKey(r.NetworkID, r.Address))
		default:
			w.t.Fatalf("a world has no table for a %T", r)
		}
	}
}

// Sync marks scopes as completely in the view.
func (w *World) Sync(scopes ...string) {
	for _, s := range scopes {
		w.DB.SetSynced(s, true)
	}
}

// Step evaluates what changed, checks the law, and returns what the switch must change.
func (w *World) Step() engine.Delta {
	w.t.Helper()
	d := w.Engine.Step()
	if err := w.Engine.Recompute(); err != nil {
		w.t.Fatal(err)
	}
	return d
}

// MustStep is Step for worlds in which no owner may fail, complain or wait.
func (w *World) MustStep() engine.Delta {
	w.t.Helper()
	d := w.Step()
	for _, p := range w.Engine.Problems() {
		w.t.Errorf("%s: %s %v", p.Owner, p.Text, p.Waiting)
	}
	return d
}

// Reader reads the world, as a handler of packets does.
func (w *World) Reader() *view.Reader { return view.NewReader(w.DB, w.Numbers, nil) }

// Flows renders all desired flows as text with stage names, but for the stages' own misses.
func (w *World) Flows() string {
	return w.Engine.Text(func(o engine.Owner) bool { return o.App != "misses" })
}

// Golden compares the flows with testdata/<name>.golden; go test -update rewrites it.
func (w *World) Golden(name string) {
	w.t.Helper()
	Golden(w.t, name, w.Flows())
}

// Golden compares text with testdata/<name>.golden; go test -update rewrites it.
func Golden(t testing.TB, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; make it with go test -update", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got); if this is meant, go test -update:\n%s", path, diff)
	}
}

// Histories checks that the end depends on what is, not on how it came to be. It brings the rows into
// the view in many random orders, in steps of random size, with rows of noise that come and go, with
// rows set, removed and set again, and with in-sync marks at random moments, and compares the outcome.
func Histories(t *testing.T, apps func() []*app.App, rows, noise []any) {
	t.Helper()
	base := New(t, apps()...)
	base.Set(slices.Concat(rows, noise)...)
	base.Step()
	base.Remove(noise...)
	base.Step()
	want := base.Flows()
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 1))
		w := New(t, apps()...)
		w.Numbers.Restore(base.Numbers.Entries())
		history(w, r, rows, noise)
		if diff := cmp.Diff(want, w.Flows()); diff != "" {
			t.Fatalf("history %d ends elsewhere (-want +got):\n%s", seed, diff)
		}
	}
}

func history(w *World, r *rand.Rand, rows, noise []any) {
	type event struct{ do func() }
	var events []event
	shuffle := func(n int, swap func(i, j int)) { r.Shuffle(n, swap) }
	var scopes []string
	for _, row := range slices.Concat(rows, noise) {
		if o, ok := row.(model.Object); ok && !slices.Contains(scopes, o.Scope()) {
			scopes = append(scopes, o.Scope())
		}
	}
	for _, s := range scopes {
		events = append(events, event{func() { w.Sync(s) }})
	}
	for _, row := range slices.Concat(rows, noise) {
		events = append(events, event{func() { w.SetUnsynced(row) }})
		if r.IntN(3) == 0 {
			events = append(events, event{func() { w.Remove(row) }})
		}
	}
	shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	for _, e := range events {
		e.do()
		if r.IntN(3) == 0 {
			w.Step()
		}
	}
	order := slices.Clone(rows)
	shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	for _, row := range order {
		w.SetUnsynced(row)
		if r.IntN(3) == 0 {
			w.Step()
		}
	}
	w.Remove(noise...)
	w.Step()
}

// Net is a network with an MTU of 1500.
func Net(id string) *model.Network {
	return &model.Network{Meta: model.Meta{ID: id, Revision: 1}, Name: id, AdminStateUp: true, MTU: 1500}
}

// Subnet is a subnet with DHCP whose gateway is the first address.
func Subnet(id, network, cidr string) *model.Subnet {
	p := netip.MustParsePrefix(cidr)
	s := &model.Subnet{Meta: model.Meta{ID: id, Revision: 1}, NetworkID: network, CIDR: p, EnableDHCP: true, GatewayIP: p.Addr().Next()}
	if p.Addr().Is6() {
		s.IPv6AddressMode, s.IPv6RAMode = model.DHCPv6Stateful, model.DHCPv6Stateful
	}
	return s
}

// Port is a secured port with fixed addresses on subnets that need not exist. The n-th port has MAC
// fa:16:3e:00:00:n.
func Port(id, network string, n byte, addrs ...string) *model.Port {
	p := &model.Port{
		Meta: model.Meta{ID: id, Revision: 1}, NetworkID: network, Name: id, MACAddress: model.MAC{0xfa, 0x16, 0x3e, 0, 0, n},
		AdminStateUp: true, PortSecurityEnabled: true,
	}
	for _, a := range addrs {
		p.FixedIPs = append(p.FixedIPs, model.FixedIP{SubnetID: "s-" + network, IPAddress: netip.MustParseAddr(a)})
	}
	return p
}

// Bind places a port on the world's chassis.
func Bind(p *model.Port) *model.Binding {
	return &model.Binding{Meta: model.Meta{ID: p.ID, Revision: 1}, NetworkID: p.NetworkID, Host: Host, Status: model.BindingActive}
}

// Sub places a port on the world's chassis as a sub-port of another, in a VLAN.
func Sub(p, parent *model.Port, vlan uint16) *model.Binding {
	b := Bind(p)
	b.ParentPortID, b.SegmentationID = parent.ID, vlan
	return b
}

// At places a port on another chassis.
func At(host string, p *model.Port) *model.Port {
	p.Host = host
	return p
}

// Overlay is Net with a tunnelled segment.
func Overlay(id string, typ model.NetworkType, vni uint32) *model.Network {
	n := Net(id)
	n.Segments = []model.Segment{{NetworkType: typ, SegmentationID: vni}}
	return n
}

// Provider is Net with a segment in a VLAN of a physical network, or, with zero, without a tag.
func Provider(id, physical string, vlan uint32) *model.Network {
	n := Net(id)
	s := model.Segment{ID: "seg-" + id, NetworkType: model.Flat, PhysicalNetwork: physical}
	if vlan != 0 {
		s.NetworkType, s.SegmentationID = model.VLAN, vlan
	}
	n.Segments = []model.Segment{s}
	return n
}

// Peer is a chassis with tunnels of all types.
func Peer(name, tunnelIP string) *model.Chassis {
	return &model.Chassis{
		Meta: model.Meta{ID: name, Revision: 1}, TunnelIP: netip.MustParseAddr(tunnelIP), TunnelTypes: []model.NetworkType{model.Geneve, model.VXLAN},
	}
}

// Plug is the interface of a port, at an OpenFlow port.
func Plug(p *model.Port, ofport uint32) view.Interface {
	return view.Interface{Name: "tap-" + p.ID, PortID: p.ID, OFPort: ofport, MAC: p.MACAddress.String()}
}

// Prefix parses a prefix or panics.
func Prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }
