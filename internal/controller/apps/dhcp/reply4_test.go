package dhcp

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/iana"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/packet"
)

func guestMAC() packet.MAC  { return packet.MAC{0xfa, 0x16, 0x3e, 0, 0, 5} }
func serverMAC() packet.MAC { return packet.MAC{0xfa, 0x16, 0x3f, 0, 0, 1} }

func addr(s string) netip.Addr     { return netip.MustParseAddr(s) }
func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

func config() *Config {
	return &Config{
		MAC: guestMAC(), ServerMAC: serverMAC(), HostName: "web", Domain: "example.org", MTU: 1442, Lease: 24 * time.Hour,
		V4: &V4{
			Address: addr("10.0.0.5"), Subnet: prefix("10.0.0.0/24"), Gateway: addr("10.0.0.1"),
			DNS:    []netip.Addr{addr("10.0.0.53"), addr("192.0.2.53")},
			Routes: []model.Route{{Destination: prefix("192.168.0.0/16"), NextHop: addr("10.0.0.9")}},
		},
		V6: &V6{
			Addresses: []netip.Addr{addr("2001:db8::5")}, OnLink: []netip.Prefix{prefix("2001:db8::/64")},
			DNS: []netip.Addr{addr("2001:db8::53")},
		},
	}
}

// ask builds a client's frame by the library, which is also what reads it: what real clients send and
// understand is the matter of the tests in internal/controller/apps/dhcp/clients_test.go.
type ask struct {
	kind      dhcpv4.MessageType
	ciaddr    string
	requested string
	server    string
	dst       string // 255.255.255.255 if empty
	change    func(m *dhcpv4.DHCPv4)
}

func (a ask) frame() []byte {
	m := &dhcpv4.DHCPv4{OpCode: dhcpv4.OpcodeBootRequest, HWType: iana.HWTypeEthernet, TransactionID: dhcpv4.TransactionID{1, 2, 3, 4},
		ClientHWAddr: net.HardwareAddr{0xfa, 0x16, 0x3e, 0, 0, 5}, Options: dhcpv4.Options{53: {byte(a.kind)}}}
	if a.ciaddr != "" {
		m.ClientIPAddr = addr(a.ciaddr).AsSlice()
	}
	if a.requested != "" {
		m.Options[50] = addr(a.requested).AsSlice()
	}
	if a.server != "" {
		m.Options[54] = addr(a.server).AsSlice()
	}
	if a.change != nil {
		a.change(m)
	}
	src, dst := netip.IPv4Unspecified(), addr("255.255.255.255")
	if a.ciaddr != "" {
		src = addr(a.ciaddr)
	}
	if a.dst != "" {
		dst = addr(a.dst)
	}
	return buildUDP(packet.Broadcast(), guestMAC(), netip.AddrPortFrom(src, 68), netip.AddrPortFrom(dst, 67), m.ToBytes())
}

// answer is a frame taken apart.
type answer struct {
	eth packet.Ethernet
	ip  packet.IPv4
	udp packet.UDP
	msg *dhcpv4.DHCPv4
}

func open4(t *testing.T, frame []byte) answer {
	t.Helper()
	var a answer
	var err error
	if a.eth, err = packet.ParseEthernet(frame); err != nil {
		t.Fatal(err)
	}
	if a.ip, err = packet.ParseIPv4(a.eth.Payload); err != nil {
		t.Fatal(err)
	}
	if a.udp, err = packet.ParseUDP(a.ip.Src, a.ip.Dst, a.ip.Payload); err != nil {
		t.Fatal(err)
	}
	if a.msg, err = dhcpv4.FromBytes(a.udp.Payload); err != nil {
		t.Fatal(err)
	}
	return a
}

