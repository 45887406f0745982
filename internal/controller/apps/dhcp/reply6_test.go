package dhcp

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"
	"github.com/insomniacslk/dhcp/rfc1035label"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/packet"
)

func clientID() dhcpv6.Option {
	return dhcpv6.OptClientID(&dhcpv6.DUIDUUID{UUID: [16]byte{1, 2, 3}})
}

func ourID() dhcpv6.Option {
	mac := serverMAC()
	return dhcpv6.OptServerID(&dhcpv6.DUIDLL{HWType: iana.HWTypeEthernet, LinkLayerAddr: mac[:]})
}

func otherID() dhcpv6.Option {
	return dhcpv6.OptServerID(&dhcpv6.DUIDLL{HWType: iana.HWTypeEthernet, LinkLayerAddr: []byte{2, 0, 0, 0, 0, 9}})
}

// iana6 is an identity association with addresses.
func iana6(id byte, list ...string) dhcpv6.Option {
	var opts []dhcpv6.Option
	for _, a := range list {
		opts = append(opts, address6(addr(a), 60))
	}
	return identity([4]byte{0, 0, 0, id}, 0, 0, nil, opts...)
}

func frame6(t dhcpv6.MessageType, opts ...dhcpv6.Option) []byte {
	m := &dhcpv6.Message{MessageType: t, TransactionID: dhcpv6.TransactionID{7, 8, 9}}
	for _, o := range opts {
		m.AddOption(o)
	}
	return datagram6(packet.LinkLocal(guestMAC()), allServers6(), m.ToBytes())
}

func datagram6(src, dst netip.Addr, payload []byte) []byte {
	return buildUDP(packet.MulticastMAC(dst), guestMAC(), netip.AddrPortFrom(src, clientPort6), netip.AddrPortFrom(dst, serverPort6), payload)
}

func open6(t *testing.T, frame []byte) *dhcpv6.Message {
	t.Helper()
	d, err := readUDP(frame, packet.EtherTypeIPv6, clientPort6)
	if err != nil {
		t.Fatal(err)
	}
	m, err := dhcpv6.MessageFromBytes(d.payload)
	if err != nil {
		t.Fatal(err)
	}
	if d.eth.Dst != guestMAC() || d.eth.Src != serverMAC() || d.src != packet.LinkLocal(serverMAC()) || d.dst != packet.LinkLocal(guestMAC()) {
		t.Errorf("from %x %s to %x %s", d.eth.Src, d.src, d.eth.Dst, d.dst)
	}
	if m.TransactionID != (dhcpv6.TransactionID{7, 8, 9}) || !m.Options.ServerID().Equal(config().duid()) {
		t.Errorf("header: %v", m)
	}
	return m
}

// describe writes what an answer says of addresses and status: "1:2001:db8::5/86400 status".
func describe(m *dhcpv6.Message) string {
	var out []string
	for _, ia := range m.Options.IANA() {
		for _, a := range ia.Options.Addresses() {
			out = append(out, a.IPv6Addr.String()+"/"+a.ValidLifetime.String())
		}
		if s := ia.Options.Status(); s != nil {
			out = append(out, s.StatusCode.String())
		}
	}
	if s := m.Options.Status(); s != nil {
		out = append(out, s.StatusCode.String())
	}
	return strings.Join(out, " ")
}

