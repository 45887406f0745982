package scenario

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/dragonflow/dragonflow/internal/lab"
	"github.com/dragonflow/dragonflow/internal/operate"
)

// expectations are the statements that look.
func expectations() map[string]statement {
	return map[string]statement{
		"ping":     {"ping GUEST GUEST|ADDRESS [0|all lost [because REASON]]: IPv4, or the address", func(w *words) action { return parsePing(w, false) }},
		"ping6":    {"ping6 GUEST GUEST [0|all lost [because REASON]]", func(w *words) action { return parsePing(w, true) }},
		"reach":    {"reach GUEST GUEST [0|all lost [because REASON]]: a ping of each family", func(w *words) action { return parsePing(w, false, true) }},
		"tcp":      {"tcp GUEST GUEST|ADDRESS:PORT open|refused|silent [because REASON]", func(w *words) action { return parseService(w, "tcp", "open", "refused", "silent") }},
		"udp":      {"udp GUEST GUEST|ADDRESS:PORT answered|refused|silent [because REASON]", func(w *words) action { return parseService(w, "udp", "answered", "refused", "silent") }},
		"probe":    {"probe GUEST GUEST|ADDRESS [v6] [ttl N] [size N] answered|silent|exceeded ADDRESS|unreachable ADDRESS|toobig ADDRESS MTU", parseProbe},
		"metadata": {"metadata GUEST: it is told who it is", parseMetadata},
		"twins":    {"twins GUEST GUEST PORT GUEST:PORT [shared]: both send from that port, each is answered and hears nothing of the other; seen with one address if shared, else with two", parseTwins},
		"connect":  {"connect NAME GUEST GUEST|ADDRESS:PORT: a connection that stays open", parseConnect},
		"alive":    {"alive CONNECTION", func(w *words) action { return parseConnection(w, true) }},
		"dead":     {"dead CONNECTION", func(w *words) action { return parseConnection(w, false) }},
		"steady":   {"steady: no MAC address was seen at two places of the provider's network", parseSteady},
		"traffic":  {"traffic NAME GUEST GUEST|ADDRESS: pings, connections old and new, until it ends; to an address of no guest, pings alone", parseTraffic},
		"ends":     {"ends TRAFFIC 0 lost|late|gap MILLISECONDS|gap N starts CHASSIS: of N starts, pings are answered within N times what the switch of the chassis took to start", parseEnds},
	}
}

// probes is how many echo requests in a row are to be answered, or not.
const probes = 3

func parsePing(w *words, families ...bool) action {
	from, to := w.name(aGuest), w.target()
	lost := w.accept("all")
	if lost || w.accept("0") {
		w.expect("lost")
	}
	because := ""
	if lost {
		because = w.because()
	}
	return func(ctx context.Context, r *Run) error {
		m := r.machines[from]
		list, err := r.resolve(m, to, families...)
		if err != nil {
			return err
		}
		for _, a := range list {
			if err := m.pings(ctx, a, lost); err != nil {
				return fmt.Errorf("ping %s from %s: %w", a, from, err)
			}
			if !lost {
				continue
			}
			if err := r.explained(ctx, m, operate.Question{Dst: a.String(), What: "icmp"}, because); err != nil {
				return fmt.Errorf("ping %s from %s: %w", a, from, err)
			}
		}
		return nil
	}
}

// pings waits until an echo request fares as expected, and then has further ones fare the same.
func (m *machine) pings(ctx context.Context, to netip.Addr, lost bool) error {
	once := func(ctx context.Context) error {
		answer, err := m.Probe(ctx, to, Probe{})
		if err == nil && (answer.Outcome == Answered) == lost {
			err = fmt.Errorf("%s", answer)
		}
		return err
	}
	if err := eventually(ctx, once); err != nil {
		return err
	}
	for n := 1; n < probes && !(lost && n > 1); n++ { // what is lost takes a second
		if err := once(ctx); err != nil {
			return fmt.Errorf("request %d: %w", n+1, err)
		}
	}
	return nil
}

// String is what came of it, in the words of the language.
func (a Answer) String() string {
	text := string(a.Outcome)
	if a.From.IsValid() {
		text += " " + a.From.String()
	}
	if a.MTU > 0 {
		text += fmt.Sprint(" ", a.MTU)
	}
	return text
}

func parseProbe(w *words) action {
	from, to := w.name(aGuest), w.target()
	v6 := w.accept("v6")
	var p Probe
	if w.accept("ttl") {
		p.TTL = w.number("a TTL", 1, 255)
	}
	if w.accept("size") {
		p.Size = w.number("a size", 28, 9000)
	}
	want := Answer{Outcome: Outcome(w.oneOf(string(Answered), string(Silent), string(Exceeded), string(Unreachable), string(TooBig)))}
	if want.Outcome == Exceeded || want.Outcome == Unreachable || want.Outcome == TooBig {
		want.From = w.address()
	}
	if want.Outcome == TooBig {
		want.MTU = w.number("an MTU", 68, 9000)
	}
	return func(ctx context.Context, r *Run) error {
		m := r.machines[from]
		list, err := r.resolve(m, to, v6)
		if err != nil {
			return err
		}
		return eventually(ctx, func(ctx context.Context) error {
			got, err := m.Probe(ctx, list[0], p)
			if got.Outcome == Answered {
				got.From = netip.Addr{}
			}
			if err == nil && got != want {
				err = fmt.Errorf("%s, not %s", got, want)
			}
			return err
		})
	}
}

