package operate

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
)

// secgroup is the name of the app whose drops are explained by rules.
const secgroup = "secgroup"

// explain fills in what a leg's chassis knows about it: reasons, ports, tunnels, routers.
func (w World) explain(leg *Leg, apps []*app.App) {
	leg.Explain(w.Engine)
	leg.routers = w.passed(&leg.Trace)
	for i := range leg.Outcomes {
		o := &leg.Outcomes[i]
		o.at = w.whereabouts(*o)
		if p, ok := w.portAt(func(p view.LocalPort) bool { return p.OFPort == o.OFPort && p.VLAN == o.packet.vlan() }); ok && o.OFPort != 0 {
			o.Port, o.port = portName(p.Port), p.Port
			continue
		}
		if w.isService(o.OFPort) {
			o.Port, o.serves = service, true
			continue
		}
		w.tunnelled(o)
		w.wired(o)
		if o.Kind == Controlled {
			o.Reason = leg.refusal(*o) + w.controllerSays(o, apps)
		}
	}
}

// wired says into which physical network a frame went, behind which nobody can look.
func (w World) wired(o *Outcome) {
	w.View.Each(view.ProviderPorts, func(name string, row any) {
		if row.(view.ProviderPort).OFPort == o.OFPort && o.Kind == Delivered {
			o.Port, o.wire = "physical network "+name, true
		}
	})
}

// refusal is why a router refused a packet that went to the controller for that.
func (t *Trace) refusal(o Outcome) string {
	if o.Step == 0 || t.Steps[o.Step].Stage != pipeline.RouterRefuse.String() {
		return ""
	}
	return t.Steps[o.Step-1].Reason + "; "
}

// whereabouts returns the port at which a packet was: its destination's, once that is known; nil if it
// was at none.
func (w World) whereabouts(o Outcome) *model.Port {
	for _, register := range []flow.SubField{pipeline.DestPort, pipeline.SourcePort} {
		key := uint32(o.packet.read(register).Lo)
		if p, ok := w.portAt(func(p view.LocalPort) bool { return p.Key == key }); ok && key != 0 {
			return p.Port
		}
	}
	for _, vlan := range []uint16{o.packet.vlan(), 0} { // it ended before anything was noted in a register
		if p, ok := w.portAt(func(p view.LocalPort) bool { return uint64(p.OFPort) == o.packet.inPort() && p.VLAN == vlan }); ok {
			return p.Port
		}
	}
	return nil
}

// conclude puts the answer into a sentence.
func (q *inquiry) conclude(ctx context.Context, ans *Answer, a *asked) error {
	ends := ans.Journey.ends()
	if err := q.gatherWaiting(ctx, ans, a); err != nil {
		return err
	}
	if len(ends) == 0 {
		ans.Sentence = "the packet has no end"
		return nil
	}
	if a.copied && (len(ends) > 1 || ends[0].Kind != Dropped) {
		return q.copies(ctx, ans, ends)
	}
	for _, e := range ends {
		switch {
		case (e.Kind == Delivered || e.turned()) && e.port != nil && (a.dst == nil && a.router == "" || a.dst != nil && e.port.ID == a.dst.ID):
			ans.Passes = true
			return q.delivered(ctx, ans, a, e)
		case e.serves:
			ans.Passes = true
			ans.Sentence = a.served(ans.Journey.on(e.leg))
			return nil
		case e.Kind == Answered && a.router != "":
			ans.Passes = true
			ans.Sentence = fmt.Sprintf("answered by router %s%s", a.router, ans.Journey.on(e.leg))
			return nil
		}
	}
	last := ends[len(ends)-1]
	if last.Kind != Dropped {
		return q.elsewhere(ctx, ans, a, ends)
	}
	return q.dropped(ctx, ans, a, last)
}

// gatherWaiting asks the chassis on the way what the flows of the two ports wait for.
func (q *inquiry) gatherWaiting(ctx context.Context, ans *Answer, a *asked) error {
	for _, leg := range ans.Journey.Legs[:min(2, len(ans.Journey.Legs))] {
		site, err := q.site(ctx, leg.Chassis)
		if err == nil {
			err = site.Read(ctx, func(w World) { ans.Waiting = append(ans.Waiting, w.waiting(a)...) })
		}
		if err != nil {
			return err
		}
	}
	slices.Sort(ans.Waiting)
	ans.Waiting = slices.Compact(ans.Waiting)
	return nil
}

