package intake_test

import (
	"context"
	"testing"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/northbound/db/memory"
)

// Neutron is told which chassis need addresses for distributed SNAT, and what it allocates is theirs.
func TestAddressesOfChassis(t *testing.T) {
	t.Parallel()
	conn := memory.Open()
	chassis(t, conn, "c1", false)
	d := run(t, conn, true)
	d.staffed()
	outside := with(network(1, "outside"), obj{"router:external": true, "provider:network_type": "flat", "provider:physical_network": "phys", "provider:segmentation_id": nil})
	inside := network(1, "inside")
	router := obj{"id": "11111111-1111-4111-8111-111111111111", "name": "r", "revision_number": 1, "project_id": "acme", "distributed_snat": true,
		"external_gateway_info": obj{"network_id": outside["id"], "enable_snat": true}}
	leg := port(inside, obj{"device_owner": "network:router_interface", "device_id": router["id"], "mac_address": "fa:16:3e:00:00:02"})
	guest := port(inside, obj{"binding:host_id": "c1", "binding:vif_type": "ovs"})
	d.push(change("port", guest), change("router", router), change("port", leg), change("network", outside), change("network", inside))
	l := listen(d)
	l.hear("5")
	wanted := func() (found obj) {
		for key, o := range l.known {
			if key == "address "+o["id"].(string) {
				found = o
			}
		}
		return found
	}
	l.until(func() bool { return wanted() != nil })
	at := wanted()
	if at["host"] != "c1" || at["network_id"] != outside["id"] {
		t.Errorf("wanted is %v", at)
	}
	subnet := "22222222-2222-4222-8222-222222222222"
	held := port(outside, obj{"id": at["id"], "device_owner": "network:distributed_snat", "device_id": "c1", "port_security_enabled": false,
		"mac_address": "fa:16:3e:00:00:03", "fixed_ips": []obj{{"subnet_id": subnet, "ip_address": "203.0.113.9"}}})
	d.wantPushed("stored", change("port", held))
	given, _, err := northbound.Get[model.ChassisAddress](context.Background(), northbound.NewStore(conn), model.ScopeChassis("c1"), held["id"].(string))
	if err != nil || len(given.FixedIPs) != 1 || given.FixedIPs[0].IPAddress.String() != "203.0.113.9" {
		t.Errorf("the chassis reads %+v, %v", given, err)
	}
	d.push(change("router", with(router, obj{"revision_number": 2, "distributed_snat": false})))
	l.until(func() bool { return wanted() == nil })
	d.push(change("router", with(router, obj{"revision_number": 3})))
	l.until(func() bool { return wanted() != nil })
	d.push(deletion("port", guest))
	l.until(func() bool { return wanted() == nil })
}
