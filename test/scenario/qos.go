package scenario

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"github.com/dragonflow/dragonflow/internal/lab/cloud"
	"github.com/dragonflow/dragonflow/internal/testkit/packet"
)

// policies are the statements about QoS.
func policies() map[string]statement {
	return map[string]statement{
		"policy": {"policy NAME: a QoS policy, without rules", parsePolicy},
		"limit": {"limit POLICY egress|ingress kbit|packets RATE burst BURST: at most so much a second; again: another rate",
			parseLimit},
		"unlimit": {"unlimit POLICY egress|ingress kbit|packets: no more", parseUnlimit},
		"mark":    {"mark POLICY CODEPOINT: what is sent has this codepoint", parseMark},
		"apply":   {"apply POLICY|none guest GUEST | network NETWORK: the policy is theirs", parseApply},
		"rate": {"rate GUEST GUEST kbit|packets RATE burst BURST | all [marked CODEPOINT]: of more than that of both families, so much arrives, and so marked",
			parseRate},
	}
}

const policiesPath = "/v2.0/qos/policies"

// policy is one of the scenario.
type policy struct {
	id string
	// rules has ids by direction and unit.
	rules map[string]string
}

func parsePolicy(w *words) action {
	name := w.declare(aPolicy)
	return func(ctx context.Context, r *Run) error {
		var made struct {
			Policy cloud.Object `json:"policy"`
		}
		err := r.platform.API().Do(ctx, http.MethodPost, policiesPath, map[string]cloud.Object{"policy": {"name": name}}, &made)
		r.policies[name] = &policy{made.Policy.ID(), map[string]string{}}
		return err
	}
}

// The units of limits, with the kinds of rules that have them.
const (
	kbit    = "kbit"
	packets = "packets"

	perKilo = 1000 // packets in the unit of Neutron's rules
)

// ruleOf is the kind of rule that limits in a unit.
func ruleOf(unit string) string {
	if unit == packets {
		return "packet_rate_limit_rule"
	}
	return "bandwidth_limit_rule"
}

// limitOf is the rule's body.
func limitOf(direction, unit string, rate, burst int) cloud.Object {
	if unit == packets {
		return cloud.Object{"direction": direction, "max_kpps": rate / perKilo, "max_burst_kpps": burst / perKilo}
	}
	return cloud.Object{"direction": direction, "max_kbps": rate, "max_burst_kbps": burst}
}

// limits reads what a policy limits.
func (w *words) limits() (policy, direction, unit string) {
	return w.name(aPolicy), w.oneOf("egress", "ingress"), w.oneOf(kbit, packets)
}

// amount reads a rate and a burst.
func (w *words) amount(unit string) (rate, burst int) {
	rate = w.number("a rate", 1, 1e6)
	w.expect("burst")
	burst = w.number("a burst", 1, 1e6)
	if unit == packets && (rate%perKilo != 0 || burst%perKilo != 0) {
		w.fail("packets are counted by the thousand")
	}
	return rate, burst
}

func parseLimit(w *words) action {
	name, direction, unit := w.limits()
	rate, burst := w.amount(unit)
	return func(ctx context.Context, r *Run) error {
		p, kind := r.policies[name], ruleOf(unit)
		path, method := policiesPath+"/"+p.id+"/"+kind+"s", http.MethodPost
		body := map[string]cloud.Object{kind: limitOf(direction, unit, rate, burst)}
		if id := p.rules[direction+unit]; id != "" {
			path, method = path+"/"+id, http.MethodPut
		}
		made := map[string]cloud.Object{}
		err := r.platform.API().Do(ctx, method, path, body, &made)
		p.rules[direction+unit] = made[kind].ID()
		return err
	}
}

func parseUnlimit(w *words) action {
	name, direction, unit := w.limits()
	return func(ctx context.Context, r *Run) error {
		p := r.policies[name]
		path := policiesPath + "/" + p.id + "/" + ruleOf(unit) + "s/" + p.rules[direction+unit]
		delete(p.rules, direction+unit)
		return r.platform.API().Do(ctx, http.MethodDelete, path, nil, nil)
	}
}

