package api_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
)

// Servers that add segments and put subnets on them while others delete them agree: no segment is given twice, and
// none goes that has a subnet.
func TestSegmentsAtSeveralServers(t *testing.T) {
	t.Parallel()
	_, servers := cluster(t, 3)
	n := servers[0].network(obj{netType: "vlan", netPhys: "rack0", netVNI: 1})
	var made [4]atomic.Int32
	each(servers, 12, func(c *client, i int) {
		want := obj{"network_id": id(n), "network_type": "vlan", "physical_network": fmt.Sprint("rack", 1+i%4), "segmentation_id": 7}
		if status, _ := c.do("POST", "/v2.0/segments", obj{"segment": want}); status == 201 {
			made[i%4].Add(1)
		}
	})
	for i := range made {
		if got := made[i].Load(); got != 1 {
			t.Errorf("the segment on rack%d was made %d times", 1+i, got)
		}
	}
	eventually(t, func() bool { return len(servers[0].list("/v2.0/segments?network_id="+id(n))) == 5 })
	all := servers[0].list("/v2.0/segments?network_id=" + id(n))
	each(servers, 10, func(c *client, i int) {
		segment := id(all[i/2])
		if i%2 == 0 {
			c.do("DELETE", "/v2.0/segments/"+segment, nil)
			return
		}
		c.do("POST", "/v2.0/subnets", obj{"subnet": obj{"network_id": id(n), "ip_version": 4, "cidr": fmt.Sprintf("10.%d.0.0/24", i), "segment_id": segment}})
	})
	for _, s := range servers {
		agreed := func() bool {
			there := map[any]bool{}
			for _, x := range s.list("/v2.0/segments?network_id=" + id(n)) {
				there[x["id"]] = true
			}
			subnets := s.list("/v2.0/subnets?network_id=" + id(n))
			for _, x := range subnets {
				routes, _ := x["host_routes"].([]any)
				if !there[x["segment_id"]] || len(routes) != len(subnets)-1 {
					return false
				}
			}
			return len(subnets) <= len(there)
		}
		eventually(t, agreed)
	}
	if err := servers[0].Server.Audit(context.Background()); err != nil || servers[0].Server.Drift() != 0 {
		t.Errorf("audit: %v, %d differences", err, servers[0].Server.Drift())
	}
}
