package operate

import (
	"fmt"

	"github.com/dragonflow/dragonflow/internal/controller"
	"github.com/dragonflow/dragonflow/internal/telemetry"
)

// Conditions shows in a process's health what its controller reports, so that /readyz and the metrics
// tell of it without being asked on the host. It belongs to one goroutine.
type Conditions struct {
	topics                                   map[string]*telemetry.Signal
	other, database, back, refused, unusable *telemetry.Signal
	raised                                   map[raised]bool
}

// raised is a warning that Update has raised about an object.
type raised struct {
	signal *telemetry.Signal
	object string
}

// NewConditions declares the warnings of a controller.
func NewConditions(h *telemetry.Health) *Conditions {
	signal := func(code string, severity telemetry.Severity, title, remedy string) *telemetry.Signal {
		return h.Register(telemetry.Warning{Code: code, Severity: severity, Title: title, Remedy: remedy})
	}
	const running = "Guests' traffic goes on with the flows that the switch has."
	return &Conditions{
		raised: map[raised]bool{},
		topics: map[string]*telemetry.Signal{
			"ovsdb": signal("ovsdb-unreachable", telemetry.NotReady,
				"The local Open vSwitch database cannot be reached. "+running, "See that ovsdb-server runs and that --ovsdb names its socket."),
			"switch": signal("switch-unreachable", telemetry.NotReady,
				"The integration bridge takes no flows. "+running, "See that ovs-vswitchd runs; its log says more."),
			"bridge": signal("bridge-unusable", telemetry.NotReady,
				"The integration bridge cannot be set up.", "See what Open vSwitch says of the bridge: ovs-vsctl show."),
			"snapshot": signal("snapshot-unwritable", telemetry.Degraded,
				"The view cannot be written to the state directory: a restart while the database is down would start from nothing.",
				"See that --state-dir can be written and has space."),
		},
		other: signal("trouble", telemetry.Degraded, "Something does not work as it should.", "dragonflow status says more."),
		database: signal("database-unreachable", telemetry.Degraded,
			"The northbound database cannot be reached. The chassis serves on with what it knows.", "See that the database runs and that --db names it."),
		back: signal("database-went-back", telemetry.Degraded,
			"The northbound database has less than it had. The chassis keeps its last view.", "Repair the database, or take it as it is: dragonflow db accept."),
		refused: signal("flows-refused", telemetry.Degraded,
			"The switch refuses flows.", "dragonflow status names them; the version of Open vSwitch may be too old."),
		unusable: signal("objects-unusable", telemetry.Degraded,
			"The database holds objects that cannot be used; everything else goes on.", "dragonflow status names them."),
	}
}

// Update raises what a status reports, and clears what it reports no longer.
func (c *Conditions) Update(s controller.Status) {
	before := c.raised
	c.raised = map[raised]bool{}
	for topic, text := range s.Troubles {
		signal := c.topics[topic]
		if signal == nil {
			signal = c.other
		}
		c.raise(signal, topic, text)
	}
	stale, frozen := 0, ""
	for _, scope := range s.Scopes {
		if scope.Stale {
			stale++
		}
		if scope.Frozen != "" {
			frozen = fmt.Sprintf("%s: %s", scope.Scope, scope.Frozen)
		}
	}
	if stale > 0 {
		c.raise(c.database, "", fmt.Sprintf("%d of %d scopes may be old", stale, len(s.Scopes)))
	}
	if frozen != "" {
		c.raise(c.back, "", frozen)
	}
	if n := len(s.Refused); n > 0 {
		c.raise(c.refused, "", fmt.Sprintf("%d of them", n))
	}
	if n := len(s.Invalid); n > 0 {
		c.raise(c.unusable, "", fmt.Sprintf("%d of them", n))
	}
	for r := range before {
		if !c.raised[r] {
			r.signal.Clear(r.object)
		}
	}
}

func (c *Conditions) raise(signal *telemetry.Signal, object, detail string) {
	signal.Raise(object, detail)
	c.raised[raised{signal, object}] = true
}
