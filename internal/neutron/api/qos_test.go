package api_test

import (
	"testing"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/northbound/db/memory"
)

const policies = "/v2.0/qos/policies"

func (c *client) policy(attrs obj) obj {
	c.t.Helper()
	return c.must(201, "POST", policies, obj{"policy": attrs})
}

func (c *client) qosRule(policy obj, kind string, attrs obj) obj {
	c.t.Helper()
	return c.must(201, "POST", policies+"/"+id(policy)+"/"+kind+"_rules", obj{kind + "_rule": attrs})
}

// Rules are parts of their policy, whose revision counts their changes, and each is there once a direction.
func TestQoSRules(t *testing.T) {
	t.Parallel()
	conn := memory.Open()
	c := start(t, conn)
	p := c.policy(obj{"name": "gold", "shared": true, "description": "d"})
	path := policies + "/" + id(p)
	if p["shared"] != true || p["is_default"] != false || len(p["rules"].([]any)) != 0 || p["revision_number"] != 1.0 {
		t.Errorf("%v", p)
	}
	limit := c.qosRule(p, "bandwidth_limit", obj{"max_kbps": 1000, "max_burst_kbps": 1337})
	if limit["direction"] != "egress" || limit["max_kbps"] != 1000.0 || limit["max_burst_kbps"] != 1337.0 {
		t.Errorf("%v", limit)
	}
	c.qosRule(p, "bandwidth_limit", obj{"max_kbps": 2000, "direction": "ingress"})
	mark := c.qosRule(p, "dscp_marking", obj{"dscp_mark": 26})
	rate := c.qosRule(p, "packet_rate_limit", obj{"max_kpps": 5})
	c.refused(409, "QoSRulesConflict", "POST", path+"/bandwidth_limit_rules", obj{"bandwidth_limit_rule": obj{"max_kbps": 1}})
	c.refused(409, "QoSRulesConflict", "POST", path+"/dscp_marking_rules", obj{"dscp_marking_rule": obj{"dscp_mark": 8}})
	c.refused(400, "HTTPBadRequest", "POST", path+"/dscp_marking_rules", obj{"dscp_marking_rule": obj{"dscp_mark": 58}})
	c.refused(400, "HTTPBadRequest", "POST", path+"/bandwidth_limit_rules", obj{"bandwidth_limit_rule": obj{"max_burst_kbps": 1}})
	c.refused(400, "HTTPBadRequest", "POST", path+"/bandwidth_limit_rules", obj{"bandwidth_limit_rule": obj{"max_kbps": -1}})
	c.refused(400, "HTTPBadRequest", "POST", path+"/bandwidth_limit_rules", obj{"bandwidth_limit_rule": obj{"max_kbps": 1 << 31}})
	c.refused(404, "QosPolicyNotFound", "POST", policies+"/nobody/bandwidth_limit_rules", obj{"bandwidth_limit_rule": obj{"max_kbps": 1}})
	c.refused(404, "QosRuleNotFound", "PUT", path+"/dscp_marking_rules/"+id(limit), obj{"dscp_marking_rule": obj{"dscp_mark": 8}})
	if got := c.must(200, "PUT", path+"/bandwidth_limit_rules/"+id(limit), obj{"bandwidth_limit_rule": obj{"max_kbps": 3000}}); got["max_kbps"] != 3000.0 {
		t.Errorf("%v", got)
	}
	if l := c.list(path + "/bandwidth_limit_rules"); len(l) != 2 {
		t.Errorf("%v", l)
	}
	if l := c.list(path + "/bandwidth_limit_rules?direction=ingress"); len(l) != 1 {
		t.Errorf("%v", l)
	}
	c.must(204, "DELETE", path+"/packet_rate_limit_rules/"+id(rate), nil)
	c.refused(404, "QosRuleNotFound", "GET", path+"/packet_rate_limit_rules/"+id(rate), nil)
	shown := c.must(200, "GET", path, nil)
	rules := shown["rules"].([]any)
	if len(rules) != 3 || shown["revision_number"] != 7.0 {
		t.Fatalf("%v", shown)
	}
	if last := rules[2].(obj); last["type"] != "dscp_marking" || last["id"] != mark["id"] || last["dscp_mark"] != 26.0 || last["qos_policy_id"] != p["id"] {
		t.Errorf("%v", last)
	}
	q, _, err := northbound.Get[model.QoSPolicy](t.Context(), northbound.NewStore(conn), model.ScopeQoSPolicy(id(p)), id(p))
	if err != nil {
		t.Fatal(err)
	}
	if q.Bandwidth(model.Egress).Max != 3000 || q.Bandwidth(model.Ingress).Max != 2000 || q.PacketRate(model.Egress).Max != 0 || *q.DSCPMark != 26 {
		t.Errorf("chassis are told %+v", q)
	}
}

