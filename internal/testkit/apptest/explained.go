package apptest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/dragonflow/dragonflow/internal/controller/engine"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/operate"
	"github.com/dragonflow/dragonflow/internal/testkit/oftrace"
)

// explained asks dragonflow why about a frame that nobody received, and holds the answer to what the switch's own
// trace says: that it is dropped, in which stages, whose it is there, and for what reason the flow exists.
func (s *Switch) explained(from *model.Port, frame, first []byte, theirs *oftrace.Trace) *operate.Answer {
	s.w.t.Helper()
	if s.w.portOf(from.ID) == nil {
		return nil // a machine without a port in the database: there is nothing to ask by
	}
	w := operate.World{View: s.w.DB, Engine: s.w.Engine, Numbers: s.w.Numbers}
	ans, err := operate.Why(w, operate.Question{Port: from.ID, Frame: fmt.Sprintf("%x", frame), First: fmt.Sprintf("%x", first)})
	if err != nil {
		s.w.t.Errorf("dragonflow why about %s: %v", short(frame), err)
		return nil
	}
	if len(ans.Fates) == 0 {
		return ans // the port is not served: there is no packet
	}
	if wrong := s.w.Disputes(ans, theirs); len(wrong) > 0 {
		s.w.t.Errorf("dragonflow why says of %s from %s:\n%s\n%s", short(frame), from.ID, ans.Sentence, strings.Join(wrong, "\n"))
	}
	return ans
}

// Because checks that what dragonflow why said of the last frame that nobody received has these words in it.
func (s *Switch) Because(words ...string) {
	s.w.t.Helper()
	for _, text := range words {
		switch {
		case s.answer == nil:
			s.w.t.Errorf("dragonflow why was not asked: want %q", text)
		case !strings.Contains(s.answer.Sentence, text):
			s.w.t.Errorf("dragonflow why says %q, without %q", s.answer.Sentence, text)
		}
	}
}

// Disputes lists what is wrong with an answer about a packet of which Open vSwitch's trace says what became of it on
// this chassis.
func (w *World) Disputes(ans *operate.Answer, theirs *oftrace.Trace) []string {
	var wrong []string
	if theirs.Dropped() && (ans.Passes || !strings.Contains(ans.Sentence, "dropped")) {
		wrong = append(wrong, "Open vSwitch drops it: the sentence does not say so")
	}
	drops := theirs.Drops()
	for _, d := range drops {
		stage := pipeline.StageName(d.Table)
		object, reason := w.owned(d), w.reasonOf(d)
		i := slices.IndexFunc(ans.Fates, func(f operate.Fate) bool {
			return f.Kind == operate.Dropped && f.Stage == stage && strings.HasPrefix(f.Object, object) && f.Reason == reason
		})
		if i < 0 {
			wrong = append(wrong, fmt.Sprintf("Open vSwitch drops it in %s of %s: %s; the answer has %+v", stage, object, reason, ans.Fates))
			continue
		}
		if len(ans.Fates) == 1 {
			wrong = append(wrong, w.misses(ans, stage, object, reason)...)
		}
	}
	for _, f := range ans.Fates {
		known := slices.ContainsFunc(drops, func(d oftrace.Visit) bool { return pipeline.StageName(d.Table) == f.Stage })
		if f.Kind == operate.Dropped && !known {
			wrong = append(wrong, fmt.Sprintf("Open vSwitch does not drop it in %s", f.Stage))
		}
	}
	return wrong
}

// misses lists what the sentence about a packet with one end leaves unsaid.
func (w *World) misses(ans *operate.Answer, stage, object, reason string) []string {
	want := []string{stage, object}
	_, name, _ := strings.Cut(object, " ")
	if s, _ := pipeline.ParseStage(stage); s == pipeline.EgressRefuse || s == pipeline.IngressRefuse {
		want = append(want, w.groupsOf(name)...)
	} else {
		want = append(want, reason)
	}
	var wrong []string
	for _, text := range want {
		if !strings.Contains(ans.Sentence, text) {
			wrong = append(wrong, fmt.Sprintf("the sentence does not say %q", text))
		}
	}
	if strings.Contains(ans.Sentence, "not in force yet") {
		wrong = append(wrong, "a rule allows what is dropped")
	}
	return wrong
}

