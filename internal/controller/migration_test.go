package controller_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

// status is what the chassis reports about a port.
func (c *chassis) statusOf(id string) *model.PortStatus {
	s, _, err := northbound.Get[model.PortStatus](c.t.Context(), c.store, model.ScopeChassis(apptest.Host), id)
	if err != nil {
		return &model.PortStatus{}
	}
	return s
}

// TestAGuestArrivesAndLeaves plays a live migration to this chassis and away from it.
func TestAGuestArrivesAndLeaves(t *testing.T) {
	c := newChassis(t)
	c.stop()
	c.change = func(o *controller.Options) {
		o.TunnelIP, o.TunnelTypes = netip.MustParseAddr("172.16.0.1"), []model.NetworkType{model.Geneve}
	}
	c.start()
	p := apptest.Port("m", "n", 1, "10.0.0.1")
	revision := int64(1)
	at := func(host string, status model.BindingStatus) {
		revision++
		q, b := *p, apptest.Bind(p)
		q.Host, b.Status, q.Revision, b.Revision = host, status, revision, revision
		c.put(&q, b)
	}
	c.put(apptest.Overlay("n", model.Geneve, 5001), apptest.Peer("c2", "172.16.0.2"))
	at("c2", model.BindingInactive)
	c.sw.AddPort("br-int", "tap-m", "iface-id=m")
	c.eventually("it is prepared", func() bool { return c.statusOf("m").Up && !c.statusOf("m").Activated })

	rarp := append(append([]byte{255, 255, 255, 255, 255, 255}, p.MACAddress[:]...), 0x80, 0x35)
	rarp = append(rarp, make([]byte, 46)...)
	c.sw.Inject("tap-m", rarp)
	c.eventually("the guest is heard, and that is reported", func() bool { return c.statusOf("m").Activated })

	c.stop()
	c.start()
	c.eventually("a restart forgets nothing", func() bool { return c.status().Complete && c.status().Ports == 1 })
	if !c.statusOf("m").Activated || c.prepared() {
		t.Error("the guest is not served any more")
	}
	at(apptest.Host, model.BindingActive)
	c.eventually("the API knows", func() bool { return !c.statusOf("m").Activated && c.statusOf("m").Up })

	at("c2", model.BindingInactive)
	forwards := func() bool { return strings.Contains(c.dump(), "tun_src=172.16.0.2") }
	c.eventually("what arrives is sent on", forwards)
	txn := c.store.Txn()
	txn.Delete(northbound.KeyOf(apptest.Bind(p)), northbound.AnyObjectRevision)
	if _, err := txn.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.eventually("the binding is gone", func() bool { return c.status().Ports == 0 })
	if !forwards() {
		t.Error("a chassis forgets a port that left when its binding goes")
	}
}

// TestAGuestEndsBeforeTheAPITellsThatItMoved has the hypervisor unplug the guest first.
func TestAGuestEndsBeforeTheAPITellsThatItMoved(t *testing.T) {
	c := newChassis(t)
	c.stop()
	c.change = func(o *controller.Options) {
		o.TunnelIP, o.TunnelTypes = netip.MustParseAddr("172.16.0.1"), []model.NetworkType{model.Geneve}
	}
	c.start()
	p := apptest.Port("m", "n", 1, "10.0.0.1")
	p.Host = apptest.Host
	c.put(apptest.Overlay("n", model.Geneve, 5001), apptest.Peer("c2", "172.16.0.2"), p, apptest.Bind(p))
	c.sw.AddPort("br-int", "tap-m", "iface-id=m")
	c.eventually("it is up", func() bool { return c.statusOf("m").Up })
	c.sw.Vsctl("del-port", "br-int", "tap-m")
	c.eventually("it is down", func() bool { return !c.statusOf("m").Up })

	moved, left := *p, apptest.Bind(p)
	moved.Host, left.Status, moved.Revision, left.Revision = "c2", model.BindingInactive, 2, 2
	c.put(&moved, left)
	c.eventually("what arrives is sent on", func() bool { return strings.Contains(c.dump(), "tun_src=172.16.0.2") })
}

// moving is a chassis with tunnels on which port m may be, and what puts that into the database: where m is, and the
// status of its binding here.
func moving(t *testing.T) (c *chassis, p *model.Port, at func(host string, status model.BindingStatus)) {
	t.Helper()
	c = newChassis(t)
	c.stop()
	c.change = func(o *controller.Options) {
		o.TunnelIP, o.TunnelTypes = netip.MustParseAddr("172.16.0.1"), []model.NetworkType{model.Geneve}
	}
	c.start()
	p = apptest.Port("m", "n", 1, "10.0.0.1")
	c.put(apptest.Overlay("n", model.Geneve, 5001), apptest.Peer("c2", "172.16.0.2"), apptest.Peer("c3", "172.16.0.3"))
	revision, last := int64(1), model.BindingStatus("")
	return c, p, func(host string, status model.BindingStatus) {
		revision++
		q, b := *p, apptest.Bind(p)
		q.Host, b.Status, q.Revision, b.Revision = host, status, revision, revision
		c.put(&q)
		if status != last { // as the server: a binding keeps the revision with which it became what it is
			c.put(b)
		}
		last = status
	}
}

