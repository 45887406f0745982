package controller_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/controller"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
	"github.com/dragonflow/dragonflow/internal/testkit/packet"
)

// beyond is a chassis with a guest on network n, behind a router to network w, which is in VLAN 7 outside.
type beyond struct {
	*chassis
	guest       *model.Port
	inner, wire *model.RouterInterface
}

// outside is the device that leads outside.
const outside = "eth1"

// hostOutside is somebody there.
const hostOutside = "52:54:00:00:00:01"

func newBeyond(t *testing.T) beyond {
	t.Helper()
	c := newChassis(t)
	c.stop()
	c.sw.AddBridge("br-ex", "set-fail-mode", "br-ex", "standalone")
	c.sw.AddPort("br-ex", outside)
	c.change = func(o *controller.Options) {
		o.BridgeMappings, o.DatapathType = map[string]string{"physnet1": "br-ex"}, "netdev"
	}
	c.start()
	b := beyond{chassis: c}
	guest := apptest.Port("a", "n", 10, "10.0.1.10", "2001:db8:1::10")
	guest.PortSecurityEnabled, guest.Host = false, apptest.Host
	b.guest = guest
	c.sw.AddPort("br-int", "tap-a", "iface-id=a")
	c.put(apptest.Net("n"), apptest.Provider("w", "physnet1", 7), guest, apptest.Bind(guest), &model.Router{Meta: model.Meta{ID: "r", Revision: 1}, AdminStateUp: true})
	attach := func(network string, n byte, v4, v6 string) *model.RouterInterface {
		s4, s6 := apptest.Subnet("s4-"+network, network, v4+"0/24"), apptest.Subnet("s6-"+network, network, v6+"/64")
		s4.EnableDHCP, s6.EnableDHCP, s6.IPv6AddressMode, s6.IPv6RAMode = false, false, "", ""
		p := apptest.Port("r-"+network, network, n, v4+"1", v6+"1")
		p.FixedIPs[0].SubnetID, p.FixedIPs[1].SubnetID = s4.ID, s6.ID
		p.DeviceOwner, p.DeviceID = model.RouterInterfaceOwner, "r"
		i := &model.RouterInterface{
			Meta: model.Meta{ID: p.ID, Revision: 1}, RouterID: "r", NetworkID: network, MACAddress: p.MACAddress, FixedIPs: p.FixedIPs, AdminStateUp: true,
		}
		c.put(s4, s6, p, i)
		return i
	}
	b.inner, b.wire = attach("n", 1, "10.0.1.", "2001:db8:1::"), attach("w", 2, "192.0.2.", "2001:db8:2::")
	c.eventually("the guest is served, and the wire is taken in", func() bool {
		return c.up("a") && c.status().Complete && strings.Contains(c.dump(), "dl_vlan=7")
	})
	return b
}

// TestAHostOutsideIsFoundAndReached: a router with an interface in a VLAN asks there for whom it does not know,
// as this chassis' part of it; what it hears holds, and what comes back reaches the guest.
func TestAHostOutsideIsFoundAndReached(t *testing.T) {
	b := newBeyond(t)
	own := view.WireMAC(apptest.Host, b.wire.MACAddress).String()
	guest, inner := b.guest.MACAddress.String(), b.inner.MACAddress.String()
	tag := packet.VLAN(7)
	for name, f := range map[string]struct {
		guest, host   string
		asks, answers packet.Layer
		group         string
	}{
		"v4": {"10.0.1.10", "192.0.2.9", packet.ARPRequest(own, "192.0.2.1", "192.0.2.9"), packet.ARPReply(hostOutside, "192.0.2.9", own, "192.0.2.1"), "ff:ff:ff:ff:ff:ff"},
		"v6": {"2001:db8:1::10", "2001:db8:2::9", packet.NeighborSolicitation("2001:db8:2::9", own), packet.NeighborAdvertisement("2001:db8:2::9", hostOutside, 0x60), "33:33:ff:00:00:09"},
	} {
		request := packet.Build(packet.Ethernet(guest, inner), packet.IP(f.guest, f.host), packet.EchoRequest(1, 1))
		b.sw.Inject("tap-a", request)
		question := []packet.Checker{packet.EthSrc(own), packet.EthDst(f.group), tag, f.asks.(packet.Checker)}
		b.sw.WaitSent(outside, packet.Is(question...))
		answer := []packet.Layer{packet.Ethernet(hostOutside, own), tag}
		if name == "v6" {
			answer = append(answer, packet.IP(f.host, "2001:db8:2::1"))
		}
		b.sw.Inject(outside, packet.Build(append(answer, f.answers)...))
		b.eventually(name+": the host outside is known", func() bool { return b.knows("w", f.host) })
		b.eventually(name+": there is a flow to it", func() bool { return strings.Contains(b.dump(), "set_field:"+hostOutside+"->eth_dst") })
		b.sw.ForgetDecisions()
		b.sw.Inject("tap-a", request)
		b.sw.WaitSent(outside, packet.Is(packet.EthSrc(own), packet.EthDst(hostOutside), tag, packet.IP(f.guest, f.host), packet.TTL(63)))
		b.sw.Inject(outside, packet.Build(packet.Ethernet(hostOutside, own), tag, packet.IP(f.host, f.guest), packet.EchoReply(1, 1)))
		b.sw.WaitSent("tap-a", packet.Is(packet.EthSrc(inner), packet.EthDst(guest), packet.Untagged(), packet.IP(f.host, f.guest)))
	}
}

