package metadata_test

import (
	"bytes"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/apps"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
	"github.com/dragonflow/dragonflow/internal/testkit/packet"
)

// device is the interface behind which the service is.
const device = "df-meta"

// scene is a switch with guests of two tenants that have the same addresses. Their security groups allow nothing.
type scene struct {
	t    *testing.T
	w    *apptest.World
	s    *apptest.Switch
	a, b *model.Port
	// free has no port security.
	free *model.Port
}

func newScene(t *testing.T) *scene {
	t.Helper()
	sc := &scene{t: t, w: apptest.New(t, apps.All()...)}
	sc.a, sc.b = instance("a", "n", 1, "10.0.0.1", "2001:db8::1"), instance("b", "m", 1, "10.0.0.1", "2001:db8::1")
	sc.free = instance("free", "n", 3, "10.0.0.3", "2001:db8::3")
	sc.free.PortSecurityEnabled = false
	router := apptest.Port("r-n", "n", 200, "10.0.0.254", "2001:db8::ff")
	router.DeviceOwner, router.DeviceID = model.RouterInterfaceOwner, "r"
	sc.w.Set(apptest.Net("n"), apptest.Net("m"), router, &model.Router{Meta: model.Meta{ID: "r"}, AdminStateUp: true},
		&model.RouterInterface{Meta: model.Meta{ID: router.ID}, RouterID: "r", NetworkID: "n", MACAddress: router.MACAddress, FixedIPs: router.FixedIPs, AdminStateUp: true})
	for _, p := range []*model.Port{sc.a, sc.b, sc.free} {
		sc.w.Set(p, apptest.Bind(p))
	}
	sc.s = sc.w.Switch(sc.a, sc.b, sc.free)
	n, err := strconv.ParseUint(sc.s.AddPort(apptest.Bridge, device), 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	sc.w.Set(view.MetadataPort{OFPort: uint32(n)})
	sc.w.MustStep()
	sc.s.Install()
	return sc
}

// ask sends a frame as a guest and returns what the service hears of it.
func (sc *scene) ask(from *model.Port, frame []byte) [][]byte {
	sc.t.Helper()
	sc.s.Forget(device)
	for port, got := range sc.s.Send(from, frame) {
		sc.t.Errorf("%s hears what is for the service:\n%s", port, packet.Summaries(got))
	}
	return sc.s.Sent(device)
}

// reply sends a frame as the service and returns what the guests hear.
func (sc *scene) reply(frame []byte) map[string][][]byte {
	sc.t.Helper()
	ports := []*model.Port{sc.a, sc.b, sc.free}
	for _, p := range ports {
		sc.s.Forget("tap-" + p.ID)
	}
	sc.s.Inject(device, frame)
	sc.s.Settle()
	got := map[string][][]byte{}
	for _, p := range ports {
		if frames := sc.s.Sent("tap-" + p.ID); len(frames) > 0 {
			got[p.ID] = frames
		}
	}
	return got
}

// family is one of both.
type family struct {
	name             string
	service          netip.Addr
	own              func(*model.Port) netip.Addr
	foreign, another string
}

func families() []family {
	return []family{
		{"v4", view.MetadataIPv4, func(p *model.Port) netip.Addr { return p.FixedIPs[0].IPAddress }, "10.0.0.3", "10.0.0.77"},
		{"v6", view.MetadataIPv6, func(*model.Port) netip.Addr { return netip.MustParseAddr("fe80::1234:5678:9abc:def0") }, "2001:db8::3", "2001:db8::77"},
	}
}

// source is from where the service hears a port ask.
func (sc *scene) source(p *model.Port, f family) netip.Addr {
	sc.t.Helper()
	for _, c := range clients(sc.w) {
		if c.PortID != p.ID || c.Source.Addr().Is4() != f.service.Is4() {
			continue
		}
		if f.service.Is4() {
			return c.Source.Addr()
		}
		a, own := c.Source.Addr().As16(), f.own(p).As16()
		copy(a[8:], own[8:])
		return netip.AddrFrom16(a)
	}
	sc.t.Fatalf("%s is no client", p.ID)
	return netip.Addr{}
}

var routerMAC = model.MAC{0xfa, 0x16, 0x3e, 0, 0, 200}

func TestRequestsReachTheServiceAndAnswersTheGuest(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	for _, f := range families() {
		for _, to := range []model.MAC{view.ServiceMAC, routerMAC} {
			for _, p := range []*model.Port{sc.a, sc.b, sc.free} {
				source := sc.source(p, f)
				got := sc.ask(p, packet.Build(packet.Ethernet(p.MACAddress, to), packet.IP(f.own(p), f.service), packet.TCP(40000, 80, "S")))
				if len(got) != 1 {
					t.Fatalf("%s: the service hears %d frames of %s to %s:\n%s", f.name, len(got), p.ID, to, packet.Summaries(got))
				}
				packet.Check(t, got[0], packet.EthDst(view.ServiceMAC), packet.IP(source, f.service), packet.TCP(40000, 80, "S"))

				back := sc.reply(packet.Build(packet.Ethernet(view.ServiceMAC, view.ServiceMAC), packet.IP(f.service, source), packet.TCP(80, 40000, "SA")))
				if len(back) != 1 || len(back[p.ID]) != 1 {
					t.Fatalf("%s: the answer to %s reaches %v", f.name, p.ID, back)
				}
				packet.Check(t, back[p.ID][0], packet.EthSrc(view.ServiceMAC), packet.EthDst(p.MACAddress), packet.IP(f.service, f.own(p)), packet.TCP(80, 40000, "SA"))
			}
		}
	}
}

func TestNothingElseReachesTheService(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	for _, f := range families() {
		for _, p := range []*model.Port{sc.a, sc.free} {
			ether := packet.Ethernet(p.MACAddress, view.ServiceMAC)
			own := packet.IP(f.own(p), f.service)
			for name, frame := range map[string][]byte{
				"another port":            packet.Build(ether, own, packet.TCP(40000, 8080, "S")),
				"udp":                     packet.Build(ether, own, packet.UDP(40000, 80)),
				"echo":                    packet.Build(ether, own, packet.EchoRequest(1, 1)),
				"from a port's address":   packet.Build(ether, packet.IP(f.foreign, f.service), packet.TCP(40000, 80, "S")),
				"from nobody's address":   packet.Build(ether, packet.IP(f.another, f.service), packet.TCP(40000, 80, "S")),
				"from the other's source": packet.Build(ether, packet.IP(sc.source(sc.b, f), f.service), packet.TCP(40000, 80, "S")),
			} {
				if p == sc.free && name == "from a port's address" && f.service.Is4() {
					continue // its own
				}
				if got := sc.ask(p, frame); len(got) > 0 {
					t.Errorf("%s: %s of %s reaches the service:\n%s", f.name, name, p.ID, packet.Summaries(got))
				}
			}
		}
	}
}

func TestTheServiceReachesNothingElse(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	for _, f := range families() {
		ether := packet.Ethernet(view.ServiceMAC, sc.a.MACAddress)
		source := sc.source(sc.a, f)
		for name, frame := range map[string][]byte{
			"to a guest's address":  packet.Build(ether, packet.IP(f.service, f.own(sc.a)), packet.TCP(80, 40000, "SA")),
			"from another port":     packet.Build(ether, packet.IP(f.service, source), packet.TCP(81, 40000, "S")),
			"from another address":  packet.Build(ether, packet.IP(f.another, source), packet.TCP(80, 40000, "SA")),
			"udp":                   packet.Build(ether, packet.IP(f.service, source), packet.UDP(80, 40000)),
			"to an address of none": packet.Build(ether, packet.IP(f.service, map[bool]string{true: "240.0.99.99", false: "fddf:0:99::1"}[f.service.Is4()]), packet.TCP(80, 40000, "SA")),
		} {
			if got := sc.reply(frame); len(got) > 0 {
				t.Errorf("%s: %s reaches %v", f.name, name, got)
			}
		}
	}
}

func TestGuestsFindTheService(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	for _, p := range []*model.Port{sc.a, sc.b, sc.free} {
		got := sc.s.Send(p, packet.Build(packet.Ethernet(p.MACAddress, "ff:ff:ff:ff:ff:ff"),
			packet.ARPRequest(p.MACAddress, "10.0.0."+strconv.Itoa(int(p.MACAddress[5])), view.MetadataIPv4)))
		if len(got) != 1 || len(got[p.ID]) != 1 {
			t.Fatalf("ARP of %s: %v", p.ID, got)
		}
		packet.Check(t, got[p.ID][0], packet.ARPReply(view.ServiceMAC, view.MetadataIPv4, p.MACAddress, "10.0.0."+strconv.Itoa(int(p.MACAddress[5]))))

		own := "fe80::1234:5678:9abc:def0" // an address that only the guest knows
		got = sc.s.Send(p, packet.Build(packet.Ethernet(p.MACAddress, "33:33:ff:fe:a9:fe"),
			packet.IP(own, "ff02::1:fffe:a9fe"), packet.NeighborSolicitation(view.MetadataIPv6, p.MACAddress)))
		if len(got) != 1 || len(got[p.ID]) != 1 {
			t.Fatalf("solicitation of %s: %v", p.ID, got)
		}
		packet.Check(t, got[p.ID][0], packet.EthDst(p.MACAddress), packet.IP(view.MetadataIPv6, own))
		if !bytes.Contains(got[p.ID][0], view.ServiceMAC[:]) {
			t.Errorf("the advertisement does not tell the service's MAC address: %x", got[p.ID][0])
		}
	}
}

// TestReadme keeps the dump in the README real.
func TestReadme(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	for _, f := range families() {
		sc.ask(sc.a, packet.Build(packet.Ethernet(sc.a.MACAddress, view.ServiceMAC), packet.IP(f.own(sc.a), f.service), packet.TCP(40000, 80, "S")))
		sc.reply(packet.Build(packet.Ethernet(view.ServiceMAC, view.ServiceMAC), packet.IP(f.service, sc.source(sc.a, f)), packet.TCP(80, 40000, "SA")))
	}
	apptest.Readme(t, "dump", sc.s.Dump(func(owner string) bool {
		return owner == "metadata.port LocalPort/a" || strings.HasPrefix(owner, "classifier.metadata") || strings.HasPrefix(owner, "secgroup.metadata")
	}))
}
