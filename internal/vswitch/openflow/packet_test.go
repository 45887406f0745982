package openflow_test

import (
	"bytes"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/testkit/ovs"
	"github.com/dragonflow/dragonflow/internal/vswitch/openflow"
)

// udpFrame is a UDP packet between two guests.
func udpFrame(last byte) []byte {
	f := make([]byte, 60)
	copy(f, []byte{0xfa, 0x16, 0x3e, 0, 0, 2, 0xfa, 0x16, 0x3e, 0, 0, 1, 8, 0,
		0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, last, 0x10, 0, 0x20, 0, 0, 26})
	sum := uint32(0)
	for i := 14; i < 34; i += 2 {
		sum += uint32(f[i])<<8 | uint32(f[i+1])
	}
	sum = sum&0xffff + sum>>16
	sum = sum&0xffff + sum>>16
	f[24], f[25] = byte(^sum>>8), byte(^sum)
	return f
}

// TestPacketInAndOut sends a guest's packet here with state, answers it, and resumes it.
func TestPacketInAndOut(t *testing.T) {
	sw := ovs.Start(t)
	sw.AddBridge("br0")
	number, err := strconv.Atoi(sw.AddPort("br0", "p1"))
	if err != nil {
		t.Fatal(err)
	}
	other, err := strconv.Atoi(sw.AddPort("br0", "p2"))
	if err != nil {
		t.Fatal(err)
	}
	quiet := dial(t, sw, "br0", openflow.Options{PacketIns: 10, ControllerID: 6})
	c := dial(t, sw, "br0", openflow.Options{PacketIns: 10, ControllerID: 7})
	state := flow.Do(
		flow.LoadReg(flow.Reg6, 66), flow.SetField(flow.Metadata.Is(1<<40)),
		flow.Controller(flow.Punt{ID: 7, Userdata: []byte("dhcp\x00"), Pause: true}),
		flow.Output(uint32(other)),
	)
	if err := c.Apply(deadline(t), adds([]flow.Flow{
		{Table: 0, Priority: 1, Cookie: 0xabc, Match: flow.NewMatch(flow.InPort.Is(uint64(number))), Instructions: state},
		{Table: 5, Priority: 1, Match: flow.NewMatch(flow.Reg7.Is(5)), Instructions: flow.Do(flow.Output(uint32(other)))},
	})); err != nil {
		t.Fatal(err)
	}
	frame := udpFrame(2)
	sw.Inject("p1", frame)
	pin := wait(t, c, c.PacketIns())
	if !bytes.Equal(pin.Data, frame) || pin.FullLen != len(frame) || string(pin.Userdata) != "dhcp\x00" || pin.Cookie != 0xabc ||
		pin.Table != 0 || pin.InPort() != uint32(number) || pin.Register(flow.Reg6) != 66 || pin.Register(flow.Metadata) != 1<<40 || !pin.Paused() {
		t.Errorf("packet-in: %+v\n%v", pin, pin.Metadata)
	}
	if got := sw.Sent("p2"); len(got) != 0 {
		t.Errorf("a paused packet went out: %x", got)
	}
	if err := c.Resume(deadline(t), pin); err != nil {
		t.Fatal(err)
	}
	sw.WaitSent("p2", func(f []byte) bool { return bytes.Equal(f, frame) })

	answer := udpFrame(9)
	err = c.PacketOut(deadline(t), openflow.PacketOut{InPort: uint32(number), Data: answer, Actions: []flow.Action{flow.LoadReg(flow.Reg7, 5), flow.Resubmit(5)}})
	if err != nil {
		t.Fatal(err)
	}
	sw.WaitSent("p2", func(f []byte) bool { return bytes.Equal(f, answer) })
	select {
	case p := <-quiet.PacketIns():
		t.Errorf("the controller with another id got %+v", p)
	default:
	}
	if s := c.Stats(); s.StrayErrors != 0 || s.PacketIns != 1 || s.Malformed != 0 {
		t.Errorf("stats: %+v, last error: %v", s, c.LastStray())
	}
}

