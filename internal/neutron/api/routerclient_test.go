package api_test

import (
	"testing"
)

// routerStory is what a user does with routers; each line prints JSON or nothing.
const routerStory = `
network create -f json blue
subnet create -f json --network blue --subnet-range 10.0.0.0/24 b4
network create -f json green
subnet create -f json --network green --subnet-range 10.1.0.0/24 g4
subnet create -f json --network green --ip-version 6 --subnet-range 2001:db8:1::/64 g6
router create -f json --project acme --description d1 --tag red --distributed hub
router add subnet hub b4
router add subnet hub g6
port create -f json --network green --fixed-ip ip-address=10.1.0.99 gp
router add port hub gp
router show -f json hub
port list -f json --router hub
router set --name hub2 --disable --route destination=192.168.0.0/16,gateway=10.0.0.9 hub
router show -f json hub2
router unset --route destination=192.168.0.0/16,gateway=10.0.0.9 hub2
router add route -f json --route destination=172.16.0.0/12,gateway=10.0.0.8 --route destination=172.16.0.0/12,gateway=10.0.0.9 hub2
router remove route -f json --route destination=172.16.0.0/12,gateway=10.0.0.8 hub2
router show -f json hub2
router set --no-route --enable hub2
router unset --tag red hub2
router list -f json --project acme --long
router remove port hub2 gp
router remove subnet hub2 b4
router remove subnet hub2 g6
router delete hub2
router list -f json
`

// The real openstack client lives with routers.
func TestOpenStackClientRouters(t *testing.T) {
	t.Parallel()
	needClient(t)
	c := open(t)
	a := runClient(t, c.base, routerStory)
	if len(a) != 15 {
		t.Fatalf("%d answers: %v", len(a), a)
	}
	a.is(t, 5, obj{"name": "hub", "project_id": "acme", "description": "d1", "tags": []any{"red"}, "distributed": true,
		"external_gateway_info": nil, "status": "ACTIVE"})
	if l := a[7].(obj)["interfaces_info"].([]any); len(l) != 3 {
		t.Errorf("interfaces: %v", l)
	}
	if l := a[8].([]any); len(l) != 3 {
		t.Errorf("ports: %v", l)
	}
	a.is(t, 9, obj{"name": "hub2", "admin_state_up": false,
		"routes": []any{obj{"destination": "192.168.0.0/16", "nexthop": "10.0.0.9"}}})
	a.is(t, 12, obj{"routes": []any{obj{"destination": "172.16.0.0/12", "nexthop": "10.0.0.9"}}})
	if l := a[13].([]any); len(l) != 1 || l[0].(obj)["Routes"] != "" && len(l[0].(obj)["Routes"].([]any)) != 0 {
		t.Errorf("routers: %v", l)
	}
	if l := a[14].([]any); len(l) != 0 {
		t.Errorf("routers: %v", l)
	}
}
