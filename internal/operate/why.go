package operate

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/dragonflow/dragonflow/internal/controller/engine"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
)

// Answer says what becomes of a packet, and why.
type Answer struct {
	Question Question `json:"question"`
	// Sentence is the answer for people.
	Sentence string `json:"sentence"`
	// Passes says that the packet comes out at its destination.
	Passes bool `json:"passes"`
	// Packet is what was asked about, such as "tcp/443 from 10.0.0.5 to 10.0.0.6".
	Packet string `json:"packet,omitempty"`
	// Stage and At are where it was dropped: the stage, and the name of the port that it was at.
	Stage string `json:"stage,omitempty"`
	At    string `json:"at,omitempty"`
	// Allowed are the rules that let it through, and Nearest the rule that comes closest to allowing it.
	Allowed []Rule `json:"allowed,omitempty"`
	Nearest *Rule  `json:"nearest,omitempty"`
	// Waiting lists what the flows of the two ports still wait for or complain about.
	Waiting []string `json:"waiting,omitempty"`
	Trace   *Trace   `json:"trace,omitempty"`
}

// Write writes the sentence and what there is to know beside it.
func (a *Answer) Write(w io.Writer) error {
	text := printable(a.Sentence) + "\n"
	for _, line := range a.Waiting {
		text += "  " + printable(line) + "\n"
	}
	_, err := io.WriteString(w, text)
	return err
}

// secgroup is the name of the app whose drops are explained by rules.
const secgroup = "secgroup"

// Why answers a question. An error says that the question itself cannot be understood.
func Why(w World, q Question) (*Answer, error) {
	ans := &Answer{Question: q}
	a, err := w.resolve(q)
	var never *unanswerable
	if errors.As(err, &never) {
		ans.Sentence = never.sentence
		return ans, nil
	}
	if err != nil {
		return nil, err
	}
	ans.Packet = fmt.Sprintf("%s from %s to %s", a.what(), a.Src, a.Dst)
	tables := Snapshot(w.Engine)
	trace := tables.Walk(a.Packet(a.src.OFPort), Connection{})
	w.explain(&trace)
	ans.Trace = &trace
	ans.Waiting = w.waiting(a)
	w.conclude(ans, a)
	if ans.Passes {
		ans.Sentence += w.replies(tables, a, &trace)
	}
	return ans, nil
}

func (b Probe) what() string {
	if b.isICMP() {
		return what(b.Proto, &b.DstPort, &b.Code)
	}
	if b.upper() == nil {
		return protocolName(b.Proto)
	}
	return what(b.Proto, &b.DstPort, nil)
}

// explain fills in the reasons, and the names of ports.
func (w World) explain(t *Trace) {
	t.Explain(w.Engine)
	for i := range t.Outcomes {
		o := &t.Outcomes[i]
		if p, ok := w.portAt(func(p view.LocalPort) bool { return p.OFPort == o.OFPort }); ok && o.OFPort != 0 {
			o.Port = portName(p.Port)
		}
	}
}

// conclude puts the answer into a sentence.
func (w World) conclude(ans *Answer, a *asked) {
	t := ans.Trace
	if a.isLocal && len(t.To(a.dstLocal.OFPort)) > 0 {
		ans.Passes = true
		ans.Sentence = w.delivered(ans, a)
		return
	}
	if len(t.Outcomes) == 0 {
		ans.Sentence = "the packet has no end: " + strings.Join(t.ends(), ", ")
		return
	}
	end := t.Outcomes[len(t.Outcomes)-1]
	if end.Kind != Dropped {
		ans.Sentence = strings.Join(t.ends(), "; ")
		if !a.isLocal {
			ans.Sentence = fmt.Sprintf("not delivered to %s, which this chassis does not serve (%s); as unknown unicast %s",
				portName(a.dst), w.unserved(a.dst), ans.Sentence)
		}
		return
	}
	ans.Stage = t.Steps[end.Step].Stage
	at := w.whereabouts(end)
	ans.At = portName(at)
	where := fmt.Sprintf("dropped in %s at port %s: ", ans.Stage, ans.At)
	stage, _ := pipeline.ParseStage(ans.Stage)
	switch {
	case stage.App() == secgroup:
		ans.Sentence = where + w.forbidden(ans, a, at, end)
	case !a.isLocal && at.ID == a.src.Port.ID:
		ans.Sentence = fmt.Sprintf("%s%s; %s is not served by this chassis: %s", where, end.Reason, portName(a.dst), w.unserved(a.dst))
	default:
		ans.Sentence = where + end.Reason
	}
}