// TestPacketOutErrorsAreCounted has the switch refuse one.
func TestPacketOutErrorsAreCounted(t *testing.T) {
	sw := ovs.Start(t)
	sw.AddBridge("br0")
	c := dial(t, sw, "br0", openflow.Options{})
	if err := c.PacketOut(deadline(t), openflow.PacketOut{Data: udpFrame(1), Actions: []flow.Action{flow.Group(3), flow.PopVLAN()}}); err != nil {
		t.Fatal(err)
	}
	if err := c.Barrier(deadline(t)); err != nil {
		t.Fatal(err)
	}
	if s := c.Stats(); s.StrayErrors != 1 || c.LastStray() == nil {
		t.Errorf("stats: %+v, last error %v", s, c.LastStray())
	}
	if err := c.PacketOut(deadline(t), openflow.PacketOut{Data: make([]byte, 70000)}); err == nil {
		t.Error("a packet-out of 70000 bytes was sent")
	}
}

// TestFullQueueDrops shows that packets which nobody takes cost nothing but themselves.
func TestFullQueueDrops(t *testing.T) {
	sw := ovs.Start(t)
	sw.AddBridge("br0")
	sw.AddPort("br0", "p1")
	c := dial(t, sw, "br0", openflow.Options{PacketIns: 2})
	if err := c.Apply(deadline(t), adds([]flow.Flow{{Instructions: flow.Do(flow.Controller(flow.Punt{Userdata: []byte{1}}))}})); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		sw.Inject("p1", udpFrame(byte(i)))
	}
	for c.Stats().PacketIns+c.Stats().DroppedPacketIns < 5 {
		if err := c.Barrier(deadline(t)); err != nil {
			t.Fatal(err)
		}
	}
	if s := c.Stats(); s.PacketIns != 2 || s.DroppedPacketIns != 3 {
		t.Errorf("stats: %+v, want 2 delivered and 3 dropped", s)
	}
}

// TestFlushConntrack commits connections and forgets some of them.
func TestFlushConntrack(t *testing.T) {
	sw := ovs.Start(t)
	sw.AddBridge("br0")
	sw.AddPort("br0", "p1")
	c := dial(t, sw, "br0", openflow.Options{})
	if err := c.Apply(deadline(t), adds([]flow.Flow{{Match: flow.NewMatch(flow.IPv4()), Instructions: flow.Do(
		flow.CT(flow.ConnTrack{Commit: true, Zone: 5}), flow.CT(flow.ConnTrack{Commit: true, Zone: 6}))}})); err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		sw.Inject("p1", udpFrame(byte(i+1)))
	}
	sw.Settle()
	expect := func(what string, zone5, zone6 int) {
		t.Helper()
		all := sw.Appctl("dpctl/dump-conntrack")
		if got5, got6 := strings.Count(all, "zone=5"), strings.Count(all, "zone=6"); got5 != zone5 || got6 != zone6 {
			t.Errorf("%s: zone 5 has %d connections, want %d; zone 6 %d, want %d\n%s", what, got5, zone5, got6, zone6, all)
		}
	}
	expect("at first", 4, 4)
	steps := []struct {
		what         string
		tuple        openflow.ConntrackTuple
		zone5, zone6 int
	}{
		{"by destination", openflow.ConntrackTuple{Dst: netip.MustParseAddr("10.0.0.1")}, 3, 4},
		{"by whole tuple", openflow.ConntrackTuple{Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("10.0.0.2"), Proto: 17, SrcPort: 0x1000, DstPort: 0x2000}, 2, 4},
		{"by another port", openflow.ConntrackTuple{Dst: netip.MustParseAddr("10.0.0.3"), Proto: 17, DstPort: 53}, 2, 4},
		{"by reply", openflow.ConntrackTuple{Src: netip.MustParseAddr("10.0.0.3"), Reply: true}, 1, 4},
		{"everything", openflow.ConntrackTuple{}, 0, 4},
	}
	for _, s := range steps {
		if err := c.Flush(deadline(t), 5, s.tuple); err != nil {
			t.Fatal(err)
		}
		expect(s.what, s.zone5, s.zone6)
	}
	if err := c.FlushZone(deadline(t), 6); err != nil {
		t.Fatal(err)
	}
	expect("by zone", 0, 0)
}