func TestReplyV4Messages(t *testing.T) {
	broadcastFlag := func(m *dhcpv4.DHCPv4) { m.SetBroadcast() }
	rapid := func(m *dhcpv4.DHCPv4) { m.Options[80] = nil }
	tests := []struct {
		name   string
		ask    ask
		answer string // none: silence
		dst    string
		yiaddr string
	}{
		{"discover", ask{kind: 1}, "OFFER", "10.0.0.5", "10.0.0.5"},
		{"discover, broadcast wanted", ask{kind: 1, change: broadcastFlag}, "OFFER", "255.255.255.255", "10.0.0.5"},
		{"discover, other address wanted", ask{kind: 1, requested: "10.0.0.77"}, "OFFER", "10.0.0.5", "10.0.0.5"},
		{"discover, rapid commit", ask{kind: 1, change: rapid}, "ACK", "10.0.0.5", "10.0.0.5"},
		{"selecting", ask{kind: 3, requested: "10.0.0.5", server: "10.0.0.1"}, "ACK", "10.0.0.5", "10.0.0.5"},
		{"selecting another server", ask{kind: 3, requested: "10.0.0.5", server: "10.0.0.2"}, "", "", ""},
		{"selecting an address that was never offered", ask{kind: 3, requested: "10.0.0.6", server: "10.0.0.1"}, "NAK", "255.255.255.255", "0.0.0.0"},
		{"reboot", ask{kind: 3, requested: "10.0.0.5"}, "ACK", "10.0.0.5", "10.0.0.5"},
		{"reboot with an address from elsewhere", ask{kind: 3, requested: "172.16.0.4"}, "NAK", "255.255.255.255", "0.0.0.0"},
		{"renewing", ask{kind: 3, ciaddr: "10.0.0.5", dst: "10.0.0.1"}, "ACK", "10.0.0.5", "10.0.0.5"},
		{"renewing what changed", ask{kind: 3, ciaddr: "10.0.0.4", dst: "10.0.0.1"}, "NAK", "255.255.255.255", "0.0.0.0"},
		{"rebinding", ask{kind: 3, ciaddr: "10.0.0.5"}, "ACK", "10.0.0.5", "10.0.0.5"},
		{"rebinding, broadcast wanted", ask{kind: 3, ciaddr: "10.0.0.5", change: broadcastFlag}, "ACK", "10.0.0.5", "10.0.0.5"},
		{"inform", ask{kind: 8, ciaddr: "10.0.0.5"}, "ACK", "10.0.0.5", "0.0.0.0"},
		{"decline", ask{kind: 4, requested: "10.0.0.5", server: "10.0.0.1"}, "", "", ""},
		{"release", ask{kind: 7, ciaddr: "10.0.0.5", server: "10.0.0.1", dst: "10.0.0.1"}, "", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := ReplyV4(config(), tt.ask.frame())
			if err != nil {
				t.Fatal(err)
			}
			if r.Answer != tt.answer || (r.Frame == nil) != (tt.answer == "") || r.Reason == "" {
				t.Fatalf("answered %q (%s), want %q", r.Answer, r.Reason, tt.answer)
			}
			if r.Frame == nil {
				return
			}
			a := open4(t, r.Frame)
			if a.msg.MessageType().String() != tt.answer || a.ip.Dst != addr(tt.dst) || a.msg.YourIPAddr.String() != tt.yiaddr {
				t.Errorf("sent %s for %s to %s", a.msg.MessageType(), a.msg.YourIPAddr, a.ip.Dst)
			}
			wantMAC := guestMAC()
			if tt.dst == "255.255.255.255" {
				wantMAC = packet.Broadcast()
			}
			if a.eth.Dst != wantMAC || a.eth.Src != serverMAC() || a.ip.Src != addr("10.0.0.1") || a.udp.SrcPort != 67 || a.udp.DstPort != 68 {
				t.Errorf("from %x %s:%d to %x:%d", a.eth.Src, a.ip.Src, a.udp.SrcPort, a.eth.Dst, a.udp.DstPort)
			}
			if a.msg.OpCode != dhcpv4.OpcodeBootReply || a.msg.TransactionID != (dhcpv4.TransactionID{1, 2, 3, 4}) || !a.msg.ServerIdentifier().Equal(net.IP{10, 0, 0, 1}) {
				t.Errorf("header: %v", a.msg)
			}
			_, leased := a.msg.Options[51]
			if want := tt.answer != "NAK" && tt.ask.kind != 8; leased != want {
				t.Errorf("lease time present: %v, want %v", leased, want)
			}
			if _, ok := a.msg.Options[80]; ok != (tt.name == "discover, rapid commit") {
				t.Errorf("rapid commit option: %v", ok)
			}
		})
	}
}

