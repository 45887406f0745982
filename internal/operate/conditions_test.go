package operate

import (
	"strings"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/controller"
	"github.com/dragonflow/dragonflow/internal/telemetry"
)

func TestConditionsFollowTheController(t *testing.T) {
	health, starting := telemetry.NewHealth(time.Now)
	starting.Clear("")
	c := NewConditions(health)
	scopes := []controller.ScopeStatus{{Scope: "global"}, {Scope: "network/n", Stale: true}}
	for _, step := range []struct {
		what   string
		status controller.Status
		shows  string
		ready  bool
	}{
		{"all is well", controller.Status{}, "", true},
		{"the switch is away", controller.Status{Troubles: map[string]string{"switch": "gone", "ovsdb": "gone"}},
			"ovsdb-unreachable switch-unreachable", false},
		{"it is back, the database is away", controller.Status{Scopes: scopes}, "database-unreachable", true},
		{"the database went back", controller.Status{Scopes: []controller.ScopeStatus{{Scope: "global", Frozen: "less"}}}, "database-went-back", true},
		{"a new topic", controller.Status{Troubles: map[string]string{"weather": "rain"}}, "trouble", true},
		{"flows and objects", controller.Status{Refused: map[string]string{"f": "x"}, Invalid: map[string]string{"o": "y"}},
			"flows-refused objects-unusable", true},
		{"all is well again", controller.Status{}, "", true},
	} {
		c.Update(step.status)
		var codes []string
		for _, condition := range health.Conditions() {
			codes = append(codes, condition.Code)
		}
		if got := strings.Join(codes, " "); got != step.shows || health.Ready() != step.ready {
			t.Errorf("%s: shows %q, ready %v; want %q, %v", step.what, got, health.Ready(), step.shows, step.ready)
		}
	}
}
