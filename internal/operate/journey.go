package operate

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"

	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
)

// Journey is the way of a packet through several chassis.
type Journey struct {
	// Legs are the ways through one chassis each, in the order in which they were followed.
	Legs []*Leg `json:"legs"`
}

// Leg is the way through one chassis.
type Leg struct {
	Chassis string `json:"chassis"`
	// Virtual says that the chassis' flows were computed from the database.
	Virtual bool `json:"virtual,omitempty"`
	// From is the index of the leg from which the packet came, -1 in the first, and Tunnel the kind of
	// tunnel.
	From   int               `json:"from"`
	Tunnel model.NetworkType `json:"tunnel,omitempty"`
	Trace
	// routers are the names of the routers that the packet passed.
	routers []string
}

// maxLegs bounds how many chassis a copied packet is followed to.
const maxLegs = 32

// arrival is a packet about to come to a chassis.
type arrival struct {
	site   Site
	packet Packet
	from   int
	tunnel model.NetworkType
}

// travel follows a packet from chassis to chassis. What the connection trackers know is given for each
// chassis by name.
func (q *inquiry) travel(ctx context.Context, start Site, p Packet, assume Assumptions, known map[string]Connection) (*Journey, error) {
	j := &Journey{}
	queue := []arrival{{site: start, packet: p, from: -1}}
	for ; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		tables, err := at.site.Tables(ctx)
		if err != nil {
			return nil, err
		}
		name := at.site.Chassis()
		here := assume
		here.Connection = Connection{Marks: known[name].Marks, Sources: known[name].Sources, Reply: assume.Reply}
		leg := &Leg{Chassis: name, Virtual: q.isVirtual(at.site), From: at.from, Tunnel: at.tunnel, Trace: tables.Walk(at.packet, here)}
		j.Legs = append(j.Legs, leg)
		if err := at.site.Read(ctx, func(w World) { w.explain(leg, q.Apps) }); err != nil {
			return nil, err
		}
		queue = append(queue, q.onward(ctx, j, len(j.Legs)-1, len(queue))...)
	}
	return j, nil
}

// onward finds where what leaves a chassis through tunnels arrives.
func (q *inquiry) onward(ctx context.Context, j *Journey, from, waiting int) []arrival {
	var out []arrival
	leg := j.Legs[from]
	for i := range leg.Outcomes {
		o := &leg.Outcomes[i]
		if o.Kind != Tunnelled || o.Chassis == "" {
			continue
		}
		if len(j.Legs)+waiting+len(out) > maxLegs {
			o.Reason = "not followed: there are too many copies"
			continue
		}
		site, err := q.site(ctx, o.Chassis)
		if err != nil {
			o.Reason = "what happens there cannot be said: " + err.Error()
			continue
		}
		var in Packet
		accepts := false
		err = site.Read(ctx, func(w World) { in, accepts = w.arriving(o) })
		switch {
		case err != nil:
			o.Reason = "what happens there cannot be said: " + err.Error()
		case !accepts:
			o.Reason = fmt.Sprintf("%s has no %s tunnels", o.Chassis, o.Tunnel)
		default:
			o.followed = true
			out = append(out, arrival{site, in, from, o.Tunnel})
		}
	}
	return out
}

// arriving is the packet of another chassis' outcome as it comes out of the tunnel here.
func (w World) arriving(o *Outcome) (Packet, bool) {
	row, has := w.View.Row(view.TunnelPorts, string(o.Tunnel))
	if !has {
		return Packet{}, false
	}
	p := o.packet.clone()
	for f := flow.Reg0; f <= flow.XXReg3; f++ {
		delete(p.fields, f) // registers, metadata and what the connection tracker said stay behind
	}
	for f := flow.TunSrc; f <= flow.TunIPv6Dst; f++ {
		delete(p.fields, f)
	}
	p = p.With(flow.InPort.Is(uint64(row.(view.TunnelPort).OFPort)))
	for f, a := range map[[2]flow.Field]netip.Addr{{flow.TunSrc, flow.TunIPv6Src}: o.source, {flow.TunDst, flow.TunIPv6Dst}: o.target} {
		switch {
		case a.Is4():
			p = p.With(f[0].Addr(a))
		case a.IsValid():
			p = p.With(f[1].Addr(a))
		}
	}
	return p, true
}

