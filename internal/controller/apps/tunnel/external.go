package tunnel

import (
	"slices"
	"strings"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
)

// outside takes in what is sent, on an external network that tunnels alone carry, to an address outside that this
// chassis translates or whose router's gateway it is.
func outside(r *view.Reader, h view.Hairpin, out *app.Output) {
	s, found := view.Get(r, segments, h.NetworkID)
	if found != view.Present {
		return
	}
	// What is for a guest of another chassis goes on by the port by which it came.
	do := flow.Do(flow.Load(pipeline.SourcePort, 0), flow.Load(pipeline.Network, uint64(s.key)), flow.Load(flow.InPort.All(), 0))
	out.Flow(pipeline.TunnelInput, pipeline.Normal+2,
		flow.NewMatch(flow.InPort.Is(uint64(s.ofport)), flow.TunID.Is(uint64(s.vni)), flow.EthDst.MAC(h.MAC)), do.Goto(pipeline.DNATInput.Table()),
		"the packet is for an address outside that this chassis has")
}

// external derives where what is for a port without interface is taken. If several chassis may, the switch chooses the
// first that lives.
func external(r *view.Reader, e *model.ExternalPort, out *app.Output) {
	s, found := view.Get(r, segments, e.NetworkID)
	if found != view.Present {
		return
	}
	if _, here := view.Get(r, view.Hairpins, view.Hairpins.Key(view.Hairpin{NetworkID: e.NetworkID, MAC: e.MACAddress})); here == view.Present {
		return
	}
	takers := takersOf(r, e)
	for _, name := range takers {
		app.Emit(out, view.TunnelPeers, view.TunnelPeer{Chassis: name, Type: s.typ})
	}
	var via uint32
	switch len(takers) {
	case 0:
		return
	case 1:
		via = r.Number(pipeline.ChassisNumbers, pipeline.ChassisContent(takers[0], string(s.typ)))
	default:
		via = firstOf(r, s, takers, out)
	}
	app.Emit(out, view.Stations, view.Station{MACAddress: view.MACAddress{NetworkKey: s.key, MAC: e.MACAddress}, Port: e.ID, Via: via})
}

// takersOf returns the other chassis that may take what is for a port, first the one to be asked first. This chassis
// asks those that come before it.
func takersOf(r *view.Reader, e *model.ExternalPort) (names []string) {
	list := e.Chassis
	if len(list) == 0 {
		of, _ := view.Find(r, view.ExternalPortsByRouter, view.Within(e.NetworkID, e.RouterID))
		if i := slices.IndexFunc(of, func(o *model.ExternalPort) bool { return len(o.Chassis) > 0 }); i >= 0 {
			list = of[i].Chassis
		}
	}
	self, _ := view.Get(r, view.Self, "self")
	for _, c := range model.ByPriority(list) {
		if c.Name == self.Name {
			break
		}
		names = append(names, c.Name)
	}
	return names
}

// firstOf returns the number of the way to the first of several chassis that lives: a group that watches them. If none
// seems to, the first one is tried: that it is not heard may be the fault of this chassis.
func firstOf(r *view.Reader, s segment, names []string, out *app.Output) uint32 {
	content := string(s.typ) + "/" + strings.Join(names, ",")
	var buckets []flow.Bucket
	to := func(name string, watch uint32) {
		buckets = append(buckets, flow.Bucket{WatchPort: watch, Actions: []flow.Action{
			flow.Load(pipeline.RemoteChassis, uint64(r.Number(pipeline.ChassisNumbers, pipeline.ChassisContent(name, string(s.typ))))),
			flow.Resubmit(pipeline.TunnelOutput.Table()),
		}})
	}
	for _, name := range names {
		app.Emit(out, view.Watches, view.Watch{Chassis: name})
		if w, _ := view.Get(r, view.WatchPorts, name); w.OFPort != 0 {
			to(name, w.OFPort)
		}
	}
	to(names[0], s.ofport) // this port is always there
	group := r.Number(pipeline.GroupNumbers, "external/"+content)
	out.Group(flow.NewGroup(group, flow.GroupFastFailover, buckets...))
	via := r.Number(pipeline.ChassisNumbers, "first of "+content)
	out.Flow(pipeline.Tunnel, pipeline.Normal, flow.NewMatch(pipeline.Network.Is(uint64(s.key)), pipeline.RemoteChassis.Is(uint64(via))),
		flow.Do(flow.Load(flow.TunID.All(), uint64(s.vni)), flow.Group(group)), "the packet goes to the first chassis that lives of those that may take it")
	return via
}
