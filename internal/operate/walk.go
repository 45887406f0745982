package operate

import (
	"fmt"
	"maps"

	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
)

// maxSteps bounds a walk whose copies go through the connection tracker, after each of which the switch
// begins to count anew.
const maxSteps = 1 << 16

// Open vSwitch's own limits of what one packet may cost (ofproto/ofproto-dpif-xlate.c, MAX_DEPTH and
// MAX_RESUBMITS): look-ups within each other, and all of them.
const (
	maxWalkDepth = 64
	maxLookups   = 64 * 64
)

// Assumptions is what a walk cannot know. Beyond it is assumed that meters let the packet pass, and that a
// group that selects takes its first bucket.
type Assumptions struct {
	// Connection is what the connection tracker knows.
	Connection
	// Size is the length of the frame, for limits of size: zero is within all.
	Size int
	// Way is which of several ways of equal cost is taken, modulo their number.
	Way int
	// First is the first fragment of a datagram of which the packet is a later one. It alone has ports, and
	// the connection tracker puts together what both bring to it; what stays alone is invalid.
	First *Packet
}

// trackedOf counts how often a first fragment comes to the connection tracker, by zone.
func (t *Tables) trackedOf(p Packet, a Assumptions) map[uint16]int {
	w := &walker{tables: t, Assumptions: a, origin: uint32(p.Get(flow.InPort).Lo), tracked: map[uint16]int{}}
	w.trace.marks, w.trace.sources = map[uint16]flow.Value{}, map[uint16]flow.Value{}
	w.visit(0, p.clone(), 0)
	return w.tracked
}

// Walk follows a packet from the first table.
func (t *Tables) Walk(p Packet, a Assumptions) Trace {
	w := &walker{tables: t, Assumptions: a, origin: uint32(p.Get(flow.InPort).Lo), tracked: map[uint16]int{}}
	if a.First != nil && p.isLaterFragment() {
		first := p.asFirst(*a.First)
		a.First, w.First = nil, &first
		w.first = t.trackedOf(first, a)
	}
	w.trace.marks, w.trace.sources = map[uint16]flow.Value{}, map[uint16]flow.Value{}
	maps.Copy(w.trace.marks, a.Marks)
	maps.Copy(w.trace.sources, a.Sources)
	w.visit(0, p.clone(), 0)
	if w.exhausted {
		// Whatever the switch had collected to do is left undone.
		last := len(w.trace.Steps) - 1
		w.trace.Outcomes = []Outcome{{Kind: Dropped, Step: last, packet: p, Reason: fmt.Sprintf(
			"the packet costs more than %d look-ups, at which Open vSwitch gives up", maxLookups)}}
	}
	return w.trace
}

type walker struct {
	Assumptions
	tables *Tables
	origin uint32
	trace  Trace
	// lookups counts those since the packet last came to the first table or from the connection tracker.
	lookups   int
	exhausted bool
	// tracked counts how often the packet came to the connection tracker, by zone, and first how often its
	// first fragment did.
	tracked, first map[uint16]int
}

// frame is the handling of one flow.
type frame struct {
	packet Packet
	depth  int
	step   int
	stack  []flow.Value
	// forwarded says that the packet, or a copy, went somewhere.
	forwarded bool
	exit      bool
}

// visit looks the packet up in a table and does what it finds. The packet is changed in place, as it is
// after a resubmission. It reports whether the handling of the packet ends with it.
func (w *walker) visit(table uint8, p Packet, depth int) (exit bool) {
	if w.lookups++; depth > maxWalkDepth || w.lookups > maxLookups || len(w.trace.Steps) >= maxSteps {
		w.trace.Truncated = true
		w.exhausted = w.exhausted || w.lookups > maxLookups
		return true
	}
	f, rivals, found := w.tables.find(table, p.asMatched())
	s := Step{Depth: depth, Stage: pipeline.StageName(table), Flow: text(f), key: f.Key(), packet: p.clone()}
	if !found {
		s.Flow, s.missed = "(no flow)", true
	}
	for _, r := range rivals {
		s.Rivals = append(s.Rivals, text(r))
	}
	w.trace.Steps = append(w.trace.Steps, s)
	fr := &frame{packet: p, depth: depth, step: len(w.trace.Steps) - 1}
	if !found {
		w.end(fr, Outcome{Kind: Dropped, Reason: "no flow of the stage matches"})
		return false
	}
	return w.carryOut(fr, f.Instructions)
}

