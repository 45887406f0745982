// Package packet builds frames for tests and says what is in a frame, by
// gopacket: it shares no code with the packets of the product, so that neither
// can hide the other's mistakes.
//
// A frame is written as its layers, outermost first, and checked in the same
// words:
//
//	frame := packet.Build(packet.Ethernet(mac1, mac2), packet.IP("10.0.0.1", "10.0.0.2"), packet.TCP(1000, 80, "S"))
//	packet.Check(t, got, packet.EthDst(mac2), packet.TCP(0, 80, "S"))
//
// In a check an empty address, a zero port and empty flags stand for any. MAC
// and IP addresses are given as text or as anything that prints as one, such
// as a netip.Addr or a net.HardwareAddr. What cannot be understood panics: it
// is a mistake in the test.
package packet

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"reflect"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// Checker is something that can be said about a frame.
type Checker interface {
	// check returns what is not so.
	check(p gopacket.Packet) error
}

// Layer is a part of a frame that can be built, too.
type Layer interface {
	Checker
	// build adds the layer to a frame that is built from the outside in.
	build(f *frame)
}

// frame is what Build collects.
type frame struct {
	layers []gopacket.SerializableLayer
	ip     gopacket.NetworkLayer // for checksums over its addresses
	is6    bool
}

// Build makes a frame of its layers, outermost first. Lengths, checksums and
// the type fields of outer layers are filled in.
func Build(all ...Layer) []byte {
	var f frame
	for _, l := range all {
		l.build(&f)
	}
	f.link()
	buf := gopacket.NewSerializeBuffer()
	err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, f.layers...)
	if err != nil {
		panic(fmt.Sprintf("build a frame: %v", err))
	}
	return bytes.Clone(buf.Bytes())
}

// link fills in what each layer says about the next one.
func (f *frame) link() {
	for i, l := range f.layers[:max(0, len(f.layers)-1)] {
		next := f.layers[i+1].LayerType()
		switch l := l.(type) {
		case *layers.Ethernet:
			l.EthernetType = etherType(next, l.EthernetType)
		case *layers.Dot1Q:
			l.Type = etherType(next, l.Type)
		case *layers.IPv4:
			l.Protocol = protocol(next, l.Protocol)
		case *layers.IPv6:
			l.NextHeader = protocol(next, l.NextHeader)
		}
	}
}

func etherType(next gopacket.LayerType, otherwise layers.EthernetType) layers.EthernetType {
	switch next {
	case layers.LayerTypeDot1Q:
		return layers.EthernetTypeDot1Q
	case layers.LayerTypeARP:
		return layers.EthernetTypeARP
	case layers.LayerTypeIPv4:
		return layers.EthernetTypeIPv4
	case layers.LayerTypeIPv6:
		return layers.EthernetTypeIPv6
	}
	return otherwise
}

func protocol(next gopacket.LayerType, otherwise layers.IPProtocol) layers.IPProtocol {
	switch next {
	case layers.LayerTypeTCP:
		return layers.IPProtocolTCP
	case layers.LayerTypeUDP:
		return layers.IPProtocolUDP
	case layers.LayerTypeICMPv4:
		return layers.IPProtocolICMPv4
	case layers.LayerTypeICMPv6:
		return layers.IPProtocolICMPv6
	}
	return otherwise
}

// Match returns nil if all that is said about the frame is so, else everything
// that is not. A wrong checksum or a broken layer is never right.
func Match(b []byte, want ...Checker) error {
	p := decode(b)
	var wrong []error
	if err := malformed(p); err != nil {
		wrong = append(wrong, err)
	}
	wrong = append(wrong, checksums(p)...)
	for _, w := range want {
		if err := w.check(p); err != nil {
			wrong = append(wrong, err)
		}
	}
	return errors.Join(wrong...)
}

// Check fails the test, naming the frame, if something said about it is not so.
func Check(t testing.TB, b []byte, want ...Checker) {
	t.Helper()
	if err := Match(b, want...); err != nil {
		t.Errorf("%s\n%v", Summary(b), err)
	}
}

