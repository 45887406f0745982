package api_test

import (
	"testing"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/northbound/db/memory"
)

// TestMinimumBandwidthRules: what a rule may be, beside which others, and what chassis are told.
func TestMinimumBandwidthRules(t *testing.T) {
	t.Parallel()
	conn := memory.Open()
	c := start(t, conn)
	p := c.policy(obj{"name": "gold"})
	path := policies + "/" + id(p) + "/"
	rule := c.qosRule(p, "minimum_bandwidth", obj{"min_kbps": 1000})
	if rule["min_kbps"] != 1000.0 || rule["direction"] != "egress" {
		t.Errorf("%v", rule)
	}
	const rules = "minimum_bandwidth_rules"
	refused := func(status int, typ string, attrs obj) {
		t.Helper()
		c.refused(status, typ, "POST", path+rules, obj{"minimum_bandwidth_rule": attrs})
	}
	refused(409, "QoSRulesConflict", obj{"min_kbps": 200})
	refused(400, "HTTPBadRequest", obj{"min_kbps": 200, "direction": "ingress"})
	refused(400, "HTTPBadRequest", obj{"min_kbps": -1})
	refused(400, "HTTPBadRequest", obj{})
	c.refused(409, "QoSRuleParameterConflict", "POST", path+"bandwidth_limit_rules", obj{"bandwidth_limit_rule": obj{"max_kbps": 999}})
	c.qosRule(p, "bandwidth_limit", obj{"max_kbps": 999, "direction": "ingress"})
	c.qosRule(p, "bandwidth_limit", obj{"max_kbps": 3000})
	change := func(kbps int) obj { return obj{"minimum_bandwidth_rule": obj{"min_kbps": kbps}} }
	c.refused(409, "QoSRuleParameterConflict", "PUT", path+rules+"/"+id(rule), change(3001))
	if got := c.must(200, "PUT", path+rules+"/"+id(rule), change(3000)); got["min_kbps"] != 3000.0 {
		t.Errorf("%v", got)
	}
	q, _, err := northbound.Get[model.QoSPolicy](t.Context(), northbound.NewStore(conn), model.ScopeQoSPolicy(id(p)), id(p))
	if err != nil || q.MinimumBandwidth(model.Egress) != 3000 {
		t.Errorf("chassis are told %+v, %v", q, err)
	}
	c.must(200, "PUT", path+rules+"/"+id(rule), change(0))
	if q, _, err = northbound.Get[model.QoSPolicy](t.Context(), northbound.NewStore(conn), model.ScopeQoSPolicy(id(p)), id(p)); err != nil || len(q.MinimumBandwidths) != 0 {
		t.Errorf("nothing guaranteed, chassis are told %+v, %v", q, err)
	}
}

// TestWhereABandwidthIsGuaranteed: on networks of physical networks, and on chassis that tell that they can.
func TestWhereABandwidthIsGuaranteed(t *testing.T) {
	t.Parallel()
	conn := memory.Open()
	c := start(t, conn)
	for name, bandwidths := range map[string]map[string]int{"with": {"phys": 10_000}, "without": nil} {
		put(t, conn, &model.Chassis{Meta: model.Meta{ID: name, Revision: 1}, Bridge: "br-int", PhysicalNetworks: []string{"phys"}, Bandwidths: bandwidths})
	}
	gold := c.policy(obj{"name": "gold"})
	c.qosRule(gold, "minimum_bandwidth", obj{"min_kbps": 1000})
	vlan := c.network(obj{"provider:network_type": "vlan", "provider:physical_network": "phys", "provider:segmentation_id": 7})
	tunnel := c.network(obj{})
	have := obj{"qos_policy_id": gold["id"]}
	c.refused(409, "QosRuleNotSupportedByNetwork", "POST", "/v2.0/networks", obj{"network": have})
	c.refused(409, "QosRuleNotSupportedByNetwork", "PUT", "/v2.0/networks/"+id(tunnel), obj{"network": have})
	c.refused(409, "QosRuleNotSupported", "POST", "/v2.0/ports", obj{"port": obj{"network_id": tunnel["id"], "qos_policy_id": gold["id"]}})
	plain := c.port(tunnel["id"], obj{})
	c.refused(409, "QosRuleNotSupported", "PUT", "/v2.0/ports/"+id(plain), obj{"port": have})

	vif := func(p obj) any { return c.must(200, "GET", "/v2.0/ports/"+id(p), nil)["binding:vif_type"] }
	of := func(host string, attrs obj) obj {
		attrs["binding:host_id"] = host
		return c.port(vlan["id"], attrs)
	}
	here, there := of("with", obj{"qos_policy_id": gold["id"]}), of("without", obj{"qos_policy_id": gold["id"]})
	other := of("without", obj{})
	eventually(t, func() bool { return vif(here) == "ovs" && vif(there) == "binding_failed" && vif(other) == "ovs" })
	c.must(200, "PUT", "/v2.0/networks/"+id(vlan), obj{"network": have})
	eventually(t, func() bool { return vif(other) == "binding_failed" })

	// A policy gets no guarantee while somebody has it who can have none.
	silver := c.policy(obj{"name": "silver"})
	c.must(200, "PUT", "/v2.0/ports/"+id(plain), obj{"port": obj{"qos_policy_id": silver["id"]}})
	c.refused(409, "QosRuleNotSupported", "POST", policies+"/"+id(silver)+"/minimum_bandwidth_rules", obj{"minimum_bandwidth_rule": obj{"min_kbps": 5}})
	c.must(200, "PUT", "/v2.0/ports/"+id(plain), obj{"port": obj{"qos_policy_id": nil}})
	c.must(200, "PUT", "/v2.0/networks/"+id(tunnel), obj{"network": obj{"qos_policy_id": silver["id"]}})
	c.refused(409, "QosRuleNotSupportedByNetwork", "POST", policies+"/"+id(silver)+"/minimum_bandwidth_rules", obj{"minimum_bandwidth_rule": obj{"min_kbps": 5}})
}