// rarp is what a hypervisor sends for a machine that it has resumed.
func rarp(p *model.Port) []byte {
	f := append(append([]byte{255, 255, 255, 255, 255, 255}, p.MACAddress[:]...), 0x80, 0x35)
	return append(f, make([]byte, 46)...)
}

// prepared tells whether the chassis listens for the guest of port m.
func (c *chassis) prepared() bool { return strings.Contains(c.dump(), "userdata=0a.6d") }

func (c *chassis) forwards() bool { return strings.Contains(c.dump(), "tun_src=172.16.0.2") }

// TestAGuestThatComesBackSoonIsHeard has a guest migrate there and back while this chassis still sends on.
func TestAGuestThatComesBackSoonIsHeard(t *testing.T) {
	c, p, at := moving(t)
	at(apptest.Host, model.BindingActive)
	c.sw.AddPort("br-int", "tap-m", "iface-id=m")
	c.eventually("it is up", func() bool { return c.statusOf("m").Up })
	at("c2", model.BindingInactive)
	c.eventually("what arrives is sent on", c.forwards)
	c.sw.Vsctl("del-port", "br-int", "tap-m")
	c.eventually("it has left", func() bool { return !c.statusOf("m").Up })
	c.sw.AddPort("br-int", "tap-m", "iface-id=m")
	c.eventually("it is prepared", func() bool { return c.statusOf("m").Up })
	if !c.forwards() {
		t.Fatal("this chassis has forgotten that the port was here")
	}
	c.sw.Inject("tap-m", rarp(p))
	c.eventually("the guest is heard", func() bool { return c.statusOf("m").Activated })
	if c.forwards() {
		t.Error("what arrives for a guest that is here is sent on")
	}
}

// TestARestartForgetsNoDeparture restarts the controller while it sends on.
func TestARestartForgetsNoDeparture(t *testing.T) {
	c, p, at := moving(t)
	at(apptest.Host, model.BindingActive)
	c.sw.AddPort("br-int", "tap-m", "iface-id=m")
	c.eventually("it is up", func() bool { return c.statusOf("m").Up })
	at("c2", model.BindingInactive)
	c.eventually("what arrives is sent on", c.forwards)
	c.unbind(p)
	c.eventually("the binding is gone", func() bool { return c.status().Ports == 0 })
	c.stop()
	c.start()
	c.eventually("the controller has the switch again", func() bool { return c.status().Complete && c.status().Phase == "idle" })
	if !c.forwards() {
		t.Error("what arrives for a port that has just left is dropped")
	}
}

// TestARestartWithoutTheDatabaseForgetsNoArrival restarts the controller before it could report that a guest was heard.
func TestARestartWithoutTheDatabaseForgetsNoArrival(t *testing.T) {
	c, p, at := moving(t)
	at("c2", model.BindingInactive)
	c.sw.AddPort("br-int", "tap-m", "iface-id=m")
	c.eventually("it is prepared", func() bool { return c.statusOf("m").Up })
	c.link.Cut()
	served := func() bool { return c.status().Ports == 1 && !c.prepared() }
	c.sw.Inject("tap-m", rarp(p))
	c.eventually("the guest is served", served)
	c.stop()
	c.start()
	c.eventually("the controller has the switch again", func() bool { return c.status().Synced && c.status().Phase == "idle" })
	if !served() {
		t.Error("the guest was cut off")
	}
	c.link.Restore()
	c.eventually("that is reported", func() bool { return c.statusOf("m").Activated })
}

// TestAnOldReportOfAnArrivalCountsNoMore starts a controller whose last report says that a guest was heard, which has
// moved on since.
func TestAnOldReportOfAnArrivalCountsNoMore(t *testing.T) {
	for name, since := range map[string]func(at func(string, model.BindingStatus)){
		"to a third": func(at func(string, model.BindingStatus)) { at("c3", model.BindingInactive) },
		"by here to a third": func(at func(string, model.BindingStatus)) {
			at(apptest.Host, model.BindingActive)
			at("c3", model.BindingInactive)
		},
		"by here and back": func(at func(string, model.BindingStatus)) {
			at(apptest.Host, model.BindingActive)
			at("c2", model.BindingInactive)
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, p, at := moving(t)
			at("c2", model.BindingInactive)
			c.sw.AddPort("br-int", "tap-m", "iface-id=m")
			c.eventually("it is prepared", func() bool { return c.statusOf("m").Up })
			c.sw.Inject("tap-m", rarp(p))
			c.eventually("the guest is heard, and that is reported", func() bool { return c.statusOf("m").Activated })
			c.stop()
			since(at)
			if !c.statusOf("m").Activated {
				t.Fatal("the report is gone")
			}
			for _, forgets := range []bool{false, true} {
				if forgets {
					c.stop()
					c.dir = t.TempDir() // then there is the report alone
				}
				c.start()
				c.eventually("the controller has the switch again", func() bool { return c.status().Complete && c.status().Phase == "idle" })
				if !c.prepared() {
					t.Errorf("without its snapshot %v: the chassis serves a guest that is elsewhere", forgets)
				}
			}
			c.eventually("the report is withdrawn", func() bool { return !c.statusOf("m").Activated })
		})
	}
}