// Is is a predicate, for WaitSent and the like.
func Is(want ...Checker) func([]byte) bool {
	return func(b []byte) bool { return Match(b, want...) == nil }
}

// Equal fails the test if the frames differ in a byte.
func Equal(t testing.TB, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("got  %s\n     %x\nwant %s\n     %x", Summary(got), got, Summary(want), want)
	}
}

func decode(b []byte) gopacket.Packet {
	return gopacket.NewPacket(b, layers.LayerTypeEthernet, gopacket.DecodeOptions{})
}

// malformed is what cannot be decoded of the layers that can be built here.
// What others make of the rest is not for here.
func malformed(p gopacket.Packet) error {
	e := p.ErrorLayer()
	if e == nil || p.TransportLayer() != nil {
		return nil
	}
	if h, err := header(p); err == nil && h.src.IsValid() && protocol(h.protocol.LayerType(), 0) == 0 {
		return nil
	}
	return fmt.Errorf("malformed: %w", e.Error())
}

func checksums(p gopacket.Packet) []error {
	var wrong []error
	for _, l := range p.Layers() {
		c, ok := l.(gopacket.LayerWithChecksum)
		if !ok || isFragment(p) && l.LayerType() != layers.LayerTypeIPv4 {
			continue
		}
		if o, ok := l.(overAddresses); ok && p.NetworkLayer() != nil && o.SetNetworkLayerForChecksum(p.NetworkLayer()) != nil {
			continue // not over IP
		}
		if err, r := c.VerifyChecksum(); err == nil && !r.Valid {
			wrong = append(wrong, fmt.Errorf("%s checksum is %#x, should be %#x", l.LayerType(), r.Actual, r.Correct))
		}
	}
	return wrong
}

// overAddresses is a layer whose checksum covers the IP addresses, too.
type overAddresses interface {
	SetNetworkLayerForChecksum(gopacket.NetworkLayer) error
}

// isFragment says whether a checksum of the layer above IP cannot be verified.
func isFragment(p gopacket.Packet) bool {
	ip, ok := p.Layer(layers.LayerTypeIPv4).(*layers.IPv4)
	return ok && (ip.FragOffset != 0 || ip.Flags&layers.IPv4MoreFragments != 0) || p.Layer(layers.LayerTypeIPv6Fragment) != nil
}

// layer returns the frame's first layer of a type.
func layer[L gopacket.Layer](p gopacket.Packet) (L, error) {
	for _, l := range p.Layers() {
		if found, ok := l.(L); ok {
			return found, nil
		}
	}
	var none L
	return none, fmt.Errorf("has no %s", reflect.TypeFor[L]().Elem().Name())
}

// field compares one field; a zero wanted value is any.
func field[V comparable](name string, got, want V) error {
	var any V
	if want == any || got == want {
		return nil
	}
	return fmt.Errorf("%s is %v, not %v", name, got, want)
}

func mac(v any) net.HardwareAddr {
	switch v := v.(type) {
	case nil:
		return nil
	case [6]byte:
		return v[:]
	case net.HardwareAddr:
		return v
	}
	text := fmt.Sprint(v)
	if text == "" {
		return nil
	}
	m, err := net.ParseMAC(text)
	if err != nil {
		panic(fmt.Sprintf("MAC address %q: %v", text, err))
	}
	return m
}

// macOr is for building, where a missing address is all zeros.
func macOr(v any) net.HardwareAddr {
	if m := mac(v); m != nil {
		return m
	}
	return make(net.HardwareAddr, 6)
}

func addr(v any) netip.Addr {
	if v == nil || fmt.Sprint(v) == "" {
		return netip.Addr{}
	}
	a, err := netip.ParseAddr(fmt.Sprint(v))
	if err != nil {
		panic(fmt.Sprintf("IP address: %v", err))
	}
	return a
}

func fromSlice(b []byte) netip.Addr {
	a, _ := netip.AddrFromSlice(b)
	return a
}
