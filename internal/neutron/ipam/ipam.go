// Package ipam chooses addresses: for ports among the pools of subnets, and the pools and gateway of a
// subnet itself. It is pure; who calls it makes the choice unique with the reservation keys named here.
package ipam

import (
	"encoding/json"
	"net/netip"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/neutron/resource"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// Kinds of the reservation keys.
const (
	KindAddress = "neutron.address"
	KindMAC     = "neutron.mac"
)

// Scope holds the reservations of a network: one key for each address and each MAC in use. It is also
// the truth about whether the network and its subnets are in use.
func Scope(network string) db.Scope { return db.Scope("neutron/addresses/" + network) }

// AddressKey reserves an address on a network.
func AddressKey(network string, a netip.Addr) db.Key {
	return db.Key{Scope: Scope(network), Kind: KindAddress, ID: a.String()}
}

// MACKey reserves a MAC address on a network; every port has exactly one.
func MACKey(network string, m model.MAC) db.Key {
	return db.Key{Scope: Scope(network), Kind: KindMAC, ID: m.String()}
}

// Reservation is the value of a reservation key: who has it, and for an address, of which subnet.
type Reservation struct {
	Port   string `json:"port"`
	Subnet string `json:"subnet,omitzero"`
}

// Encode returns the stored form.
func (r Reservation) Encode() []byte {
	b, err := json.Marshal(r)
	if err != nil { // two strings
		panic(err)
	}
	return b
}

// Holder returns the port that has a reservation, empty if the value is not one.
func Holder(value []byte) string {
	var r Reservation
	if json.Unmarshal(value, &r) != nil {
		return ""
	}
	return r.Port
}

// EUI64 returns the address that a host derives from its MAC on a prefix of 64 bits (RFC 4291,
// appendix A).
func EUI64(p netip.Prefix, m model.MAC) netip.Addr {
	a := p.Masked().Addr().As16()
	copy(a[8:], []byte{m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]})
	return netip.AddrFrom16(a)
}

// Last returns the last address of a prefix: IPv4's broadcast address.
func Last(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for i := range b {
		switch host := (i+1)*8 - p.Bits(); {
		case host >= 8:
			b[i] = 0xff
		case host > 0:
			b[i] |= 1<<host - 1
		}
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// hosts returns the first and last address that a host may have: IPv4's network and broadcast address
// are none (except in /31, RFC 3021, and /32), nor is IPv6's subnet-router anycast address (RFC 4291
// section 2.6.1, except in /127 and /128).
func hosts(p netip.Prefix) (first, last netip.Addr) {
	first, last = p.Masked().Addr(), Last(p)
	if p.Addr().BitLen()-p.Bits() < 2 {
		return first, last
	}
	first = first.Next()
	if p.Addr().Is4() {
		last = last.Prev()
	}
	return first, last
}

// Gateway returns the gateway that a subnet has if nobody names one: its first address.
func Gateway(p netip.Prefix) netip.Addr {
	first, _ := hosts(p)
	return first
}

// Pools returns the pools that a subnet has if nobody names them: all hosts but the gateway.
func Pools(p netip.Prefix, gateway netip.Addr) []resource.Pool {
	first, last := hosts(p)
	if !gateway.IsValid() || gateway.Less(first) || last.Less(gateway) {
		return []resource.Pool{{Start: first, End: last}}
	}
	var out []resource.Pool
	if first.Less(gateway) {
		out = append(out, resource.Pool{Start: first, End: gateway.Prev()})
	}
	if gateway.Less(last) {
		out = append(out, resource.Pool{Start: gateway.Next(), End: last})
	}
	return out
}

// Contains reports whether the address lies in the pool.
func Contains(p resource.Pool, a netip.Addr) bool { return !a.Less(p.Start) && !p.End.Less(a) }

// IsHost reports whether a host may have the address on the subnet.
func IsHost(p netip.Prefix, a netip.Addr) bool {
	first, last := hosts(p)
	return p.Contains(a) && !a.Less(first) && !last.Less(a)
}

// Pick returns the first free address of the pools at or after from, going round once; free is asked
// about each. The zero from starts at the first pool. It reports false if there is none.
func Pick(pools []resource.Pool, from netip.Addr, free func(netip.Addr) bool) (netip.Addr, bool) {
	start := 0
	for i, p := range pools {
		if from.IsValid() && Contains(p, from) {
			start = i
			if a, ok := scan(from, p.End, free); ok {
				return a, true
			}
			start++
			break
		}
	}
	for i := range pools {
		p := pools[(start+i)%len(pools)]
		if a, ok := scan(p.Start, p.End, free); ok {
			return a, true
		}
	}
	return netip.Addr{}, false
}

func scan(a, end netip.Addr, free func(netip.Addr) bool) (netip.Addr, bool) {
	for ; a.IsValid() && !end.Less(a); a = a.Next() {
		if free(a) {
			return a, true
		}
	}
	return netip.Addr{}, false
}
