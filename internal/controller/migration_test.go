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
	if !c.statusOf("m").Activated || strings.Contains(c.dump(), "dl_type=0x8035") {
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
