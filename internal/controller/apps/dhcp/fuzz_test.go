package dhcp

import (
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv6"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/packet"
)

// The fuzzers mutate the UDP payload or the ND message, and wrap it with right checksums, which they could
// not guess; package packet fuzzes the headers.

func FuzzReplyV4(f *testing.F) {
	for _, a := range []ask{{kind: 1}, {kind: 3, requested: "10.0.0.5", server: "10.0.0.1"}, {kind: 3, ciaddr: "10.0.0.5"}, {kind: 8, ciaddr: "10.0.0.5"}} {
		a.change = func(m *dhcpv4.DHCPv4) { m.Options[55], m.Options[57] = []byte{1, 3, 121}, []byte{2, 64} }
		f.Add(a.frame()[14+20+8:])
	}
	cfg := config()
	cfg.V4.Extra, _ = ParseOptions(4, []model.DHCPOption{{Name: "67", Value: "file", IPVersion: 4}, {Name: "tftp-server", Value: "1.2.3.4", IPVersion: 4}})
	f.Fuzz(func(t *testing.T, payload []byte) {
		if len(payload) > 1400 {
			return
		}
		frame := udp4(payload)
		r, err := ReplyV4(cfg, frame)
		if err != nil || r.Frame == nil {
			return
		}
		if a := open4(t, r.Frame); len(r.Frame) > 14+1442 || a.msg.ClientHWAddr.String() != "fa:16:3e:00:00:05" {
			t.Errorf("answer of %d bytes for %s", len(r.Frame), a.msg.ClientHWAddr)
		}
	})
}

func udp4(payload []byte) []byte {
	src, dst := addr("10.0.0.5"), addr("255.255.255.255")
	b := packet.Ethernet{Dst: packet.Broadcast(), Src: guestMAC(), EtherType: packet.EtherTypeIPv4}.Append(nil)
	b = packet.IPv4{TTL: 64, Protocol: packet.ProtocolUDP, Src: src, Dst: dst}.Append(b, 8+len(payload))
	return packet.UDP{SrcPort: 68, DstPort: 67, Payload: payload}.Append(b, src, dst)
}

func FuzzReplyV6(f *testing.F) {
	for _, k := range []dhcpv6.MessageType{1, 3, 4, 5, 6, 8, 9, 11} {
		f.Add(frame6(k, clientID(), ourID(), iana6(1, "2001:db8::5"), dhcpv6.OptRequestedOption(23, 24, 39))[14+40+8:])
		f.Add(frame6(k, clientID(), iana6(1, "2001:db8::4"))[14+40+8:])
	}
	cfg := config()
	f.Fuzz(func(t *testing.T, payload []byte) {
		if len(payload) > 1400 {
			return
		}
		r, err := ReplyV6(cfg, datagram6(packet.LinkLocal(guestMAC()), allServers6(), payload))
		if err == nil && r.Frame != nil {
			if _, err := readUDP(r.Frame, packet.EtherTypeIPv6, clientPort6); err != nil {
				t.Errorf("answer: %v", err)
			}
		}
	})
}

func FuzzReplyRS(f *testing.F) {
	own := packet.NDOptions(nil).AppendLinkAddr(packet.NDOptionSourceLinkAddr, guestMAC())
	f.Add([]byte(own))
	f.Add([]byte{})
	cfg := raConfig(model.SLAAC, model.DHCPv6Stateful)
	f.Fuzz(func(t *testing.T, options []byte) {
		if len(options) > 1400 {
			return
		}
		r, err := ReplyRS(cfg, guestMAC(), solicitation(packet.LinkLocal(guestMAC()), options))
		if err == nil {
			openRA(t, r.Frame)
		}
	})
}

func FuzzParseOptions(f *testing.F) {
	f.Add("classless-static-route", "10.0.0.0/8,10.0.0.1", 4)
	f.Add("tag:!ipxe,67", `"x"`, 4)
	f.Add("224", "1:2:3", 4)
	f.Add("option6:ntp-server", "[::1],a.b", 6)
	f.Add("domain-search", "a,b.c", 6)
	f.Fuzz(func(t *testing.T, name, value string, version int) {
		opts, errs := ParseOptions(version, []model.DHCPOption{{Name: name, Value: value, IPVersion: version}})
		if version != 4 && version != 6 {
			return
		}
		if next := opts.nextServer.IsValid(); len(opts.list)+len(errs) != 1 && !next {
			t.Errorf("%q=%q: %v, %v", name, value, opts, errs)
		}
	})
}
