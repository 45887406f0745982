package activeport_test

import (
	"slices"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/apps/activeport"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

// TestAVirtualRoutersMACAddressIsWhereItsAddressIs: several ports may have it, and only the master receives.
func TestAVirtualRoutersMACAddressIsWhereItsAddressIs(t *testing.T) {
	t.Parallel()
	c := newCloud(t, families()["v4"])
	unknown := append(append([]byte{}, append(append([]byte{0, 0, 0x5e, 0, 1, 7}, c.p.MACAddress[:]...), 0x88, 0xb5)...), make([]byte, 46)...)
	if got := c.Send(c.p, unknown); got != "a b" {
		t.Errorf("as long as nobody has announced the address, %q receive", got)
	}
	for i, master := range []*model.Port{c.a, c.b} {
		c.Set(activeAddress(master, c.vip, virtual(), int64(i+1)))
		c.Install()
		if got := c.Send(c.p, unknown); got != master.ID {
			t.Errorf("%s is the master, and %q receive", master.ID, got)
		}
	}
	// The one that takes over says the same as the one before, from another chassis.
	heard := c.At("c3").Controller()
	c.Send(c.a, announcement(virtual(), c.vip))
	believe(t, c.At("c3"), heard.Hear(activeport.New(), "tap-p"), "a")
	c.Install()
	if got := c.holder("c3"); got != "a "+virtual().String() {
		t.Errorf("%q has it", got)
	}
}

// TestNobodySpeaksForOthers: neither a port that may not have the address, nor one that says another MAC address.
func TestNobodySpeaksForOthers(t *testing.T) {
	t.Parallel()
	for family, at := range families() {
		c := newCloud(t, at)
		heard := c.At("c1").Controller()
		if !heard.Quiet(c.d, announcement(c.d.MACAddress, c.vip)) || !heard.Quiet(c.a, announcement(c.b.MACAddress, c.vip)) ||
			!heard.Quiet(c.a, announcement(c.a.MACAddress, at[0]+"1")) {
			t.Errorf("%s: something was heard that is nobody's to say", family)
		}
		// The flows say from where a packet came, not what is in it.
		handle, r := activeport.New().PacketIn, c.At("c1").Reader()
		for what, in := range map[string]app.PacketIn{
			"a port that may not have it":       {Userdata: []byte("Pd"), InPort: 4, Data: announcement(c.d.MACAddress, c.vip)},
			"another MAC address":               {Userdata: []byte("Pa"), InPort: 3, Data: announcement(c.b.MACAddress, c.vip)},
			"another interface":                 {Userdata: []byte("Pa"), InPort: 4, Data: announcement(c.a.MACAddress, c.vip)},
			"a chassis without such a port":     {Userdata: []byte("Cn/c3"), Data: announcement(c.b.MACAddress, c.vip)},
			"a port of this chassis, elsewhere": {Userdata: []byte("Cn/c2"), Data: announcement(c.a.MACAddress, c.vip)},
			"another network":                   {Userdata: []byte("Cm/c2"), Data: announcement(c.b.MACAddress, c.vip)},
			"nobody":                            {Data: announcement(c.b.MACAddress, c.vip)},
		} {
			if reply, err := handle(r, in); err == nil || len(reply.Facts) > 0 {
				t.Errorf("%s: %s: %+v", family, what, reply)
			}
		}
	}
}

// FuzzPacketIn hears whatever a guest or a chassis sends, of whomever a flow may say that it is.
func FuzzPacketIn(f *testing.F) {
	w := apptest.New(f, apps()...)
	a, b := contender("a", "c1", 1, "10.0.0.1", "10.0.0.50"), contender("b", "c2", 2, "10.0.0.2", "10.0.0.50")
	for _, p := range []*model.Port{a, b} {
		pair(p, "2001:db8::50", p.MACAddress)
	}
	w.Set(apptest.Overlay("n", model.Geneve, 5001), apptest.Peer("c1", "172.16.0.1"), apptest.Peer("c2", "172.16.0.2"),
		view.TunnelPort{Type: model.Geneve, OFPort: 101}, a, apptest.Bind(a), apptest.Plug(a, 1), b)
	w.MustStep()
	heard := 0
	handle, r := activeport.New().PacketIn, w.Reader()
	for _, vip := range []string{"10.0.0.50", "2001:db8::50", "10.0.0.1"} {
		f.Add([]byte("Pa"), announcement(a.MACAddress, vip))
		f.Add([]byte("Cn/c2"), announcement(b.MACAddress, vip))
		if reply, err := handle(r, app.PacketIn{Userdata: []byte("Cn/c2"), InPort: 101, Data: announcement(b.MACAddress, vip)}); err == nil {
			heard += len(reply.Facts)
		}
	}
	if heard != 2 {
		f.Fatalf("%d announcements are heard", heard)
	}
	f.Fuzz(func(t *testing.T, userdata, frame []byte) {
		reply, _ := handle(r, app.PacketIn{Userdata: userdata, InPort: 1, Data: frame})
		for _, fact := range reply.Facts {
			said, is := fact.Row.(view.Announcement)
			p := map[string]*model.Port{"a": a, "b": b}[said.PortID]
			may := func(pair model.AddressPair) bool {
				return pair.IPAddress.Contains(said.Address) && pair.MACAddress == said.MAC
			}
			if !is || p == nil || said.NetworkID != "n" || !slices.ContainsFunc(p.AllowedAddressPairs, may) {
				t.Errorf("%q is believed: %+v", userdata, fact)
			}
		}
	})
}
