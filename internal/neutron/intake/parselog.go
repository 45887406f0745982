package intake

import (
	"github.com/dragonflow/dragonflow/internal/neutron/resource"
)

// parseLog reads a log. Of which type of resource it may be is Neutron's to say: what chassis do not log they are not told.
func parseLog(f *fields) resource.Row {
	return &resource.Log{
		ResourceType: f.text("resource_type"), ResourceID: f.uuid("resource_id"), TargetID: f.uuid("target_id"),
		Event: required(f, "event", resource.LogEvent), Enabled: f.boolean("enabled", true),
	}
}
