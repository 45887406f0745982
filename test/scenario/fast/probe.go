package fast

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/dragonflow/dragonflow/test/scenario"
)

const (
	// answerWait is how long a probe waits: the race detector makes a second short. And lookEvery how often it looks.
	answerWait = 2 * time.Second
	lookEvery  = 2 * time.Millisecond
	usualTTL   = 64
)

// Probe sends one echo request and says what came of it.
func (g *guest) Probe(ctx context.Context, to netip.Addr, p scenario.Probe) (scenario.Answer, error) {
	from, hop, err := g.way(to)
	if err != nil {
		return scenario.Answer{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, answerWait)
	defer cancel()
	mac, err := g.resolve(ctx, from, hop)
	if err != nil {
		return scenario.Answer{Outcome: scenario.Silent}, nil // nobody answers for the next hop
	}
	t := g.tap()
	defer func() { _ = t.Close() }() // a tap that is let go
	id := uint16(rand.Uint32())
	frame, err := echoRequest(g.mac, mac, from, to, id, p)
	if err != nil {
		return scenario.Answer{}, err
	}
	if err := g.send(frame); err != nil {
		return scenario.Answer{}, err
	}
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		for _, seen := range t.Seen() {
			if answer, ok := answerTo(seen, to, id); ok {
				return answer, nil
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return scenario.Answer{Outcome: scenario.Silent}, nil
		}
	}
}

// way is the machine's own address towards another, and the next hop.
func (g *guest) way(to netip.Addr) (from, hop netip.Addr, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	best := -1
	for _, p := range g.prefixes {
		if p.Addr().Is6() != to.Is6() {
			continue
		}
		if !from.IsValid() {
			from = p.Addr()
		}
		if p.Contains(to) && p.Bits() > best {
			from, hop, best = p.Addr(), to, p.Bits()
		}
	}
	for _, r := range g.routes {
		if r.To.Contains(to) && r.To.Bits() > best {
			hop, best = r.Via, r.To.Bits()
		}
	}
	if best < 0 || !from.IsValid() {
		return from, hop, fmt.Errorf("%s has no way to %s", g.name, to)
	}
	return from, hop, nil
}

// resolve asks for the MAC address of a neighbour.
func (g *guest) resolve(ctx context.Context, from, to netip.Addr) (net.HardwareAddr, error) {
	done := make(chan stack.LinkResolutionResult, 1)
	local := tcpip.AddrFromSlice(from.AsSlice())
	if to.IsLinkLocalUnicast() {
		local = tcpip.Address{}
	}
	err := g.stack.GetLinkAddress(nic, tcpip.AddrFromSlice(to.AsSlice()), local, protocolOf(to),
		func(r stack.LinkResolutionResult) { done <- r })
	if _, pending := err.(*tcpip.ErrWouldBlock); err != nil && !pending {
		return nil, errors.New(err.String())
	}
	select {
	case r := <-done:
		if r.Err != nil {
			return nil, errors.New(r.Err.String())
		}
		return net.HardwareAddr(r.LinkAddress), nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// The lengths of the headers before an echo request's data.
const (
	headers4 = 20 + 8
	headers6 = 40 + 8
	usual    = 56 // bytes of data, as ping(8) sends
)

func echoRequest(src, dst net.HardwareAddr, from, to netip.Addr, id uint16, p scenario.Probe) ([]byte, error) {
	ttl := uint8(usualTTL)
	if p.TTL > 0 {
		ttl = uint8(p.TTL)
	}
	eth := &layers.Ethernet{SrcMAC: src, DstMAC: dst, EthernetType: layers.EthernetTypeIPv4}
	buf, o := gopacket.NewSerializeBuffer(), gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if to.Is4() {
		ip := &layers.IPv4{Version: 4, TTL: ttl, Protocol: layers.IPProtocolICMPv4, SrcIP: from.AsSlice(), DstIP: to.AsSlice(), Flags: layers.IPv4DontFragment}
		icmp := &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(layers.ICMPv4TypeEchoRequest, 0), Id: id, Seq: 1}
		err := gopacket.SerializeLayers(buf, o, eth, ip, icmp, data(p.Size, headers4))
		return bytes.Clone(buf.Bytes()), err
	}
	eth.EthernetType = layers.EthernetTypeIPv6
	ip := &layers.IPv6{Version: 6, HopLimit: ttl, NextHeader: layers.IPProtocolICMPv6, SrcIP: from.AsSlice(), DstIP: to.AsSlice()}
	icmp := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(layers.ICMPv6TypeEchoRequest, 0)}
	if err := icmp.SetNetworkLayerForChecksum(ip); err != nil {
		return nil, err
	}
	err := gopacket.SerializeLayers(buf, o, eth, ip, icmp, &layers.ICMPv6Echo{Identifier: id, SeqNumber: 1}, data(p.Size, headers6))
	return bytes.Clone(buf.Bytes()), err
}

func data(size, headers int) gopacket.Payload {
	if size == 0 {
		return make(gopacket.Payload, usual)
	}
	return make(gopacket.Payload, max(0, size-headers))
}

// answerTo says what a frame answers to the request, if it is about it.
func answerTo(frame []byte, to netip.Addr, id uint16) (scenario.Answer, bool) {
	p := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.NoCopy)
	if p.NetworkLayer() == nil {
		return scenario.Answer{}, false
	}
	from, _ := netip.AddrFromSlice(p.NetworkLayer().NetworkFlow().Src().Raw())
	if m, ok := p.Layer(layers.LayerTypeICMPv4).(*layers.ICMPv4); ok && to.Is4() {
		if m.TypeCode.Type() == layers.ICMPv4TypeEchoReply {
			return scenario.Answer{Outcome: scenario.Answered, From: from}, m.Id == id
		}
		return about(m.Payload, 20, id, outcome4(m), from)
	}
	if m, ok := p.Layer(layers.LayerTypeICMPv6).(*layers.ICMPv6); ok && to.Is6() {
		if m.TypeCode.Type() == layers.ICMPv6TypeEchoReply {
			echo, ok := p.Layer(layers.LayerTypeICMPv6Echo).(*layers.ICMPv6Echo)
			return scenario.Answer{Outcome: scenario.Answered, From: from}, ok && echo.Identifier == id
		}
		if len(m.Payload) < 4 {
			return scenario.Answer{}, false
		}
		return about(m.Payload[4:], 40, id, outcome6(m), from)
	}
	return scenario.Answer{}, false
}

