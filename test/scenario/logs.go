package scenario

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"reflect"
	"slices"
	"time"

	"github.com/dragonflow/dragonflow/internal/lab/cloud"
	"github.com/dragonflow/dragonflow/internal/testkit/packet"
)

// SecurityLogger is a platform whose chassis write what security groups let pass or drop into files.
type SecurityLogger interface {
	// SecurityLog is what the file of a chassis has.
	SecurityLog(chassis string) ([]byte, error)
}

// logs are the statements about logs of security groups.
func logs() map[string]statement {
	return map[string]statement{
		"log":     {"log NAME [group GROUP] [guest GUEST] event ACCEPT|DROP|ALL: without group and guest, of all groups of the project", parseLog},
		"logging": {"logging LOG on|off", parseLogging},
		"logged": {"logged tcp|udp|icmp|invalid|nonip GUEST GUEST[:PORT] ACCEPT|DROP of GUEST by LOG…: such packets from one to the other, of each family, " +
			"are in the file of the chassis of the one that is named", func(w *words) action { return parseLogged(w, true) }},
		"unlogged": {"unlogged tcp|udp|icmp|invalid|nonip GUEST GUEST[:PORT] of GUEST: no such packet is", func(w *words) action { return parseLogged(w, false) }},
	}
}

const logsPath = "/v2.0/log/logs"

func parseLog(w *words) action {
	name, project := w.declare(aLog), w.names.project
	group, guest := "", ""
	if w.accept(aGroup) {
		group = w.name(aGroup)
	}
	if w.accept(aGuest) {
		guest = w.name(aGuest)
	}
	w.expect("event")
	event := w.oneOf("ACCEPT", "DROP", "ALL")
	return func(ctx context.Context, r *Run) error {
		fields := cloud.Object{"name": name, "resource_type": "security_group", "event": event}
		if group != "" {
			fields["resource_id"] = r.groups[group]
		}
		if guest != "" {
			fields["target_id"] = r.machines[guest].port
		}
		var made struct {
			Log cloud.Object `json:"log"`
		}
		err := r.platform.API().As(project).Do(ctx, http.MethodPost, logsPath, map[string]cloud.Object{"log": fields}, &made)
		r.logs[name] = made.Log.ID()
		return err
	}
}

func parseLogging(w *words) action {
	name, on := w.name(aLog), w.oneOf("on", "off") == "on"
	return func(ctx context.Context, r *Run) error {
		return r.platform.API().Do(ctx, http.MethodPut, logsPath+"/"+r.logs[name], map[string]cloud.Object{"log": {"enabled": on}}, nil)
	}
}

// logLine is what a line of the file says, as far as scenarios look.
type logLine struct {
	Event       string   `json:"event"`
	Direction   string   `json:"direction"`
	Logs        []string `json:"logs"`
	Port        string   `json:"port"`
	EtherType   string   `json:"ethertype"`
	Source      string   `json:"source"`
	Destination string   `json:"destination"`
	Protocol    string   `json:"protocol"`
	ToPort      int      `json:"destination_port"`
}

// packetOf is the line without who wants it and what became of the packet.
func (l logLine) packetOf() logLine { l.Event, l.Logs = "", nil; return l }

// logging is what a statement says of packets and of lines about them.
type logging struct {
	what, from, of string
	to             target
	event          string // empty: there is no line
	logs           []string
}

func parseLogged(w *words, logged bool) action {
	l := logging{what: w.oneOf("tcp", "udp", "icmp", "invalid", "nonip"), from: w.name(aGuest)}
	if l.what == "icmp" || l.what == "nonip" {
		l.to = target{guest: w.name(aGuest)}
	} else if l.to = w.service(); l.to.guest == "" {
		w.fail("expected a guest")
	}
	if logged {
		l.event = w.oneOf("ACCEPT", "DROP")
	}
	w.expect("of")
	if l.of = w.name(aGuest); l.of != l.from && l.of != l.to.guest {
		w.fail("expected %s or %s", l.from, l.to.guest)
	}
	if logged {
		w.expect("by")
		l.logs = append([]string{w.name(aLog)}, w.namesOf(aLog)...)
	}
	return func(ctx context.Context, r *Run) error { return r.judgeLog(ctx, l) }
}

// judgeLog looks at the packets of each family, until all is as it is to be.
func (r *Run) judgeLog(ctx context.Context, l logging) error {
	files, can := r.platform.(SecurityLogger)
	if !can {
		return fmt.Errorf("security log: %w", errors.ErrUnsupported)
	}
	for _, v6 := range []bool{false, true} {
		if err := eventually(ctx, func(ctx context.Context) error { return r.tryLogged(ctx, files, l, v6) }); err != nil {
			return err
		}
	}
	return nil
}

// lineSoon is how long a line may take from its packet to the file.
const lineSoon = time.Second

