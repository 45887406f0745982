package api_test

import "testing"

// trunkStory is what a user does with trunks; each line prints JSON or nothing.
const trunkStory = `
network create -f json blue
network create -f json green
port create -f json --network blue vm
port create -f json --network green red
port create -f json --network green yellow
network trunk create -f json --parent-port vm --subport port=red,segmentation-type=vlan,segmentation-id=10 --description d t
network trunk set --subport port=yellow,segmentation-type=vlan,segmentation-id=20 t
network subport list -f json --trunk t
network trunk unset --subport red t
network trunk set --name u --disable t
network trunk show -f json u
network trunk list -f json --long
port show -f json vm
network trunk set --enable u
network trunk delete u
network trunk list -f json
`

// The real openstack client lives with trunks.
func TestOpenStackClientTrunks(t *testing.T) {
	t.Parallel()
	needClient(t)
	a := runClient(t, open(t).base, trunkStory)
	if len(a) != 11 {
		t.Fatalf("%d answers: %v", len(a), a)
	}
	a.size(t, 6, 2)
	a.is(t, 5, obj{"name": "t", "description": "d", "status": "DOWN"})
	a.is(t, 7, obj{"name": "u"})
	if l := a[7].(obj)["sub_ports"].([]any); len(l) != 1 || l[0].(obj)["segmentation_id"] != 20.0 {
		t.Errorf("sub-ports: %v", l)
	}
	a.size(t, 8, 1)
	if d, ok := a[9].(obj)["trunk_details"].(obj); !ok || len(d["sub_ports"].([]any)) != 1 {
		t.Errorf("trunk details: %v", a[9])
	}
	a.size(t, 10, 0)
}
