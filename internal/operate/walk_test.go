package operate_test

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/operate"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

// TestWalkIsWhatTheSwitchDoes compares the way of many packets with Open vSwitch's own trace: the flows
// that were met, and the ports that got the packet.
func TestWalkIsWhatTheSwitchDoes(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.Remove(apptest.Plug(c.web, 1), apptest.Plug(c.db, 2), apptest.Plug(c.open, 3), apptest.Plug(c.stranger, 4))
	s := c.Switch(c.ports()...)
	c.MustStep()
	s.Install()
	zones := map[uint16]flow.Value{}
	for n := range c.Numbers.Names(pipeline.Zones.Name) {
		zones[uint16(n)] = flow.Value{}
	}
	tables := operate.Snapshot(c.Engine, c.DB)
	for state, conn := range map[string]operate.Connection{
		"trk,new": {}, "trk,est": {Marks: zones}, "trk,est,rpl": {Marks: zones, Reply: true},
	} {
		for what, p := range c.packets() {
			trace := tables.Walk(p, operate.Assumptions{Connection: conn})
			met, ports := ours(&trace)
			wantMet, wantPorts := theirs(t, s.Appctl("ofproto/trace", apptest.Bridge, operate.TraceSyntax(p),
				"--ct-next", state, "--ct-next", state, "--ct-next", state))
			if diff := cmp.Diff(wantMet, met); diff != "" {
				t.Errorf("%s %s (%s): flows met (-Open vSwitch +walk):\n%s", state, what, match(p), diff)
			}
			if diff := cmp.Diff(wantPorts, ports); diff != "" {
				t.Errorf("%s %s (%s): ports (-Open vSwitch +walk):\n%s", state, what, match(p), diff)
			}
			for _, st := range trace.Steps {
				if len(st.Rivals) > 0 {
					t.Errorf("%s: at %s the switch may take %q or %q", what, st.Stage, st.Flow, st.Rivals)
				}
			}
		}
	}
}

// packets are of all the kinds that the pipeline tells apart.
func (c *cloud) packets() map[string]operate.Packet {
	out := map[string]operate.Packet{}
	addr := netip.MustParseAddr
	send := func(what string, from *model.Port, b operate.Probe) {
		b.SrcMAC = from.MACAddress
		out[what] = b.Packet(uint32(from.MACAddress[5]))
	}
	for name, proto := range map[string]int{"tcp": flow.ProtoTCP, "udp": flow.ProtoUDP, "sctp": flow.ProtoSCTP, "gre": 47} {
		for _, port := range []int{22, 53, 80, 443, 5432} {
			b := operate.Probe{Src: addr("10.0.0.1"), Dst: addr("10.0.0.2"), DstMAC: c.db.MACAddress, Proto: proto, SrcPort: 40000, DstPort: port}
			send(fmt.Sprint(name, port, " web to db"), c.web, b)
			b.Src = addr("10.0.0.3")
			send(fmt.Sprint(name, port, " open to db"), c.open, b)
			send(fmt.Sprint(name, port, " spoofed"), c.web, b)
			b.Src, b.Dst, b.DstMAC = addr("2001:db8::2"), addr("2001:db8::1"), c.web.MACAddress
			send(fmt.Sprint(name, port, " db to web in IPv6"), c.db, b)
		}
	}
	send("ping", c.web, operate.Probe{Src: addr("10.0.0.1"), Dst: addr("10.0.0.3"), DstMAC: c.open.MACAddress, Proto: flow.ProtoICMP, DstPort: 8})
	send("ping in IPv6", c.web, operate.Probe{Src: addr("2001:db8::1"), Dst: addr("2001:db8::2"), DstMAC: c.db.MACAddress, Proto: flow.ProtoICMPv6, DstPort: 128})
	send("DHCP", c.web, operate.Probe{Src: addr("0.0.0.0"), Dst: addr("255.255.255.255"), DstMAC: [6]byte{255, 255, 255, 255, 255, 255}, Proto: flow.ProtoUDP, SrcPort: 68, DstPort: 67})
	send("broadcast", c.open, operate.Probe{Src: addr("10.0.0.3"), Dst: addr("10.0.0.255"), DstMAC: [6]byte{255, 255, 255, 255, 255, 255}, Proto: flow.ProtoUDP, SrcPort: 9, DstPort: 9})
	send("unknown unicast", c.web, operate.Probe{Src: addr("10.0.0.1"), Dst: addr("10.0.0.9"), DstMAC: [6]byte{2, 9}, Proto: flow.ProtoTCP, DstPort: 80})
	send("unknown unicast where nobody is open", c.stranger, operate.Probe{Src: addr("10.1.0.1"), Dst: addr("10.1.0.9"), DstMAC: [6]byte{2, 9}, Proto: flow.ProtoTCP, DstPort: 80})
	out["unknown port"] = operate.Probe{Src: addr("10.0.0.1"), Dst: addr("10.0.0.2"), Proto: flow.ProtoTCP}.Packet(77)
	out["tagged"] = out["tcp443 web to db"].With(flow.Tagged(5))
	for name, op := range map[string]uint64{"request": 1, "reply": 2} {
		for _, spa := range []string{"10.0.0.1", "10.0.0.2", "0.0.0.0"} {
			out["ARP "+name+" of "+spa] = operate.NewPacket(flow.InPort.Is(1), flow.EthSrc.MAC(c.web.MACAddress),
				flow.EthDst.MAC([6]byte{255, 255, 255, 255, 255, 255}), flow.ARP(), flow.ARPOp.Is(op), flow.ARPSHA.MAC(c.web.MACAddress),
				flow.ARPSPA.Addr(addr(spa)), flow.ARPTPA.Addr(addr("10.0.0.2")))
		}
	}
	solicit := operate.NewPacket(flow.InPort.Is(1), flow.EthSrc.MAC(c.web.MACAddress), flow.EthDst.MAC([6]byte{0x33, 0x33, 0xff, 0, 0, 2}),
		flow.IPv6(), flow.IPProto.Is(flow.ProtoICMPv6), flow.ICMPv6Type.Is(135), flow.IPv6Dst.Addr(addr("ff02::1:ff00:2")), flow.IPTTL.Is(255))
	out["neighbour solicitation"] = solicit.With(flow.IPv6Src.Addr(addr("2001:db8::1")), flow.NDTarget.Addr(addr("2001:db8::2")), flow.NDSLL.MAC(c.web.MACAddress))
	out["duplicate address detection"] = solicit.With(flow.NDTarget.Addr(addr("2001:db8::1")))
	out["duplicate address detection for another's"] = solicit.With(flow.NDTarget.Addr(addr("2001:db8::2")))
	return out
}

