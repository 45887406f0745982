package operate_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/operate"
)

// TestARuleThatCannotBeCompiledIsShownAndAllowsNothing has one that Open vSwitch cannot match in a group whose other rules
// go on.
func TestARuleThatCannotBeCompiledIsShownAndAllowsNothing(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.Set(rule("dccp", "g-db", model.Ingress, 33, 5432, 5432, "", ""))
	c.Step()
	status := operate.StatusOf(c.world(), controller.Status{}, nil)
	want := operate.Concern{Object: "security groups [database]", Text: "rule dccp of group g-db: port_range_min: Open vSwitch cannot match " +
		"ports of IP protocol 33; the rule allows nothing"}
	if !slices.ContainsFunc(status.Problems, func(p operate.Concern) bool { return p.Object == want.Object && p.Text == want.Text }) {
		t.Errorf("problems %+v, want %+v", status.Problems, want)
	}
	var text strings.Builder
	if err := status.Write(&text, false); err != nil || !strings.Contains(text.String(), want.Object) {
		t.Errorf("%v in\n%s", err, &text)
	}
	for what, passes := range map[string]bool{"33": false, "tcp/5432": true} {
		ans, err := operate.Why(c.world(), operate.Question{Port: "web1", Dst: "db1", What: what})
		if err != nil || ans.Passes != passes {
			t.Errorf("%s: %+v, %v", what, ans, err)
		}
	}
}
