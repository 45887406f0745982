package tunnel_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/packet"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

// threeChassis is a network with ports a and b on c1, c on c2 and d, without port security, on c3; port x
// of another network is on c2.
func threeChassis(t *testing.T, typ model.NetworkType, base string) (*apptest.Cloud, map[string]*model.Port) {
	t.Helper()
	c := apptest.NewCloud(t, apps, 3, base)
	other := model.VXLAN
	if typ == model.VXLAN {
		other = model.Geneve
	}
	c.Set(apptest.Overlay("n", typ, 5001), apptest.Overlay("m", other, 5001)) // their ranges overlap
	ports := map[string]*model.Port{}
	for i, p := range []struct{ id, network, host string }{{"a", "n", "c1"}, {"b", "n", "c1"}, {"c", "n", "c2"}, {"d", "n", "c3"}, {"x", "m", "c2"}, {"y", "m", "c3"}} {
		ports[p.id] = apptest.At(p.host, apptest.Port(p.id, p.network, byte(i+1)))
		ports[p.id].PortSecurityEnabled = p.id != "d"
		c.Boot(ports[p.id])
	}
	c.Install()
	return c, ports
}

func TestFramesReachWhomTheyAreFor(t *testing.T) {
	for name, how := range map[string]struct {
		typ  model.NetworkType
		base string
	}{
		"geneve over IPv4": {model.Geneve, "172.16.0.1"},
		"geneve over IPv6": {model.Geneve, "fd00::1"},
		"vxlan over IPv4":  {model.VXLAN, "172.16.0.1"},
		"vxlan over IPv6":  {model.VXLAN, "fd00::1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, p := threeChassis(t, how.typ, how.base)
			for what, s := range map[string]struct {
				from string
				to   model.MAC
				want string
			}{
				"unicast to another chassis":     {"a", p["c"].MACAddress, "c"},
				"unicast back":                   {"c", p["a"].MACAddress, "a"},
				"unicast on the same chassis":    {"a", p["b"].MACAddress, "b"},
				"broadcast":                      {"a", broadcast(), "b c d"},
				"broadcast from another":         {"c", broadcast(), "a b d"},
				"multicast":                      {"d", model.MAC{1, 0, 0x5e, 0, 0, 1}, "a b c"},
				"unknown unicast":                {"a", model.MAC{2, 0, 0, 0, 0, 9}, "d"},
				"to a port of another network":   {"a", p["x"].MACAddress, "d"},
				"broadcast in the other network": {"x", broadcast(), "y"},
			} {
				if got := c.Send(p[s.from], frame(p[s.from], s.to)); got != s.want {
					t.Errorf("%s reaches %q, want %q", what, got, s.want)
				}
			}
		})
	}
}

// TestReadme keeps the dump in the README real.
func TestReadme(t *testing.T) {
	t.Parallel()
	c, p := threeChassis(t, model.Geneve, "172.16.0.1")
	c.Send(p["a"], frame(p["a"], p["c"].MACAddress))
	c.Send(p["a"], frame(p["a"], broadcast()))
	apptest.Readme(t, "dump", c.At("c1").Dump(func(owner string) bool {
		return strings.HasPrefix(owner, "tunnel.") || strings.HasPrefix(owner, "classifier.tunnel") ||
			strings.Contains(owner, "MACAddress/1") || strings.HasPrefix(owner, "l2.network")
	}))
}

// frame is one of an unknown protocol, which port security of these ports lets pass.
func frame(from *model.Port, to model.MAC) []byte {
	f := append(append(to[:], from.MACAddress[:]...), 0x88, 0xb5)
	return append(f, make([]byte, 46)...)
}

func broadcast() model.MAC { return model.MAC{255, 255, 255, 255, 255, 255} }

// TestWhatLooksLikeATunnelPacketIsAGuestsOwn: a guest that makes Geneve or VXLAN packets, even with the addresses
// of chassis, sends nothing but payload of its own network.
func TestWhatLooksLikeATunnelPacketIsAGuestsOwn(t *testing.T) {
	t.Parallel()
	for _, family := range []struct{ base, to, from string }{{"172.16.0.1", "172.16.0.2", "172.16.0.3"}, {"fd00::1", "fd00::2", "fd00::3"}} {
		c, p := threeChassis(t, model.Geneve, family.base)
		inner := frame(p["x"], p["y"].MACAddress)
		for _, port := range []uint16{6081, 4789} {
			header := []byte{0, 0, 0x65, 0x58, 0, 0x13, 0x89, 0} // Geneve, with network m's identifier
			if port == 4789 {
				header = []byte{8, 0, 0, 0, 0, 0x13, 0x89, 0}
			}
			for what, s := range map[string]struct {
				to   model.MAC
				want string
			}{
				"to a guest":             {p["c"].MACAddress, "c"},
				"to a chassis' address":  {model.MAC{0xaa, 0x55, 0xaa, 0x55, 0, 2}, ""},
				"to all":                 {broadcast(), "a b c"},
				"to the other network":   {p["x"].MACAddress, ""},
				"to the sender's switch": {model.MAC{0xaa, 0x55, 0xaa, 0x55, 0, 3}, ""},
			} {
				forged := underlayPacket(p["d"].MACAddress, s.to, netip.MustParseAddr(family.from), netip.MustParseAddr(family.to), port, append(header, inner...))
				if got := c.Send(p["d"], forged); got != s.want {
					t.Errorf("port %d %s reaches %q, want %q", port, what, got, s.want)
				}
			}
		}
	}
}

func underlayPacket(from, to model.MAC, src, dst netip.Addr, port uint16, payload []byte) []byte {
	udp := packet.UDP{SrcPort: 40000, DstPort: port, Payload: payload}.Append(nil, src, dst)
	e := packet.Ethernet{Dst: packet.MAC(to), Src: packet.MAC(from), EtherType: packet.EtherTypeIPv4}
	if src.Is6() {
		e.EtherType = packet.EtherTypeIPv6
		return append(packet.IPv6{HopLimit: 64, NextHeader: packet.ProtocolUDP, Src: src, Dst: dst}.Append(e.Append(nil), len(udp)), udp...)
	}
	return append(packet.IPv4{TTL: 64, Protocol: packet.ProtocolUDP, Src: src, Dst: dst}.Append(e.Append(nil), len(udp)), udp...)
}
