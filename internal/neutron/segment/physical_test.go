package segment_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/neutron/segment"
)

func TestVLANRanges(t *testing.T) {
	got, err := segment.ParseVLANRanges([]string{"a:1:10", "b", " a:20:20"})
	want := []segment.PhysicalNetwork{{Name: "a", VLANs: segment.Ranges{{First: 1, Last: 10}, {First: 20, Last: 20}}}, {Name: "b"}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
	for _, bad := range []string{"", ":1:2", "a:1", "a:0:5", "a:5:4", "a:1:4095", "a:1:2:3", "a:x:2", "a:1:70000"} {
		if l, err := segment.ParseVLANRanges([]string{bad}); err == nil {
			t.Errorf("%q was read as %v", bad, l)
		}
	}
	p := segment.Plan{VLANs: got}
	if l, known := p.VLANsOf("a"); !known || l.Size() != 11 {
		t.Errorf("%v %v", l, known)
	}
	if _, known := p.VLANsOf("c"); known {
		t.Error("a physical network that is not named is known")
	}
	if _, known := (segment.Plan{}).VLANsOf("c"); !known {
		t.Error("where none is named, every physical network can have VLANs")
	}
}

func TestMTUsOfPhysicalNetworks(t *testing.T) {
	for _, bad := range []string{"", "a", "a:", ":1500", "a:67", "a:65536", "a:b"} {
		if m, err := segment.ParseMTUs([]string{bad}); err == nil {
			t.Errorf("%q was read as %v", bad, m)
		}
	}
	m, err := segment.ParseMTUs([]string{"jumbo:9000", "small:1400"})
	if err != nil {
		t.Fatal(err)
	}
	p := segment.DefaultPlan()
	p.PhysicalMTUs = m
	on := func(names ...string) (l []model.Segment) {
		for _, n := range names {
			l = append(l, model.Segment{NetworkType: model.Flat, PhysicalNetwork: n})
		}
		return l
	}
	for want, l := range map[int][]model.Segment{9000: on("jumbo"), 1400: on("jumbo", "small"), 1500: on("other", "jumbo"), 1450: nil} {
		if got := p.LargestMTU(l); got != want {
			t.Errorf("%v: %d, want %d", l, got, want)
		}
	}
	if got := p.LargestMTU(append(on("jumbo"), model.Segment{NetworkType: model.Geneve})); got != 1450 {
		t.Errorf("with a tunnel: %d", got)
	}
}

// What reserves a segment is another for each, and the place of a router's transit VNI follows from its id.
func TestNamesOfSegments(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range []model.Segment{
		{NetworkType: model.Flat, PhysicalNetwork: "a"}, {NetworkType: model.VLAN, PhysicalNetwork: "a", SegmentationID: 7},
		{NetworkType: model.VLAN, PhysicalNetwork: "b", SegmentationID: 7}, {NetworkType: model.VLAN, PhysicalNetwork: "a", SegmentationID: 8},
		{NetworkType: model.Geneve, SegmentationID: 7}, {NetworkType: model.VXLAN, SegmentationID: 7},
	} {
		seen[segment.Key(s).String()] = true
	}
	if len(seen) != 6 {
		t.Errorf("%v", seen)
	}
	r := segment.Ranges{{First: 100, Last: 199}}
	if a := segment.TransitFrom(r, "x"); a != segment.TransitFrom(r, "x") || a < 0 || a > 99 {
		t.Errorf("%d", a)
	}
	spread := map[int]bool{}
	for _, id := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		spread[segment.TransitFrom(r, id)] = true
	}
	if len(spread) < 6 {
		t.Errorf("routers are crowded: %v", spread)
	}
}
