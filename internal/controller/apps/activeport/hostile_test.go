package activeport_test

import (
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/apps/activeport"
	"github.com/dragonflow/dragonflow/internal/model"
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