func parseMark(w *words) action {
	name, codepoint := w.name(aPolicy), w.number("a codepoint", 0, 63)
	return func(ctx context.Context, r *Run) error {
		return r.platform.API().Do(ctx, http.MethodPost, policiesPath+"/"+r.policies[name].id+"/dscp_marking_rules",
			map[string]cloud.Object{"dscp_marking_rule": {"dscp_mark": codepoint}}, nil)
	}
}

func parseApply(w *words) action {
	name := ""
	if !w.accept("none") {
		name = w.name(aPolicy)
	}
	kind, of := "port", ""
	if w.oneOf(aGuest, aNetwork) == aGuest {
		of = w.name(aGuest)
	} else {
		kind, of = "network", w.name(aNetwork)
	}
	return func(ctx context.Context, r *Run) error {
		fields := cloud.Object{"qos_policy_id": nil}
		if name != "" {
			fields["qos_policy_id"] = r.policies[name].id
		}
		id := ""
		if kind == "port" {
			id = r.machines[of].port
		} else {
			id = r.networks[of].id
		}
		_, err := r.platform.API().Update(ctx, kind, id, fields)
		return err
	}
}

// rating is what a statement says of the packets from one machine to another.
type rating struct {
	from, to, unit string
	rate, burst    int
	mark           int
}

func parseRate(w *words) action {
	q := rating{from: w.name(aGuest), to: w.name(aGuest)}
	if q.unit = w.oneOf(kbit, packets, "all"); q.unit == "all" {
		q.unit, q.rate = kbit, 0
	} else {
		q.rate, q.burst = w.amount(q.unit)
	}
	if w.accept("marked") {
		q.mark = w.number("a codepoint", 0, 63)
	}
	return func(ctx context.Context, r *Run) error {
		return eventually(ctx, func(ctx context.Context) error { return r.measure(ctx, q) })
	}
}

const (
	// rateFor is for how long packets are sent, and ratePause how often.
	rateFor   = 2 * time.Second
	ratePause = 5 * time.Millisecond
	// rateOffered is how many times the limit is sent, and rateBeyond how many times the machine has to get away at least.
	rateOffered, rateBeyond = 2.5, 1.2
	// rateUnlimited is what is sent a second where nothing limits.
	rateUnlimited = 250
	// rateWithin is how far what arrives may be from what is expected.
	rateWithin = 0.1
)

// measure sends more than is to arrive, packets of both families in turn, and counts.
func (r *Run) measure(ctx context.Context, q rating) (err error) {
	from, to := r.machines[q.from], r.machines[q.to]
	mark := binary.BigEndian.AppendUint64([]byte("rate"), rand.Uint64())
	frames, unit, err := q.frames(from, to, mark)
	if err != nil {
		return err
	}
	out, err := from.Wire(ctx)
	if err != nil {
		return err
	}
	in, err := to.Wire(ctx)
	if err != nil {
		return errors.Join(err, out.Close())
	}
	defer func() { err = errors.Join(err, out.Close(), in.Close()) }()
	perSecond := float64(rateUnlimited)
	if q.rate > 0 {
		perSecond = rateOffered * float64(q.rate) / unit
	}
	sent, took, err := offer(ctx, out, frames, perSecond)
	if err != nil {
		return err
	}
	// Packets do not overtake: behind one that is answered none of the others comes.
	if err := eventually(ctx, func(ctx context.Context) error { return from.answers(ctx, to) }); err != nil {
		return err
	}
	got, err := marked(in.Seen(), mark, q.mark)
	if err != nil {
		return err
	}
	return r.judgeRate(q, unit, sent, got, took)
}

