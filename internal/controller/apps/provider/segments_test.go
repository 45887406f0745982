package provider_test

import (
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/apps/dhcp"
	"github.com/dragonflow/dragonflow/internal/controller/apps/neighbour"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

func routedApps() []*app.App { return append(apps(), dhcp.New(), neighbour.New()) }

// on puts a port's addresses on the subnets of a segment.
func on(segment string, p *model.Port) *model.Port {
	for i, f := range p.FixedIPs {
		p.FixedIPs[i].SubnetID = "v6-" + segment
		if f.IPAddress.Is4() {
			p.FixedIPs[i].SubnetID = "v4-" + segment
		}
	}
	return p
}

// routedRows are a network with two VLANs and a tunnel, subnets on each, and a guest of each: of the first here, of
// it on c2, of the second on c3, and of the tunnel on c4 and c5.
func routedRows() []any {
	n := apptest.Net("n")
	n.Segments = []model.Segment{
		{ID: "s1", NetworkType: model.VLAN, PhysicalNetwork: "physnet1", SegmentationID: 11},
		{ID: "s2", NetworkType: model.VLAN, PhysicalNetwork: "physnet2", SegmentationID: 12},
		{ID: "s3", NetworkType: model.Geneve, SegmentationID: 13},
	}
	out := []any{n, view.TunnelPort{Type: model.Geneve, OFPort: 101}, apptest.Peer("c4", "172.16.0.4"), apptest.Peer("c5", "172.16.0.5")}
	for segment, prefix := range map[string][2]string{
		"s1": {"10.1.0.0/24", "2001:db8:1::/64"}, "s2": {"10.2.0.0/24", "2001:db8:2::/64"}, "s3": {"10.3.0.0/24", "2001:db8:3::/64"},
	} {
		v4, v6 := apptest.Subnet("v4-"+segment, "n", prefix[0]), apptest.Subnet("v6-"+segment, "n", prefix[1])
		v4.SegmentID, v6.SegmentID = segment, segment
		out = append(out, v4, v6)
	}
	return append(out,
		apptest.At("c2", on("s1", apptest.Port("b", "n", 2, "10.1.0.2", "2001:db8:1::2"))),
		apptest.At("c3", on("s2", apptest.Port("c", "n", 3, "10.2.0.3", "2001:db8:2::3"))),
		apptest.At("c4", on("s3", apptest.Port("d", "n", 4, "10.3.0.4", "2001:db8:3::4"))),
		apptest.At("c5", on("s3", apptest.Port("e", "n", 5, "10.3.0.5", "2001:db8:3::5"))))
}

// guestOf is the chassis' own guest, on a segment.
func guestOf(segment, v4, v6 string) []any {
	p := apptest.At(apptest.Host, on(segment, apptest.Port("a", "n", 1, v4, v6)))
	return []any{p, apptest.Bind(p), apptest.Plug(p, 1)}
}

// TestSegmentsAreApart: no frame, no answer and no tunnel leads to the ports of another segment.
func TestSegmentsAreApart(t *testing.T) {
	for _, c := range []struct {
		segment, v4, v6 string
		wires           []any
		near, far       []string
	}{
		{"s1", "10.1.0.1", "2001:db8:1::1", []any{physical}, []string{"2"}, []string{"3", "4", "5"}},
		{"s2", "10.2.0.1", "2001:db8:2::1", []any{view.ProviderPort{PhysicalNetwork: "physnet2", OFPort: 51}}, []string{"3"}, []string{"2", "4", "5"}},
		{"s3", "10.3.0.1", "2001:db8:3::1", nil, []string{"4", "5"}, []string{"2", "3"}},
	} {
		t.Run(c.segment, func(t *testing.T) {
			w := apptest.New(t, routedApps()...)
			w.Set(routedRows()...)
			w.Set(c.wires...)
			w.Set(guestOf(c.segment, c.v4, c.v6)...)
			w.MustStep()
			got := w.Flows()
			parts := map[string]string{"2": "1", "3": "2", "4": "3", "5": "3"}
			for _, n := range c.near {
				for _, want := range []string{"dl_dst=fa:16:3e:00:00:0" + n, "arp_tpa=10." + parts[n] + ".0." + n, "nd_target=2001:db8:" + parts[n] + "::" + n} {
					if !strings.Contains(got, want) {
						t.Errorf("no %s in\n%s", want, got)
					}
				}
			}
			for _, n := range c.far {
				for _, never := range []string{"fa:16:3e:00:00:0" + n, "10." + parts[n] + ".0." + n, "2001:db8:" + parts[n] + "::" + n} {
					if strings.Contains(got, never) {
						t.Errorf("%s in\n%s", never, got)
					}
				}
			}
			if tunnels := strings.Contains(got, "172.16.0.4"); tunnels != (c.segment == "s3") {
				t.Errorf("tunnels: %v\n%s", tunnels, got)
			}
		})
	}
}

// A chassis that is moved from one segment to the other forgets the one for the other.
func TestHistoriesOfSegments(t *testing.T) {
	rows := append(append(routedRows(), physical), guestOf("s1", "10.1.0.1", "2001:db8:1::1")...)
	noise := []any{view.ProviderPort{PhysicalNetwork: "physnet2", OFPort: 51}, apptest.At("c6", on("s2", apptest.Port("f", "n", 6, "10.2.0.6")))}
	apptest.Histories(t, routedApps, rows, noise)
}
