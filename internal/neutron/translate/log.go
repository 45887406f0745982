package translate

import (
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/neutron/resource"
)

// logObjects leaves out logs of what chassis do not log, which a Neutron may have from other drivers.
func logObjects(l *resource.Log) []model.Object {
	if l.ResourceType != resource.LogOfSecurityGroups {
		return nil
	}
	return []model.Object{&model.SecurityGroupLog{
		Meta: meta(l), Name: l.Name, Enabled: l.Enabled, Event: l.Event, SecurityGroupID: l.ResourceID, PortID: l.TargetID,
	}}
}