func TestReplyV6Messages(t *testing.T) {
	rapid := &dhcpv6.OptionGeneric{OptionCode: dhcpv6.OptionRapidCommit}
	const bound = "2001:db8::5/24h0m0s"
	tests := []struct {
		name      string
		kind      dhcpv6.MessageType
		opts      []dhcpv6.Option
		stateless bool
		answer    string
		want      string
	}{
		{"solicit", dhcpv6.MessageTypeSolicit, []dhcpv6.Option{clientID(), iana6(1)}, false, "ADVERTISE", bound},
		{"solicit with rapid commit", dhcpv6.MessageTypeSolicit, []dhcpv6.Option{clientID(), rapid, iana6(1)}, false, "REPLY", bound},
		{"solicit a second association", dhcpv6.MessageTypeSolicit, []dhcpv6.Option{clientID(), iana6(1), iana6(2)}, false, "ADVERTISE", bound + " NoAddrsAvail"},
		{"solicit without addresses to give", dhcpv6.MessageTypeSolicit, []dhcpv6.Option{clientID(), iana6(1)}, true, "ADVERTISE", "NoAddrsAvail"},
		{"request", dhcpv6.MessageTypeRequest, []dhcpv6.Option{clientID(), ourID(), iana6(1, "2001:db8::5")}, false, "REPLY", bound},
		{"request of another address", dhcpv6.MessageTypeRequest, []dhcpv6.Option{clientID(), ourID(), iana6(1, "2001:db8::6")}, false, "REPLY", bound},
		{"renew", dhcpv6.MessageTypeRenew, []dhcpv6.Option{clientID(), ourID(), iana6(1, "2001:db8::5")}, false, "REPLY", bound},
		{"renew of what changed", dhcpv6.MessageTypeRenew, []dhcpv6.Option{clientID(), ourID(), iana6(1, "2001:db8::4")}, false, "REPLY", "2001:db8::4/0s " + bound},
		{"renew of what is no more", dhcpv6.MessageTypeRenew, []dhcpv6.Option{clientID(), ourID(), iana6(1, "2001:db8::4")}, true, "REPLY", "2001:db8::4/0s NoBinding"},
		{"rebind", dhcpv6.MessageTypeRebind, []dhcpv6.Option{clientID(), iana6(1, "2001:db8::5")}, false, "REPLY", bound},
		{"confirm", dhcpv6.MessageTypeConfirm, []dhcpv6.Option{clientID(), iana6(1, "2001:db8::5")}, false, "REPLY", "Success"},
		{"confirm elsewhere", dhcpv6.MessageTypeConfirm, []dhcpv6.Option{clientID(), iana6(1, "2001:db8::5", "2001:db8:9::5")}, false, "REPLY", "NotOnLink"},
		{"confirm nothing", dhcpv6.MessageTypeConfirm, []dhcpv6.Option{clientID(), iana6(1)}, false, "", ""},
		{"release", dhcpv6.MessageTypeRelease, []dhcpv6.Option{clientID(), ourID(), iana6(1, "2001:db8::5")}, false, "REPLY", "Success"},
		{"decline", dhcpv6.MessageTypeDecline, []dhcpv6.Option{clientID(), ourID(), iana6(1, "2001:db8::5")}, false, "REPLY", "Success"},
		{"information", dhcpv6.MessageTypeInformationRequest, []dhcpv6.Option{clientID()}, true, "REPLY", ""},
		{"information without identifier", dhcpv6.MessageTypeInformationRequest, nil, true, "REPLY", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := config()
			if tt.stateless {
				cfg.V6.Addresses = nil
			}
			r, err := ReplyV6(cfg, frame6(tt.kind, tt.opts...))
			if err != nil {
				t.Fatal(err)
			}
			if r.Answer != tt.answer || (r.Frame == nil) != (tt.answer == "") || r.Reason == "" {
				t.Fatalf("answered %q (%s), want %q", r.Answer, r.Reason, tt.answer)
			}
			if r.Frame == nil {
				return
			}
			m := open6(t, r.Frame)
			if got := describe(m); got != tt.want || m.MessageType.String() != tt.answer {
				t.Errorf("%s %q, want %s %q", m.MessageType, got, tt.answer, tt.want)
			}
			if (m.Options.ClientID() == nil) != (tt.name == "information without identifier") {
				t.Errorf("client identifier %v", m.Options.ClientID())
			}
			quiet := tt.kind == dhcpv6.MessageTypeConfirm || tt.kind == dhcpv6.MessageTypeRelease || tt.kind == dhcpv6.MessageTypeDecline
			if dns := m.Options.DNS(); (len(dns) == 1) == quiet {
				t.Errorf("DNS servers %v", dns)
			}
		})
	}
}

