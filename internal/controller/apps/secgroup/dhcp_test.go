package secgroup_test

import (
	"net"
	"net/netip"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/apps/classifier"
	"github.com/dragonflow/dragonflow/internal/controller/apps/dhcp"
	"github.com/dragonflow/dragonflow/internal/controller/apps/l2"
	"github.com/dragonflow/dragonflow/internal/controller/apps/misses"
	"github.com/dragonflow/dragonflow/internal/controller/apps/portsecurity"
	"github.com/dragonflow/dragonflow/internal/controller/apps/secgroup"
	"github.com/dragonflow/dragonflow/internal/packet"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

// TestALeaseIsRenewedWithoutARule has a port whose groups forbid everything ask the server that it has, and others.
func TestALeaseIsRenewedWithoutARule(t *testing.T) {
	t.Parallel()
	service := dhcp.New()
	w := apptest.New(t, []*app.App{misses.New(), classifier.New(), portsecurity.New(), l2.New(), service, secgroup.New()}...)
	subnet := apptest.Subnet("s", "n", "10.0.0.0/24")
	p, unserved := apptest.Port("p", "n", 1, "10.0.0.5"), apptest.Port("u", "n", 2, "10.1.0.5")
	p.FixedIPs[0].SubnetID = "s"
	w.Set(apptest.Net("n"), subnet, p, apptest.Bind(p), unserved, apptest.Bind(unserved))
	w.Sync()
	sw := w.Switch(p, unserved)
	w.MustStep()
	sw.Install()
	c := sw.Controller()

	renewal := func(to string) []byte {
		m := &dhcpv4.DHCPv4{OpCode: dhcpv4.OpcodeBootRequest, HWType: 1, TransactionID: dhcpv4.TransactionID{1},
			ClientHWAddr: p.MACAddress[:], ClientIPAddr: net.ParseIP("10.0.0.5"), Options: dhcpv4.Options{53: {byte(dhcpv4.MessageTypeRequest)}}}
		asks := path{from: p, to: unserved, src: p.FixedIPs[0].IPAddress, dst: netip.MustParseAddr(to)}
		return asks.ip(packet.ProtocolUDP, packet.UDP{SrcPort: 68, DstPort: 67, Payload: m.ToBytes()}.Append(nil, asks.src, asks.dst))
	}
	if got := c.Ask(service, p, renewal(subnet.GatewayIP.String())); got.Err != nil || got.Reply.Event != "ack" {
		t.Errorf("the renewal: event %q, error %v; drops %v", got.Reply.Event, got.Err, sw.Dropped())
	}
	const refused = "security group: no egress rule allows the packet"
	before := sw.Dropped()[refused]
	if !c.Quiet(p, renewal("10.0.0.9")) {
		t.Error("a renewal with another server came to the controller")
	}
	other := path{from: unserved, to: p, src: unserved.FixedIPs[0].IPAddress, dst: subnet.GatewayIP}
	sw.Send(unserved, other.udp(68, 67))
	if n := sw.Dropped()[refused] - before; n != 2 {
		t.Errorf("%d of 2 datagrams to no server of their port were refused; drops %v", n, sw.Dropped())
	}
}