// whereabouts returns the port at which a packet was: its destination's, once that is known.
func (w World) whereabouts(o Outcome) *model.Port {
	for _, register := range []flow.SubField{pipeline.DestPort, pipeline.SourcePort} {
		key := uint32(o.packet.read(register).Lo)
		if p, ok := w.portAt(func(p view.LocalPort) bool { return p.Key == key }); ok && key != 0 {
			return p.Port
		}
	}
	return &model.Port{Name: "?"}
}

// forbidden explains a drop by security groups.
func (w World) forbidden(ans *Answer, a *asked, at *model.Port, end Outcome) string {
	d, remote := model.Egress, "to "+a.Dst.String()
	if at.ID == a.dst.ID {
		d, remote = model.Ingress, "from "+a.Src.String()
	}
	j := w.judge(at, a.Probe, d)
	switch {
	case j.allowed != nil:
		return fmt.Sprintf("%s; but %s allows it: the flows are not in force yet", end.Reason, j.allowed.phrase())
	case len(at.SecurityGroups) == 0:
		return fmt.Sprintf("the port has no security group, so nothing allows %s %s", a.what(), remote)
	}
	s := fmt.Sprintf("no rule of groups %s allows %s %s", w.groupNames(at.SecurityGroups), a.what(), remote)
	if j.nearest == nil {
		return s + fmt.Sprintf("; they have no %s rule at all", d)
	}
	ans.Nearest = j.nearest
	return s + "; nearest: " + j.nearest.phrase()
}

// delivered says which rules let the packet through.
func (w World) delivered(ans *Answer, a *asked) string {
	var why []string
	for _, end := range []struct {
		port *model.Port
		d    model.Direction
	}{{a.src.Port, model.Egress}, {a.dst, model.Ingress}} {
		j := w.judge(end.port, a.Probe, end.d)
		switch {
		case !end.port.PortSecurityEnabled:
			why = append(why, fmt.Sprintf("%s has no port security", portName(end.port)))
		case j.allowed != nil:
			ans.Allowed = append(ans.Allowed, *j.allowed)
			why = append(why, fmt.Sprintf("allowed by %s rule %s", end.d, j.allowed.phrase()))
		default:
			why = append(why, fmt.Sprintf("no %s rule is needed: %s", end.d, ans.Trace.reasonIn(end.d)))
		}
	}
	return fmt.Sprintf("delivered to %s: %s", portName(a.dst), strings.Join(why, " and "))
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

// replies says what becomes of the answer to a packet that passes, unless that passes, too.
func (w World) replies(tables *Tables, a *asked, t *Trace) string {
	back := tables.Walk(a.Reply().Packet(a.dstLocal.OFPort), t.Connection(true))
	w.explain(&back)
	if len(back.To(a.src.OFPort)) > 0 {
		return "; replies pass"
	}
	return "; but replies do not: " + strings.Join(back.ends(), "; ")
}

// waiting lists what the owners of the two ports' flows wait for or complain about.
func (w World) waiting(a *asked) []string {
	var out []string
	ids := append([]string{a.src.Port.ID, a.dst.ID, a.src.Port.NetworkID}, a.src.Port.SecurityGroups...)
	ids = append(ids, a.dst.SecurityGroups...)
	for _, p := range w.Engine.Problems() {
		if slices.ContainsFunc(ids, func(id string) bool { return strings.Contains(p.Owner.Key, id) }) {
			out = append(out, problemText(p))
		}
	}
	return out
}

func problemText(p engine.Problem) string {
	if len(p.Waiting) > 0 {
		return fmt.Sprintf("%s waits for %s", p.Owner, strings.Join(p.Waiting, ", "))
	}
	return fmt.Sprintf("%s: %s", p.Owner, p.Text)
}
