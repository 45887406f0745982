package operate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/dragonflow/dragonflow/internal/controller/engine"
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
	// Chassis, Stage and At are where it was dropped: the chassis, the stage, and the name of the port
	// that it was at.
	Chassis string `json:"chassis,omitempty"`
	Stage   string `json:"stage,omitempty"`
	At      string `json:"at,omitempty"`
	// Fates are what became of the packet and of each of its copies, by whatever way of equal cost.
	Fates []Fate `json:"fates,omitempty"`
	// Allowed are the rules that let it through, and Nearest the rule that comes closest to allowing it.
	Allowed []Rule `json:"allowed,omitempty"`
	Nearest *Rule  `json:"nearest,omitempty"`
	// Waiting lists what the flows of the two ports still wait for or complain about.
	Waiting []string `json:"waiting,omitempty"`
	// Journey is the packet's way.
	Journey *Journey `json:"journey,omitempty"`
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

// Why answers a question about one chassis, without others.
func Why(w World, q Question) (*Answer, error) {
	return (&Cloud{Here: &still{w, w.name()}}).Why(context.Background(), q)
}

// Why answers a question. An error says that the question itself cannot be understood, or that what is
// needed to answer it cannot be read.
func (c *Cloud) Why(ctx context.Context, question Question) (*Answer, error) {
	q := &inquiry{Cloud: c, sites: map[string]Site{}}
	ans := &Answer{Question: question}
	err := q.answer(ctx, ans)
	var never *unanswerable
	if errors.As(err, &never) {
		ans.Sentence = never.sentence
		return ans, nil
	}
	if err != nil {
		return nil, err
	}
	return ans, nil
}

func (q *inquiry) answer(ctx context.Context, ans *Answer) error {
	if err := ans.Question.check(); err != nil {
		return err
	}
	start, a, err := q.ask(ctx, ans.Question)
	if err != nil {
		return err
	}
	ans.Packet = a.describe()
	assume := ans.Question.assumptions()
	if first, err := bytesOf(ans.Question.First); err == nil {
		p := FromFrame(a.src.OFPort, first).in(a.src.VLAN)
		assume.First = &p
	}
	known, reply, err := q.history(ctx, ans.Question, start, a)
	if err != nil {
		return err
	}
	assume.Reply = reply
	var sentences []string
	var fates []Fate
	for n := 1; assume.Way < n; assume.Way++ {
		j, err := q.travel(ctx, start, a.sent(), assume, known)
		if err != nil {
			return err
		}
		n = max(n, j.ways())
		one := &Answer{Question: ans.Question, Packet: ans.Packet, Journey: j}
		if err := q.conclude(ctx, one, a); err != nil {
			return err
		}
		if err := q.slowed(ctx, one); err != nil {
			return err
		}
		if one.Fates, err = q.fates(ctx, j); err != nil {
			return err
		}
		if !slices.Contains(sentences, one.Sentence) {
			sentences = append(sentences, one.Sentence)
		}
		fates = append(fates, one.Fates...)
		if assume.Way == 0 || ans.Passes && !one.Passes { // the way that fails is the one to look at
			*ans = *one
		}
	}
	ans.Sentence = strings.Join(sentences, "; or, by another way of equal cost: ")
	ans.Fates = distinct(fates)
	return nil
}

// ask finds what a question names.
func (q *inquiry) ask(ctx context.Context, question Question) (Site, *asked, error) {
	from, start, err := q.locate(ctx, question.Port)
	if err != nil {
		return nil, nil, err
	}
	if start == nil {
		return nil, nil, &unanswerable{fmt.Sprintf("nothing passes at %s: the port is not bound to any chassis", portName(from))}
	}
	var a *asked
	var unclear error
	resolve := func(far *model.Port) error {
		return start.Read(ctx, func(w World) { a, unclear = w.resolve(question, from, far) })
	}
	if err := resolve(nil); err != nil {
		return nil, nil, err
	}
	var unknown *unknownPort
	if errors.As(unclear, &unknown) && q.Topology != nil {
		far, err := findPort(ctx, q.Topology, question.Dst)
		if err != nil {
			return nil, nil, err
		}
		if err := resolve(far); err != nil {
			return nil, nil, err
		}
	}
	return start, a, unclear
}