// groupsOf names the security groups of a port, in none of which there is a rule.
func (w *World) groupsOf(port string) []string {
	var names []string
	w.DB.Each(view.Ports, func(_ string, row any) {
		p := row.(*model.Port)
		if p.Name != port && p.ID != port {
			return
		}
		for _, id := range p.SecurityGroups {
			if g, ok := w.DB.Row(view.SecurityGroups, id); ok && g.(*model.SecurityGroup).Name != "" {
				id = g.(*model.SecurityGroup).Name
			}
			names = append(names, id)
		}
		if len(names) == 0 {
			names = []string{"no security group"}
		}
	})
	return names
}

// reasonOf is why there is the flow at which a packet ended, as its cookie and key say.
func (w *World) reasonOf(d oftrace.Visit) string {
	for f := range w.Engine.Flows() {
		if f.Table == d.Table && nameOf(f.Key()) == d.Flow {
			x, _ := w.Engine.Explain(f.Key())
			return x.Reason
		}
	}
	return "a flow that nothing wants"
}

// owned says whose a packet was that ended at a flow: as the flow's cookie says, or, where that stands for
// everybody, the packet's registers.
func (w *World) owned(d oftrace.Visit) string {
	owner, known := w.Engine.OwnerOf(d.Cookie)
	if object := w.named(owner); known && object != "" {
		return object
	}
	stage := pipeline.Stage(d.Table)
	content := func(space, register string) string {
		return w.Numbers.Names(space)[uint32(d.Registers[register])]
	}
	switch {
	case stage.App() == "l3":
		return w.named(engine.Owner{Kind: view.Routers.Name(), Key: content(pipeline.RouterNumbers.Name, "reg2")})
	case stage == pipeline.L2Lookup, stage == pipeline.L2Flood, stage.App() == "tunnel":
		return w.named(engine.Owner{Kind: view.Networks.Name(), Key: content(pipeline.NetworkNumbers.Name, "metadata")})
	case stage >= pipeline.L2Horizon && stage <= pipeline.DeliverLimited:
		return w.named(engine.Owner{Kind: view.LocalPorts.Name(), Key: content(pipeline.PortNumbers.Name, "reg7")})
	case stage > pipeline.TunnelInput:
		return w.named(engine.Owner{Kind: view.LocalPorts.Name(), Key: content(pipeline.PortNumbers.Name, "reg6")})
	}
	return "" // whatever it says: nobody's
}

// portOf is the port with an id, nil if there is none.
func (w *World) portOf(id string) (found *model.Port) {
	w.DB.Each(view.Ports, func(_ string, row any) {
		if p := row.(*model.Port); p.ID == id {
			found = p
		}
	})
	return found
}

// named is what people call an object that a rule is evaluated for; empty if it is nobody's.
func (w *World) named(o engine.Owner) string {
	key, _, _ := strings.Cut(o.Key, "/")
	if row, ok := w.DB.Row(view.Routers, key); ok {
		if name := row.(*model.Router).Name; name != "" {
			key = name
		}
		return "router " + key
	}
	switch o.Kind {
	case view.LocalPorts.Name(), view.Bindings.Name(), view.Ports.Name():
		if p := w.portOf(o.Key[strings.LastIndex(o.Key, "/")+1:]); p != nil {
			return "port " + cmp.Or(p.Name, p.ID)
		}
	case view.Networks.Name(), view.LocalNetworks.Name():
		return "network " + key
	}
	if row, ok := w.DB.Row(view.Networks, key); ok {
		return "network " + cmp.Or(row.(*model.Network).Name, key)
	}
	return ""
}
