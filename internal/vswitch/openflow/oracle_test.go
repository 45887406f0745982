package openflow_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/testkit/ovs"
	"github.com/dragonflow/dragonflow/internal/vswitch/openflow"
)

func deadline(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), ovs.Deadline)
	t.Cleanup(cancel)
	return ctx
}

func dial(t testing.TB, sw *ovs.Switch, bridge string, opt openflow.Options) *openflow.Conn {
	t.Helper()
	c, err := openflow.Dial(deadline(t), sw.Mgmt(bridge), opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func adds(flows []flow.Flow) []openflow.FlowMod {
	mods := make([]openflow.FlowMod, len(flows))
	for i, f := range flows {
		mods[i] = openflow.FlowMod{Flow: f}
	}
	return mods
}

func flows(t testing.TB, c *openflow.Conn) []flow.Flow {
	t.Helper()
	var list []flow.Flow
	for s, err := range c.Flows(deadline(t), openflow.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		if s.Opaque != nil {
			t.Errorf("flow not understood: %v, %x", s.Flow, s.Opaque)
		}
		list = append(list, s.Flow)
	}
	slices.SortFunc(list, func(a, b flow.Flow) int { return int(a.Cookie) - int(b.Cookie) })
	return list
}

// lines returns what ovs-ofctl prints of a bridge's flows, by cookie.
func lines(sw *ovs.Switch, bridge string) map[string]string {
	by := map[string]string{}
	for l := range strings.Lines(sw.Ofctl("-O", "OpenFlow14", "--no-stats", "--no-names", "dump-flows", bridge)) {
		l = strings.TrimSpace(l)
		if cookie, _, ok := strings.Cut(l, ","); ok && strings.HasPrefix(cookie, "cookie=") {
			by[cookie] = l
		}
	}
	return by
}

// TestAgainstOvsOfctl is the proof of the codec: for every match and every action that package flow can
// build, what we install, what ovs-ofctl prints, what ovs-ofctl installs from that text, what we dump and what we print agree.
func TestAgainstOvsOfctl(t *testing.T) {
	sw := ovs.Start(t)
	sw.AddBridge("ours")
	sw.AddBridge("theirs")
	sent := everything()
	c := dial(t, sw, "ours", openflow.Options{})
	if err := c.ApplyMeters(deadline(t), []openflow.MeterMod{{Meter: flow.NewMeter(3, flow.PacketsPerSecond, 100, 0)}}); err != nil {
		t.Fatal(err)
	}
	group := flow.NewGroup(7, flow.GroupIndirect, flow.Bucket{Actions: []flow.Action{flow.Output(1)}})
	if err := c.ApplyGroups(deadline(t), []openflow.GroupMod{{Group: group}}); err != nil {
		t.Fatal(err)
	}
	sw.Ofctl("-O", "OpenFlow14", "add-meter", "theirs", "meter=3,pktps,bands=type=drop,rate=100")
	sw.Ofctl("-O", "OpenFlow14", "add-group", "theirs", "group_id=7,type=indirect,bucket=actions=output:1")
	if err := c.Apply(deadline(t), adds(sent)); err != nil {
		t.Fatal(err)
	}

	ours := lines(sw, "ours")
	file := filepath.Join(t.TempDir(), "flows")
	var text strings.Builder
	for _, l := range ours {
		text.WriteString(l + "\n")
	}
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	sw.Ofctl("-O", "OpenFlow14", "--bundle", "add-flows", "theirs", file)
	theirs := lines(sw, "theirs")

	dumped := flows(t, c)
	installed := flows(t, dial(t, sw, "theirs", openflow.Options{}))
	if len(dumped) != len(sent) || len(installed) != len(sent) {
		t.Fatalf("sent %d flows, the dump has %d, that of what ovs-ofctl installed %d", len(sent), len(dumped), len(installed))
	}
	for i, f := range sent {
		key := fmt.Sprintf("cookie=%#x", f.Cookie)
		if got := f.String(); got != ours[key] {
			t.Errorf("String:    %s\novs-ofctl: %s", got, ours[key])
		}
		if ours[key] != theirs[key] {
			t.Errorf("ours:   %s\ntheirs: %s", ours[key], theirs[key])
		}
		if dumped[i] != f {
			t.Errorf("sent:   %v\n%x %x\ndumped: %v\n%x %x", f, f.Match.Wire(), f.Instructions.Wire(), dumped[i], dumped[i].Match.Wire(), dumped[i].Instructions.Wire())
		}
		if installed[i] != f {
			t.Errorf("sent:               %v\n%x %x\nbuilt by ovs-ofctl: %v\n%x %x", f, f.Match.Wire(), f.Instructions.Wire(), installed[i], installed[i].Match.Wire(), installed[i].Instructions.Wire())
		}
	}
}

// everything returns a flow for each case, told apart by cookie.
func everything() []flow.Flow {
	var list []flow.Flow
	add := func(f flow.Flow) {
		f.Cookie = uint64(len(list) + 1)
		list = append(list, f)
	}
	for i, m := range matches() {
		add(flow.Flow{Table: 1, Priority: uint16(1000 + i), Match: m})
	}
	ip := []flow.Constraint{flow.IPv4()}
	for i, a := range actions() {
		add(flow.Flow{Table: 2, Priority: uint16(1000 + i), Match: flow.NewMatch(ip...), Instructions: flow.Do(a)})
	}
	for i, ins := range instructions() {
		add(flow.Flow{Table: 3, Priority: uint16(1000 + i), Instructions: ins})
	}
	for _, f := range needy() {
		f.Table = 4
		add(f)
	}
	add(flow.Flow{Table: 5, Priority: flow.DefaultPriority, IdleTimeout: 600, HardTimeout: 700})
	add(flow.Flow{Table: 0, Priority: 0})
	return list
}

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }
func ip(s string) netip.Addr       { return netip.MustParseAddr(s) }

func mac(last byte) [6]byte { return [6]byte{0xfa, 0x16, 0x3e, 0, 0, last} }

// matches has each field alone, masked where it may be, and combinations.
func matches() []flow.Match {
	m := func(c ...flow.Constraint) flow.Match { return flow.NewMatch(c...) }
	v4, v6 := flow.IPv4(), flow.IPv6()
	tcp, udp, sctp := flow.IPProto.Is(6), flow.IPProto.Is(17), flow.IPProto.Is(132)
	icmp, icmp6 := flow.IPProto.Is(1), flow.IPProto.Is(58)
	ns, na := flow.ICMPv6Type.Is(135), flow.ICMPv6Type.Is(136)
	trk := flow.CTStateIs(flow.CTTrk|flow.CTEst, flow.CTInv|flow.CTNew)
	list := []flow.Match{
		m(), m(flow.InPort.Is(1)), m(flow.InPort.Is(flow.PortLocal)), m(flow.InPort.Is(65000)),
		m(flow.ConjID.Is(4000000000)),
		m(flow.EthSrc.MAC(mac(1))), m(flow.EthDst.MAC(mac(2)), flow.EthSrc.MAC(mac(1))),
		m(flow.EthDst.MACMasked([6]byte{1}, [6]byte{1})), m(flow.EthSrc.MACMasked([6]byte{}, [6]byte{1})),
		m(v4), m(v6), m(flow.ARP()), m(flow.EthType.Is(flow.EthTypeRARP)), m(flow.EthType.Is(0x88cc)), m(flow.EthType.Is(0x88cc), flow.EthSrc.MAC(mac(9))),
		m(flow.EthType.Is(0x600), flow.EthDst.MAC(mac(9)), flow.InPort.Is(3)),
		m(flow.Untagged()), m(flow.Tagged(5)), m(flow.Tagged(0)), m(flow.AnyTag()), m(flow.Tagged(4095), flow.VLANPCP.Is(7)),
		m(flow.AnyTag(), flow.VLANPCP.Is(3)), m(flow.VLANVID.Masked(0x1005, 0x1fff)), m(flow.VLANVID.Masked(0x1004, 0x100c)),
		m(v4, flow.IPv4Src.Addr(ip("10.0.0.1"))), m(v4, flow.IPv4Dst.Prefix(prefix("10.1.0.0/16"))), m(v4, flow.IPv4Dst.Prefix(prefix("0.0.0.0/0"))),
		m(v4, flow.IPv4Src.Masked(0x0a000001, 0xff0000ff)), m(v4, flow.IPv4Dst.Prefix(prefix("128.0.0.0/1"))), m(v4, flow.IPv4Src.Addr(ip("0.0.0.0"))),
		m(v6, flow.IPv6Src.Addr(ip("fe80::1"))), m(v6, flow.IPv6Dst.Prefix(prefix("2001:db8::/33"))), m(v6, flow.IPv6Src.Addr(ip("::"))),
		m(v6, flow.IPv6Src.Addr(ip("::1"))), m(v6, flow.IPv6Src.Addr(ip("::1.2.3.4"))), m(v6, flow.IPv6Src.Addr(ip("::ffff:1.2.3.4"))),
		m(v6, flow.IPv6Dst.Addr(ip("2001:0:0:1::2"))), m(v6, flow.IPv6Dst.Prefix(prefix("ff00::/8"))),
		m(v6, flow.IPv6Dst.Bytes([]byte{15: 9}, []byte{0: 0xff, 15: 0xff})), m(v6, flow.IPv6Dst.Prefix(prefix("2001:db8::1/127"))),
		m(v6, flow.IPv6Label.Is(0x12345)), m(v6, flow.IPv6Label.Masked(0x300, 0xf00)), m(v6, flow.IPv6Label.Masked(0x12345, 0xfffff)),
		m(v4, flow.IPFrag.Is(0)), m(v4, flow.IPFrag.Is(1)), m(v4, flow.IPFrag.Is(3)), m(v6, flow.IPFrag.Masked(1, 1)), m(v4, flow.IPFrag.Masked(0, 1)),
		m(v4, flow.IPFrag.Masked(0, 2)), m(v4, flow.IPFrag.Masked(2, 2)),
		m(v4, flow.IPDSCP.Is(46)), m(v6, flow.IPDSCP.Is(0)), m(v4, flow.IPECN.Is(3)), m(v4, flow.IPTTL.Is(1)), m(v6, flow.IPTTL.Is(255)),
		m(v4, flow.IPProto.Is(2)), m(v6, flow.IPProto.Is(0)), m(v4, tcp), m(v6, tcp), m(v4, udp), m(v6, udp), m(v4, sctp), m(v6, sctp), m(v4, icmp), m(v6, icmp6),
		m(v4, flow.IPProto.Is(58)), m(v6, flow.IPProto.Is(1)), m(v4, flow.IPProto.Is(112)),
		m(v4, tcp, flow.TCPSrc.Is(1)), m(v4, tcp, flow.TCPDst.Masked(0x1f90, 0xfff0)), m(v6, tcp, flow.TCPDst.Is(0)),
		m(v4, tcp, flow.TCPFlags.Is(2)), m(v4, tcp, flow.TCPFlags.Masked(2, 0x12)), m(v4, tcp, flow.TCPFlags.Is(0)), m(v6, tcp, flow.TCPFlags.Masked(0xfff, 0xfff)),
		m(v4, udp, flow.UDPSrc.Is(68), flow.UDPDst.Is(67)), m(v6, udp, flow.UDPDst.Masked(546, 0xfffe)),
		m(v4, sctp, flow.SCTPSrc.Is(5)), m(v6, sctp, flow.SCTPDst.Masked(4, 4)),
		m(v4, icmp, flow.ICMPType.Is(8), flow.ICMPCode.Is(0)), m(v4, icmp, flow.ICMPCode.Is(4)), m(v6, icmp6, flow.ICMPv6Type.Is(128), flow.ICMPv6Code.Is(0)),
		m(v6, icmp6, ns, flow.NDTarget.Addr(ip("fe80::5"))), m(v6, icmp6, ns, flow.NDTarget.Prefix(prefix("fe80::/64"))), m(v6, icmp6, ns, flow.NDSLL.MAC(mac(3))),
		m(v6, icmp6, na, flow.NDTLL.MAC(mac(4)), flow.NDTarget.Addr(ip("fe80::5")), flow.ICMPv6Code.Is(0)),
		m(v6, icmp6, na, flow.NDReserved.Is(0x60000000)), m(v6, icmp6, ns, flow.NDOptionsType.Is(1)), m(v6, icmp6, ns, flow.NDReserved.Is(0x60000000), flow.NDOptionsType.Is(2), flow.NDSLL.MACMasked(mac(0), mac(0)), flow.NDTarget.Addr(ip("fe80::5"))),
		m(flow.ARP(), flow.ARPOp.Is(1)), m(flow.ARP(), flow.ARPOp.Is(2), flow.ARPSPA.Addr(ip("10.0.0.1")), flow.ARPTPA.Prefix(prefix("10.0.0.0/24"))),
		m(flow.ARP(), flow.ARPSHA.MAC(mac(5)), flow.ARPTHA.MACMasked([6]byte{}, [6]byte{255})), m(flow.EthType.Is(flow.EthTypeRARP), flow.ARPOp.Is(3)),
		m(flow.TunID.Is(77)), m(flow.TunID.Masked(0x100, 0xff00)), m(flow.TunID.Is(0)), m(flow.TunSrc.Addr(ip("172.16.0.1"))), m(flow.TunDst.Prefix(prefix("172.16.0.0/12"))),
		m(flow.TunIPv6Src.Addr(ip("fd00::1"))), m(flow.TunIPv6Dst.Prefix(prefix("fd00::/16"))),
		m(flow.Metadata.Is(1)), m(flow.Metadata.Is(0)), m(flow.Metadata.Masked(0xff00000000, 0xffff00000000)),
		m(flow.PktMark.Is(0)), m(flow.PktMark.Masked(1, 1)),
		m(flow.CTState.Is(0)), m(flow.CTState.Is(0x21)), m(flow.CTStateIs(flow.CTTrk|flow.CTNew, 0)), m(flow.CTStateIs(0, flow.CTTrk)), m(flow.CTStateIs(0xa2, 0x55)),
		m(flow.CTZone.Is(65535)), m(flow.CTZone.Is(0)), m(flow.CTMark.Is(0xffffffff)), m(flow.CTMark.Masked(0, 1)),
		m(flow.CTLabel.Bytes([]byte{0: 1, 15: 2}, nil)), m(flow.CTLabel.Bytes([]byte{15: 2}, []byte{15: 3})), m(flow.CTLabel.Bytes(make([]byte, 16), nil)),
		m(v4, trk, flow.CTNwSrc.Addr(ip("10.0.0.1")), flow.CTNwDst.Prefix(prefix("10.0.0.0/8"))), m(v6, trk, flow.CTIPv6Src.Addr(ip("fd00::1")), flow.CTIPv6Dst.Prefix(prefix("fd00::/8"))),
		m(v4, trk, flow.CTNwProto.Is(6), flow.CTTpSrc.Is(5), flow.CTTpDst.Masked(80, 0xfff0)), m(v6, trk, flow.CTNwProto.Is(17), flow.CTTpDst.Is(53)),
		m(flow.XXReg0.Bytes([]byte{0: 1, 15: 2}, nil)), m(flow.XXReg3.Bytes([]byte{7: 1, 15: 0}, []byte{7: 1, 15: 0})),
		// several of each kind, given in a wild order
		m(flow.Metadata.Is(9), flow.Reg7.Is(1), flow.Reg0.Masked(1, 3), trk, flow.CTZone.Is(4), flow.CTMark.Is(5), flow.CTLabel.Bytes([]byte{15: 2}, []byte{15: 3}), flow.PktMark.Is(6), flow.TunID.Is(8), flow.TunSrc.Addr(ip("1.2.3.4")),
			flow.TunDst.Addr(ip("4.3.2.1")), v4, tcp, flow.TCPFlags.Masked(2, 2), flow.TCPDst.Is(1), flow.TCPSrc.Is(2), flow.IPTTL.Is(3), flow.IPECN.Is(1), flow.IPDSCP.Is(2), flow.IPFrag.Is(0),
			flow.IPv4Dst.Addr(ip("1.1.1.1")), flow.IPv4Src.Addr(ip("2.2.2.2")), flow.Tagged(5), flow.VLANPCP.Is(1), flow.EthDst.MAC(mac(1)), flow.EthSrc.MAC(mac(2)), flow.InPort.Is(1), flow.ConjID.Is(3)),
		m(flow.InPort.Is(1), flow.Metadata.Is(9), v6, icmp6, ns, flow.IPv6Dst.Prefix(prefix("ff02::1:ff00:0/104")), flow.IPv6Src.Addr(ip("::")), flow.IPTTL.Is(255), flow.NDTarget.Addr(ip("fe80::1")), flow.NDSLL.MAC(mac(1)), flow.IPv6Label.Is(0), flow.Reg15.Is(0)),
		m(flow.ARP(), flow.Reg6.Is(1), flow.ARPTHA.MAC(mac(1)), flow.ARPSHA.MAC(mac(2)), flow.ARPTPA.Addr(ip("1.1.1.1")), flow.ARPSPA.Addr(ip("2.2.2.2")), flow.ARPOp.Is(1), flow.EthDst.MAC([6]byte{255, 255, 255, 255, 255, 255}), flow.InPort.Is(1)),
	}
	for i := range 16 {
		list = append(list, m(flow.Reg(i).Is(uint64(i))), m(flow.Reg(i).Part(4, 8).Is(0xab)))
	}
	return list
}

// actions has each action that is valid for any IPv4 packet.
func actions() []flow.Action {
	r0, r1, label := flow.Reg0, flow.Reg1, flow.CTLabel
	zone := flow.Reg6.Part(0, 16)
	nat := func(n flow.NAT) flow.Action { return flow.CT(flow.ConnTrack{Commit: true, Zone: 1, NAT: &n}) }
	list := []flow.Action{
		flow.Output(1), flow.Output(flow.MaxPort), flow.OutputInPort(), flow.OutputLocal(), flow.Output(flow.PortNormal), flow.Output(flow.PortAll), flow.Output(flow.PortFlood),
		flow.Group(7), flow.DecTTL(), flow.PushVLAN(), flow.CTClear(), flow.Exit(),
		flow.SetField(flow.EthSrc.MAC(mac(1))), flow.SetField(flow.EthDst.MAC(mac(1))), flow.SetField(flow.EthDst.MACMasked([6]byte{1}, [6]byte{1})),
		flow.SetField(flow.IPv4Src.Addr(ip("10.0.0.1"))), flow.SetField(flow.IPv4Dst.Prefix(prefix("10.0.0.0/24"))), flow.SetField(flow.IPTTL.Is(64)), flow.SetField(flow.IPDSCP.Is(46)), flow.SetField(flow.IPECN.Is(1)),
		flow.SetField(flow.Reg0.Is(0)), flow.SetField(flow.Reg5.Is(0xffffffff)), flow.SetField(flow.Reg15.Masked(0x50, 0xf0)), flow.SetField(flow.Metadata.Is(5)), flow.SetField(flow.Metadata.Masked(5, 0xf)),
		flow.SetField(flow.XXReg0.Bytes([]byte{0: 1, 15: 2}, nil)), flow.SetField(flow.XXReg2.Bytes([]byte{0: 1, 15: 0}, []byte{0: 0xff, 15: 0})),
		flow.SetField(flow.TunID.Is(55)), flow.SetField(flow.TunSrc.Addr(ip("1.2.3.4"))), flow.SetField(flow.TunDst.Addr(ip("1.2.3.4"))), flow.SetField(flow.TunIPv6Dst.Addr(ip("fd00::1"))), flow.SetField(flow.PktMark.Is(1)),
		flow.Load(r0.All(), 0), flow.Load(r0.All(), 0xffffffff), flow.Load(flow.Reg7.Part(0, 16), 0xffff), flow.Load(flow.Reg7.Part(31, 1), 1), flow.Load(flow.Metadata.All(), 1<<63), flow.Load(flow.XXReg1.Part(64, 64), 1),
		flow.Load(flow.EthSrc.All(), 0xfa163e000001), flow.Load(flow.IPv4Dst.All(), 1), flow.Load(flow.TunID.All(), 9), flow.Load(flow.Metadata.Part(32, 32), 5), flow.Load(flow.IPTTL.All(), 3), flow.Load(flow.InPort.All(), 0),
		flow.LoadReg(flow.Reg3, 5),
		flow.Move(flow.EthSrc.All(), flow.EthDst.All()), flow.Move(flow.IPv4Src.All(), flow.IPv4Dst.All()), flow.Move(r0.Part(0, 16), r1.Part(16, 16)), flow.Move(flow.XXReg0.All(), flow.XXReg1.All()), flow.Move(flow.CTLabel.Part(0, 32), r0.All()),
		flow.Move(flow.TunID.Part(0, 24), flow.Metadata.Part(0, 24)), flow.Move(flow.CTMark.All(), r1.All()), flow.Move(flow.InPort.Part(0, 16), r1.Part(0, 16)), flow.Move(flow.CTState.All(), r1.All()), flow.Move(flow.CTZone.All(), r1.Part(0, 16)), flow.Move(flow.TunSrc.All(), r1.All()),
		flow.Resubmit(0), flow.Resubmit(200), flow.ResubmitPort(5, 6),
		flow.CT(flow.ConnTrack{}), flow.CT(flow.ConnTrack{Commit: true}), flow.CT(flow.ConnTrack{Commit: true, Force: true, Zone: 65535}), flow.CT(flow.ConnTrack{HasTable: true, ZoneFrom: zone}), flow.CT(flow.ConnTrack{HasTable: true, Table: 5, NAT: &flow.NAT{}}),
		flow.CT(flow.ConnTrack{Commit: true, ZoneFrom: zone, Exec: []flow.Action{flow.Load(flow.CTMark.All(), 5), flow.SetField(label.Bytes([]byte{15: 1}, nil)), flow.SetField(label.Bytes([]byte{15: 1}, []byte{15: 1})), flow.Move(r0.All(), flow.CTMark.All()), flow.SetField(flow.CTMark.Is(4)), flow.SetField(flow.CTMark.Masked(4, 12)), flow.Load(label.Part(0, 64), 3)}}),
		flow.CT(flow.ConnTrack{Commit: true, HasTable: true, Table: 9, ZoneFrom: zone, NAT: &flow.NAT{Dst: true, Min: ip("10.0.0.5")}, Exec: []flow.Action{flow.Load(flow.CTMark.Part(0, 1), 1)}}),
		nat(flow.NAT{}), nat(flow.NAT{Src: true}), nat(flow.NAT{Dst: true}), nat(flow.NAT{Src: true, Min: ip("1.2.3.4"), Max: ip("1.2.3.9"), MinPort: 1024, MaxPort: 65535, Random: true}),
		nat(flow.NAT{Dst: true, Min: ip("1.2.3.4"), MinPort: 80}), nat(flow.NAT{Src: true, Min: ip("1.2.3.4"), Hash: true, Persistent: true}),
		flow.Clone(flow.Load(r0.All(), 1), flow.Resubmit(5)), flow.Clone(flow.Clone(flow.Output(1)), flow.CTClear()),
		flow.Note([]byte("hello")), flow.Note([]byte("a text that is longer")), flow.Note(nil),
		flow.Push(r0.All()), flow.Push(flow.XXReg0.All()), flow.Pop(r1.Part(0, 16)), flow.Push(flow.InPort.Part(0, 16)),
		flow.Multipath(flow.HashSymmetricL4, 1024, flow.ModuloN, 4, r0.Part(0, 8)), flow.Multipath(flow.HashSymmetricL3L4UDP, 0, flow.HRW, 1, r0.All()), flow.Multipath(flow.HashEthSrc, 1, flow.HashThreshold, 100, flow.Reg5.Part(16, 16)), flow.Multipath(flow.HashSymmetricL3L4, 7, flow.IterHash, 2, r0.Part(4, 1)),
		flow.Multipath(flow.HashNwSrc, 7, flow.ModuloN, 2, r0.Part(4, 1)), flow.Multipath(flow.HashNwDst, 7, flow.ModuloN, 2, r0.Part(4, 1)),
		flow.CheckPktLarger(1500, r0.Part(3, 1)), flow.CheckPktLarger(65535, flow.XXReg1.Part(100, 1)),
		flow.Controller(flow.Punt{}), flow.Controller(flow.Punt{MaxLen: 128}), flow.Controller(flow.Punt{MaxLen: 128, ID: 3}), flow.Controller(flow.Punt{ID: 7}), flow.Controller(flow.Punt{Userdata: []byte{1, 2, 3}}), flow.Controller(flow.Punt{MaxLen: 128, ID: 7, Userdata: []byte("12345678"), Pause: true, Meter: 3}),
		flow.Controller(flow.Punt{Pause: true}), flow.Controller(flow.Punt{Meter: 3}),
		flow.Learn(flow.LearnFlow{Table: 10, Priority: flow.DefaultPriority, Specs: []flow.LearnSpec{flow.LearnMatch(flow.EthDst.All(), flow.EthSrc.All()), flow.LearnOutput(flow.InPort.Part(0, 16))}}),
		flow.Learn(flow.LearnFlow{Table: 10, Priority: 5, Cookie: 0xabc, IdleTimeout: 60, HardTimeout: 600, DeleteLearned: true, Limit: 100, Specs: []flow.LearnSpec{
			flow.LearnMatchValue(flow.EthType.All(), 0x800), flow.LearnMatch(flow.IPv4Src.All(), flow.IPv4Dst.All()), flow.LearnMatch(flow.Metadata.All(), flow.Metadata.All()), flow.LearnMatchValue(flow.Reg0.Part(0, 4), 5),
			flow.LearnLoad(flow.Reg0.All(), flow.IPv4Src.All()), flow.LearnLoadValue(flow.Reg1.Part(3, 12), 0xabc), flow.LearnLoadValue(flow.Metadata.All(), 1<<40), flow.LearnLoad(flow.Reg3.Part(0, 16), flow.Reg6.Part(16, 16))}}),
	}
	return list
}

// instructions has lists of several.
func instructions() []flow.Instructions {
	return []flow.Instructions{
		flow.Drop(), flow.Goto(9), flow.Do(flow.Output(1), flow.Output(2)), flow.Do(flow.LoadReg(flow.Reg0, 1)).Goto(10),
		flow.Drop().WriteMetadata(1, ^uint64(0)), flow.Drop().WriteMetadata(0x10, 0xff).Goto(4), flow.Goto(200).WriteMetadata(0, 1).Meter(3), flow.Drop().Meter(3), flow.Do(flow.Output(1)).Meter(3),
	}
}

// needy has actions that need a match.
func needy() []flow.Flow {
	v4, v6 := flow.IPv4(), flow.IPv6()
	ns, na := flow.ICMPv6Type.Is(135), flow.ICMPv6Type.Is(136)
	f := func(priority uint16, m flow.Match, a ...flow.Action) flow.Flow {
		return flow.Flow{Priority: priority, Match: m, Instructions: flow.Do(a...)}
	}
	return []flow.Flow{
		f(1, flow.NewMatch(flow.Tagged(5)), flow.SetVLAN(7), flow.SetField(flow.VLANPCP.Is(3)), flow.Load(flow.VLANVID.All(), 5), flow.Move(flow.VLANVID.All(), flow.Reg0.Part(0, 12)), flow.PopVLAN()),
		f(2, flow.NewMatch(flow.Untagged()), flow.PushVLAN(), flow.SetVLAN(7)),
		f(3, flow.NewMatch(flow.ARP()), flow.SetField(flow.ARPOp.Is(2)), flow.SetField(flow.ARPSPA.Addr(ip("1.2.3.4"))), flow.SetField(flow.ARPSHA.MAC(mac(1))), flow.Move(flow.ARPSHA.All(), flow.ARPTHA.All()), flow.Move(flow.ARPSPA.All(), flow.ARPTPA.All()), flow.Load(flow.ARPOp.All(), 2), flow.SetField(flow.ARPTPA.Addr(ip("1.2.3.4"))), flow.SetField(flow.ARPTHA.MAC(mac(1)))),
		f(4, flow.NewMatch(v4, flow.IPProto.Is(6)), flow.SetField(flow.TCPSrc.Is(80)), flow.SetField(flow.TCPDst.Is(81)), flow.Load(flow.TCPSrc.All(), 4), flow.Move(flow.TCPSrc.All(), flow.Reg0.Part(0, 16)), flow.Move(flow.TCPFlags.All(), flow.Reg0.Part(0, 12))),
		f(5, flow.NewMatch(v4, flow.IPProto.Is(17)), flow.SetField(flow.UDPSrc.Is(80)), flow.SetField(flow.UDPDst.Is(81)), flow.Move(flow.UDPSrc.All(), flow.UDPDst.All())),
		f(6, flow.NewMatch(v4, flow.IPProto.Is(132)), flow.SetField(flow.SCTPSrc.Is(80)), flow.SetField(flow.SCTPDst.Is(81)), flow.Load(flow.SCTPSrc.All(), 4)),
		f(7, flow.NewMatch(v4, flow.IPProto.Is(1)), flow.SetField(flow.ICMPType.Is(0)), flow.SetField(flow.ICMPCode.Is(1)), flow.Load(flow.ICMPType.All(), 0)),
		f(8, flow.NewMatch(v6, flow.IPProto.Is(58), flow.ICMPv6Type.Is(128)), flow.SetField(flow.ICMPv6Type.Is(129)), flow.SetField(flow.ICMPv6Code.Is(0)), flow.Load(flow.ICMPv6Type.All(), 129)),
		f(9, flow.NewMatch(v6, flow.IPProto.Is(58), ns), flow.SetField(flow.NDTarget.Addr(ip("fe80::1"))), flow.SetField(flow.NDSLL.MAC(mac(1))), flow.SetField(flow.NDReserved.Is(0xe0000000)), flow.SetField(flow.NDOptionsType.Is(2)), flow.Move(flow.NDTarget.All(), flow.XXReg0.All()), flow.Move(flow.NDSLL.All(), flow.EthDst.All())),
		f(10, flow.NewMatch(v6, flow.IPProto.Is(58), na), flow.SetField(flow.NDTLL.MAC(mac(1))), flow.Load(flow.NDTLL.All(), 5), flow.Load(flow.NDReserved.All(), 0x60000000), flow.Load(flow.NDOptionsType.All(), 2)),
		f(11, flow.NewMatch(v6), flow.SetField(flow.IPv6Src.Addr(ip("fe80::1"))), flow.SetField(flow.IPv6Dst.Bytes([]byte{0: 1, 15: 0}, []byte{0: 3, 15: 0})), flow.Move(flow.IPv6Src.All(), flow.IPv6Dst.All()), flow.Load(flow.IPv6Dst.Part(64, 64), 1), flow.SetField(flow.IPv6Label.Is(5)), flow.DecTTL(), flow.CT(flow.ConnTrack{HasTable: true, Table: 3}), flow.SetField(flow.IPTTL.Is(255))),
		f(14, flow.NewMatch(v6), flow.CT(flow.ConnTrack{Commit: true, NAT: &flow.NAT{Src: true, Min: ip("fd00::1"), Max: ip("fd00::9")}}), flow.CT(flow.ConnTrack{Commit: true, NAT: &flow.NAT{Dst: true, Min: ip("fd00::1"), MinPort: 1, MaxPort: 9}})),
		f(12, flow.NewMatch(flow.IPv4(), flow.CTStateIs(flow.CTTrk, flow.CTInv)), flow.Move(flow.CTNwSrc.All(), flow.IPv4Src.All())),
		f(13, flow.NewMatch(flow.Reg0.Is(1)), flow.Conjunction(5, 1, 2), flow.Conjunction(6, 2, 3)),
	}
}
