package api_test

import (
	"testing"
)

// poolStory is what a user does with pools and scopes; each line prints JSON or nothing.
const poolStory = `
address scope create -f json --share --ip-version 4 sc
subnet pool create -f json --pool-prefix 10.0.0.0/16 --pool-prefix 10.1.0.0/16 --default-prefix-length 26 --min-prefix-length 24 --max-prefix-length 28 --address-scope sc --default --share --default-quota 1000 --description d1 --tag red p4
subnet pool create -f json --pool-prefix 2001:db8::/48 --project acme p6
network create -f json blue
subnet create -f json --network blue --subnet-pool p4 --prefix-length 27 s1
subnet create -f json --network blue --subnet-pool p4 --subnet-range 10.1.7.0/24 s2
subnet create -f json --network blue --ip-version 6 --subnet-pool p6 --ipv6-ra-mode slaac --ipv6-address-mode slaac s6
subnet create -f json --network blue --use-default-subnet-pool s3
network show -f json blue
subnet pool set --name p4x --pool-prefix 10.2.0.0/16 --default-prefix-length 25 --no-default --tag blue p4
subnet pool unset --tag red p4x
subnet pool show -f json p4x
subnet pool list -f json --long
subnet pool list -f json --address-scope sc
address scope set --name scx sc
address scope show -f json scx
address scope list -f json --ip-version 4
subnet list -f json --subnet-pool p4x
quota set --subnetpools 7 acme
quota show -f json acme
subnet delete s1 s2 s3 s6
subnet pool set --no-address-scope p4x
subnet pool delete p4x p6
address scope delete scx
subnet pool list -f json
`

// The real openstack client lives with pools and scopes.
func TestOpenStackClientPools(t *testing.T) {
	t.Parallel()
	needClient(t)
	c := open(t)
	a := runClient(t, c.base, poolStory)
	if len(a) != 17 {
		t.Fatalf("%d answers: %v", len(a), a)
	}
	scope := a[0].(obj)["id"]
	a.is(t, 0, obj{"ip_version": 4.0, "shared": true})
	a.is(t, 1, obj{"prefixes": []any{"10.0.0.0/15"}, "default_prefixlen": 26.0, "address_scope_id": scope, "is_default": true,
		"default_quota": 1000.0, "tags": []any{"red"}, "description": "d1"})
	a.is(t, 2, obj{"project_id": "acme", "ip_version": 6.0})
	a.is(t, 4, obj{"cidr": "10.0.0.0/27", "subnetpool_id": a[1].(obj)["id"]})
	a.is(t, 5, obj{"cidr": "10.1.7.0/24"})
	a.is(t, 6, obj{"cidr": "2001:db8::/64"})
	a.is(t, 7, obj{"cidr": "10.0.0.64/26"})
	a.is(t, 8, obj{"ipv4_address_scope": scope, "ipv6_address_scope": nil})
	a.is(t, 9, obj{"name": "p4x", "prefixes": []any{"10.0.0.0/15", "10.2.0.0/16"}, "is_default": false, "tags": []any{"blue"}})
	a.size(t, 10, 2)
	a.size(t, 11, 1)
	a.is(t, 12, obj{"name": "scx"})
	a.size(t, 13, 1)
	a.size(t, 14, 3)
	a.is(t, 15, obj{"subnet_pools": 7.0})
	a.size(t, 16, 0)
}
