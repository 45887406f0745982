package qos_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dragonflow/dragonflow/internal/operate"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

// TestWhy: what people are told of a packet that meets policies, and of what these dropped.
func TestWhy(t *testing.T) {
	t.Parallel()
	a, rows := guest(1, "gold")
	b, more := guest(2, "gold")
	w := world(t, append(append(rows, more...), everything("gold"), apptest.Subnet("s-n", "n", "10.0.0.0/24"))...)
	world := operate.World{View: w.DB, Engine: w.Engine, Numbers: w.Numbers}
	ans, err := operate.Why(world, operate.Question{Port: a.ID, Dst: b.ID, What: "udp/53"})
	if err != nil {
		t.Fatal(err)
	}
	want := "delivered to b: no egress rule is needed: this test has no security groups and no ingress rule is needed: this test has no security groups; replies pass" +
		"; QoS policy gold of a lets it send at most 2000 kbit a second" +
		"; QoS policy gold of a lets it send at most 5000 packets a second" +
		"; QoS policy gold of a marks the packet with DSCP 26" +
		"; QoS policy gold of b lets it receive at most 3000 kbit a second" +
		"; QoS policy gold of b lets it receive at most 6000 packets a second"
	if diff := cmp.Diff(want, ans.Sentence); diff != "" {
		t.Error(diff)
	}
	dump := operate.Dump{}
	for f := range w.Engine.Flows() {
		dump.Flows = append(dump.Flows, operate.Counted{Flow: f})
	}
	for m := range w.Engine.Meters() {
		if m.Rate == 3000 {
			dump.Metered = append(dump.Metered, operate.Metered{ID: m.ID, Dropped: 9})
		}
	}
	drops := operate.Drops(world, dump, false)
	if len(drops) != 2 || drops[0].Stage != "ingress-bandwidth" || drops[0].Reason != "QoS policy: more than 3000 kbit a second" || drops[0].Packets != 9 {
		t.Errorf("drops are %+v", drops)
	}
}