func (w *walker) carryOut(fr *frame, do flow.Instructions) (exit bool) {
	var next *uint8
	for s := range do.Steps() {
		switch {
		case s.Goto != nil:
			next = s.Goto
		case s.WriteMetadata != nil:
			fr.packet.set(flow.Metadata, s.WriteMetadata.Value, s.WriteMetadata.Mask)
		case s.Action != flow.Action{}:
			w.act(fr, s.Action)
		}
		if fr.exit {
			return true
		}
	}
	if next != nil {
		fr.forwarded = true
		return w.visit(*next, fr.packet, fr.depth)
	}
	if !fr.forwarded {
		w.end(fr, Outcome{Kind: Dropped})
	}
	return false
}

func (w *walker) acts(fr *frame, list []flow.Action) {
	for _, a := range list {
		if w.act(fr, a); fr.exit {
			return
		}
	}
}

func (w *walker) act(fr *frame, a flow.Action) {
	p := fr.packet
	switch d := a.Decode().(type) {
	case flow.OutputAction:
		w.output(fr, d.Port)
	case flow.Punt:
		if pipeline.IsLogged(d) { // a copy, with which nothing happens any more
			return
		}
		w.end(fr, Outcome{Kind: Controlled, userdata: d.Userdata})
	case flow.ResubmitAction:
		w.resubmit(fr, d)
	case flow.CloneAction:
		w.copied(fr, p.clone(), d.Actions)
	case flow.GroupAction:
		w.group(fr, d.ID)
	case flow.ConnTrack:
		w.track(fr, d)
	case flow.CTClearAction:
		for _, f := range []flow.Field{flow.CTState, flow.CTZone, flow.CTMark, flow.CTLabel} {
			delete(p.fields, f)
		}
	case flow.ExitAction:
		fr.exit = true
	case flow.PushAction:
		fr.stack = append(fr.stack, p.read(d.Src))
	case flow.PopAction:
		if n := len(fr.stack) - 1; n >= 0 {
			p.write(d.Dst, fr.stack[n])
			fr.stack = fr.stack[:n]
		}
	case flow.MultipathAction:
		w.trace.Ways = max(w.trace.Ways, d.Links)
		p.write(d.Dst, flow.Uint(uint64(w.Way%d.Links)))
	case flow.CheckPktLargerAction:
		larger := flow.Value{}
		if w.Size > int(d.Size) {
			larger = flow.Uint(1)
		}
		p.write(d.Dst, larger)
	case flow.DecTTLAction:
		w.decTTL(fr)
	default:
		rewrite(p, d)
	}
}

// decTTL is ovs-actions(7), "dec_ttl": a packet at the end of its life goes to the controller instead.
func (w *walker) decTTL(fr *frame) {
	ttl := fr.packet.Get(flow.IPTTL).Lo
	if ttl <= 1 {
		w.end(fr, Outcome{Kind: Controlled})
		fr.exit = true
		return
	}
	fr.packet.write(flow.IPTTL.All(), flow.Uint(ttl-1))
}

// rewrite does what only changes the packet.
func rewrite(p Packet, action any) {
	switch d := action.(type) {
	case flow.LoadAction:
		p.write(d.Dst, flow.Uint(d.Value))
	case flow.SetFieldAction:
		mask := d.Mask
		if d.Field == flow.VLANVID {
			mask = flow.Uint(0xfff) // the tag is there or not, whatever is set
		}
		p.set(d.Field, d.Value, mask)
	case flow.MoveAction:
		p.write(d.Dst, p.read(d.Src))
	case flow.PushVLANAction:
		p.set(flow.VLANVID, flow.Uint(flow.VLANPresent), flow.Uint(1<<13-1))
	case flow.PopVLANAction:
		delete(p.fields, flow.VLANVID)
		delete(p.fields, flow.VLANPCP)
	}
}

func (w *walker) output(fr *frame, port uint32) {
	in := uint32(fr.packet.Get(flow.InPort).Lo)
	switch {
	case port == flow.PortController:
		w.end(fr, Outcome{Kind: Controlled})
	case port == flow.PortInPort:
		w.end(fr, Outcome{Kind: Answered, OFPort: in})
	case port == in:
		w.end(fr, Outcome{Kind: Dropped, Reason: "a switch does not send a packet back where it came from", OFPort: port})
	case port == w.origin:
		w.end(fr, Outcome{Kind: Answered, OFPort: port})
	default:
		w.end(fr, Outcome{Kind: Delivered, OFPort: port})
	}
}

