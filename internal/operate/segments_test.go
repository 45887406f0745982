package operate_test

import (
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/apps"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/operate"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

// TestWhyOfSegments asks about the way to the other segment of a network, which only a router outside knows.
func TestWhyOfSegments(t *testing.T) {
	w := apptest.New(t, apps.All()...)
	n := apptest.Net("n")
	n.Segments = []model.Segment{
		{ID: "s1", NetworkType: model.VLAN, PhysicalNetwork: "rack1", SegmentationID: 11},
		{ID: "s2", NetworkType: model.VLAN, PhysicalNetwork: "rack2", SegmentationID: 12},
	}
	here, there := apptest.Subnet("b1", "n", "10.1.0.0/24"), apptest.Subnet("b2", "n", "10.2.0.0/24")
	here.SegmentID, there.SegmentID = "s1", "s2"
	here.HostRoutes = []model.Route{{Destination: there.CIDR, NextHop: here.GatewayIP}}
	a := apptest.At(apptest.Host, apptest.Port("11111111-a", "n", 1, "10.1.0.9"))
	b, c := apptest.At("c2", apptest.Port("22222222-b", "n", 2, "10.1.0.8")), apptest.At("c3", apptest.Port("33333333-c", "n", 3, "10.2.0.9"))
	a.PortSecurityEnabled = false
	a.FixedIPs[0].SubnetID, b.FixedIPs[0].SubnetID, c.FixedIPs[0].SubnetID = "b1", "b1", "b2"
	w.Set(n, here, there, view.ProviderPort{PhysicalNetwork: "rack1", OFPort: 50}, a, b, c, apptest.Bind(a), apptest.Plug(a, 1))
	w.MustStep()
	for dst, want := range map[string]string{
		"33333333-c": "delivered to physical network rack1", "10.2.0.9": "delivered to physical network rack1",
		"22222222-b": "delivered to physical network rack1", "10.1.0.1": "delivered to physical network rack1",
	} {
		ans, err := operate.Why(operate.World{View: w.DB, Engine: w.Engine, Numbers: w.Numbers}, operate.Question{Port: "11111111-a", Dst: dst})
		if err != nil || !strings.HasPrefix(ans.Sentence, want) {
			t.Errorf("%s: %v, %q, want %q", dst, err, ans.Sentence, want)
		}
	}
}