// tryLogged sends a packet of a family, and looks for what is new in the file.
func (r *Run) tryLogged(ctx context.Context, files SecurityLogger, l logging, v6 bool) error {
	from, to, of := r.machines[l.from], r.machines[l.to.guest], r.machines[l.of]
	src, errFrom := from.address(v6)
	dst, errTo := to.address(v6)
	before, errFile := files.SecurityLog(of.chassis)
	if err := errors.Join(errFrom, errTo, errFile); err != nil {
		return err
	}
	want := r.line(l, src, dst)
	if l.what == "tcp" || l.what == "udp" {
		if err := r.echo(ctx, to, l.what, l.to.port); err != nil {
			return err
		}
	}
	sending, stop := context.WithCancel(ctx)
	sent := make(chan error, 1)
	go func() { sent <- r.send(sending, l, src, dst) }()
	fresh, err := await(ctx, files, of.chassis, len(before), want)
	seen := err == nil
	stop()
	if sendErr := <-sent; sendErr != nil && !seen && sending.Err() == nil {
		return sendErr
	}
	if l.event != "" {
		if err != nil {
			return fmt.Errorf("%w; want %+v, written are %+v", err, want, fresh)
		}
		return nil
	}
	if i := slices.IndexFunc(fresh, func(got logLine) bool { return reflect.DeepEqual(got.packetOf(), want.packetOf()) }); i >= 0 {
		return fmt.Errorf("it is logged: %+v", fresh[i])
	}
	return nil
}

var errNoLine = errors.New("there is no such line")

// linesSince are the lines that the file of a chassis got since it was so long. One that is not whole yet is none.
func linesSince(files SecurityLogger, chassis string, length int) (list []logLine, err error) {
	text, err := files.SecurityLog(chassis)
	if err != nil || len(text) < length {
		return nil, cmp.Or(err, errors.New("the log became shorter"))
	}
	for line := range bytes.Lines(text[length:]) {
		var l logLine
		if !bytes.HasSuffix(line, []byte("\n")) {
			break
		}
		if err := json.Unmarshal(line, &l); err != nil {
			return nil, fmt.Errorf("line %q: %w", line, err)
		}
		list = append(list, l)
	}
	return list, nil
}

// await returns what is new in a file when the line is there, or after a while, with an error.
func await(ctx context.Context, files SecurityLogger, chassis string, length int, want logLine) (fresh []logLine, err error) {
	err = cloud.Eventually(ctx, lineSoon, func(context.Context) (err error) {
		fresh, err = linesSince(files, chassis, length)
		if err == nil && !slices.ContainsFunc(fresh, func(got logLine) bool { return reflect.DeepEqual(got, want) }) {
			err = errNoLine
		}
		return err
	})
	return fresh, err
}

// line is what is to be written.
func (r *Run) line(l logging, src, dst netip.Addr) logLine {
	want := logLine{Event: l.event, Direction: "ingress", Port: r.machines[l.of].port}
	if l.of == l.from {
		want.Direction = "egress"
	}
	for _, name := range l.logs {
		want.Logs = append(want.Logs, r.logs[name])
	}
	slices.Sort(want.Logs)
	if l.what == "nonip" {
		want.EtherType = fmt.Sprintf("%#04x", localExperimental)
		return want
	}
	want.EtherType, want.Source, want.Destination, want.ToPort = "0x0800", src.String(), dst.String(), l.to.port
	want.Protocol = l.what
	switch {
	case l.what == "invalid":
		want.Protocol = "tcp"
	case l.what == "icmp" && src.Is6():
		want.Protocol = "ipv6-icmp"
	}
	if src.Is6() {
		want.EtherType = "0x86dd"
	}
	return want
}

// localExperimental is an EtherType that is for nobody's protocol (IEEE 802, clause 9.2.4).
const localExperimental = 0x88b5

// send has one machine send what the statement says. What comes of it other statements ask.
func (r *Run) send(ctx context.Context, l logging, src, dst netip.Addr) error {
	from, to := r.machines[l.from], r.machines[l.to.guest]
	switch l.what {
	case "icmp":
		_, err := from.Probe(ctx, dst, Probe{})
		return err
	case "tcp", "udp":
		from.call(ctx, l.what, netip.AddrPortFrom(dst, uint16(l.to.port)))
		return nil
	}
	frame := packet.Build(packet.Ethernet(from.mac, to.mac), packet.IP(src, dst), packet.TCP(discard, uint16(l.to.port), "SR"))
	if l.what == "nonip" {
		frame = append(slices.Concat(to.mac, from.mac, []byte{localExperimental >> 8, localExperimental & 0xff}), make([]byte, 46)...)
	}
	out, err := from.Wire(ctx)
	if err != nil {
		return err
	}
	return errors.Join(out.Send(frame), out.Close())
}