func (w *walker) resubmit(fr *frame, d flow.ResubmitAction) {
	fr.forwarded = true
	p := fr.packet
	in := p.Get(flow.InPort)
	if d.Port != 0 {
		p.set(flow.InPort, flow.Uint(uint64(d.Port)), flow.Uint(1<<32-1))
	}
	fr.exit = w.visit(d.Table, p, fr.depth+1)
	if d.Port != 0 {
		p.set(flow.InPort, in, flow.Uint(1<<32-1))
	}
}

// copied runs actions on a copy of the packet.
func (w *walker) copied(fr *frame, p Packet, actions []flow.Action) {
	inner := &frame{packet: p, depth: fr.depth, step: fr.step, stack: append([]flow.Value{}, fr.stack...)}
	w.acts(inner, actions)
	fr.forwarded = fr.forwarded || inner.forwarded
}

func (w *walker) group(fr *frame, id uint32) {
	g, ok := w.tables.groups[id]
	if !ok {
		w.end(fr, Outcome{Kind: Dropped, Reason: fmt.Sprintf("group %d does not exist", id)})
		return
	}
	for _, b := range g.Buckets.All() {
		if g.Type == flow.GroupFastFailover && w.tables.silent[b.WatchPort] {
			continue
		}
		w.copied(fr, fr.packet.clone(), b.Actions)
		if g.Type != flow.GroupAll {
			return
		}
	}
}

// track is ovs-actions(7), "ct": it looks the connection up, or commits it, and goes on with a copy of
// the packet that shows what the tracker knows.
func (w *walker) track(fr *frame, c flow.ConnTrack) {
	zone := c.Zone
	if c.ZoneFrom.Field.Valid() {
		zone = uint16(fr.packet.read(c.ZoneFrom).Lo)
	}
	known := fr.packet.clone()
	w.tracked[zone]++
	state, tuple := w.look(zone, known)
	state |= w.translate(c.NAT, zone, state, known)
	if c.HasTable {
		w.trace.States = append(w.trace.States, stateName(state))
	}
	for f, v := range map[flow.Field]flow.Value{flow.CTState: flow.Uint(state), flow.CTZone: flow.Uint(uint64(zone)), flow.CTMark: w.Marks[zone]} {
		known.write(f.All(), v)
	}
	if state&flow.CTInv == 0 {
		known.tuple(tuple, w.Reply)
	}
	if c.Commit {
		for _, a := range c.Exec {
			rewrite(known, a.Decode())
		}
		w.trace.marks[zone] = known.Get(flow.CTMark)
	}
	if c.HasTable {
		fr.forwarded = true
		count, gaveUp := w.lookups, w.exhausted
		w.lookups = 0
		w.visit(c.Table, known, fr.depth)
		w.lookups, w.exhausted = count, gaveUp
	}
}

// look is what the connection tracker says of a packet, and the packet whose ports are its connection's.
func (w *walker) look(zone uint16, p Packet) (state uint64, tuple Packet) {
	if p.isLaterFragment() {
		if w.tracked[zone] > w.first[zone] {
			return flow.CTTrk | flow.CTInv, p
		}
		p = *w.First
	}
	if _, committed := w.Marks[zone]; !committed {
		return flow.CTTrk | flow.CTNew, p
	}
	if w.Reply {
		return flow.CTTrk | flow.CTEst | flow.CTRpl, p
	}
	return flow.CTTrk | flow.CTEst, p
}

// stateName writes a state as Open vSwitch does.
func stateName(state uint64) string {
	text := "trk"
	for _, s := range []struct {
		bit  uint64
		name string
	}{
		{flow.CTNew, ",new"}, {flow.CTEst, ",est"}, {flow.CTRpl, ",rpl"}, {flow.CTInv, ",inv"}, {flow.CTSNAT, ",snat"}, {flow.CTDNAT, ",dnat"},
	} {
		if state&s.bit != 0 {
			text += s.name
		}
	}
	return text
}

// end notes what became of the packet.
func (w *walker) end(fr *frame, o Outcome) {
	fr.forwarded = true
	o.Step, o.packet = fr.step, fr.packet.clone()
	w.trace.Outcomes = append(w.trace.Outcomes, o)
}
