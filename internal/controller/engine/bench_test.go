package engine_test

import (
	"fmt"
	"net/netip"
	"runtime"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/apps"
	"github.com/dragonflow/dragonflow/internal/controller/engine"
	"github.com/dragonflow/dragonflow/internal/controller/number"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

// cloud is a view of one dual-stack network with many ports, one group that names itself, and some of
// the ports served here.
type cloud struct {
	db  *view.DB
	eng *engine.Engine
	n   int
}

func newCloud(tb testing.TB, remote, local int) *cloud {
	tb.Helper()
	c := &cloud{db: view.NewDB(nil)}
	var err error
	if c.eng, err = engine.New(c.db, number.New(), apps.All(), engine.Options{}); err != nil {
		tb.Fatal(err)
	}
	view.Set(c.db, view.Self, view.Chassis{Name: apptest.Host, DHCPLeaseTime: 86400})
	for _, s := range []string{
		view.ScopeOVSDB, model.ScopeGlobal, model.ScopeChassis(apptest.Host), model.ScopeNetwork("n"), model.ScopeNetworkPorts("n"),
		model.ScopeSecurityGroup("g"), model.ScopeSecurityGroupMembers("g"),
	} {
		c.db.SetSynced(s, true)
	}
	c.db.Place(apptest.Net("n"))
	c.db.Place(apptest.Subnet("s4", "n", "10.0.0.0/8"))
	c.db.Place(apptest.Subnet("s6", "n", "2001:db8::/64"))
	c.db.Place(&model.SecurityGroup{Meta: model.Meta{ID: "g"}, Stateful: true})
	for _, family := range []model.EtherType{model.IPv4, model.IPv6} {
		c.db.Place(&model.SecurityGroupRule{
			Meta: model.Meta{ID: "in-" + string(family)}, SecurityGroupID: "g", Direction: model.Ingress, EtherType: family,
			Protocol: model.AnyProtocol, RemoteGroupID: "g",
		})
		c.db.Place(&model.SecurityGroupRule{
			Meta: model.Meta{ID: "out-" + string(family)}, SecurityGroupID: "g", Direction: model.Egress, EtherType: family,
			Protocol: model.AnyProtocol,
		})
	}
	for range remote {
		c.addPort(false)
	}
	for range local {
		c.addPort(true)
	}
	c.eng.Step()
	return c
}

func (c *cloud) addPort(local bool) *model.Port {
	c.n++
	n := c.n
	p := &model.Port{
		Meta: model.Meta{ID: fmt.Sprintf("00000000-0000-0000-0000-%012d", n), Revision: 1}, NetworkID: "n",
		MACAddress:   model.MAC{0xfa, 0x16, 0x3e, byte(n >> 16), byte(n >> 8), byte(n)},
		AdminStateUp: true, PortSecurityEnabled: true, SecurityGroups: []string{"g"},
		FixedIPs: []model.FixedIP{
			{SubnetID: "s4", IPAddress: netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})},
			{SubnetID: "s6", IPAddress: netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 13: byte(n >> 16), 14: byte(n >> 8), 15: byte(n)})},
		},
	}
	c.db.Place(p)
	c.db.Place(&model.SecurityGroupMember{
		Meta: model.Meta{ID: p.ID}, SecurityGroupID: "g", NetworkID: "n", Addresses: p.Addresses(),
	})
	if local {
		c.db.Place(apptest.Bind(p))
		view.Set(c.db, view.Interfaces, view.Interface{Name: "tap" + p.ID, PortID: p.ID, OFPort: uint32(n)})
	}
	return p
}

func (c *cloud) removePort(p *model.Port) {
	view.Delete(c.db, view.Ports, view.KeyOf(p))
	view.Delete(c.db, view.Members, view.Within("g", p.ID))
	view.Delete(c.db, view.Bindings, p.ID)
	view.Delete(c.db, view.Interfaces, "tap"+p.ID)
}

// BenchmarkOnePortChange measures what a port that comes and goes costs the engine, with many in view. The
// budget is 1 ms for each way, 8 flow-mods for a remote port and 40 for a local one, dual stack.
func BenchmarkOnePortChange(b *testing.B) {
	for _, ports := range []int{100, 1000, 10000} {
		for _, local := range []bool{false, true} {
			b.Run(fmt.Sprintf("%dports/local=%v", ports, local), func(b *testing.B) {
				c := newCloud(b, ports, 10)
				mods := 0
				for b.Loop() {
					p := c.addPort(local)
					mods = len(c.eng.Step().Flows)
					c.removePort(p)
					c.eng.Step()
				}
				b.ReportMetric(float64(mods), "flow-mods")
			})
		}
	}
}

// BenchmarkMemoryPerRemotePort measures the live heap that a remote port costs. Its budget is 4 KiB.
func BenchmarkMemoryPerRemotePort(b *testing.B) {
	const ports = 10000
	for b.Loop() {
		before := liveHeap()
		c := newCloud(b, ports, 10)
		b.ReportMetric(float64(liveHeap()-before)/ports, "B/port")
		b.ReportMetric(float64(c.eng.FlowCount()), "flows")
		runtime.KeepAlive(c)
	}
}

func liveHeap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestOnePortMoreIsWithinItsBudgetOfFlowMods(t *testing.T) {
	c := newCloud(t, 50, 10)
	c.addPort(false)
	if n := len(c.eng.Step().Flows); n > 8 {
		t.Errorf("a remote port costs %d flow-mods, want at most 8", n)
	}
	c.addPort(true)
	// 40 for the port, and 2 for it as a member of its group, which a rule names: as of every new member.
	if n := len(c.eng.Step().Flows); n > 40+2 {
		t.Errorf("a local port that is a member of a group costs %d flow-mods, want at most 40 and 2", n)
	}
}
