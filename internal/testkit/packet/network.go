package packet

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

type ip struct{ src, dst any }

// IP is IPv4 or IPv6, as the addresses are. When built, the TTL is 64.
func IP(src, dst any) Layer { return ip{src, dst} }

func (i ip) build(f *frame) {
	src, dst := addr(i.src), addr(i.dst)
	if src.Is4() != dst.Is4() || !src.IsValid() || !dst.IsValid() {
		panic(fmt.Sprintf("IP from %v to %v", i.src, i.dst))
	}
	if src.Is4() {
		l := &layers.IPv4{Version: 4, IHL: 5, TTL: 64, Protocol: 253, SrcIP: src.AsSlice(), DstIP: dst.AsSlice()}
		f.ip, f.is6 = l, false
		f.layers = append(f.layers, l)
		return
	}
	l := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: 253, SrcIP: src.AsSlice(), DstIP: dst.AsSlice()}
	f.ip, f.is6 = l, true
	f.layers = append(f.layers, l)
}

func (i ip) check(p gopacket.Packet) error {
	h, err := header(p)
	if err != nil {
		return err
	}
	return errors.Join(field("IP source", h.src, addr(i.src)), field("IP destination", h.dst, addr(i.dst)))
}

// ipHeader is what both versions have.
type ipHeader struct {
	src, dst netip.Addr
	ttl, tos uint8
	protocol layers.IPProtocol
}

func header(p gopacket.Packet) (ipHeader, error) {
	switch l := p.NetworkLayer().(type) {
	case *layers.IPv4:
		return ipHeader{fromSlice(l.SrcIP), fromSlice(l.DstIP), l.TTL, l.TOS, l.Protocol}, nil
	case *layers.IPv6:
		return ipHeader{fromSlice(l.SrcIP), fromSlice(l.DstIP), l.HopLimit, l.TrafficClass, l.NextHeader}, nil
	}
	return ipHeader{}, errors.New("has no IP")
}

type hops uint8

// TTL is the TTL or hop limit of the IP layer before it.
func TTL(n uint8) Layer { return hops(n) }

func (n hops) build(f *frame) {
	switch l := f.ip.(type) {
	case *layers.IPv4:
		l.TTL = uint8(n)
	case *layers.IPv6:
		l.HopLimit = uint8(n)
	default:
		panic("TTL without an IP layer before it")
	}
}

func (n hops) check(p gopacket.Packet) error {
	h, err := header(p)
	if err != nil || h.ttl == uint8(n) {
		return err
	}
	return fmt.Errorf("TTL is %d, not %d", h.ttl, n)
}

type proto uint8

// Protocol is the IP protocol of the layer before it, for protocols that have
// no layer here.
func Protocol(number uint8) Layer { return proto(number) }

func (n proto) build(f *frame) {
	switch l := f.ip.(type) {
	case *layers.IPv4:
		l.Protocol = layers.IPProtocol(n)
	case *layers.IPv6:
		l.NextHeader = layers.IPProtocol(n)
	default:
		panic("Protocol without an IP layer before it")
	}
}

func (n proto) check(p gopacket.Packet) error {
	h, err := header(p)
	if err != nil || uint8(h.protocol) == uint8(n) {
		return err
	}
	return fmt.Errorf("protocol is %d, not %d", h.protocol, n)
}

type echo struct {
	reply   bool
	id, seq uint16
}

// EchoRequest is ICMP's, of the version of the IP layer before it.
func EchoRequest(id, seq uint16) Layer { return echo{false, id, seq} }

// EchoReply is ICMP's, of the version of the IP layer before it.
func EchoReply(id, seq uint16) Layer { return echo{true, id, seq} }

func (e echo) build(f *frame) {
	if f.is6 {
		icmp{v6: true, kind: e.kind6(), code: 0}.build(f)
		f.layers = append(f.layers, &layers.ICMPv6Echo{Identifier: e.id, SeqNumber: e.seq})
		return
	}
	f.layers = append(f.layers, &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(e.kind4(), 0), Id: e.id, Seq: e.seq})
}

func (e echo) kind4() uint8 {
	if e.reply {
		return layers.ICMPv4TypeEchoReply
	}
	return layers.ICMPv4TypeEchoRequest
}

func (e echo) kind6() uint8 {
	if e.reply {
		return layers.ICMPv6TypeEchoReply
	}
	return layers.ICMPv6TypeEchoRequest
}

func (e echo) check(p gopacket.Packet) error {
	if l, err := layer[*layers.ICMPv4](p); err == nil {
		return errors.Join(icmp{kind: e.kind4()}.check(p), field("echo id", l.Id, e.id), field("echo sequence", l.Seq, e.seq))
	}
	if err := (icmp{v6: true, kind: e.kind6()}).check(p); err != nil {
		return err
	}
	l, err := layer[*layers.ICMPv6Echo](p)
	if err != nil {
		return err
	}
	return errors.Join(field("echo id", l.Identifier, e.id), field("echo sequence", l.SeqNumber, e.seq))
}

type icmp struct {
	v6         bool
	kind, code uint8
}

// ICMP is a message of ICMP for IPv4. When built, what follows the first four
// bytes is the payload.
func ICMP(kind, code uint8) Layer { return icmp{false, kind, code} }

// ICMPv6 is a message of ICMP for IPv6. When built, what follows the first four
// bytes is the payload.
func ICMPv6(kind, code uint8) Layer { return icmp{true, kind, code} }

func (i icmp) build(f *frame) {
	if !i.v6 {
		f.layers = append(f.layers, &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(i.kind, i.code)})
		return
	}
	l := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(i.kind, i.code)}
	checksum(l.SetNetworkLayerForChecksum(f.ip))
	f.layers = append(f.layers, l)
}

func (i icmp) check(p gopacket.Packet) error {
	var kind, code uint8
	if i.v6 {
		l, err := layer[*layers.ICMPv6](p)
		if err != nil {
			return err
		}
		kind, code = l.TypeCode.Type(), l.TypeCode.Code()
	} else {
		l, err := layer[*layers.ICMPv4](p)
		if err != nil {
			return err
		}
		kind, code = l.TypeCode.Type(), l.TypeCode.Code()
	}
	if kind != i.kind || code != i.code {
		return fmt.Errorf("ICMP type %d code %d, not %d/%d", kind, code, i.kind, i.code)
	}
	return nil
}

// checksum complains about a layer that has no IP before it.
func checksum(err error) {
	if err != nil {
		panic(fmt.Sprintf("no IP layer before this one: %v", err))
	}
}