// about completes an answer that quotes the request.
func about(quoted []byte, header int, id uint16, a scenario.Answer, from netip.Addr) (scenario.Answer, bool) {
	a.From = from
	const echoHeader = 8
	if a.Outcome == "" || len(quoted) < header+echoHeader {
		return a, false
	}
	return a, binary.BigEndian.Uint16(quoted[header+4:]) == id
}

func outcome4(m *layers.ICMPv4) scenario.Answer {
	switch {
	case m.TypeCode.Type() == layers.ICMPv4TypeTimeExceeded:
		return scenario.Answer{Outcome: scenario.Exceeded}
	case m.TypeCode.Type() != layers.ICMPv4TypeDestinationUnreachable:
		return scenario.Answer{}
	case m.TypeCode.Code() == layers.ICMPv4CodeFragmentationNeeded:
		return scenario.Answer{Outcome: scenario.TooBig, MTU: int(m.Seq)} // RFC 1191: where others have the number
	}
	return scenario.Answer{Outcome: scenario.Unreachable}
}

func outcome6(m *layers.ICMPv6) scenario.Answer {
	switch m.TypeCode.Type() {
	case layers.ICMPv6TypeTimeExceeded:
		return scenario.Answer{Outcome: scenario.Exceeded}
	case layers.ICMPv6TypePacketTooBig:
		return scenario.Answer{Outcome: scenario.TooBig, MTU: int(binary.BigEndian.Uint32(m.Payload))}
	case layers.ICMPv6TypeDestinationUnreachable:
		return scenario.Answer{Outcome: scenario.Unreachable}
	}
	return scenario.Answer{}
}