func TestReplyV4Refuses(t *testing.T) {
	tests := []struct {
		name string
		ask  ask
		want error
	}{
		{"another client's hardware address", ask{kind: 1, change: func(m *dhcpv4.DHCPv4) { m.ClientHWAddr[5]++ }}, ErrOtherClient},
		{"a long hardware address", ask{kind: 1, change: func(m *dhcpv4.DHCPv4) { m.ClientHWAddr = make([]byte, 16) }}, ErrOtherClient},
		{"relayed", ask{kind: 1, change: func(m *dhcpv4.DHCPv4) { m.GatewayIPAddr = net.IP{10, 0, 0, 9} }}, ErrRelay},
		{"a server's message", ask{kind: 2, change: func(m *dhcpv4.DHCPv4) { m.OpCode = dhcpv4.OpcodeBootReply }}, ErrNotRequest},
		{"an offer as a request", ask{kind: 2}, ErrNotRequest},
		{"BOOTP", ask{change: func(m *dhcpv4.DHCPv4) { delete(m.Options, 53) }}, ErrBOOTP},
		{"unicast to another server", ask{kind: 3, ciaddr: "10.0.0.5", dst: "10.0.0.77"}, ErrOtherServer},
		{"request without an address", ask{kind: 3}, ErrNoAddress},
		{"inform without an address", ask{kind: 8}, ErrNoAddress},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := ReplyV4(config(), tt.ask.frame())
			if err != tt.want || r.Frame != nil {
				t.Errorf("%+v, %v; want %v", r, err, tt.want)
			}
		})
	}
	cfg := config()
	cfg.V4 = nil
	if _, err := ReplyV4(cfg, ask{kind: 1}.frame()); err != ErrNotServed {
		t.Errorf("port without IPv4: %v", err)
	}
	frame := ask{kind: 1}.frame()
	binary.BigEndian.PutUint16(frame[14+6:], 0x2000) // more fragments
	fix := frame[14:34]
	fix[10], fix[11] = 0, 0
	binary.BigEndian.PutUint16(fix[10:], packet.Checksum(fix))
	if _, err := ReplyV4(config(), frame); err != ErrFragment {
		t.Errorf("fragment: %v", err)
	}
}

func TestReplyV4Options(t *testing.T) {
	askAll := func(codes ...byte) func(m *dhcpv4.DHCPv4) {
		return func(m *dhcpv4.DHCPv4) {
			m.Options[55] = codes
			m.Options[61] = []byte{1, 2, 3}
		}
	}
	r, err := ReplyV4(config(), ask{kind: 1, change: askAll(119, 249, 42)}.frame())
	if err != nil {
		t.Fatal(err)
	}
	routes := []byte{16, 192, 168, 10, 0, 0, 9, 32, 169, 254, 169, 254, 0, 0, 0, 0, 0, 10, 0, 0, 1}
	want := map[uint8][]byte{
		1: {255, 255, 255, 0}, 3: {10, 0, 0, 1}, 6: {10, 0, 0, 53, 192, 0, 2, 53}, 12: []byte("web"), 15: []byte("example.org"),
		26: {0x05, 0xa2}, 28: {10, 0, 0, 255}, 51: {0, 1, 0x51, 0x80}, 53: {2}, 54: {10, 0, 0, 1},
		58: {0, 0, 0xa8, 0xc0}, 59: {0, 1, 0x27, 0x50}, 61: {1, 2, 3}, 119: []byte("\x07example\x03org\x00"), 121: routes, 249: routes,
	}
	got := open4(t, r.Frame).msg.Options
	for code := range 256 {
		if g, w := got[uint8(code)], want[uint8(code)]; !bytes.Equal(g, w) {
			t.Errorf("option %d is %x, want %x", code, g, w)
		}
	}
}

func TestReplyV4WithoutGateway(t *testing.T) {
	cfg := config()
	cfg.V4.Gateway, cfg.V4.Routes, cfg.V4.DNS, cfg.Lease = netip.Addr{}, nil, nil, Forever
	r, err := ReplyV4(cfg, ask{kind: 1}.frame())
	if err != nil {
		t.Fatal(err)
	}
	a := open4(t, r.Frame)
	if a.ip.Src != addr("169.254.169.254") || !a.msg.ServerIdentifier().Equal(net.IP{169, 254, 169, 254}) {
		t.Errorf("server is %s, %s", a.ip.Src, a.msg.ServerIdentifier())
	}
	if want := []byte{32, 169, 254, 169, 254, 0, 0, 0, 0}; !bytes.Equal(a.msg.Options[121], want) {
		t.Errorf("routes %v", a.msg.Options[121])
	}
	for _, code := range []uint8{3, 6, 249} {
		if v, ok := a.msg.Options[code]; ok {
			t.Errorf("option %d is %v", code, v)
		}
	}
	for _, code := range []uint8{51, 58, 59} {
		if v := a.msg.Options[code]; !bytes.Equal(v, []byte{255, 255, 255, 255}) {
			t.Errorf("time %d is %v, want for ever", code, v)
		}
	}
	if _, err := ReplyV4(cfg, ask{kind: 3, ciaddr: "10.0.0.5", dst: "169.254.169.254"}.frame()); err != nil {
		t.Errorf("renewing: %v", err)
	}
}

