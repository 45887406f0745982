package flood

import (
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// In a flood of everything each kind has the same share, and every frame of it comes.
func TestAllHasEachKindAlike(t *testing.T) {
	t.Parallel()
	a4, a6 := netip.MustParseAddr("10.0.0.9"), netip.MustParseAddr("2001:db8::9")
	mac := net.HardwareAddr{0xfa, 0x16, 0x3e, 0, 0, 1}
	s := Sender{
		MAC: mac, V4: a4, V6: a6, Peer: mac, Peer4: a4, Peer6: a6, Nobody4: a4, Nobody6: a6, Router: mac,
		Gateway4: a4, Gateway6: a6, Behind4: a4, Behind6: a6, Nowhere4: a4, Nowhere6: a6,
	}
	kinds := s.Kinds()
	all := kinds[len(kinds)-1].Frames
	for _, k := range [][][]byte{s.ARP(), s.ND(), s.ToRouter()} { // DHCP has a new random part each time
		for _, want := range k {
			if !slices.ContainsFunc(all, func(f []byte) bool { return string(f) == string(want) }) {
				t.Fatalf("%x is missing", want)
			}
		}
	}
	arp := 0
	for _, f := range all {
		if f[12] == 8 && f[13] == 6 {
			arp++
		}
	}
	if 4*arp != len(all) {
		t.Errorf("%d of %d frames are ARP", arp, len(all))
	}
}

// One disturbed round does not decide.
func TestRatiosAreMedians(t *testing.T) {
	t.Parallel()
	sample := func(near, far, packet time.Duration) Sample {
		return Sample{Near: Trips{P99: near}, Far: Trips{P99: far}, Packet: packet}
	}
	c := Comparison{
		Ours:  []Sample{sample(2, 9, 1), sample(900, 3, 2), sample(2, 3, 3)},
		Plain: []Sample{sample(1, 3, 1), sample(1, 900, 1), sample(1, 3, 1)},
	}
	if near, far, packet := c.Ratios(); near != 2 || far != 1 || packet != 2 {
		t.Errorf("%v %v %v", near, far, packet)
	}
	c.Plain[1].Waited = 0.5
	if u := c.Undisturbed(); len(u.Ours) != 2 || len(u.Plain) != 2 || u.Ours[1] != c.Ours[2] {
		t.Errorf("%+v", u)
	}
	if m := Median(c.Ours); m.Near.P99 != 2 || m.Far.P99 != 3 || m.Packet != 2 {
		t.Errorf("%+v", m)
	}
}
