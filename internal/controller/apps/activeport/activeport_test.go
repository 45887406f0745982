package activeport_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/apps/activeport"
	"github.com/dragonflow/dragonflow/internal/controller/apps/classifier"
	"github.com/dragonflow/dragonflow/internal/controller/apps/l2"
	"github.com/dragonflow/dragonflow/internal/controller/apps/l3"
	"github.com/dragonflow/dragonflow/internal/controller/apps/misses"
	"github.com/dragonflow/dragonflow/internal/controller/apps/portsecurity"
	"github.com/dragonflow/dragonflow/internal/controller/apps/provider"
	"github.com/dragonflow/dragonflow/internal/controller/apps/tunnel"
	"github.com/dragonflow/dragonflow/internal/controller/engine"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/packet"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

func apps() []*app.App {
	return []*app.App{
		misses.New(), classifier.New(), portsecurity.New(), provider.New(), activeport.New(), tunnel.New(), l2.New(), l3.New(), apptest.Open(),
	}
}

// families have each the prefix of the network's addresses and the shared address.
func families() map[string][2]string {
	return map[string][2]string{"v4": {"10.0.0.", "10.0.0.50"}, "v6": {"2001:db8::", "2001:db8::50"}}
}

// virtual is the MAC address of a virtual router (RFC 9568 section 7.3).
func virtual() model.MAC { return model.MAC{0, 0, 0x5e, 0, 1, 7} }

// contender is a port that may have an address at its own MAC address.
func contender(id, host string, n byte, address, vip string) *model.Port {
	p := apptest.At(host, apptest.Port(id, "n", n, address))
	pair(p, vip, p.MACAddress)
	return p
}

func pair(p *model.Port, vip string, mac model.MAC) {
	a := netip.MustParseAddr(vip)
	p.AllowedAddressPairs = append(p.AllowedAddressPairs, model.AddressPair{IPAddress: netip.PrefixFrom(a, a.BitLen()), MACAddress: mac})
}

// announcement is gratuitous ARP, or an unsolicited neighbour advertisement.
func announcement(mac model.MAC, address string) []byte {
	a := netip.MustParseAddr(address)
	if a.Is4() {
		b := packet.Ethernet{Dst: packet.Broadcast(), Src: mac, EtherType: packet.EtherTypeARP}.Append(nil)
		return packet.ARP{Operation: packet.ARPRequest, SenderMAC: mac, SenderIP: a, TargetIP: a}.Append(b)
	}
	all := netip.IPv6LinkLocalAllNodes()
	na := packet.NeighborAdvertisement{Override: true, Target: a, Options: packet.NDOptions(nil).AppendLinkAddr(packet.NDOptionTargetLinkAddr, mac)}
	message := na.Append(nil, a, all)
	b := packet.Ethernet{Dst: packet.MulticastMAC(all), Src: mac, EtherType: packet.EtherTypeIPv6}.Append(nil)
	b = packet.IPv6{HopLimit: 255, NextHeader: packet.ProtocolICMPv6, Src: a, Dst: all}.Append(b, len(message))
	return append(b, message...)
}

func activeAddress(p *model.Port, vip string, mac model.MAC, seq int64) *model.ActiveAddress {
	return &model.ActiveAddress{
		Meta: model.Meta{ID: vip, Revision: seq}, NetworkID: p.NetworkID, IPAddress: netip.MustParseAddr(vip), PortID: p.ID, MACAddress: mac, Seq: seq,
	}
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for family, at := range families() {
		w := apptest.New(t, apps()...)
		a, b := contender("a", "c1", 1, at[0]+"1", at[1]), contender("b", "c2", 2, at[0]+"2", at[1])
		alone := apptest.At("c1", apptest.Port("d", "n", 4, at[0]+"4"))
		pair(alone, at[0]+"60", alone.MACAddress)
		w.Set(apptest.Overlay("n", model.Geneve, 5001), apptest.Peer("c1", "172.16.0.1"), apptest.Peer("c2", "172.16.0.2"),
			view.TunnelPort{Type: model.Geneve, OFPort: 101}, a, apptest.Bind(a), apptest.Plug(a, 1), alone, apptest.Bind(alone), apptest.Plug(alone, 2), b)
		w.MustStep()
		text := func() string {
			return w.Engine.Text(func(o engine.Owner) bool { return o.App == "activeport" || o.Rule == "tunnel.arrival" })
		}
		apptest.Golden(t, "unknown-"+family, text())
		w.Set(activeAddress(b, at[1], b.MACAddress, 7))
		w.MustStep()
		apptest.Golden(t, "elsewhere-"+family, text())
	}
}

