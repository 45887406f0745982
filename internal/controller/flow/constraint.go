package flow

import "net/netip"

// Constraint demands of a field that its masked bits have a value. A zero bit of Mask leaves that bit of the
// field free. Use the methods of [Field] to make one.
type Constraint struct {
	Field       Field
	Value, Mask Value
}

// Is demands the value v. The field has at most 64 bits; wider ones have Addr or Bytes.
func (f Field) Is(v uint64) Constraint { return f.constrain(Uint(v), f.mask()) }

// Masked demands that the bits of mask are those of value. It panics if value has a bit outside mask.
func (f Field) Masked(value, mask uint64) Constraint {
	return f.constrain(Uint(value), Uint(mask))
}

// MAC demands an Ethernet address.
func (f Field) MAC(mac [6]byte) Constraint {
	f.require(48, "an Ethernet address")
	return f.constrain(macValue(mac), f.mask())
}

// MACMasked demands the masked bits of an Ethernet address, as for multicast: 01:00:00:00:00:00 of both.
func (f Field) MACMasked(mac, mask [6]byte) Constraint {
	f.require(48, "an Ethernet address")
	return f.constrain(macValue(mac), macValue(mask))
}

// Addr demands an IP address. An IPv4-mapped IPv6 address is an IPv6 address.
func (f Field) Addr(a netip.Addr) Constraint {
	f.require(a.BitLen(), "this IP address")
	return f.constrain(addrValue(a), f.mask())
}

// Prefix demands an address within p; the host bits of p do not matter. A prefix of length 0 demands nothing.
func (f Field) Prefix(p netip.Prefix) Constraint {
	f.require(p.Addr().BitLen(), "this IP prefix")
	m := f.mask()
	m = m.AndNot(ones(f.Bits() - p.Bits()))
	return f.constrain(addrValue(p.Addr()).And(m), m)
}

// Bytes demands that the bits of mask are those of value; both have the length of the field on the wire. A nil
// mask is all ones.
func (f Field) Bytes(value, mask []byte) Constraint {
	n := int(fields[f].bytes)
	if len(value) != n || (mask != nil && len(mask) != n) {
		panicf("%v has %d bytes, not %d and a mask of %d", f, n, len(value), len(mask))
	}
	m := f.mask()
	if mask != nil {
		m = readValue(mask)
	}
	return f.constrain(readValue(value), m)
}

// With demands value in the bits of mask, for computed values.
func (f Field) With(value, mask Value) Constraint { return f.constrain(value, mask) }

func (f Field) require(bits int, what string) {
	if !f.Valid() {
		panicf("field %d does not exist", f)
	}
	if f.Bits() != bits || bits == 0 {
		panicf("%v has %d bits and cannot hold %s", f, f.Bits(), what)
	}
}

func (f Field) constrain(value, mask Value) Constraint {
	if !f.Valid() {
		panicf("field %d does not exist", f)
	}
	full := f.mask()
	switch {
	case !value.AndNot(full).IsZero() || !mask.AndNot(full).IsZero():
		panicf("%v=%v/%v: wider than %d bits", f, value, mask, f.Bits())
	case !value.AndNot(mask).IsZero():
		panicf("%v=%v/%v: the value has bits outside the mask", f, value, mask)
	case mask != full && !fields[f].mask && !mask.IsZero():
		panicf("%v=%v/%v: the field cannot be masked", f, value, mask)
	}
	if f == IPFrag {
		value, mask = wholeFrag(value, mask)
	}
	return Constraint{f, value, mask}
}

// wholeFrag makes one of the two ways to say "no fragment", and of those to say "later fragment", as one bit
// implies the other.
func wholeFrag(value, mask Value) (Value, Value) {
	switch {
	case mask.Lo == FragAny && value.Lo == 0:
		return Value{}, Uint(3)
	case mask.Lo == FragLater && value.Lo == FragLater:
		return Uint(3), Uint(3)
	}
	return value, mask
}

// IPv4, IPv6 and ARP demand an Ethernet type.
func IPv4() Constraint { return EthType.Is(EthTypeIPv4) }

// IPv6 demands that the packet is IPv6.
func IPv6() Constraint { return EthType.Is(EthTypeIPv6) }

// ARP demands that the packet is ARP.
func ARP() Constraint { return EthType.Is(EthTypeARP) }

// IPOf demands the Ethernet type of a's family.
func IPOf(a netip.Addr) Constraint {
	if a.Is4() {
		return IPv4()
	}
	return IPv6()
}

// Untagged demands that there is no VLAN tag, which is not the same as VLAN 0.
func Untagged() Constraint { return VLANVID.Is(0) }

// Tagged demands the tag vid.
func Tagged(vid uint16) Constraint { return VLANVID.Is(VLANPresent | uint64(vid)) }

// AnyTag demands a VLAN tag of any id.
func AnyTag() Constraint { return VLANVID.Masked(VLANPresent, VLANPresent) }

// Bits of [CTState], ovs-fields(7).
const (
	CTNew  = 0x01 // would begin a new connection
	CTEst  = 0x02 // part of a committed connection
	CTRel  = 0x04 // related to one, as an ICMP error is
	CTRpl  = 0x08 // in reply direction
	CTInv  = 0x10 // the tracker could not make sense of it
	CTTrk  = 0x20 // has been through the tracker
	CTSNAT = 0x40 // source translated
	CTDNAT = 0x80 // destination translated
)

// CTStateIs demands that the bits of set are set and those of clear are not.
func CTStateIs(set, clear uint8) Constraint {
	if set&clear != 0 {
		panicf("ct_state: bits %#x both set and clear", set&clear)
	}
	return CTState.Masked(uint64(set), uint64(set|clear))
}