// TestTheRouterIsFoundFromOutside: those outside who ask for its address hear this chassis' own for it.
func TestTheRouterIsFoundFromOutside(t *testing.T) {
	b := newBeyond(t)
	own := view.WireMAC(apptest.Host, b.wire.MACAddress).String()
	tag := packet.VLAN(7)
	b.sw.Inject(outside, packet.Build(packet.Ethernet(hostOutside, "ff:ff:ff:ff:ff:ff"), tag, packet.ARPRequest(hostOutside, "192.0.2.9", "192.0.2.1")))
	b.sw.WaitSent(outside, packet.Is(packet.EthSrc(own), packet.EthDst(hostOutside), tag, packet.ARPReply(own, "192.0.2.1", hostOutside, "192.0.2.9").(packet.Checker)))
	b.sw.Inject(outside, packet.Build(packet.Ethernet(hostOutside, "33:33:ff:00:00:01"), tag,
		packet.IP("2001:db8:2::9", "ff02::1:ff00:1"), packet.NeighborSolicitation("2001:db8:2::1", hostOutside)))
	b.sw.WaitSent(outside, packet.Is(packet.EthSrc(own), packet.EthDst(hostOutside), tag,
		packet.IP("2001:db8:2::1", "2001:db8:2::9"), packet.NeighborAdvertisement("2001:db8:2::1", own, 0xe0).(packet.Checker)))
}

// TestWhoDoesNotAnswerIsAskedAgainSoon: the first question or its answer may be lost, and a guest waits for it.
func TestWhoDoesNotAnswerIsAskedAgainSoon(t *testing.T) {
	b := newBeyond(t)
	own := view.WireMAC(apptest.Host, b.wire.MACAddress).String()
	const patience = 900 * time.Millisecond // in which a question each second is asked no more than twice
	took := time.Duration(0)
	for n := range 5 { // the machine may stand still
		host := fmt.Sprintf("192.0.2.%d", 20+n)
		question := packet.Is(packet.EthSrc(own), packet.ARPRequest(own, "192.0.2.1", host).(packet.Checker))
		b.sw.Inject("tap-a", packet.Build(packet.Ethernet(b.guest.MACAddress.String(), b.inner.MACAddress.String()),
			packet.IP("10.0.1.10", host), packet.EchoRequest(1, 1)))
		b.sw.WaitSent(outside, question)
		began := time.Now()
		b.sw.WaitSent(outside, question)
		b.sw.WaitSent(outside, question)
		if took = time.Since(began); took < patience {
			return
		}
	}
	t.Errorf("three questions took %s, want less than %s", took, patience)
}

// knows tells whether a host outside is known.
func (b beyond) knows(network, address string) (known bool) {
	_ = b.ctl.Inspect(b.t.Context(), func(in controller.Inside) {
		known = in.View.Has(view.Neighbours, view.NeighbourKey(network, netip.MustParseAddr(address)))
	})
	return known
}