func TestHistoryDoesNotMatter(t *testing.T) {
	t.Parallel()
	a, b := contender("a", "c1", 1, "10.0.0.1", "10.0.0.50"), contender("b", "c2", 2, "10.0.0.2", "10.0.0.50")
	apptest.Histories(t, apps, []any{
		apptest.Overlay("n", model.Geneve, 5001), apptest.Peer("c1", "172.16.0.1"), apptest.Peer("c2", "172.16.0.2"),
		view.TunnelPort{Type: model.Geneve, OFPort: 101}, a, apptest.Bind(a), apptest.Plug(a, 1), b, activeAddress(b, "10.0.0.50", b.MACAddress, 7),
	}, []any{
		contender("c", "c2", 3, "10.0.0.3", "10.0.0.50"),
		view.Announcement{NetworkID: "n", Address: netip.MustParseAddr("10.0.0.50"), PortID: "a", MAC: a.MACAddress, Seq: 9},
	})
}

// cloud is ports a and b on two chassis that share an address, d on the first that may not have it, and p on a third.
type cloud struct {
	*apptest.Cloud
	a, b, d, p *model.Port
	vip        string
}

func newCloud(t *testing.T, at [2]string) *cloud {
	t.Helper()
	c := &cloud{Cloud: apptest.NewCloud(t, apps, 3, "172.16.0.1"), vip: at[1]}
	c.Set(apptest.Overlay("n", model.Geneve, 5001))
	c.a, c.b = contender("a", "c1", 1, at[0]+"1", at[1]), contender("b", "c2", 2, at[0]+"2", at[1])
	c.d, c.p = apptest.At("c1", apptest.Port("d", "n", 4, at[0]+"4")), apptest.At("c3", apptest.Port("p", "n", 3, at[0]+"3"))
	pair(c.a, at[1], virtual())
	pair(c.b, at[1], virtual())
	c.Boot(c.a, c.b, c.d, c.p)
	c.Install()
	return c
}

// believe has a chassis believe what was heard.
func believe(t *testing.T, h *apptest.Hypervisor, asked apptest.Asked, port string) view.Announcement {
	t.Helper()
	if asked.Err != nil || len(asked.Reply.Facts) != 1 {
		t.Fatalf("%s: %+v", h.Name, asked)
	}
	fact := asked.Reply.Facts[0].Row.(view.Announcement)
	if fact.PortID != port {
		t.Fatalf("%s has heard %+v, not of %s", h.Name, fact, port)
	}
	h.Set(fact)
	return fact
}

// holder is who has the address for a chassis.
func (c *cloud) holder(chassis string) string {
	row, ok := c.At(chassis).DB.Row(view.AddressHolders, view.ActiveKey("n", netip.MustParseAddr(c.vip)))
	if !ok {
		return ""
	}
	h := row.(view.AddressHolder)
	return h.PortID + " " + h.MAC.String()
}

func TestWhatAGuestAnnouncesIsHeardOnAllChassis(t *testing.T) {
	t.Parallel()
	for family, at := range families() {
		t.Run(family, func(t *testing.T) {
			t.Parallel()
			c := newCloud(t, at)
			heard := map[string]*apptest.Controller{}
			for _, name := range []string{"c1", "c2", "c3"} {
				heard[name] = c.At(name).Controller()
			}
			for _, from := range []*model.Port{c.a, c.b, c.a} {
				mac := from.MACAddress
				if got := c.Send(from, announcement(mac, c.vip)); got == "" {
					t.Fatal("nobody receives the announcement")
				}
				for name, h := range heard {
					believe(t, c.At(name), h.Hear(activeport.New(), "tap-"+from.ID), from.ID)
				}
				c.Install()
				for name, h := range heard {
					if got := c.holder(name); got != from.ID+" "+mac.String() {
						t.Errorf("%s: %q has it, want %s", name, got, from.ID)
					}
					_, claimed := c.At(name).DB.Row(view.AddressClaims, model.ClaimID(from.ID, netip.MustParseAddr(c.vip)))
					if claimed != (name == from.Host) {
						t.Errorf("%s claims it: %v", name, claimed)
					}
					// What is known goes to no controller.
					c.Send(from, announcement(mac, c.vip))
					other := map[string]*model.Port{"c1": c.d, "c2": c.b, "c3": c.p}[name]
					if !h.Quiet(other, announcement(other.MACAddress, other.FixedIPs[0].IPAddress.String())) {
						t.Errorf("%s: what is known is heard again", name)
					}
				}
			}
		})
	}
}

// TestReadme keeps the dump in the README real.
func TestReadme(t *testing.T) {
	t.Parallel()
	c := newCloud(t, families()["v4"])
	c.At("c1").Set(activeAddress(c.b, c.vip, c.b.MACAddress, 7))
	c.Install()
	c.Send(c.a, announcement(c.a.MACAddress, c.vip))
	c.Send(c.b, announcement(c.b.MACAddress, c.vip))
	apptest.Readme(t, "dump", c.At("c1").Dump(func(owner string) bool { return strings.HasPrefix(owner, "activeport.") }))
}
