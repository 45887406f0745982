package operate_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/operate"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
	"github.com/dragonflow/dragonflow/internal/testkit/packet"
)

// TestWhatRoutersRefuseIsADrop sends to where no route leads, and to an address that nobody has: the packets
// go to the controller, which tells their sender, and are counted as dropped all the same.
func TestWhatRoutersRefuseIsADrop(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	s := c.onSwitch()
	at := apptest.Port("r-n", "n", 9, "10.0.0.254")
	at.FixedIPs[0].SubnetID = "s-n"
	at.DeviceOwner, at.DeviceID = model.RouterInterfaceOwner, "55555555-router"
	c.Set(at, &model.Router{Meta: model.Meta{ID: at.DeviceID}, Name: "edge", AdminStateUp: true},
		&model.RouterInterface{Meta: model.Meta{ID: at.ID}, RouterID: at.DeviceID, NetworkID: "n", MACAddress: at.MACAddress, FixedIPs: at.FixedIPs, AdminStateUp: true})
	c.MustStep()
	s.Install()
	for _, to := range []string{"192.0.2.1", "10.0.0.77"} {
		s.Send(c.open, packet.Build(packet.Ethernet(c.open.MACAddress, at.MACAddress), packet.IP("10.0.0.3", to), packet.UDP(1, 2)))
	}
	list := operate.Drops(c.world(), operate.Dump{Flows: counted(s)}, false)
	for _, want := range []operate.Drop{
		{Stage: "routes", Reason: "router: no route to the destination", Object: "router edge"},
		{Stage: "next-hops", Reason: "router: nobody in the network has the next hop's address", Object: "network n"},
	} {
		if !slices.ContainsFunc(list, func(d operate.Drop) bool {
			return d.Stage == want.Stage && d.Reason == want.Reason && d.Object == want.Object && d.Packets == 1
		}) {
			t.Errorf("no %+v in %+v", want, list)
		}
	}
}

// TestWhyNotIntoAnotherAddressScope asks about a packet that a router keeps in its address scope.
func TestWhyNotIntoAnotherAddressScope(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	far := apptest.Port("99999999-far", "m", 7, "10.1.0.7")
	far.FixedIPs[0].SubnetID = "s-m"
	there := apptest.Subnet("s-m", "m", "10.1.0.0/24")
	c.Set(apptest.Net("m"), far, there, &model.Router{Meta: model.Meta{ID: "55555555-router"}, Name: "edge", AdminStateUp: true})
	for network, address := range map[string]string{"n": "10.0.0.1", "m": "10.1.0.1"} {
		at := apptest.Port("r-"+network, network, 9, address)
		at.FixedIPs[0].SubnetID = "s-" + network
		at.DeviceOwner, at.DeviceID = model.RouterInterfaceOwner, "55555555-router"
		at.MACAddress[5] += network[0]
		c.Set(at, &model.RouterInterface{Meta: model.Meta{ID: at.ID}, RouterID: at.DeviceID, NetworkID: network,
			MACAddress: at.MACAddress, FixedIPs: at.FixedIPs, AdminStateUp: true})
	}
	for scope, drops := range map[string]bool{"": false, "blue": true} {
		s := *there
		s.AddressScopeID = scope
		c.Set(&s)
		c.MustStep()
		ans, err := operate.Why(c.world(), operate.Question{Port: "open1", Dst: "10.1.0.7", What: "udp/1"})
		if err != nil {
			t.Fatal(err)
		}
		const want = "dropped in route-output of router edge, m at port open1: router: the packet came from another address scope than that of the " +
			"network to which it goes; only NAT leads there"
		if ans.Passes && drops || strings.HasPrefix(ans.Sentence, want) != drops {
			t.Errorf("scope %q: %s", scope, ans.Sentence)
		}
	}
}
