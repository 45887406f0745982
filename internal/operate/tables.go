package operate

import (
	"cmp"
	"iter"
	"slices"

	"github.com/dragonflow/dragonflow/internal/controller/engine"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/view"
)

// Tables is a copy of what a switch shall have, in which packets can be looked up. It is immutable but
// for what it works out on first use, so it belongs to one goroutine.
type Tables struct {
	tables map[uint8]*table
	groups map[uint32]flow.GroupEntry
	// silent are the ports whose other end is not heard: a fast failover group passes them over.
	silent map[uint32]bool
}

// Snapshot copies the desired flows and groups of an engine, and what the view knows of watched ports.
func Snapshot(e *engine.Engine, v *view.DB) *Tables {
	return tablesOf(e.Flows(), e.Groups(), silent(v))
}

// silent returns the ports on which a watched chassis is not heard.
func silent(v *view.DB) map[uint32]bool {
	ports := map[uint32]bool{}
	v.Each(view.WatchPorts, func(_ string, row any) {
		if w := row.(view.WatchPort); !w.Alive && w.OFPort != 0 {
			ports[w.OFPort] = true
		}
	})
	return ports
}

func tablesOf(flows iter.Seq[flow.Flow], groups iter.Seq[flow.GroupEntry], silent map[uint32]bool) *Tables {
	t := &Tables{tables: map[uint8]*table{}, groups: map[uint32]flow.GroupEntry{}, silent: silent}
	for f := range flows {
		t.add(f)
	}
	for g := range groups {
		t.groups[g.ID] = g
	}
	return t
}

func (t *Tables) add(f flow.Flow) {
	tab := t.tables[f.Table]
	if tab == nil {
		tab = &table{}
		t.tables[f.Table] = tab
	}
	tab.flows = append(tab.flows, f)
}

// table is a flow table. The first look-ups go through all flows. After that, flows with the same priority
// that look at the same bits are kept in a map by the values that they demand, as Open vSwitch does, so
// that a look-up costs one probe for each such shape: a broadcast comes to the same table many times.
type table struct {
	flows   []flow.Flow
	lookups int
	shapes  []*shape
}

// indexAfter is the number of look-ups that cost less than the index.
const indexAfter = 16

type shape struct {
	priority uint16
	bits     string            // which bits, to have an order
	masks    []flow.Constraint // the same; the values are zero
	flows    map[string]flow.Flow
}

// find returns the flow that a packet meets, and others of the same priority that do something else: which
// of them a switch takes is not defined.
func (t *Tables) find(number uint8, p Packet) (f flow.Flow, rivals []flow.Flow, ok bool) {
	tab := t.tables[number]
	if tab == nil {
		return flow.Flow{}, nil, false
	}
	if tab.lookups++; tab.lookups <= indexAfter {
		return tab.scan(p)
	}
	tab.prepare()
	return tab.probe(p)
}

// scan looks at every flow.
func (t *table) scan(p Packet) (f flow.Flow, rivals []flow.Flow, ok bool) {
	for _, g := range t.flows {
		if ok && g.Priority < f.Priority || !p.meets(g.Match) {
			continue
		}
		switch {
		case !ok || g.Priority > f.Priority:
			f, rivals, ok = g, nil, true
		case g.Instructions != f.Instructions:
			rivals = append(rivals, g)
		}
	}
	return f, rivals, ok
}

// probe looks at the shapes, in order of priority.
func (t *table) probe(p Packet) (f flow.Flow, rivals []flow.Flow, ok bool) {
	for _, s := range t.shapes {
		if ok && s.priority < f.Priority {
			break
		}
		switch g, hit := s.flows[s.key(p)]; {
		case hit && !ok:
			f, ok = g, true
		case hit && g.Instructions != f.Instructions:
			rivals = append(rivals, g)
		}
	}
	return f, rivals, ok
}

// prepare sorts the flows into shapes.
func (t *table) prepare() {
	if t.shapes != nil {
		return
	}
	type kind struct {
		priority uint16
		bits     string
	}
	shapes := map[kind]*shape{}
	for _, f := range t.flows {
		var masks []flow.Constraint
		var bits []byte
		values := NewPacket()
		for c := range f.Match.Fields() {
			masks = append(masks, flow.Constraint{Field: c.Field, Mask: c.Mask})
			bits = appendValue(append(bits, byte(c.Field)), c.Mask)
			values.set(c.Field, c.Value, c.Mask)
		}
		k := kind{f.Priority, string(bits)}
		s := shapes[k]
		if s == nil {
			s = &shape{priority: f.Priority, bits: k.bits, masks: masks, flows: map[string]flow.Flow{}}
			shapes[k] = s
			t.shapes = append(t.shapes, s)
		}
		s.flows[s.key(values)] = f
	}
	slices.SortFunc(t.shapes, func(a, b *shape) int {
		return cmp.Or(cmp.Compare(b.priority, a.priority), cmp.Compare(a.bits, b.bits))
	})
}

// key is what flows of a shape can tell of a packet.
func (s *shape) key(p Packet) string {
	var room [256]byte
	b := room[:0]
	for _, c := range s.masks {
		b = appendValue(b, p.Get(c.Field).And(c.Mask))
	}
	return string(b)
}

func appendValue(b []byte, v flow.Value) []byte {
	for _, half := range []uint64{v.Hi, v.Lo} {
		for shift := 56; shift >= 0; shift -= 8 {
			b = append(b, byte(half>>shift))
		}
	}
	return b
}