// judgeRate compares what has arrived with what the limit lets pass.
func (r *Run) judgeRate(q rating, unit float64, sent, got int, took time.Duration) error {
	if q.rate == 0 {
		if got != sent {
			return fmt.Errorf("%d of %d packets arrived", got, sent)
		}
		return nil
	}
	offered, arrived := float64(sent)*unit, float64(got)*unit
	steady := float64(q.rate) * took.Seconds()
	most := steady + float64(q.burst) // what came before may have left nothing of the burst
	if offered < rateBeyond*most {
		return fmt.Errorf("only %.0f %s were sent in %v, which the limit hardly forbids: want more than %.0f", offered, q.unit, took, rateBeyond*most)
	}
	r.log("measured: of %.0f %s in %v %.0f arrived; the limit lets %.0f to %.0f pass", offered, q.unit, took, arrived, steady, most)
	if arrived < (1-rateWithin)*steady || arrived > (1+rateWithin)*most {
		return fmt.Errorf("%.0f %s arrived, of %.0f in %v; want %.0f to %.0f", arrived, q.unit, offered, took, steady, most)
	}
	return nil
}

// answers is an error unless the other machine answers an echo request.
func (m *machine) answers(ctx context.Context, to *machine) error {
	a, err := to.address(false)
	if err != nil {
		return err
	}
	answer, err := m.Probe(ctx, a, Probe{})
	if err == nil && answer.Outcome != Answered {
		err = fmt.Errorf("%s: %s", to.name, answer.Outcome)
	}
	return err
}

// frames are one for each family, and what one of them is in the unit.
func (q rating) frames(from, to *machine, mark []byte) (all [][]byte, unit float64, err error) {
	size, unit := 100, 1.0
	if q.unit == kbit {
		size, unit = 1250, 10 // bytes with the Ethernet header, kilobits
	}
	for _, v6 := range []bool{false, true} {
		src, err := from.address(v6)
		if err != nil {
			return nil, 0, err
		}
		dst, err := to.address(v6)
		if err != nil {
			return nil, 0, err
		}
		all = append(all, datagram(from, to, src, dst, mark, size))
	}
	return all, unit, nil
}

// datagram is a frame of a length for nobody.
func datagram(from, to *machine, src, dst netip.Addr, mark []byte, size int) []byte {
	build := func(fill int) []byte {
		return packet.Build(packet.Ethernet(from.mac, to.mac), packet.IP(src, dst), packet.UDP(discard, discard),
			packet.Payload(append(bytes.Clone(mark), make([]byte, fill)...)))
	}
	return build(size - len(build(0)))
}

// offer sends frames in turn, so many a second. It returns how many it has sent, and in which time.
func offer(ctx context.Context, out Wire, frames [][]byte, perSecond float64) (sent int, took time.Duration, err error) {
	tick := time.NewTicker(ratePause)
	defer tick.Stop()
	for began := time.Now(); took < rateFor; took = time.Since(began) {
		for due := int(perSecond * time.Since(began).Seconds()); sent < due; sent++ {
			if err := out.Send(frames[sent%len(frames)]); err != nil {
				return sent, took, err
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return sent, took, context.Cause(ctx)
		}
	}
	return sent, took, nil
}

// marked is how many frames have the payload; all of them have the codepoint.
func marked(frames [][]byte, payload []byte, codepoint int) (n int, err error) {
	for _, f := range frames {
		if !bytes.Contains(f, payload) {
			continue
		}
		p := gopacket.NewPacket(f, layers.LayerTypeEthernet, gopacket.NoCopy)
		if p.TransportLayer() == nil {
			continue // a quotation
		}
		class := -1
		switch ip := p.NetworkLayer().(type) {
		case *layers.IPv4:
			class = int(ip.TOS)
		case *layers.IPv6:
			class = int(ip.TrafficClass)
		}
		if class>>2 != codepoint {
			return n, fmt.Errorf("a packet arrived with the codepoint %d, not %d: %s", class>>2, codepoint, packet.Summary(f))
		}
		n++
	}
	return n, nil
}
