package packet

import (
	"fmt"

	"github.com/gopacket/gopacket"
	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv6"
)

// DHCPv4Client is a frame that a client without an address broadcasts:
// DISCOVER unless a modifier says otherwise.
func DHCPv4Client(from any, modifiers ...dhcpv4.Modifier) []byte {
	m, err := dhcpv4.New(dhcpv4.WithHwAddr(mac(from)), dhcpv4.WithMessageType(dhcpv4.MessageTypeDiscover))
	if err != nil {
		panic(fmt.Sprintf("DHCPv4 message: %v", err))
	}
	for _, modify := range modifiers {
		modify(m)
	}
	return Build(Ethernet(from, Broadcast), IP("0.0.0.0", "255.255.255.255"), UDP(68, 67), Payload(m.ToBytes()))
}

// DHCPv6Client is a frame that a client multicasts from its link-local address.
func DHCPv6Client(from, linkLocal any, m *dhcpv6.Message) []byte {
	return Build(Ethernet(from, "33:33:00:01:00:02"), IP(linkLocal, "ff02::1:2"), UDP(546, 547), Payload(m.ToBytes()))
}

// ParseDHCPv4 reads the DHCPv4 message in a frame.
func ParseDHCPv4(b []byte) (*dhcpv4.DHCPv4, error) { return parseDHCPv4(decode(b)) }

func parseDHCPv4(p gopacket.Packet) (*dhcpv4.DHCPv4, error) {
	if err := either(p, UDP(67, 68), UDP(68, 67), UDP(67, 67)); err != nil {
		return nil, err
	}
	m, err := dhcpv4.FromBytes(carried(p))
	if err != nil {
		return nil, fmt.Errorf("DHCPv4: %w", err)
	}
	return m, nil
}

// ParseDHCPv6 reads the DHCPv6 message in a frame.
func ParseDHCPv6(b []byte) (*dhcpv6.Message, error) { return parseDHCPv6(decode(b)) }

func parseDHCPv6(p gopacket.Packet) (*dhcpv6.Message, error) {
	if err := either(p, UDP(547, 546), UDP(546, 547)); err != nil {
		return nil, err
	}
	m, err := dhcpv6.MessageFromBytes(carried(p))
	if err != nil {
		return nil, fmt.Errorf("DHCPv6: %w", err)
	}
	return m, nil
}

// either returns the last reason if no alternative is so.
func either(p gopacket.Packet, alternatives ...Checker) (err error) {
	for _, a := range alternatives {
		if err = a.check(p); err == nil {
			return nil
		}
	}
	return err
}

type checkFunc func(gopacket.Packet) error

func (f checkFunc) check(p gopacket.Packet) error { return f(p) }

// DHCPv4 checks that the frame has a message of this type that satisfies the
// conditions.
func DHCPv4(kind dhcpv4.MessageType, conditions ...func(*dhcpv4.DHCPv4) error) Checker {
	return checkFunc(func(p gopacket.Packet) error {
		m, err := parseDHCPv4(p)
		if err == nil && m.MessageType() != kind {
			err = fmt.Errorf("DHCPv4 %v, not %v", m.MessageType(), kind)
		}
		for _, c := range conditions {
			if err == nil {
				err = c(m)
			}
		}
		return err
	})
}

// DHCPv6 checks that the frame has a message of this type that satisfies the
// conditions.
func DHCPv6(kind dhcpv6.MessageType, conditions ...func(*dhcpv6.Message) error) Checker {
	return checkFunc(func(p gopacket.Packet) error {
		m, err := parseDHCPv6(p)
		if err == nil && m.Type() != kind {
			err = fmt.Errorf("DHCPv6 %v, not %v", m.Type(), kind)
		}
		for _, c := range conditions {
			if err == nil {
				err = c(m)
			}
		}
		return err
	})
}
