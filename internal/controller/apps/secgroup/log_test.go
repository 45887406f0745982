package secgroup_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/apps/secgroup"
	"github.com/dragonflow/dragonflow/internal/controller/engine"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
	"github.com/dragonflow/dragonflow/internal/vswitch/openflow"
)

// logOf is an enabled log of a port, if it has no group, else of the group.
func logOf(id string, e model.LogEvent, port, group string) *model.SecurityGroupLog {
	return &model.SecurityGroupLog{Meta: model.Meta{ID: id, Revision: 1, ProjectID: "demo"}, Enabled: true, Event: e, PortID: port, SecurityGroupID: group}
}

// logFlows renders the flows of logs.
func logFlows(w *apptest.World) string {
	return w.Engine.Text(func(o engine.Owner) bool { return o.Rule == "secgroup.log" })
}

// listener hears what the switch sends to the controller, and what the app makes of it.
type listener struct {
	c    *cloud
	conn *openflow.Conn
}

func (c *cloud) listen() *listener {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	conn, err := openflow.Dial(ctx, c.sw.Mgmt(apptest.Bridge), openflow.Options{PacketIns: 512, ControllerID: pipeline.ControllerID})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = conn.Close() })
	return &listener{c, conn}
}

// lines returns what is written of what has come up to now; what a packet is followed by is a mark of the test's own.
func (l *listener) lines() []string {
	l.c.t.Helper()
	ctx, cancel := context.WithTimeout(l.c.t.Context(), time.Minute)
	defer cancel()
	l.c.sw.Settle()
	l.c.sw.Ofctl("-O", "OpenFlow14", "packet-out", apptest.Bridge,
		fmt.Sprintf("in_port=controller packet=%s actions=controller(id=%d,userdata=ff)", strings.Repeat("00", 60), pipeline.ControllerID))
	out := []string{}
	for {
		select {
		case <-ctx.Done():
			l.c.t.Fatal("the mark does not come")
		case in := <-l.conn.PacketIns():
			if len(in.Userdata) > 0 && in.Userdata[0] == 0xff {
				return out
			}
			reply, err := secgroup.New().PacketIn(view.NewReader(l.c.w.DB, l.c.w.Numbers, nil), app.PacketIn{
				Userdata: in.Userdata[1:], InPort: in.InPort(), Data: in.Data,
			})
			if err != nil {
				l.c.t.Error(err)
			}
			for _, line := range reply.Lines {
				out = append(out, text(line))
			}
		}
	}
}

// text is a line without what is the same in all.
func text(l app.LogLine) string {
	var words []string
	for _, a := range l.Attrs() {
		switch a.Key {
		case "project", "source_mac", "destination_mac", "ethertype":
			continue
		}
		words = append(words, fmt.Sprint(a.Value.Any()))
	}
	return strings.Join(words, " ")
}

// expect compares what was logged.
func (l *listener) expect(what string, want ...string) {
	l.c.t.Helper()
	if want == nil {
		want = []string{}
	}
	if diff := cmp.Diff(want, l.lines()); diff != "" {
		l.c.t.Errorf("%s (-want +logged):\n%s", what, diff)
	}
}

func TestConnectionsThatPassAreLoggedOnceAndDropsEach(t *testing.T) {
	inFamilies(t, func(t *testing.T, n int, e model.EtherType) {
		in := func(id string, o ...option) any { return rule(id, "web", model.Ingress, e, o...) }
		c := newCloud(t, []string{"web"}, group("web"), in("http", proto(6), ports(80, 80)), in("friends", proto(17), remote("friends")))
		c.set(memberOf("friends", c.client), logOf("of-port", model.LogAll, c.server.ID, ""), logOf("of-group", model.LogDrop, "", "web"))
		p, l := pathOf(c.client, c.server, n), c.listen()
		ends := fmt.Sprint(p.src, " ", p.dst)
		c.open(p, 40000, 80)
		c.goesOn(p, 40000, 80)
		l.expect("an open connection", "ACCEPT ingress [of-port] server "+ends+" tcp 40000 80")
		c.passes(p, "what a remote group allows", p.udp(40000, 5000), p.udp(40000, 5000))
		l.expect("a connection by a remote group", "ACCEPT ingress [of-port] server "+ends+" udp 40000 5000")
		c.stops(p, "a closed port", p.tcp(40001, 81, syn, 1, 0), p.tcp(40001, 81, syn, 1, 0))
		c.sw.Because("dropped in ingress-refuse at port server: no rule of groups [web] allows tcp/81 from")
		drop := "DROP ingress [of-group of-port] server " + ends + " tcp 40001 81"
		l.expect("a refused one", drop, drop)
		c.stops(p.back(), "what no egress rule allows", p.back().udp(1, 2))
		l.expect("egress", fmt.Sprint("DROP egress [of-group of-port] server ", p.dst, " ", p.src, " udp 1 2"))
		off := logOf("of-port", model.LogAll, c.server.ID, "")
		off.Enabled, off.Revision = false, 2
		c.remove(logOf("of-group", model.LogDrop, "", "web"))
		c.set(off)
		c.stops(p, "a closed port", p.tcp(40002, 81, syn, 1, 0))
		c.open(p, 40003, 80)
		l.expect("nothing is asked for")
		if got := logFlows(c.w); got != "" {
			t.Errorf("a port that is not logged has flows for it:\n%s", got)
		}
	})
}