// history is what the connection trackers know of the question's packet: nothing of a first one.
func (q *inquiry) history(ctx context.Context, question Question, start Site, a *asked) (known map[string]Connection, reply bool, err error) {
	switch question.State {
	case Established:
		j, err := q.travel(ctx, start, a.sent(), question.assumptions(), nil)
		if err != nil {
			return nil, false, err
		}
		return j.connections(), false, nil
	case Reply:
		first := question
		first.State, first.Port, first.Dst = New, question.Dst, question.Port
		if a.dst != nil {
			first.Port = a.dst.ID
		}
		origin, b, err := q.ask(ctx, first)
		if err != nil {
			return nil, false, err
		}
		j, err := q.travel(ctx, origin, b.Packet(b.src.OFPort).in(b.src.VLAN), question.assumptions(), nil)
		if err != nil {
			return nil, false, err
		}
		back := b.Reply()
		back.SrcMAC, back.DstMAC, back.TTL = a.SrcMAC, a.DstMAC, a.TTL
		a.Probe = back
		return j.connections(), true, nil
	}
	return nil, false, nil
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

// replies says what becomes of the answer to a packet that passes, unless that passes, too.
func (q *inquiry) replies(ctx context.Context, a *asked, j *Journey, at end) (string, error) {
	if a.dst == nil || a.frame != nil || a.isICMP() && a.DstPort != 8 && a.DstPort != 128 {
		return "", nil
	}
	site, err := q.site(ctx, at.leg.Chassis)
	if err != nil {
		return "", err
	}
	came := a.arrived(at.Outcome)
	back := &asked{}
	served := false
	var never error
	err = site.Read(ctx, func(w World) {
		if back.src, served = w.local(a.dst); served {
			never = w.address(back, came.Src)
		}
	})
	if err != nil || !served {
		return "", err
	}
	if never != nil {
		return "; but replies are not sent: " + never.Error(), nil
	}
	probe := came.Reply()
	probe.SrcMAC, probe.DstMAC = a.dst.MACAddress, back.DstMAC
	way, err := q.travel(ctx, site, probe.Packet(back.src.OFPort).in(back.src.VLAN), Assumptions{Connection: Connection{Reply: true}}, j.connections())
	if err != nil {
		return "", err
	}
	var ends []string
	for _, e := range way.ends() {
		if (e.Kind == Delivered || e.turned()) && e.port != nil && e.port.ID == a.src.Port.ID {
			return "; replies pass", nil
		}
		ends = append(ends, e.String())
	}
	return "; but replies do not: " + strings.Join(ends, "; "), nil
}

// waiting lists what the owners of the two ports' flows wait for or complain about.
func (w World) waiting(a *asked) []string {
	var out []string
	ids := append([]string{a.src.Port.ID, a.src.Port.NetworkID}, a.src.Port.SecurityGroups...)
	if a.dst != nil {
		ids = append(append(ids, a.dst.ID, a.dst.NetworkID), a.dst.SecurityGroups...)
	}
	concerns := func(o engine.Owner) bool {
		return slices.ContainsFunc(ids, func(id string) bool { return strings.Contains(o.Key, id) })
	}
	for _, p := range w.Engine.Concerns(concerns) {
		out = append(out, problemText(p))
	}
	return out
}

func problemText(p engine.Problem) string {
	if len(p.Waiting) > 0 {
		return fmt.Sprintf("%s waits for %s", p.Owner, strings.Join(p.Waiting, ", "))
	}
	return fmt.Sprintf("%s: %s", p.Owner, p.Text)
}

// on names the chassis of a leg in a sentence, if there is more than one or it is not this host's.
func (j *Journey) on(leg *Leg) string {
	if len(j.Legs) < 2 && !leg.Virtual {
		return ""
	}
	return " on " + cmp.Or(leg.Chassis, "this chassis")
}
