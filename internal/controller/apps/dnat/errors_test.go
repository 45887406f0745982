package dnat_test

import (
	"net/netip"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/apps/dnat"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	product "github.com/dragonflow/dragonflow/internal/packet"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

// icmpError is a frame with an ICMP error about a datagram from one address to another.
func icmpError(from, to model.MAC, tag bool, typ uint8, src, dst, quotedSrc, quotedDst string) []byte {
	a := netip.MustParseAddr
	u := product.UDP{SrcPort: 1000, DstPort: 2000, Payload: []byte("hello")}.Append(nil, a(quotedSrc), a(quotedDst))
	about := append(product.IPv4{TTL: 1, Protocol: product.ProtocolUDP, Src: a(quotedSrc), Dst: a(quotedDst)}.Append(nil, len(u)), u...)
	e := product.Ethernet{Dst: product.MAC(to), Src: product.MAC(from), EtherType: product.EtherTypeIPv4}
	if tag {
		e.EtherType = product.EtherTypeVLAN
	}
	b := e.Append(nil)
	if tag {
		b = product.VLAN{ID: 9, EtherType: product.EtherTypeIPv4}.Append(b)
	}
	return product.ICMP{Type: typ}.AppendError(b, a(src), a(dst), 60, about)
}

// TestErrorsAreTranslatedWithWhatTheyQuote: those who hear of a packet of theirs know it by the addresses that they
// sent it with, whichever way the error goes.
func TestErrorsAreTranslatedWithWhatTheyQuote(t *testing.T) {
	t.Parallel()
	s := newWired(t, append(append(topology(), here(guest(), 1)...), floating(apptest.Host))...)
	c := s.Controller()
	host, _ := model.ParseMAC(hostMAC)
	const hop = "192.0.2.33" // a router far away
	for _, typ := range []uint8{3, 11, 12} {
		s.Forget("tap-a")
		got := c.Hand(dnat.New(), wire, icmpError(host, floatingMAC, true, typ, hop, floatingIP, floatingIP, farIP))
		if got.Err != nil || got.Reply.Event != "error-translated" {
			t.Fatalf("type %d from outside: %v, %v", typ, got.Reply, got.Err)
		}
		want := icmpError(insideMAC, guest().MACAddress, false, typ, hop, fixedIP, fixedIP, farIP)
		s.WaitSent("tap-a", like(want))
		s.Forget(wire)
		got = c.Hand(dnat.New(), "tap-a", icmpError(guest().MACAddress, insideMAC, false, typ, fixedIP, farIP, farIP, fixedIP))
		if got.Err != nil {
			t.Fatalf("type %d from the guest: %v", typ, got.Err)
		}
		s.WaitSent(wire, like(icmpError(floatingMAC, host, true, typ, floatingIP, farIP, farIP, floatingIP)))
	}
	lie := c.Hand(dnat.New(), wire, icmpError(host, floatingMAC, true, 3, hop, floatingIP, "203.0.113.99", farIP))
	if lie.Err == nil {
		t.Error("an error about a packet that the floating IP has not sent goes on")
	}
	if n := c.Flood(&model.Port{Meta: meta("a")}, icmpError(guest().MACAddress, insideMAC, false, 3, fixedIP, farIP, farIP, fixedIP), 300); n > 110 || n < 20 {
		t.Errorf("of 300 errors at once %d come to the controller", n)
	}
}

// like compares frames but for the IP header's own time to live and sum.
func like(want []byte) func([]byte) bool {
	end := 14
	if want[12] == 0x81 {
		end = 18
	}
	return func(f []byte) bool {
		if len(f) != len(want) {
			return false
		}
		for i := range f {
			if i != end+8 && i != end+10 && i != end+11 && f[i] != want[i] {
				return false
			}
		}
		return true
	}
}

// FuzzErrors: whatever a guest or somebody outside calls an ICMP error, the controller survives it.
func FuzzErrors(f *testing.F) {
	w := apptest.New(f, apps()...)
	w.Set(append(append(topology(), here(guest(), 1)...), floating(apptest.Host))...)
	w.Step()
	host, _ := model.ParseMAC(hostMAC)
	f.Add([]byte("If"), icmpError(host, floatingMAC, false, 3, farIP, fixedIP, floatingIP, farIP))
	f.Add([]byte("Of"), icmpError(guest().MACAddress, insideMAC, false, 11, floatingIP, farIP, farIP, fixedIP))
	f.Fuzz(func(t *testing.T, userdata, frame []byte) {
		reply, err := dnat.New().PacketIn(view.NewReader(w.DB, w.Numbers, nil), app.PacketIn{Userdata: userdata, Data: frame, SourcePort: pipeline.Routed})
		if (err == nil) != (len(reply.Packets) == 1) {
			t.Errorf("%d packets and error %v", len(reply.Packets), err)
		}
	})
}