func TestACutConnectionIsLoggedAsDropped(t *testing.T) {
	inFamilies(t, func(t *testing.T, n int, e model.EtherType) {
		http := rule("http", "web", model.Ingress, e, proto(6), ports(80, 80))
		c := newCloud(t, []string{"web"}, group("web"), http, logOf("l", model.LogAll, "", "web"))
		p, l := pathOf(c.client, c.server, n), c.listen()
		c.open(p, 40000, 80)
		ends := fmt.Sprint(p.src, " ", p.dst)
		l.expect("an open connection", "ACCEPT ingress [l] server "+ends+" tcp 40000 80")
		c.remove(http)
		c.isCut(p, 40000, 80)
		drop := "DROP ingress [l] server " + ends + " tcp 40000 80"
		l.expect("a cut one", drop, fmt.Sprint("DROP egress [l] server ", p.dst, " ", p.src, " tcp 80 40000"), drop)
	})
}

func TestStatelessGroupsAreLoggedPacketByPacket(t *testing.T) {
	inFamilies(t, func(t *testing.T, n int, e model.EtherType) {
		c := newCloud(t, []string{"s"}, statelessGroup("s"), rule("dns", "s", model.Ingress, e, proto(17), ports(53, 53)),
			logOf("l", model.LogAll, "", "s"))
		p, l := pathOf(c.client, c.server, n), c.listen()
		c.passes(p, "queries", p.udp(40000, 53), p.udp(40000, 53))
		c.stops(p, "another port", p.udp(40000, 54))
		ends := fmt.Sprint(p.src, " ", p.dst)
		accept := "ACCEPT ingress [l] server " + ends + " udp 40000 53"
		l.expect("each packet", accept, accept, "DROP ingress [l] server "+ends+" udp 40000 54")
	})
}

// TestALogNeverCostsAPacket: copies exceed the meter, packets do not notice.
func TestALogNeverCostsAPacket(t *testing.T) {
	inFamilies(t, func(t *testing.T, n int, e model.EtherType) {
		c := newCloud(t, []string{"s"}, statelessGroup("s"), rule("udp", "s", model.Ingress, e, proto(17)), logOf("l", model.LogAccept, "", "s"))
		self, _ := view.Get(view.NewReader(c.w.DB, c.w.Numbers, nil), view.Self, "self")
		self.LogRate, self.LogBurst = 1, 1
		view.Set(c.w.DB, view.Self, self)
		c.step()
		p, l := pathOf(c.client, c.server, n), c.listen()
		const sent = 20
		for i := range sent {
			c.passes(p, "a packet", p.udp(40000, uint16(1000+i)))
		}
		if got := len(l.lines()); got == 0 || got >= sent {
			t.Errorf("%d of %d packets are logged at a rate of one a second", got, sent)
		}
	})
}

// TestWhoseLogsAreWhose has ports of several groups and logs of each kind.
func TestWhoseLogsAreWhose(t *testing.T) {
	t.Parallel()
	_, rows := local(1, []string{"a", "b"}, "10.0.0.1", "2001:db8::1")
	_, more := local(2, []string{"b"}, "10.0.0.2", "2001:db8::2")
	a := group("a")
	a.ProjectID = "demo"
	w := world(t, append(append(rows, more...), a, group("b"))...)
	for name, want := range map[*model.SecurityGroupLog][]string{
		logOf("x", model.LogAll, "p2", ""):    {"p2"},
		logOf("x", model.LogAll, "p1", "b"):   {"p1"},
		logOf("x", model.LogAll, "p2", "a"):   nil,
		logOf("x", model.LogAll, "", "b"):     {"p1", "p2"},
		logOf("x", model.LogAll, "", ""):      {"p1"}, // a group of the project
		logOf("x", model.LogAll, "p9", ""):    nil,
		logOf("x", model.LogAccept, "", "no"): nil,
	} {
		w.Set(name)
		w.MustStep()
		var got []string
		for f := range w.Engine.Flows() {
			if o, _ := w.Engine.OwnerOf(f.Cookie); o.Rule == "secgroup.log" && !slices.Contains(got, o.Key) {
				got = append(got, o.Key)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("port %q, group %q: %v have flows, want %v", name.PortID, name.SecurityGroupID, got, want)
		}
		w.Remove(name)
	}
}

func FuzzLoggedFrames(f *testing.F) {
	p, rows := local(1, []string{"a"}, "10.0.0.1", "2001:db8::1")
	w := world(f, append(rows, group("a"), logOf("l", model.LogAll, "", "a"))...)
	w.MustStep()
	for n := range p.FixedIPs {
		f.Add([]byte("Dip1"), pathOf(p, p, n).udp(1, 2))
	}
	f.Fuzz(func(_ *testing.T, userdata, frame []byte) {
		for _, u := range [][]byte{userdata, []byte("Ae" + p.ID)} {
			reply, err := secgroup.New().PacketIn(view.NewReader(w.DB, w.Numbers, nil), app.PacketIn{Userdata: u, Data: frame})
			if err == nil {
				for _, l := range reply.Lines {
					_ = l.Attrs()
				}
			}
		}
	})
}