// tunnelled says where a packet that left by a tunnel goes.
func (w World) tunnelled(o *Outcome) {
	w.View.Each(view.TunnelPorts, func(_ string, row any) {
		if t := row.(view.TunnelPort); t.OFPort == o.OFPort {
			o.Tunnel = t.Type
		}
	})
	if o.Tunnel == "" || o.Kind != Delivered {
		return
	}
	o.Kind = Tunnelled
	o.target = addrOf(o.packet, flow.TunDst, flow.TunIPv6Dst)
	self, _ := w.View.Row(view.Self, "self")
	w.View.Each(view.ChassisAll, func(name string, row any) {
		switch c := row.(*model.Chassis); {
		case self != nil && name == self.(view.Chassis).Name:
			o.source = c.TunnelIP
		case c.TunnelIP == o.target:
			o.Chassis = name
		}
	})
	if o.Chassis == "" {
		o.Reason = fmt.Sprintf("no chassis has the tunnel address %s", o.target)
	}
}

// addrOf reads an address that is in one of two fields.
func addrOf(p Packet, v4, v6 flow.Field) netip.Addr {
	if v := p.Get(v4); !v.IsZero() {
		return netip.AddrFrom4([4]byte{byte(v.Lo >> 24), byte(v.Lo >> 16), byte(v.Lo >> 8), byte(v.Lo)})
	}
	v := p.Get(v6)
	if v.IsZero() {
		return netip.Addr{}
	}
	return netip.AddrFrom16([16]byte(appendValue(nil, v)))
}

// end is one end of a journey.
type end struct {
	leg *Leg
	*Outcome
}

// ends lists what became of all copies of the packet.
func (j *Journey) ends() []end {
	var out []end
	for _, leg := range j.Legs {
		for i := range leg.Outcomes {
			if !leg.Outcomes[i].followed {
				out = append(out, end{leg, &leg.Outcomes[i]})
			}
		}
	}
	return out
}

// connections is what the trackers know after the packet.
func (j *Journey) connections() map[string]Connection {
	known := map[string]Connection{}
	for _, leg := range j.Legs {
		known[leg.Chassis] = leg.Connection(false)
	}
	return known
}

// route lists the legs by which a packet came to one of them.
func (j *Journey) route(to *Leg) []*Leg {
	if to.From < 0 {
		return []*Leg{to}
	}
	return append(j.route(j.Legs[to.From]), to)
}

// ways is the largest number of ways of equal cost that the packet met.
func (j *Journey) ways() int {
	n := 0
	for _, leg := range j.Legs {
		n = max(n, leg.Ways)
	}
	return n
}

// Write writes the way through each chassis for people.
func (j *Journey) Write(w io.Writer) error {
	for i, leg := range j.Legs {
		title := "on " + cmp.Or(leg.Chassis, "this chassis")
		if leg.From >= 0 {
			title += fmt.Sprintf(", through a %s tunnel from %s", leg.Tunnel, j.Legs[leg.From].Chassis)
		}
		if leg.Virtual {
			title += " (computed from the database; OpenFlow ports and numbers are invented)"
		}
		if i > 0 {
			title = "\n" + title
		}
		if len(j.Legs) > 1 || leg.Virtual {
			if _, err := fmt.Fprintln(w, title); err != nil {
				return err
			}
		}
		if err := leg.Trace.Write(w); err != nil {
			return err
		}
	}
	return nil
}

// passed names the routers that a packet went through, of the numbers in its registers.
func (w World) passed(t *Trace) []string {
	var names []string
	ids := w.Numbers.Names(pipeline.RouterNumbers.Name)
	for _, s := range t.Steps {
		if s.Stage != pipeline.RouterAddresses.String() {
			continue
		}
		id := ids[uint32(s.packet.read(pipeline.Router).Lo)]
		if row, ok := w.View.Row(view.Routers, id); ok {
			id = named(row.(*model.Router).Name, id)
		}
		if len(names) == 0 || names[len(names)-1] != id {
			names = append(names, id)
		}
	}
	return names
}

// byRouters is how a sentence says which routers a packet passed.
func byRouters(legs []*Leg) string {
	var names []string
	for _, leg := range legs {
		names = append(names, leg.routers...)
	}
	names = slices.Compact(names) // its gateway is the same router
	switch len(names) {
	case 0:
		return ""
	case 1:
		return " by router " + names[0]
	}
	return " by routers " + strings.Join(names, ", ")
}
