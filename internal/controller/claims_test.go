package controller_test

import (
	"net/netip"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/packet"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

// claimed is what the database has of a port's claim, nil if nothing.
func (c *chassis) claimed(port string, a netip.Addr) *model.AddressClaim {
	claim, _, err := northbound.Get[model.AddressClaim](c.t.Context(), c.store, model.ScopeChassis(apptest.Host), model.ClaimID(port, a))
	if err != nil {
		return nil
	}
	return claim
}

// holder is the port that the chassis takes for an address'.
func (c *chassis) holder(key string) (port string) {
	_ = c.ctl.Inspect(c.t.Context(), func(in controller.Inside) {
		if row, found := in.View.Row(view.AddressHolders, key); found {
			port = row.(view.AddressHolder).PortID
		}
	})
	return port
}

// TestAClaimLastsAsLongAsItHolds: it is written when a guest announces an address, comes after what is known, outlives the
// snapshot, and goes when another port has the address, or this one must not have it any more.
func TestAClaimLastsAsLongAsItHolds(t *testing.T) {
	c := newChassis(t)
	vip := netip.MustParseAddr("10.0.0.50")
	key := view.ActiveKey("n", vip)
	may := func(p *model.Port) *model.Port {
		p.AllowedAddressPairs = []model.AddressPair{{IPAddress: netip.PrefixFrom(vip, 32), MACAddress: p.MACAddress}}
		return p
	}
	a, b := may(apptest.At(apptest.Host, apptest.Port("a", "n", 1, "10.0.0.1"))), may(apptest.At("c2", apptest.Port("b", "n", 2, "10.0.0.2")))
	c.sw.AddPort("br-int", "tap-a", "iface-id=a")
	c.put(apptest.Net("n"), a, apptest.Bind(a), b)
	c.eventually("the port is up", func() bool { return c.up("a") })
	garp := packet.ARP{Operation: packet.ARPRequest, SenderMAC: a.MACAddress, SenderIP: vip, TargetIP: vip}.
		Append(packet.Ethernet{Dst: packet.Broadcast(), Src: a.MACAddress, EtherType: packet.EtherTypeARP}.Append(nil))

	c.sw.Inject("tap-a", garp)
	c.eventually("the claim is written", func() bool { return c.claimed("a", vip) != nil })
	if claim := c.claimed("a", vip); claim.MACAddress != a.MACAddress || claim.NetworkID != "n" || claim.Seq == 0 {
		t.Errorf("%+v", claim)
	}
	// The clock of b's chassis is ahead.
	ahead := c.claimed("a", vip).Seq + 3_600_000_000
	other := &model.ActiveAddress{Meta: model.Meta{ID: vip.String(), Revision: 1}, NetworkID: "n", IPAddress: vip, PortID: "b", MACAddress: b.MACAddress, Seq: ahead}
	c.put(other)
	c.eventually("it is withdrawn", func() bool { return c.claimed("a", vip) == nil && c.holder(key) == "b" })
	c.sw.Inject("tap-a", garp)
	c.eventually("the next one comes after what is known", func() bool { n := c.claimed("a", vip); return n != nil && n.Seq > ahead })

	c.stop()
	c.dir = t.TempDir()
	c.start()
	c.eventually("it is recalled", func() bool { return c.status().Complete && c.holder(key) == "a" })
	if c.claimed("a", vip) == nil {
		t.Error("a restart withdraws the claim")
	}
	less := *a
	less.AllowedAddressPairs, less.Revision = nil, 2
	c.put(&less)
	c.eventually("it goes with the pair", func() bool { return c.claimed("a", vip) == nil && c.holder(key) == "b" })
}