func TestReplyV4RespectsMessageSize(t *testing.T) {
	cfg := config()
	long := bytes.Repeat([]byte("x"), 250)
	var errs []error
	cfg.V4.Extra, errs = ParseOptions(4, []model.DHCPOption{
		{Name: "root-path", Value: string(long), IPVersion: 4}, {Name: "nis-domain", Value: string(long), IPVersion: 4},
		{Name: "224", Value: string(long) + string(long), IPVersion: 4},
	})
	if errs != nil {
		t.Fatal(errs)
	}
	list := []byte{17, 40, 224}
	sizes := map[uint16][]bool{ // message size → which of the list fit
		0:    {false, false, false},
		900:  {true, true, false},
		1400: {true, true, true},
		9000: {true, true, true}, // the network's MTU is less
	}
	for size, fit := range sizes {
		r, err := ReplyV4(cfg, ask{kind: 1, change: func(m *dhcpv4.DHCPv4) {
			m.Options[55] = list
			m.Options[57] = binary.BigEndian.AppendUint16(nil, size)
		}}.frame())
		if err != nil {
			t.Fatal(err)
		}
		if limit := max(576, min(int(size), 1442)); len(r.Frame)-14 > limit {
			t.Errorf("size %d: packet of %d bytes", size, len(r.Frame)-14)
		}
		a := open4(t, r.Frame)
		for i, code := range list {
			if _, ok := a.msg.Options[code]; ok != fit[i] {
				t.Errorf("size %d: option %d present: %v, want %v", size, code, ok, fit[i])
			}
		}
		if len(a.msg.Options[121]) == 0 || len(a.msg.Options[6]) == 0 {
			t.Errorf("size %d: necessary options are missing: %v", size, a.msg.Options)
		}
	}
}

func TestReplyV4Boot(t *testing.T) {
	opts := []model.DHCPOption{
		{Name: "server-ip-address", Value: "192.0.2.7", IPVersion: 4},
		{Name: "tftp-server", Value: "tftp.example.org", IPVersion: 4},
		{Name: "tag:!ipxe,bootfile-name", Value: "undionly.kpxe", IPVersion: 4},
		{Name: "tag:ipxe,option:67", Value: "http://192.0.2.7/boot.ipxe", IPVersion: 4},
		{Name: "150", Value: "192.0.2.8", IPVersion: 4},
	}
	cfg := config()
	var errs []error
	if cfg.V4.Extra, errs = ParseOptions(4, opts); errs != nil {
		t.Fatal(errs)
	}
	for file, change := range map[string]func(m *dhcpv4.DHCPv4){
		"undionly.kpxe":              func(m *dhcpv4.DHCPv4) { m.Options[55] = []byte{66, 67, 150} },
		"http://192.0.2.7/boot.ipxe": func(m *dhcpv4.DHCPv4) { m.Options[55], m.Options[175] = []byte{66, 67, 150}, []byte{1} },
	} {
		r, err := ReplyV4(cfg, ask{kind: 1, change: change}.frame())
		if err != nil {
			t.Fatal(err)
		}
		m := open4(t, r.Frame).msg
		if m.ServerIPAddr.String() != "192.0.2.7" || m.ServerHostName != "tftp.example.org" || m.BootFileName != file || m.BootFileNameOption() != file {
			t.Errorf("siaddr %s, sname %q, file %q, option 67 %q; want file %q", m.ServerIPAddr, m.ServerHostName, m.BootFileName, m.BootFileNameOption(), file)
		}
		if got := m.Options[150]; !bytes.Equal(got, []byte{192, 0, 2, 8}) {
			t.Errorf("option 150 %v", got)
		}
	}
}

func BenchmarkReplyV4(b *testing.B) {
	cfg := config()
	frame := ask{kind: 3, requested: "10.0.0.5", server: "10.0.0.1", change: func(m *dhcpv4.DHCPv4) {
		m.Options[55] = []byte{1, 28, 2, 3, 15, 6, 119, 12, 44, 47, 26, 121, 42}
	}}.frame()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ReplyV4(cfg, frame); err != nil {
			b.Fatal(err)
		}
	}
}