// match is what a packet looks like to flows, as a match that only it meets.
func match(p operate.Packet) flow.Match {
	var list []flow.Constraint
	for f := flow.InPort; f.Valid(); f++ {
		if v := p.Get(f); v != (flow.Value{}) {
			list = append(list, f.With(v, full(f)))
		}
	}
	return flow.NewMatch(list...)
}

func full(f flow.Field) flow.Value {
	switch {
	case f == flow.VLANVID:
		return flow.Uint(0x1fff)
	case f.Bits() == 128:
		return flow.Value{Hi: 1<<64 - 1, Lo: 1<<64 - 1}
	}
	return flow.Uint(1<<f.Bits() - 1)
}

// ours lists the flows of a walk, without misses, and the ports that it reached.
func ours(trace *operate.Trace) (met, ports []string) {
	for _, s := range trace.Keys() {
		met = append(met, fmt.Sprintf("%d. priority %d %s", s.Table, s.Priority, s.Match))
	}
	for _, o := range trace.Outcomes {
		if o.Kind == operate.Delivered || o.Kind == operate.Answered {
			ports = append(ports, fmt.Sprint(o.OFPort))
		}
	}
	slices.Sort(met)
	slices.Sort(ports)
	return met, ports
}

// theirs reads the same from the text of ofproto/trace.
func theirs(t *testing.T, text string) (met, ports []string) {
	flows := regexp.MustCompile(`^ *(\d+)\. (?:(\S*), )?priority (\d+)`)
	output := regexp.MustCompile(`^ *output:(\d+)$`)
	suppressed := regexp.MustCompile(`skipping output to input port`)
	inPort := regexp.MustCompile(`in_port=(\d+)`).FindStringSubmatch(text)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if m := flows.FindStringSubmatch(line); m != nil {
			met = append(met, fmt.Sprintf("%s. priority %s %s", m[1], m[3], m[2]))
		}
		if m := output.FindStringSubmatch(line); m != nil && !(i+1 < len(lines) && suppressed.MatchString(lines[i+1])) {
			ports = append(ports, m[1])
		}
		if strings.TrimSpace(line) == "IN_PORT" {
			ports = append(ports, inPort[1])
		}
	}
	if len(met) == 0 {
		t.Errorf("cannot read a trace:\n%s", text)
	}
	slices.Sort(met)
	slices.Sort(ports)
	return met, ports
}

// FuzzFromFrame reads frames that anybody may have sent.
func FuzzFromFrame(f *testing.F) {
	f.Add([]byte{0x33, 0x33, 0xff, 0, 0, 2, 0xfa, 0x16, 0x3e, 0, 0, 1, 0x81, 0, 0, 5, 0x86, 0xdd, 0x60, 0, 0, 0, 0, 0, 0x2c, 0xff})
	f.Add(append([]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 8, 0, 0x4f}, make([]byte, 60)...))
	f.Fuzz(func(t *testing.T, frame []byte) {
		if p := operate.FromFrame(7, frame); p.Get(flow.InPort) != flow.Uint(7) {
			t.Error("the port is lost")
		}
	})
}
