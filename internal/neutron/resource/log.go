package resource

import (
	"fmt"
	"net/http"

	"github.com/dragonflow/dragonflow/internal/model"
)

// LogOfSecurityGroups is the type of resource whose logs chassis write (Neutron API "loggable resources").
const LogOfSecurityGroups = "security_group"

// Log is the stored form of a log (Neutron API "log"): what is to be logged of the resource ResourceID, and of TargetID,
// the ports of which packets are logged; empty is any.
type Log struct {
	Common
	ResourceType string         `json:"resource_type"`
	ResourceID   string         `json:"resource_id,omitzero"`
	TargetID     string         `json:"target_id,omitzero"`
	Event        model.LogEvent `json:"event"`
	Enabled      bool           `json:"enabled"`
}

// Clone returns a copy.
func (l *Log) Clone() Row { c := *l; return &c }

// LogEvent accepts one of the events of a log.
func LogEvent(v any) (model.LogEvent, error) {
	return OneOf(model.LogAccept, model.LogDrop, model.LogAll)(v)
}

// Logs is the type "log".
func Logs() *Type {
	first, last := standard(nameAttr(Text(255)))
	idAttr := func(name string, at func(*Log) *string) Attr {
		return attr(name, OnPost, func(l *Log, v any) (err error) {
			*at(l), err = nullableUUID(v)
			return err
		}, func(l *Log) any { return textOrNil(*at(l)) })
	}
	return &Type{
		Kind: "neutron.log", Singular: "log", Plural: "logs", Path: "log/logs",
		Attrs: join(first, []Attr{
			required(field("resource_type", OnPost, loggable, func(l *Log) *string { return &l.ResourceType })),
			idAttr("resource_id", func(l *Log) *string { return &l.ResourceID }),
			idAttr("target_id", func(l *Log) *string { return &l.TargetID }),
			unsorted(field("event", OnPost, LogEvent, func(l *Log) *model.LogEvent { return &l.Event })),
			field("enabled", Writable, Bool, func(l *Log) *bool { return &l.Enabled }),
		}, last),
		New:          func() Row { return &Log{Event: model.LogAll, Enabled: true} },
		notFoundType: "LogResourceNotFound", notFoundText: "Log resource %s could not be found.",
	}
}

func loggable(v any) (string, error) {
	s, err := Text(36)(v)
	if err == nil && s != LogOfSecurityGroups {
		return "", Refused("InvalidLogResourceType", "Invalid log resource_type: %s.", s)
	}
	return s, err
}

// LoggedGroupNotFound is the 404 of a group that a log names.
func LoggedGroupNotFound(id string) *Error {
	return &Error{Status: http.StatusNotFound, Type: "ResourceNotFound", Message: fmt.Sprintf("Resource %s could not be found.", id)}
}

// LoggedPortNotFound is the 404 of a port that a log names.
func LoggedPortNotFound(id string) *Error {
	return &Error{Status: http.StatusNotFound, Type: "TargetResourceNotFound", Message: fmt.Sprintf("Target resource %s could not be found.", id)}
}