// copies says what became of the copies of a packet for everybody.
func (q *inquiry) copies(ctx context.Context, ans *Answer, ends []end) error {
	got := map[string][]string{}
	var order, rest []string
	for _, e := range ends {
		on := ans.Journey.on(e.leg)
		switch {
		case e.Kind == Delivered && e.port != nil:
			if got[on] == nil {
				order = append(order, on)
			}
			got[on] = append(got[on], portName(e.port))
		case e.Kind == Dropped:
			where, err := q.where(ctx, ans.Journey, e)
			if err != nil {
				return err
			}
			rest = append(rest, fmt.Sprintf("dropped in %s: %s", where, e.Reason))
		default:
			rest = append(rest, e.String()+on)
		}
	}
	var parts []string
	for _, on := range order {
		slices.Sort(got[on])
		parts = append(parts, strings.Join(got[on], ", ")+on)
	}
	slices.Sort(rest)
	ans.Sentence, ans.Passes = "nobody gets a copy", len(parts) > 0
	if ans.Passes {
		ans.Sentence = "copies are delivered to " + strings.Join(parts, " and ")
	}
	ans.Sentence = strings.Join(append([]string{ans.Sentence}, slices.Compact(rest)...), "; ")
	return nil
}

// where is how a sentence says at which stage of a chassis a copy ended, and whose it was there.
func (q *inquiry) where(ctx context.Context, j *Journey, e end) (string, error) {
	step := e.leg.Steps[e.Step]
	var object string
	if err := q.at(ctx, e.leg, func(w World) { object = w.holds(step, e.Outcome) }); err != nil {
		return "", err
	}
	at := ""
	if e.at != nil {
		at = " at port " + portName(e.at)
	}
	text := step.Stage
	if !strings.HasPrefix(object, "port ") && object != everybody {
		text += " of " + object
	}
	by := byRouters(j.route(e.leg))
	if name, one := strings.CutPrefix(by, " by "); one && strings.HasPrefix(object, name) {
		by = "" // it was named already
	}
	return text + at + by + j.on(e.leg), nil
}

// elsewhere says where a packet went that neither came to its destination nor was dropped.
func (q *inquiry) elsewhere(ctx context.Context, ans *Answer, a *asked, ends []end) error {
	var texts []string
	for _, e := range ends {
		text := e.String() + ans.Journey.on(e.leg)
		if e.wire {
			back, err := q.beyond(ctx, a, ans.Journey, e)
			if err != nil {
				return err
			}
			text += byRouters(ans.Journey.route(e.leg)) + back
		}
		texts = append(texts, text)
	}
	slices.Sort(texts)
	ans.Sentence = strings.Join(slices.Compact(texts), "; ")
	last := ends[len(ends)-1]
	if a.dst == nil || last.Kind != Delivered || last.wire {
		return nil
	}
	return q.at(ctx, last.leg, func(w World) {
		if _, served := w.local(a.dst); !served {
			ans.Sentence = fmt.Sprintf("not delivered to %s, which this chassis does not serve (%s); as unknown unicast %s",
				portName(a.dst), w.unserved(a.dst), ans.Sentence)
		}
	})
}

// at reads the world of a leg's chassis.
func (q *inquiry) at(ctx context.Context, leg *Leg, f func(World)) error {
	site, err := q.site(ctx, leg.Chassis)
	if err != nil {
		return err
	}
	return site.Read(ctx, f)
}

// dropped says where and why a packet was dropped.
func (q *inquiry) dropped(ctx context.Context, ans *Answer, a *asked, e end) error {
	ans.Chassis, ans.Stage = e.leg.Chassis, e.leg.Steps[e.Step].Stage
	if e.at != nil {
		ans.At = portName(e.at)
	}
	where, err := q.where(ctx, ans.Journey, e)
	if err != nil {
		return err
	}
	where = "dropped in " + where + ": "
	stage, _ := pipeline.ParseStage(ans.Stage)
	return q.at(ctx, e.leg, func(w World) {
		switch {
		case (stage == pipeline.EgressRefuse || stage == pipeline.IngressRefuse) && e.at != nil:
			ans.Sentence = where + w.forbidden(ans, a, e.at, stage, *e.Outcome)
		case a.dst != nil && e.at != nil && e.at.ID == a.src.Port.ID:
			ans.Sentence = where + e.Reason
			if _, served := w.local(a.dst); !served && a.dst.NetworkID == a.src.Port.NetworkID {
				ans.Sentence += fmt.Sprintf("; %s is not served by this chassis: %s", portName(a.dst), w.unserved(a.dst))
			}
		default:
			ans.Sentence = where + e.Reason
		}
		if a.frame != nil && ans.Question.First == "" && a.sent().isLaterFragment() {
			ans.Sentence += "; this is a later fragment, which fares as its first one does, and that is not known"
		}
	})
}

