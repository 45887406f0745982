package packet

import (
	"errors"
	"fmt"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// The flags of a neighbour advertisement (RFC 4861 section 4.4).
const (
	Router    = 0x80
	Solicited = 0x40
	Override  = 0x20
)

type solicitation struct{ target, link any }

// NeighborSolicitation asks who has an address, with the asker's link-layer
// address unless that is nil. When built it sets the hop limit to 255.
func NeighborSolicitation(target, sourceLink any) Layer { return solicitation{target, sourceLink} }

func (s solicitation) build(f *frame) {
	icmp{v6: true, kind: layers.ICMPv6TypeNeighborSolicitation}.build(f)
	hops(255).build(f)
	f.layers = append(f.layers, &layers.ICMPv6NeighborSolicitation{
		TargetAddress: addr(s.target).AsSlice(), Options: linkOption(layers.ICMPv6OptSourceAddress, s.link),
	})
}

func (s solicitation) check(p gopacket.Packet) error {
	l, err := layer[*layers.ICMPv6NeighborSolicitation](p)
	if err != nil {
		return err
	}
	return errors.Join(field("ND target", fromSlice(l.TargetAddress), addr(s.target)),
		field("ND source link-layer address", link(l.Options, layers.ICMPv6OptSourceAddress), mac(s.link).String()), farthest(p))
}

type advertisement struct {
	target, link any
	flags        uint8
}

// NeighborAdvertisement says where an address is. When built it sets the hop
// limit to 255.
func NeighborAdvertisement(target, targetLink any, flags uint8) Layer {
	return advertisement{target, targetLink, flags}
}

func (a advertisement) build(f *frame) {
	icmp{v6: true, kind: layers.ICMPv6TypeNeighborAdvertisement}.build(f)
	hops(255).build(f)
	f.layers = append(f.layers, &layers.ICMPv6NeighborAdvertisement{
		TargetAddress: addr(a.target).AsSlice(), Flags: a.flags, Options: linkOption(layers.ICMPv6OptTargetAddress, a.link),
	})
}

func (a advertisement) check(p gopacket.Packet) error {
	l, err := layer[*layers.ICMPv6NeighborAdvertisement](p)
	if err != nil {
		return err
	}
	if l.Flags != a.flags {
		err = fmt.Errorf("ND flags are %#x, not %#x", l.Flags, a.flags)
	}
	return errors.Join(err, field("ND target", fromSlice(l.TargetAddress), addr(a.target)),
		field("ND target link-layer address", link(l.Options, layers.ICMPv6OptTargetAddress), mac(a.link).String()), farthest(p))
}

type routerSolicitation struct{ link any }

// RouterSolicitation asks for routers, with the asker's link-layer address
// unless that is nil. When built it sets the hop limit to 255.
func RouterSolicitation(sourceLink any) Layer { return routerSolicitation{sourceLink} }

func (r routerSolicitation) build(f *frame) {
	icmp{v6: true, kind: layers.ICMPv6TypeRouterSolicitation}.build(f)
	hops(255).build(f)
	f.layers = append(f.layers, &layers.ICMPv6RouterSolicitation{Options: linkOption(layers.ICMPv6OptSourceAddress, r.link)})
}

func (r routerSolicitation) check(p gopacket.Packet) error {
	l, err := layer[*layers.ICMPv6RouterSolicitation](p)
	if err != nil {
		return err
	}
	return errors.Join(field("ND source link-layer address", link(l.Options, layers.ICMPv6OptSourceAddress), mac(r.link).String()), farthest(p))
}

// farthest: what crossed a router is no neighbour discovery (RFC 4861 section 6.1).
func farthest(p gopacket.Packet) error { return hops(255).check(p) }

func linkOption(kind layers.ICMPv6Opt, link any) layers.ICMPv6Options {
	if m := mac(link); m != nil {
		return layers.ICMPv6Options{{Type: kind, Data: m}}
	}
	return nil
}

func link(options layers.ICMPv6Options, kind layers.ICMPv6Opt) string {
	for _, o := range options {
		if o.Type == kind && len(o.Data) == 6 {
			return mac6(o.Data)
		}
	}
	return "missing"
}