func parseService(w *words, network string, outcomes ...string) action {
	from, to := w.name(aGuest), w.service()
	want := w.oneOf(outcomes...)
	because := ""
	if want == "silent" {
		because = w.because()
	}
	return func(ctx context.Context, r *Run) error {
		m := r.machines[from]
		list, err := r.resolve(m, to, false, true)
		if err != nil {
			return err
		}
		if server := r.server(to); server != nil && want != "refused" {
			if err := r.echo(ctx, server, network, to.port); err != nil {
				return err
			}
		}
		for _, a := range list {
			address := netip.AddrPortFrom(a, uint16(to.port))
			err := eventually(ctx, func(ctx context.Context) error {
				if got := m.call(ctx, network, address); got != want {
					return fmt.Errorf("%s %s: %s", network, address, got)
				}
				return nil
			})
			if err == nil && want == "silent" {
				q := operate.Question{Dst: a.String(), What: fmt.Sprintf("%s/%d", network, to.port)}
				err = r.explained(ctx, m, q, because)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
}

// call exchanges a word and says how it went.
func (m *machine) call(ctx context.Context, network string, to netip.AddrPort) string {
	const wait = time.Second
	limited, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	conn, err := m.Dial(limited, network, to.String())
	if err == nil {
		err = errors.Join(lab.Exchange(conn, wait), conn.Close())
	}
	var timeout net.Error
	switch {
	case err == nil && network == "udp":
		return "answered"
	case err == nil:
		return "open"
	case strings.Contains(err.Error(), "refused"):
		return "refused"
	case errors.As(err, &timeout) && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded):
		return "silent"
	}
	return err.Error()
}

func parseConnect(w *words) action {
	name, from, to := w.declare(aConnection), w.name(aGuest), w.service()
	return func(ctx context.Context, r *Run) error {
		m := r.machines[from]
		list, err := r.resolve(m, to, false, true)
		if err != nil {
			return err
		}
		if server := r.server(to); server != nil {
			if err := r.echo(ctx, server, "tcp", to.port); err != nil {
				return err
			}
		}
		conn, err := m.connect(ctx, netip.AddrPortFrom(list[0], uint16(to.port)))
		if err != nil {
			return err
		}
		r.connections[name] = conn
		r.atEnd(func() error { _ = conn.Close(); return nil }) // the peer may be gone
		return nil
	}
}

// connect opens a connection, when that is possible.
func (m *machine) connect(ctx context.Context, to netip.AddrPort) (conn net.Conn, err error) {
	err = eventually(ctx, func(ctx context.Context) error {
		limited, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		conn, err = m.Dial(limited, "tcp", to.String())
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := lab.Exchange(conn, patience); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

func parseConnection(w *words, alive bool) action {
	name := w.name(aConnection)
	return func(ctx context.Context, r *Run) error {
		if alive {
			return lab.Exchange(r.connections[name], patience)
		}
		return eventually(ctx, func(context.Context) error {
			if lab.Exchange(r.connections[name], 300*time.Millisecond) == nil {
				return errors.New("it lives")
			}
			return nil
		})
	}
}

// trafficPort is served for traffic.
const trafficPort = 7000

func parseTraffic(w *words) action {
	name, from, to := w.declare(aTraffic), w.name(aGuest), w.target()
	return func(ctx context.Context, r *Run) error {
		m := r.machines[from]
		list, err := r.resolve(m, to, false, true)
		if err != nil {
			return err
		}
		server := r.server(to)
		if server != nil {
			if err := r.echo(ctx, server, "tcp", trafficPort); err != nil {
				return err
			}
		}
		t := lab.NewTraffic(lab.Usual())
		r.traffic[name] = t // which ends with the scenario
		starting, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		for _, a := range list {
			if server == nil {
				err = t.StartPings(starting, m, a)
			} else {
				err = t.Start(starting, m, netip.AddrPortFrom(a, trafficPort))
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
}

func parseEnds(w *words) action {
	name := w.name(aTraffic)
	verdict := func(_ *Run, t *lab.Traffic) error { return t.Lost() }
	switch w.oneOf("0", "late", "gap") {
	case "0":
		w.expect("lost")
	case "late":
		verdict = func(_ *Run, t *lab.Traffic) error { return t.LostAtLast() }
	case "gap":
		verdict = parseGap(w, name)
	}
	return func(_ context.Context, r *Run) error {
		t := r.traffic[name]
		t.End()
		r.log("           %s", t)
		return verdict(r, t)
	}
}

// parseGap reads for how long pings may be unanswered. What a switch does for seconds takes a busy machine twice as
// long: then its own start, just before, is the measure.
func parseGap(w *words, name string) func(*Run, *lab.Traffic) error {
	n := w.number("milliseconds or times", 1, 60000)
	chassis := ""
	if w.more() {
		w.expect("starts")
		chassis = w.name(aChassis)
	}
	return func(r *Run, t *lab.Traffic) error {
		allowed := time.Duration(n) * time.Millisecond
		if chassis != "" {
			start, ok := r.starts[r.chassis(chassis)]
			if !ok {
				return fmt.Errorf("the switch of %s was never started", chassis)
			}
			allowed = time.Duration(n) * start
		}
		r.log("measured: %s: no ping was answered for at most %d ms, allowed are %d", name, t.Gap().Milliseconds(), allowed.Milliseconds())
		return t.Interrupted(allowed)
	}
}