// forbidden explains a drop by security groups.
func (w World) forbidden(ans *Answer, a *asked, at *model.Port, stage pipeline.Stage, end Outcome) string {
	d, b := model.Ingress, a.arrived(&end)
	remote := "from " + b.Src.String()
	if stage == pipeline.EgressRefuse {
		d, b, remote = model.Egress, a.Probe, "to "+a.Dst.String()
	}
	j := w.judge(at, b, d)
	switch {
	case j.allowed != nil:
		return fmt.Sprintf("%s; but %s allows it: the flows are not in force yet", end.Reason, j.allowed.phrase())
	case len(at.SecurityGroups) == 0:
		return fmt.Sprintf("the port has no security group, so nothing allows %s %s", b.what(), remote)
	}
	s := fmt.Sprintf("no rule of groups %s allows %s %s", w.groupNames(at.SecurityGroups), b.what(), remote)
	if j.nearest == nil {
		return s + fmt.Sprintf("; they have no %s rule at all", d)
	}
	ans.Nearest = j.nearest
	return s + "; nearest: " + j.nearest.phrase()
}

// delivered says which rules let the packet through, and what becomes of the answer.
func (q *inquiry) delivered(ctx context.Context, ans *Answer, a *asked, e end) error {
	legs := ans.Journey.route(e.leg)
	where := portName(e.port) + ans.Journey.on(e.leg)
	if e.leg.From >= 0 {
		where += fmt.Sprintf(", through a %s tunnel from %s", e.leg.Tunnel, ans.Journey.Legs[e.leg.From].Chassis)
	}
	var why []string
	for _, end := range []struct {
		port *model.Port
		leg  *Leg
		d    model.Direction
		seen Probe
	}{{a.src.Port, legs[0], model.Egress, a.Probe}, {e.port, e.leg, model.Ingress, a.arrived(e.Outcome)}} {
		err := q.at(ctx, end.leg, func(w World) { why = append(why, w.allowing(ans, end.seen, end.port, end.leg, end.d)) })
		if err != nil {
			return err
		}
	}
	ans.Sentence = fmt.Sprintf("delivered to %s%s%s: %s", where, byRouters(legs), a.translated(e.Outcome), strings.Join(why, " and "))
	if ans.Question.State == Reply {
		ans.Sentence = fmt.Sprintf("delivered to %s%s, as an answer to what was allowed before", where, byRouters(legs))
		return nil
	}
	if a.dst == nil {
		a.dst = e.port
	}
	text, err := q.replies(ctx, a, ans.Journey, e)
	ans.Sentence += text
	return err
}

// allowing says what let a packet through at one of its ends.
func (w World) allowing(ans *Answer, b Probe, p *model.Port, leg *Leg, d model.Direction) string {
	j := w.judge(p, b, d)
	switch {
	case !p.PortSecurityEnabled:
		return fmt.Sprintf("%s has no port security", portName(p))
	case j.allowed != nil:
		ans.Allowed = append(ans.Allowed, *j.allowed)
		return fmt.Sprintf("allowed by %s rule %s", d, j.allowed.phrase())
	}
	return fmt.Sprintf("no %s rule is needed: %s", d, leg.reasonIn(d))
}

// reasonIn returns the last reason of the stages of security groups for a direction.
func (t *Trace) reasonIn(d model.Direction) string {
	reason := "security groups do not see it"
	for _, s := range t.Steps {
		stage, _ := pipeline.ParseStage(s.Stage)
		if stage.App() == secgroup && strings.HasPrefix(s.Stage, string(d)) && s.Reason != "" {
			reason = s.Reason
		}
	}
	return reason
}
