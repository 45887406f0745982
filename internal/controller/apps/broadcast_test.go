package apps_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller"
	"github.com/dragonflow/dragonflow/internal/controller/apps"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/operate"
	"github.com/dragonflow/dragonflow/internal/packet"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

// TestBroadcastReachesAThousandGuests: whoever of one network is on one chassis gets a broadcast, of ARP and of IP,
// secured or not.
func TestBroadcastReachesAThousandGuests(t *testing.T) {
	t.Parallel()
	const guests, limit = 1000, 1021
	w := apptest.New(t, apps.All()...)
	group := &model.SecurityGroup{Meta: model.Meta{ID: "g", Revision: 1}, Name: "g", Stateful: true}
	rules := []*model.SecurityGroupRule{}
	for _, d := range []model.Direction{model.Egress, model.Ingress} {
		rules = append(rules, &model.SecurityGroupRule{Meta: model.Meta{ID: "g-" + string(d), Revision: 1}, SecurityGroupID: "g",
			Direction: d, EtherType: model.IPv4, Protocol: model.AnyProtocol})
	}
	w.Set(apptest.Net("n"), group, rules[0], rules[1])
	w.Sync(model.ScopeSecurityGroup("g"))
	s := w.Switch()
	var args []string
	for i := range guests {
		p := apptest.Port(fmt.Sprintf("p%d", i), "n", 0, fmt.Sprintf("10.0.%d.%d", i/250, i%250+1))
		p.MACAddress = model.MAC{0xfa, 0x16, 0x3e, 0, byte(i >> 8), byte(i)}
		p.PortSecurityEnabled = i%2 == 0
		if p.PortSecurityEnabled {
			p.SecurityGroups = []string{"g"}
		}
		name := apptest.Plug(p, 0).Name
		args = append(args, "--", "add-port", apptest.Bridge, name, "--", "set", "interface", name, "type=dummy",
			fmt.Sprintf("ofport_request=%d", i+1))
		w.Set(p, apptest.Bind(p), apptest.Plug(p, uint32(i)+1))
	}
	s.Vsctl(args[1:]...)
	w.MustStep()
	s.Install()
	concerns := func() int {
		return len(operate.StatusOf(operate.World{View: w.DB, Engine: w.Engine, Numbers: w.Numbers}, controller.Status{}, nil).Problems)
	}
	if n := concerns(); n != 0 {
		t.Errorf("the status tells of %d problems", n)
	}
	for what, frame := range broadcasts() {
		before := delivered(s)
		s.Inject("tap-p0", frame)
		s.Settle()
		if got := delivered(s) - before; got != guests-1 {
			t.Errorf("a broadcast of %s reaches %d of %d guests", what, got, guests-1)
		}
	}
	for i := guests; i <= limit; i++ {
		p := apptest.Port(fmt.Sprintf("p%d", i), "n", 0)
		p.MACAddress = model.MAC{0xfa, 0x16, 0x3e, 0, byte(i >> 8), byte(i)}
		w.Set(p, apptest.Bind(p), apptest.Plug(p, uint32(i)+1))
	}
	w.MustStep()
	if n := concerns(); n != 1 {
		t.Errorf("beyond the limit the status tells of %d problems", n)
	}
}

// broadcasts are those of the first guest.
func broadcasts() map[string][]byte {
	from, to := model.MAC{0xfa, 0x16, 0x3e, 0, 0, 0}, packet.Broadcast()
	udp := packet.UDP{SrcPort: 9, DstPort: 9}.Append(nil, apptest.Prefix("10.0.0.1/32").Addr(), apptest.Prefix("255.255.255.255/32").Addr())
	ip := packet.IPv4{TTL: 64, Protocol: packet.ProtocolUDP, Src: apptest.Prefix("10.0.0.1/32").Addr(), Dst: apptest.Prefix("255.255.255.255/32").Addr()}
	arp := append([]byte{0, 1, 8, 0, 6, 4, 0, 1}, from[:]...)
	arp = append(append(append(arp, 10, 0, 0, 1), make([]byte, 6)...), 10, 9, 9, 9)
	return map[string][]byte{
		"ARP": append(packet.Ethernet{Dst: to, Src: packet.MAC(from), EtherType: packet.EtherTypeARP}.Append(nil), append(arp, make([]byte, 18)...)...),
		"IP":  append(ip.Append(packet.Ethernet{Dst: to, Src: packet.MAC(from), EtherType: packet.EtherTypeIPv4}.Append(nil), len(udp)), udp...),
	}
}

// delivered counts what came to the ports.
func delivered(s *apptest.Switch) (n uint64) {
	for _, c := range s.Counters() {
		if c.Flow.Table == pipeline.Deliver.Table() && strings.Contains(c.Flow.String(), "output:") {
			n += c.Packets
		}
	}
	return n
}
