package config

import (
	"maps"
	"testing"
)

func TestBandwidths(t *testing.T) {
	for _, bad := range [][]string{{"physnet1"}, {"physnet1:0"}, {"physnet1:-5"}, {"physnet1:10G"}, {"physnet2:5"}, {"physnet1:5", "physnet1:6"}, {"physnet1:1000000001"}} {
		c := defaultChassis()
		c.Name, c.BridgeMappings, c.Bandwidths = "c1", []string{"physnet1:br-ex"}, bad
		if found := c.problems(); len(found) != 1 || found["bandwidths"] == "" {
			t.Errorf("%v: problems %v, want one of bandwidths", bad, found)
		}
	}
	c := defaultChassis()
	c.Name, c.BridgeMappings, c.Bandwidths = "c1", []string{"physnet1:br-ex", "physnet2:br-vlan"}, []string{"physnet2:25000000"}
	if found := c.problems(); len(found) != 0 || !maps.Equal(c.Kilobits(), map[string]int{"physnet2": 25_000_000}) {
		t.Errorf("problems %v, bandwidths %v", found, c.Kilobits())
	}
	if c.DatapathType = "netdev"; c.problems()["bandwidths"] == "" {
		t.Error("queues of the datapath in user space are not refused")
	}
}
