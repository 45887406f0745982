package dnat_test

import (
	"net/netip"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
	"github.com/dragonflow/dragonflow/internal/testkit/packet"
)

// TestAFloatingIPFollowsASharedAddress: its own port keeps the address for others, and the one that announced it has it.
func TestAFloatingIPFollowsASharedAddress(t *testing.T) {
	t.Parallel()
	address := netip.MustParseAddr(fixedIP)
	may := func(p *model.Port) *model.Port {
		p.AllowedAddressPairs = []model.AddressPair{{IPAddress: netip.PrefixFrom(address, 32), MACAddress: p.MACAddress}}
		return p
	}
	kept := apptest.Port("a", "n", 10, fixedIP)
	here1, there := may(apptest.At(apptest.Host, apptest.Port("b", "n", 11, "10.0.0.11"))), may(apptest.At("c2", apptest.Port("c", "n", 12, "10.0.0.12")))
	second := apptest.Peer("c2", "172.16.0.2")
	second.PhysicalNetworks = []string{"physnet1"}
	s := newWired(t, append(append(topology(), here(here1, 1)...), kept, there, second, floating(apptest.Host))...)
	in := packet.Build(packet.Ethernet(hostMAC, floatingMAC), packet.VLAN(9), packet.IP(farIP, floatingIP), packet.TTL(60), packet.EchoRequest(1, 1))
	reach := func(when, want string) {
		t.Helper()
		s.World.MustStep()
		s.Install()
		got := ""
		for device, frames := range s.send(wire, in) {
			if len(frames) > 0 {
				got = device
			}
		}
		_, served := s.World.DB.Row(view.ServedFloatingIPs, "f")
		if got != want || served != (want != "") {
			t.Errorf("%s: it reaches %q, served %v, want %q", when, got, served, want)
		}
	}
	announced := func(p *model.Port, seq int64) {
		s.World.Set(view.Announcement{NetworkID: "n", Address: address, PortID: p.ID, MAC: p.MACAddress, Seq: seq})
	}
	reach("nobody has announced it", "")
	announced(here1, 1)
	reach("it is here", "tap-b")
	announced(there, 2)
	reach("it is elsewhere", "")
	announced(here1, 3)
	reach("it is back", "tap-b")
	s.World.Remove(there)
	reach("one port alone may have it", "tap-b")
	here1 = apptest.At(apptest.Host, apptest.Port("b", "n", 11, "10.0.0.11"))
	s.World.Set(here1)
	reach("nobody may have it", "")
}
