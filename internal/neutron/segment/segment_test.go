package segment_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/neutron/segment"
)

func TestParseRanges(t *testing.T) {
	got, err := segment.ParseRanges([]string{"1-1000", "5000", " 6000 - 6001"})
	want := segment.Ranges{{First: 1, Last: 1000}, {First: 5000, Last: 5000}, {First: 6000, Last: 6001}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	if got.Size() != 1003 || got.At(0) != 1 || got.At(1000) != 5000 || got.At(1002) != 6001 || got.At(1003) != 0 {
		t.Error(got.Size(), got.At(0), got.At(1000), got.At(1002), got.At(1003))
	}
	for _, bad := range []string{"", "-", "0-5", "5-4", "1-16777216", "a-b", "1-2-3", "-5", "0x1-5"} {
		if r, err := segment.ParseRanges([]string{bad}); err == nil {
			t.Errorf("%q is taken for %v", bad, r)
		}
	}
}

func FuzzParseRanges(f *testing.F) {
	f.Add("1-1000,5000")
	f.Add("16777215")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := segment.ParseRanges(strings.Split(text, ","))
		if err != nil {
			return
		}
		again, err := segment.ParseRanges(strings.Split(r.String(), ","))
		if diff := cmp.Diff(r, again); err != nil || diff != "" {
			t.Errorf("%q: %v %s", text, err, diff)
		}
		for _, x := range r {
			if x.First == 0 || x.Last > segment.MaxVNI || x.Last < x.First {
				t.Errorf("%q gives %v", text, x)
			}
		}
	})
}

func TestPickGoesRoundOnce(t *testing.T) {
	r := segment.Ranges{{First: 10, Last: 12}, {First: 20, Last: 21}}
	var asked []uint32
	if _, ok := r.Pick(3, func(vni uint32) bool { asked = append(asked, vni); return false }); ok {
		t.Error("found one although none is free")
	}
	if diff := cmp.Diff([]uint32{20, 21, 10, 11, 12}, asked); diff != "" {
		t.Error(diff)
	}
	if at, ok := r.Pick(7, func(vni uint32) bool { return vni != 12 }); !ok || r.At(at) != 20 {
		t.Error(at, ok)
	}
}

func TestPlan(t *testing.T) {
	if err := segment.DefaultPlan().Check(); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(*segment.Plan){
		"is not a type of tunnel": func(p *segment.Plan) { p.Type = "vlan" },
		"no VNIs":                 func(p *segment.Plan) { p.VNIs = nil },
		"overlap":                 func(p *segment.Plan) { p.VNIs = segment.Ranges{{First: 1, Last: segment.MaxVNI}} },
		"version of IP":           func(p *segment.Plan) { p.IPVersion = 5 },
		"MTU of 100":              func(p *segment.Plan) { p.PhysicalMTU = 100 },
		"MTU of 70000":            func(p *segment.Plan) { p.PhysicalMTU = 70000 },
	} {
		p := segment.DefaultPlan()
		change(&p)
		if err := p.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// As Neutron's ML2 with its default max_header_size.
func TestMTU(t *testing.T) {
	for version, want := range map[int]int{4: 1450, 6: 1430} {
		p := segment.Plan{PhysicalMTU: 1500, IPVersion: version}
		if p.MTU() != want {
			t.Errorf("IPv%d: %d, want %d", version, p.MTU(), want)
		}
	}
}

func TestReservation(t *testing.T) {
	key := segment.Key(model.Segment{NetworkType: model.VXLAN, SegmentationID: 7})
	if key.String() != "neutron/vnis/vxlan/neutron.vni/7" {
		t.Error(key)
	}
	if got := segment.Holder(segment.Reservation{Network: "n"}.Encode()); got != "n" || segment.Holder([]byte("x")) != "" {
		t.Error(got)
	}
}
