package view

import "github.com/dragonflow/dragonflow/internal/model"

// The tables of this file hold facts: what the chassis learned by itself. The loop keeps them, each with an
// owner and for a limited time, also over a restart; see the controller's facts.go.

// Arrival is the fact that the guest of a port was heard here although the port's active binding is
// elsewhere: a live migration has brought it here, and the API has not been told yet.
type Arrival struct {
	PortID string
	// From is where the port was then, and Revision what it had: they say whether the API knows of anything
	// newer. An older version left From empty.
	From     string
	Revision int64
}

// Holds tells whether the guest is still here as far as the API knows. It is not if the port has moved since, or
// if its binding here became inactive since: then the guest has been here and has left. A binding that became active
// since says that the API has heard of the arrival: that the port is here may be told later, as it is in another scope.
func (a Arrival) Holds(b *model.Binding, p *model.Port) bool {
	return (a.From == "" || a.From == p.Host) && (b.Status == model.BindingActive || a.Revision >= b.Revision)
}

// Arrivals holds the ports whose guests have arrived, by port id.
var Arrivals = NewTable("Arrival", func(a Arrival) string { return a.PortID }, nil)

// Departure is the fact that a port was served here until a short time ago, and still exists.
type Departure struct {
	PortID, NetworkID string
	// Gone says that its interface or its binding here has gone since: who is heard of it now came back.
	Gone bool
}

// Departures holds the ports that have left, by port id.
var Departures = NewTable("Departure", func(d Departure) string { return d.PortID }, nil)

// Forward says that what other chassis still send here for a port that has left goes on to where it is.
type Forward struct {
	PortID, NetworkID string
	MAC               model.MAC
	// Chassis is where the port is now.
	Chassis string
}

// Forwards holds what is forwarded. The app migration derives it, the app tunnel carries it out.
var Forwards = NewDerived("Forward", func(f Forward) string { return f.PortID + "/" + f.MAC.String() })
