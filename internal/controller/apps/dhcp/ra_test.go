package dhcp

import (
	"net/netip"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/packet"
)

func raConfig(modes ...model.IPv6Mode) *RAConfig {
	cfg := &RAConfig{MAC: serverMAC(), MTU: 1442, DNS: []netip.Addr{addr("2001:db8::53"), addr("192.0.2.53")}, Domain: "example.org"}
	for i, m := range modes {
		cfg.Prefixes = append(cfg.Prefixes, RAPrefix{Prefix: netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 1, 0x0d, 0xb8, 0, byte(i)}), 64), Mode: m})
	}
	return cfg
}

func openRA(t *testing.T, frame []byte) (packet.Ethernet, packet.IPv6, packet.RouterAdvertisement) {
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
	return e, p, ra
}

func solicitation(src netip.Addr, o packet.NDOptions) []byte {
	dst := addr("ff02::2")
	m := packet.RouterSolicitation{Options: o}.Append(nil, src, dst)
	b := packet.Ethernet{Dst: packet.MulticastMAC(dst), Src: guestMAC(), EtherType: packet.EtherTypeIPv6}.Append(nil)
	return append(packet.IPv6{HopLimit: 255, NextHeader: packet.ProtocolICMPv6, Src: src, Dst: dst}.Append(b, len(m)), m...)
}

func TestRAFlagsFollowNeutronsModes(t *testing.T) {
	tests := []struct {
		name           string
		modes          []model.IPv6Mode
		managed, other bool
		autonomous     []bool
	}{
		{"slaac", []model.IPv6Mode{model.SLAAC}, false, false, []bool{true}},
		{"stateless", []model.IPv6Mode{model.DHCPv6Stateless}, false, true, []bool{true}},
		{"stateful", []model.IPv6Mode{model.DHCPv6Stateful}, true, true, []bool{false}},
		{"mixed", []model.IPv6Mode{model.SLAAC, model.DHCPv6Stateful}, true, true, []bool{true, false}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, p, ra := openRA(t, BuildRA(raConfig(tt.modes...), allNodes(), packet.MAC{}))
			if ra.Managed != tt.managed || ra.Other != tt.other || ra.RouterLifetime != 0 || p.Src != packet.LinkLocal(serverMAC()) {
				t.Errorf("%+v from %s", ra, p.Src)
			}
			var autonomous []bool
			mtu, dns := false, false
			for o := ra.Options; len(o) > 0; {
				typ, body, rest, ok := o.Next()
				if !ok {
					t.Fatal("malformed options")
				}
				switch typ {
				case packet.NDOptionPrefix:
					pi, err := packet.ParseNDPrefix(body)
					if err != nil || !pi.OnLink || pi.ValidLifetime != 30*86400 || pi.PreferredLifetime != 7*86400 {
						t.Errorf("prefix %+v, %v", pi, err)
					}
					autonomous = append(autonomous, pi.Autonomous)
				case packet.NDOptionMTU:
					mtu = body[4] == 0x05 && body[5] == 0xa2
				case packet.NDOptionRDNSS:
					dns = len(body) == 6+16
				}
				o = rest
			}
			if len(autonomous) != len(tt.autonomous) || autonomous[0] != tt.autonomous[0] || autonomous[len(autonomous)-1] != tt.autonomous[len(autonomous)-1] {
				t.Errorf("autonomous %v, want %v", autonomous, tt.autonomous)
			}
			if source, ok := ra.Options.LinkAddr(packet.NDOptionSourceLinkAddr); !ok || source != serverMAC() || !mtu || !dns {
				t.Errorf("options %x", ra.Options)
			}
		})
	}
}

func TestReplyRS(t *testing.T) {
	cfg := raConfig(model.SLAAC)
	cfg.RouterLifetime = 50 * time.Hour
	guest := packet.LinkLocal(guestMAC())
	own := packet.NDOptions(nil).AppendLinkAddr(packet.NDOptionSourceLinkAddr, guestMAC())
	r, err := ReplyRS(cfg, guestMAC(), solicitation(guest, own))
	if err != nil {
		t.Fatal(err)
	}
	if e, p, ra := openRA(t, r.Frame); e.Dst != guestMAC() || p.Dst != guest || ra.RouterLifetime != 65535 {
		t.Errorf("to %x %s, lifetime %d", e.Dst, p.Dst, ra.RouterLifetime)
	}
	r, err = ReplyRS(cfg, guestMAC(), solicitation(netip.IPv6Unspecified(), nil))
	if err != nil {
		t.Fatal(err)
	}
	if e, p, _ := openRA(t, r.Frame); e.Dst != (packet.MAC{0x33, 0x33, 0, 0, 0, 1}) || p.Dst != addr("ff02::1") {
		t.Errorf("to %x %s", e.Dst, p.Dst)
	}
	other := packet.NDOptions(nil).AppendLinkAddr(packet.NDOptionSourceLinkAddr, packet.MAC{2})
	if _, err := ReplyRS(cfg, guestMAC(), solicitation(guest, other)); err != ErrOtherClient {
		t.Errorf("with another's MAC: %v", err)
	}
	if _, err := ReplyRS(raConfig(), guestMAC(), solicitation(guest, nil)); err != ErrNotServed {
		t.Errorf("on a network without prefixes: %v", err)
	}
}
