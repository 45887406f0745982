package resource

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
)

// Zone is an availability zone as the API shows it; it is not stored: there are those in which chassis are.
type Zone struct{ Common }

// Clone returns a copy.
func (z *Zone) Clone() Row { c := *z; return &c }

// Zones is the type "availability_zone". As with ML2/OVN, the zones are those of the chassis that may be gateways, so what
// is in one are routers.
func Zones() *Type {
	return &Type{
		Kind: "neutron.availability-zone", Singular: "availability_zone", Plural: "availability_zones", Path: "availability_zones",
		Attrs: []Attr{
			shown("state", func(*Zone) any { return "available" }),
			shown("resource", func(*Zone) any { return "router" }),
			shown("name", func(z *Zone) any { return z.ID }),
		},
		New:          func() Row { return new(Zone) },
		notFoundType: "AvailabilityZoneNotFound", notFoundText: "AvailabilityZone %s could not be found.",
	}
}

// ZoneNotFound refuses hints that name zones in which nothing is.
func ZoneNotFound(missing []string) *Error {
	return &Error{Status: http.StatusNotFound, Type: "AvailabilityZoneNotFound",
		Message: "AvailabilityZone " + strings.Join(missing, ", ") + " could not be found."}
}

// ZonesOfAgent is how an agent shows several zones in its one attribute.
func ZonesOfAgent(zones []string) string { return strings.Join(zones, ", ") }

// maxZoneHints is how long hints may be as Neutron stores them, in JSON.
const maxZoneHints = 255

// zoneHints accepts what "availability_zone_hints" may be. That the zones exist is not checked here.
func zoneHints(v any) ([]string, error) {
	if v == nil {
		return nil, errors.New("'None' is not a list")
	}
	hints, err := List("availability zone", maxZoneHints, Text(maxZoneHints))(v)
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(hints)
	if err == nil && len(raw)+len(hints) > maxZoneHints+1 { // Neutron's has a space behind each comma
		return nil, InvalidInput("Too many availability_zone_hints specified")
	}
	return hints, err
}

// zoneAttrs are the attributes about availability zones of who can be asked to be in some.
func zoneAttrs[R Row](hints func(R) *[]string, zones func(R) []string) []Attr {
	return []Attr{
		unlisted(attr("availability_zone_hints", OnPost, func(r R, v any) (err error) {
			*hints(r), err = zoneHints(v)
			return err
		}, func(r R) any { return orEmpty(*hints(r)) })),
		unlisted(shown("availability_zones", func(r R) any { return orEmpty(zones(r)) })),
	}
}
