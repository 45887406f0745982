// Package segment says how the frames of networks travel between chassis: which tunnel a network uses,
// which virtual network identifiers (VNI) there are to give, and what a tunnel leaves of the MTU of the
// hosts' network. It is pure; who calls it makes a VNI unique with the reservation keys named here.
package segment

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// MaxVNI is the largest VNI: it has 24 bits (RFC 7348 section 5, RFC 8926 section 3.4). Zero is none.
const MaxVNI = 1<<24 - 1

// Range is the VNIs from First to Last, both included.
type Range struct{ First, Last uint32 }

// Ranges are tried in their order.
type Ranges []Range

// ParseRanges reads ranges written as "FIRST-LAST" or as one number.
func ParseRanges(words []string) (Ranges, error) {
	out := make(Ranges, 0, len(words))
	for _, w := range words {
		first, last, isRange := strings.Cut(w, "-")
		if !isRange {
			last = first
		}
		a, errA := strconv.ParseUint(strings.TrimSpace(first), 10, 24)
		b, errB := strconv.ParseUint(strings.TrimSpace(last), 10, 24)
		if errA != nil || errB != nil || a == 0 || b < a {
			return nil, fmt.Errorf("%q is not FIRST-LAST within 1-%d", w, MaxVNI)
		}
		out = append(out, Range{uint32(a), uint32(b)})
	}
	return out, nil
}

// String writes ranges as ParseRanges reads them.
func (r Ranges) String() string {
	words := make([]string, len(r))
	for i, x := range r {
		words[i] = fmt.Sprintf("%d-%d", x.First, x.Last)
	}
	return strings.Join(words, ",")
}

// Contains reports whether a range holds the VNI.
func (r Ranges) Contains(vni uint32) bool {
	for _, x := range r {
		if x.First <= vni && vni <= x.Last {
			return true
		}
	}
	return false
}

// Overlaps reports whether some VNI lies in both.
func (r Ranges) Overlaps(o Ranges) bool {
	for _, x := range r {
		for _, y := range o {
			if x.First <= y.Last && y.First <= x.Last {
				return true
			}
		}
	}
	return false
}

// Size is how many VNIs the ranges hold.
func (r Ranges) Size() int {
	n := 0
	for _, x := range r {
		n += int(x.Last-x.First) + 1
	}
	return n
}

// At returns the VNI at a position in 0..Size-1.
func (r Ranges) At(position int) uint32 {
	for _, x := range r {
		size := int(x.Last-x.First) + 1
		if position < size {
			return x.First + uint32(position)
		}
		position -= size
	}
	return 0
}

// Pick returns the position of the first free VNI at or after a position, going round once; free is
// asked about each. It reports false if there is none.
func (r Ranges) Pick(from int, free func(uint32) bool) (position int, ok bool) {
	size := r.Size()
	for i := range size {
		at := (from + i) % size
		if free(r.At(at)) {
			return at, true
		}
	}
	return 0, false
}

// The kinds of the reservation keys: of segments, which networks have, and of transit, which routers have.
const (
	KindVNI     = "neutron.vni"
	KindTransit = "neutron.transit-vni"
)

// ScopePrefix begins the scopes of the reservations of VNIs.
const ScopePrefix = "neutron/vnis/"

// Scope holds the VNIs in use by one type of tunnel; types do not share them.
func Scope(t model.NetworkType) db.Scope { return db.Scope(ScopePrefix + string(t)) }

// Name is what no other segment of the type has: the VNI of a tunnel, the physical network of a flat one,
// and both of a VLAN.
func Name(s model.Segment) string {
	id := strconv.FormatUint(uint64(s.SegmentationID), 10)
	switch s.NetworkType {
	case model.Flat:
		return s.PhysicalNetwork
	case model.VLAN:
		return s.PhysicalNetwork + ":" + id
	}
	return id
}

// Key reserves what a segment has.
func Key(s model.Segment) db.Key {
	return db.Key{Scope: Scope(s.NetworkType), Kind: KindVNI, ID: Name(s)}
}

// TransitScope holds the VNIs in use by routers, whatever the tunnel.
const TransitScope db.Scope = ScopePrefix + "transit"

// TransitKey reserves the VNI of a router.
func TransitKey(vni uint32) db.Key {
	return db.Key{Scope: TransitScope, Kind: KindTransit, ID: strconv.FormatUint(uint64(vni), 10)}
}

// TransitFrom is where to begin looking for the VNI of a router, as a position in the ranges. It follows
// from the router's id, so that a router gets the same again when the database is made anew.
func TransitFrom(r Ranges, router string) int {
	sum := sha256.Sum256([]byte(router))
	return int(binary.BigEndian.Uint32(sum[:]) % uint32(r.Size()))
}

// Reservation is the value of a reservation key: which network has the segment, or which router the VNI.
type Reservation struct {
	Network string `json:"network,omitzero"`
	Router  string `json:"router,omitzero"`
}

// Encode returns the stored form.
func (r Reservation) Encode() []byte {
	b, err := json.Marshal(r)
	if err != nil { // a string
		panic(err)
	}
	return b
}

// Holder returns the network or router that has a reservation, empty if the value is not one.
func Holder(value []byte) string {
	var r Reservation
	if json.Unmarshal(value, &r) != nil {
		return ""
	}
	return cmp.Or(r.Network, r.Router)
}
