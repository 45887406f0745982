package dnat_test

import (
	"testing"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/operate"
)

// TestWhy: what people are told of packets from and to floating IPs.
func TestWhy(t *testing.T) {
	t.Parallel()
	s, a, b, c, _, e := crowded(t)
	w := operate.World{View: s.World.DB, Engine: s.World.Engine, Numbers: s.World.Numbers}
	const open = ": no egress rule is needed: this test has no security groups and no ingress rule is needed: this test has no security groups; replies pass"
	for what, x := range map[string]struct {
		from *model.Port
		dst  string
		want string
	}{
		"outside":                   {a, farIP, "delivered to physical network physnet1 (OpenFlow port 1) by router r, from 203.0.113.70 in place of 10.0.0.10; answers come back to it"},
		"another's floating IP":     {a, "203.0.113.71", "delivered to b by router r, from 203.0.113.70 in place of 10.0.0.10, to 10.0.0.11:53 in place of 203.0.113.71:53" + open},
		"its own":                   {a, floatingIP, "delivered to a by router r, from 203.0.113.70 in place of 10.0.0.10, to 10.0.0.10:53 in place of 203.0.113.70:53" + open},
		"by SNAT":                   {c, "203.0.113.71", "delivered to b by router r, from 203.0.113.201 in place of 10.0.0.12, to 10.0.0.11:53 in place of 203.0.113.71:53" + open},
		"from the external network": {e, floatingIP, "delivered to a by router r, to 10.0.0.10:53 in place of 203.0.113.70:53" + open},
		"that of nobody":            {b, "203.0.113.99", "sent to the controller: router: nobody in the network has the next hop's address; no app of this version knows it"},
	} {
		ans, err := operate.Why(w, operate.Question{Port: x.from.ID, Dst: x.dst, What: "udp/53"})
		if err != nil {
			t.Fatal(err)
		}
		if ans.Sentence != x.want {
			t.Errorf("%s: %q, want %q", what, ans.Sentence, x.want)
		}
	}
}