// Who uses a policy keeps it; a default one is used by who names none.
func TestWhoHasAQoSPolicy(t *testing.T) {
	t.Parallel()
	c := open(t)
	p, d := c.policy(obj{"name": "gold"}), c.policy(obj{"name": "usual", "is_default": true})
	c.refused(409, "QoSPolicyDefaultAlreadyExists", "POST", policies, obj{"policy": obj{"name": "second", "is_default": true}})
	c.policy(obj{"name": "of-others", "is_default": true, "project_id": "acme"})
	n := c.network(obj{"name": "n", "qos_policy_id": p["id"]})
	usual, none := c.network(obj{"name": "usual"}), c.network(obj{"name": "none", "qos_policy_id": nil})
	if n["qos_policy_id"] != p["id"] || usual["qos_policy_id"] != d["id"] || none["qos_policy_id"] != nil {
		t.Errorf("%v, %v, %v", n["qos_policy_id"], usual["qos_policy_id"], none["qos_policy_id"])
	}
	port := c.port(n["id"], obj{"qos_policy_id": d["id"]})
	if port["qos_policy_id"] != d["id"] || port["qos_network_policy_id"] != p["id"] {
		t.Errorf("%v", port)
	}
	missing := "00000000-0000-0000-0000-000000000001"
	c.refused(404, "QosPolicyNotFound", "POST", "/v2.0/networks", obj{"network": obj{"qos_policy_id": missing}})
	c.refused(404, "QosPolicyNotFound", "PUT", "/v2.0/ports/"+id(port), obj{"port": obj{"qos_policy_id": missing}})
	c.refused(409, "QosPolicyInUse", "DELETE", policies+"/"+id(p), nil)
	c.must(200, "PUT", "/v2.0/networks/"+id(n), obj{"network": obj{"qos_policy_id": nil}})
	c.must(204, "DELETE", policies+"/"+id(p), nil)
	c.refused(409, "QosPolicyInUse", "DELETE", policies+"/"+id(d), nil)
	c.must(204, "DELETE", "/v2.0/ports/"+id(port), nil)
	c.must(204, "DELETE", "/v2.0/networks/"+id(usual), nil)
	c.must(204, "DELETE", policies+"/"+id(d), nil)
	c.policy(obj{"name": "third", "is_default": true})
}

func TestQoSRuleTypes(t *testing.T) {
	t.Parallel()
	c := open(t)
	if l := c.list("/v2.0/qos/rule-types"); len(l) != 4 || l[0]["type"] != "bandwidth_limit" || l[2]["type"] != "minimum_bandwidth" {
		t.Errorf("%v", l)
	}
	got := c.must(200, "GET", "/v2.0/qos/rule-types/dscp_marking", nil)
	if got["type"] != "dscp_marking" || len(got["drivers"].([]any)) != 1 {
		t.Errorf("%v", got)
	}
	if status, _ := c.do("GET", "/v2.0/qos/rule-types/minimum_packet_rate", nil); status != 404 {
		t.Errorf("minimum_packet_rate is told of: %d", status)
	}
}

// qosStory is what a user does with policies; each line prints JSON or nothing.
const qosStory = `
network qos policy create -f json --share --description d gold
network qos rule create -f json --type bandwidth-limit --max-kbps 2000 --max-burst-kbits 1600 --egress gold
network qos rule create -f json --type bandwidth-limit --max-kbps 3000 --ingress gold
network qos rule create -f json --type dscp-marking --dscp-mark 26 gold
network qos rule list -f json gold
network create -f json --qos-policy gold blue
port create -f json --network blue --qos-policy gold p1
network qos policy show -f json gold
network qos rule type list -f json
port unset --qos-policy p1
network set --no-qos-policy blue
network qos policy delete gold
network qos policy list -f json
`

// The real openstack client lives with policies.
func TestOpenStackClientQoS(t *testing.T) {
	t.Parallel()
	needClient(t)
	c := open(t)
	a := runClient(t, c.base, qosStory)
	if len(a) != 10 {
		t.Fatalf("%d answers: %v", len(a), a)
	}
	policy := a[0].(obj)["id"]
	a.is(t, 0, obj{"shared": true, "description": "d"})
	a.is(t, 1, obj{"max_kbps": 2000.0, "max_burst_kbps": 1600.0, "direction": "egress"})
	a.is(t, 2, obj{"max_kbps": 3000.0, "direction": "ingress"})
	a.is(t, 3, obj{"dscp_mark": 26.0})
	a.size(t, 4, 3)
	a.is(t, 5, obj{"qos_policy_id": policy})
	a.is(t, 6, obj{"qos_policy_id": policy, "qos_network_policy_id": policy})
	a.size(t, 8, 4)
	a.size(t, 9, 0)
}
