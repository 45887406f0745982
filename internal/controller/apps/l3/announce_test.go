package l3_test

import (
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
	"github.com/dragonflow/dragonflow/internal/testkit/packet"
)

// TestARouterTellsGuestsItsAddresses has a router take the place of another one.
func TestARouterTellsGuestsItsAddresses(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, apps()...)
	a, moving := port("a", 1, 10, v4, v6), port("moving", 1, 11, v4, v6)
	moving.Host = "c2"
	prepared := apptest.Bind(moving)
	prepared.Status = model.BindingInactive
	w.Set(rows(two(v4, v6), here(a, 7), []any{moving, prepared, apptest.Plug(moving, 8)}, here(port("b", 2, 10, v4, v6), 9))...)
	w.MustStep()
	sent := func(f int, m model.MAC) []app.PacketOut {
		return l3app().Announcer.Send(w.Reader(), "n1/"+address(f, 1, 1).String()+"/"+m.String())
	}
	check := func(m model.MAC) {
		t.Helper()
		const router, override = 1 << 7, 1 << 5
		own4, own6, everybody := address(v4, 1, 1), address(v6, 1, 1), "ff:ff:ff:ff:ff:ff"
		for f, frames := range map[int][][]packet.Checker{
			v4: {
				{packet.EthDst(everybody), packet.ARPRequest(m, own4, own4)},
				{packet.EthDst(everybody), packet.ARPReply(m, own4, everybody, own4)},
			},
			v6: {{packet.EthDst("33:33:00:00:00:01"), packet.IP(own6, "ff02::1"), packet.NeighborAdvertisement(own6, m, router|override)}},
		} {
			told := sent(f, m)
			if len(told) != len(frames) {
				t.Fatalf("%+v, want %d packets", told, len(frames))
			}
			for i, what := range frames {
				if told[i].OFPort != 7 {
					t.Errorf("%+v, not to the guest that is here on the network", told[i])
				}
				packet.Check(t, told[i].Data, append(what, packet.EthSrc(m))...)
			}
		}
	}
	check(mac(1, 1))

	w.Remove(attach("r", 1, 1, v4, v6)...)
	other := attach("other", 1, 1, v4, v6)
	other[0].(*model.Port).MACAddress, other[1].(*model.RouterInterface).MACAddress = mac(1, 99), mac(1, 99)
	w.Set(append(other, router("other"))...)
	w.MustStep()
	check(mac(1, 99))
	if told := sent(v4, mac(1, 1)); len(told) != 0 {
		t.Errorf("a router that is gone says %+v", told)
	}
}