func TestReplyV6Refuses(t *testing.T) {
	relay := &dhcpv6.RelayMessage{MessageType: dhcpv6.MessageTypeRelayForward, LinkAddr: make([]byte, 16), PeerAddr: make([]byte, 16)}
	solicit := frame6(dhcpv6.MessageTypeSolicit, clientID())
	spoofed := slices.Clone(solicit)
	spoofed[11]++
	payload := solicit[14+40+8:]
	tests := []struct {
		name  string
		frame []byte
		want  error
	}{
		{"relayed", datagram6(addr("fe80::1"), allServers6(), relay.ToBytes()), ErrRelay},
		{"from another MAC", spoofed, ErrOtherClient},
		{"by unicast", datagram6(addr("fe80::1"), addr("fe80::2"), payload), ErrOtherServer},
		{"from a global address", datagram6(addr("2001:db8::5"), allServers6(), payload), ErrNotOnNetwork},
		{"solicit that names a server", frame6(dhcpv6.MessageTypeSolicit, clientID(), ourID()), ErrServerID},
		{"solicit without identifier", frame6(dhcpv6.MessageTypeSolicit), ErrNoClientID},
		{"request to another server", frame6(dhcpv6.MessageTypeRequest, clientID(), otherID()), ErrOtherServer},
		{"request to no server", frame6(dhcpv6.MessageTypeRequest, clientID()), ErrOtherServer},
		{"information for another server", frame6(dhcpv6.MessageTypeInformationRequest, clientID(), otherID()), ErrOtherServer},
		{"information with an association", frame6(dhcpv6.MessageTypeInformationRequest, clientID(), iana6(1)), ErrFormat},
		{"a server's message", frame6(dhcpv6.MessageTypeReply, clientID()), ErrNotRequest},
		{"cut", datagram6(addr("fe80::1"), allServers6(), payload[:len(payload)-1]), ErrFormat},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := ReplyV6(config(), tt.frame)
			if err != tt.want || r.Frame != nil {
				t.Errorf("%+v, %v; want %v", r, err, tt.want)
			}
		})
	}
}

func TestReplyV6Options(t *testing.T) {
	cfg := config()
	var errs []error
	cfg.V6.Extra, errs = ParseOptions(6, []model.DHCPOption{
		{Name: "bootfile-url", Value: "http://[2001:db8::7]/boot", IPVersion: 6},
		{Name: "ntp-server", Value: "[2001:db8::7b]", IPVersion: 6},
		{Name: "dns-server", Value: "[2001:db8::54]", IPVersion: 6},
	})
	if errs != nil {
		t.Fatal(errs)
	}
	fqdn := &dhcpv6.OptFQDN{Flags: 1, DomainName: &rfc1035label.Labels{Labels: []string{"guest"}}}
	r, err := ReplyV6(cfg, frame6(dhcpv6.MessageTypeSolicit, clientID(), iana6(1), fqdn,
		dhcpv6.OptRequestedOption(dhcpv6.OptionBootfileURL, dhcpv6.OptionDNSRecursiveNameServer)))
	if err != nil {
		t.Fatal(err)
	}
	m := open6(t, r.Frame)
	if got := m.Options.BootFileURL(); got != "http://[2001:db8::7]/boot" {
		t.Errorf("boot file %q", got)
	}
	if dns := m.Options.DNS(); len(dns) != 1 || dns[0].String() != "2001:db8::54" {
		t.Errorf("DNS %v, want the port's own", dns)
	}
	if s := m.Options.DomainSearchList(); s == nil || !slices.Equal(s.Labels, []string{"example.org"}) {
		t.Errorf("search list %v", s)
	}
	if m.GetOneOption(dhcpv6.OptionNTPServer) != nil {
		t.Error("NTP servers came unasked")
	}
	if f := m.Options.FQDN(); f == nil || f.Flags != 6 || !slices.Equal(f.DomainName.Labels, []string{"web.example.org"}) {
		t.Errorf("FQDN %v", f)
	}
	ia := m.Options.OneIANA()
	if ia.T1 != 12*time.Hour || ia.T2 != 19*time.Hour+12*time.Minute || ia.Options.OneAddress().PreferredLifetime != 24*time.Hour {
		t.Errorf("times: %v", ia)
	}
}

func BenchmarkReplyV6(b *testing.B) {
	cfg := config()
	frame := frame6(dhcpv6.MessageTypeRequest, clientID(), ourID(), iana6(1, "2001:db8::5"), dhcpv6.OptRequestedOption(23, 24, 39, 59))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ReplyV6(cfg, frame); err != nil {
			b.Fatal(err)
		}
	}
}
