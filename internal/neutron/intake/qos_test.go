package intake

import (
	"testing"

	"github.com/dragonflow/dragonflow/internal/neutron/resource"
)

const aPolicy = "00000000-0000-0000-0000-0000000000aa"

// A policy comes with its rules; those that no chassis carries out are left out, and bad ones are told of.
func TestAQoSPolicyIsRead(t *testing.T) {
	t.Parallel()
	read := func(rules ...any) (resource.Row, error) {
		return parse("qos_policy", aPolicy, 3, "", map[string]any{"id": aPolicy, "name": "gold", "rules": rules})
	}
	rule := func(of ...any) map[string]any {
		m := map[string]any{}
		for i := 0; i < len(of); i += 2 {
			m[of[i].(string)] = of[i+1]
		}
		return m
	}
	row, err := read(rule("type", "bandwidth_limit", "direction", "ingress", "max_kbps", "2000", "max_burst_kbps", "5"),
		rule("type", "minimum_packet_rate", "min_kpps", "1"), rule("type", "dscp_marking", "dscp_mark", "26"),
		rule("type", "minimum_bandwidth", "direction", "egress", "min_kbps", "7"))
	if err != nil {
		t.Fatal(err)
	}
	q := row.(*resource.QoSPolicy)
	if len(q.Rules) != 3 || q.Guaranteed() != 7 || q.Rules[0].Max != 2000 || q.Rules[0].MaxBurst != 5 || q.Rules[0].Direction != "ingress" || q.Rules[1].DSCPMark != 26 {
		t.Errorf("%+v", q.Rules)
	}
	for what, bad := range map[string][]any{
		"no rate":        {rule("type", "bandwidth_limit", "direction", "egress")},
		"no direction":   {rule("type", "packet_rate_limit", "max_kpps", "1")},
		"no guarantee":   {rule("type", "minimum_bandwidth", "direction", "egress")},
		"two guarantees": {rule("type", "minimum_bandwidth", "direction", "egress", "min_kbps", "7"), rule("type", "minimum_bandwidth", "direction", "egress", "min_kbps", "7")},
		"a negative one": {rule("type", "bandwidth_limit", "direction", "egress", "max_kbps", "-1")},
		"no codepoint":   {rule("type", "dscp_marking", "dscp_mark", "64")},
		"two marks":      {rule("type", "dscp_marking", "dscp_mark", "8"), rule("type", "dscp_marking", "dscp_mark", "10")},
	} {
		if _, err := read(bad...); err == nil {
			t.Errorf("%s is accepted", what)
		}
	}
}
