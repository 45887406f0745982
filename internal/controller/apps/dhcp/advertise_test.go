package dhcp_test

import (
	"net/netip"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/apps/dhcp"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/packet"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

// heard is what a router advertisement says.
type heard struct {
	from     packet.MAC
	lifetime uint16
	prefixes []netip.Prefix
	mtu      bool
}

func hear(t *testing.T, frame []byte) heard {
	t.Helper()
	e, err := packet.ParseEthernet(frame)
	if err != nil {
		t.Fatal(err)
	}
	p, err := packet.ParseIPv6(e.Payload)
	if err != nil {
		t.Fatal(err)
	}
	ra, err := packet.ParseRouterAdvertisement(p)
	if err != nil {
		t.Fatal(err)
	}
	if source, has := ra.Options.LinkAddr(packet.NDOptionSourceLinkAddr); !has || source != e.Src || p.Src != packet.LinkLocal(e.Src) {
		t.Errorf("from %x, %s, option %x", e.Src, p.Src, source)
	}
	h := heard{from: e.Src, lifetime: ra.RouterLifetime}
	for o := ra.Options; len(o) > 0; {
		typ, body, rest, _ := o.Next()
		switch typ {
		case packet.NDOptionPrefix:
			if pi, err := packet.ParseNDPrefix(body); err == nil {
				h.prefixes = append(h.prefixes, pi.Prefix)
			}
		case packet.NDOptionMTU:
			h.mtu = true
		}
		o = rest
	}
	return h
}

// TestRoutersAreAdvertised attaches routers to a network and takes them away again.
func TestRoutersAreAdvertised(t *testing.T) {
	w := apptest.New(t, alone()...)
	first, second, third := v6(model.SLAAC), v6(model.SLAAC), v6(model.SLAAC)
	second.ID, second.CIDR = "s6b", netip.MustParsePrefix("2001:db8:b::/64")
	third.ID, third.CIDR = "s6c", netip.MustParsePrefix("2001:db8:c::/64")
	p := guest("a", 1, first)
	w.Set(apptest.Net("n"), first, second, third, p, apptest.Bind(p), apptest.Plug(p, 9))
	w.MustStep()
	service := dhcp.New()
	tick := func() map[packet.MAC]heard {
		out := map[packet.MAC]heard{}
		for _, m := range service.Tickers[0].Send(w.Reader()) {
			h := hear(t, m.Data)
			out[h.from] = h
		}
		return out
	}
	if got := tick(); len(got) != 1 || got[view.ServiceMAC].lifetime != 0 || len(got[view.ServiceMAC].prefixes) != 3 {
		t.Errorf("without a router: %+v", got)
	}
	attach := func(id string, n byte, subnet *model.Subnet) *model.Port {
		r := apptest.Port(id, "n", n)
		r.FixedIPs = []model.FixedIP{{SubnetID: subnet.ID, IPAddress: subnet.CIDR.Addr().Next()}}
		r.DeviceOwner, r.DeviceID = model.RouterInterfaceOwner, "router-"+id
		w.Set(r, &model.Router{Meta: model.Meta{ID: r.DeviceID, Revision: 1}, AdminStateUp: true})
		w.MustStep()
		return r
	}
	r1, r2 := attach("r1", 21, first), attach("r2", 22, second)
	got := tick()
	for _, x := range []struct {
		from     packet.MAC
		lifetime uint16
		prefix   netip.Prefix
	}{{r1.MACAddress, 65535, first.CIDR}, {r2.MACAddress, 65535, second.CIDR}, {view.ServiceMAC, 0, third.CIDR}} {
		h := got[x.from]
		if h.lifetime != x.lifetime || len(h.prefixes) != 1 || h.prefixes[0] != x.prefix || !h.mtu {
			t.Errorf("from %x: %+v", x.from, h)
		}
	}
	own := packet.NDOptions(nil).AppendLinkAddr(packet.NDOptionSourceLinkAddr, p.MACAddress)
	src, all := packet.LinkLocal(p.MACAddress), netip.MustParseAddr("ff02::2")
	rs := packet.RouterSolicitation{Options: own}.Append(nil, src, all)
	frame := packet.Ethernet{Dst: packet.MulticastMAC(all), Src: p.MACAddress, EtherType: packet.EtherTypeIPv6}.Append(nil)
	frame = append(packet.IPv6{HopLimit: 255, NextHeader: packet.ProtocolICMPv6, Src: src, Dst: all}.Append(frame, len(rs)), rs...)
	if reply, err := service.PacketIn(w.Reader(), app.PacketIn{Userdata: []byte("ra"), Data: frame}); err != nil || len(reply.Packets) != 3 {
		t.Errorf("a solicitation: %+v, %v", reply, err)
	}
	announced := func(mac packet.MAC) []app.PacketOut {
		return service.Announcer.Send(w.Reader(), "a/"+model.MAC(mac).String())
	}
	if m := announced(r1.MACAddress); len(m) != 1 || hear(t, m[0].Data).lifetime != 65535 || m[0].OFPort != 9 {
		t.Errorf("when it was attached: %+v", m)
	}
	w.Set(&model.Router{Meta: model.Meta{ID: r1.DeviceID, Revision: 2}})
	w.MustStep()
	if h := tick()[r1.MACAddress]; h.lifetime != 0 || len(h.prefixes) != 1 {
		t.Errorf("a router that is down: %+v", h)
	}
	w.Remove(r2)
	w.MustStep()
	if m := announced(r2.MACAddress); len(m) != 1 || hear(t, m[0].Data).lifetime != 0 || hear(t, m[0].Data).from != r2.MACAddress {
		t.Errorf("when it was detached: %+v", m)
	}
	w.Remove(r1)
	w.MustStep()
	if m := announced(view.ServiceMAC); len(m) != 1 || len(hear(t, m[0].Data).prefixes) != 3 {
		t.Errorf("the chassis' own advertisement: %+v", m)
	}
	w.Remove(apptest.Bind(p))
	w.Step()
	if m := announced(r1.MACAddress); len(m) != 0 {
		t.Errorf("to a port that has gone: %+v", m)
	}
}

// A guest hears of the prefixes of its own segment alone.
func TestPrefixesOfOtherSegmentsAreNotAdvertised(t *testing.T) {
	w := apptest.New(t, alone()...)
	here, there := v6(model.SLAAC), v6(model.SLAAC)
	here.SegmentID = "s1"
	there.ID, there.CIDR, there.SegmentID = "s6b", netip.MustParsePrefix("2001:db8:b::/64"), "s2"
	n := apptest.Net("n")
	n.Segments = []model.Segment{{ID: "s2", NetworkType: model.VLAN, PhysicalNetwork: "p", SegmentationID: 7}, {ID: "s1", NetworkType: model.Geneve, SegmentationID: 7}}
	p := guest("a", 1, here)
	w.Set(n, here, there, p, apptest.Bind(p), apptest.Plug(p, 9))
	w.MustStep()
	for _, m := range dhcp.New().Tickers[0].Send(w.Reader()) {
		if h := hear(t, m.Data); len(h.prefixes) != 1 {
			t.Errorf("%+v", h)
		}
	}
}
