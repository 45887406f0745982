package packet

import (
	"errors"
	"fmt"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// Broadcast is Ethernet's address of everybody.
const Broadcast = "ff:ff:ff:ff:ff:ff"

type ethernet struct{ src, dst any }

// Ethernet is the outermost layer.
func Ethernet(src, dst any) Layer { return ethernet{src, dst} }

// EthSrc checks the source address.
func EthSrc(mac any) Checker { return ethernet{src: mac} }

// EthDst checks the destination address.
func EthDst(mac any) Checker { return ethernet{dst: mac} }

func (e ethernet) build(f *frame) {
	f.layers = append(f.layers, &layers.Ethernet{SrcMAC: macOr(e.src), DstMAC: macOr(e.dst), EthernetType: 0x88b5}) // experimental, unless linked
}

func (e ethernet) check(p gopacket.Packet) error {
	l, err := layer[*layers.Ethernet](p)
	if err != nil {
		return err
	}
	return errors.Join(field("Ethernet source", l.SrcMAC.String(), mac(e.src).String()),
		field("Ethernet destination", l.DstMAC.String(), mac(e.dst).String()))
}

type vlan uint16

// VLAN is an 802.1Q tag; 0 in a check is any.
func VLAN(id uint16) Layer { return vlan(id) }

func (v vlan) build(f *frame) {
	f.layers = append(f.layers, &layers.Dot1Q{VLANIdentifier: uint16(v), Type: 0x88b5})
}

func (v vlan) check(p gopacket.Packet) error {
	l, err := layer[*layers.Dot1Q](p)
	if err != nil {
		return err
	}
	return field("VLAN", l.VLANIdentifier, uint16(v))
}

type untagged struct{}

// Untagged checks that there is no 802.1Q tag.
func Untagged() Checker { return untagged{} }

func (untagged) check(p gopacket.Packet) error {
	if l, err := layer[*layers.Dot1Q](p); err == nil {
		return fmt.Errorf("has the VLAN %d", l.VLANIdentifier)
	}
	return nil
}

type arp struct {
	op                 uint16
	sha, spa, tha, tpa any
}

// ARPRequest asks who has an address.
func ARPRequest(senderMAC, senderIP, targetIP any) Layer {
	return arp{layers.ARPRequest, senderMAC, senderIP, nil, targetIP}
}

// ARPReply says that the sender's MAC address has the sender's IP address.
func ARPReply(senderMAC, senderIP, targetMAC, targetIP any) Layer {
	return arp{layers.ARPReply, senderMAC, senderIP, targetMAC, targetIP}
}

func (a arp) build(f *frame) {
	spa, tpa := addr(a.spa), addr(a.tpa)
	f.layers = append(f.layers, &layers.ARP{
		AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4, HwAddressSize: 6, ProtAddressSize: 4, Operation: a.op,
		SourceHwAddress: macOr(a.sha), SourceProtAddress: spa.AsSlice(), DstHwAddress: macOr(a.tha), DstProtAddress: tpa.AsSlice(),
	})
}

func (a arp) check(p gopacket.Packet) error {
	l, err := layer[*layers.ARP](p)
	if err != nil {
		return err
	}
	return errors.Join(field("ARP operation", l.Operation, a.op),
		field("ARP sender MAC", mac6(l.SourceHwAddress), mac(a.sha).String()), field("ARP sender IP", fromSlice(l.SourceProtAddress), addr(a.spa)),
		field("ARP target MAC", mac6(l.DstHwAddress), mac(a.tha).String()), field("ARP target IP", fromSlice(l.DstProtAddress), addr(a.tpa)))
}

func mac6(b []byte) string {
	return fmt.Sprint(mac([6]byte(append(append([]byte{}, b...), make([]byte, 6)...)[:6])))
}
