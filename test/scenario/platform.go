package scenario

import (
	"context"
	"net"
	"net/netip"

	"github.com/dragonflow/dragonflow/internal/lab"
	"github.com/dragonflow/dragonflow/internal/lab/cloud"
)

// Platform is what a scenario runs on: a cloud without a chassis at first. Its methods are called by one
// goroutine at a time.
type Platform interface {
	// API is the server's.
	API() *cloud.Client
	// AddChassis makes a hypervisor with its controller.
	AddChassis(ctx context.Context, c Chassis) error
	// Boot starts the machine of a port on a chassis, or, for a machine that was booted before, prepares it
	// there: its interface is plugged in and not yet connected. A machine outside is on no chassis.
	Boot(ctx context.Context, chassis string, m Machine) (Guest, error)
	// Do does something to a part of the cloud.
	Do(ctx context.Context, a Action) error
	// Flows are the flows of a chassis' integration bridge, in order and without what counts.
	Flows(ctx context.Context, chassis string) (string, error)
}

// OfNeutron is a platform whose API is a real Neutron's.
type OfNeutron interface {
	// Set changes fields of a resource, also such as Neutron's API calls otherwise.
	Set(ctx context.Context, kind, id string, fields cloud.Object) error
	// Activate makes a port's binding to a chassis the active one, or ends the migration if it is still.
	Activate(ctx context.Context, port, chassis string) error
	// Crowd is how many ports it makes where a scenario asks for so many.
	Crowd(ports int) int
}

// Forgetter is a platform whose switches may have a fault: that flows of their datapaths stay as they were
// (docs/operate/openvswitch.md).
type Forgetter interface {
	// Forget has all switches forget the flows of their datapaths, unless their version is without the fault.
	Forget(ctx context.Context) (forgotten bool, err error)
}

// Chassis describes a hypervisor.
type Chassis struct {
	Name string
	// Tunnels is a list of types, empty for the default.
	Tunnels string
	// Physical is what it calls the provider's network.
	Physical string
	// Gateway says that routers may have their gateways there.
	Gateway bool
}

// Machine is a virtual machine of a port.
type Machine struct {
	Name, Port string
	MAC        net.HardwareAddr
	// Mobile says that the machine will be moved.
	Mobile bool
	// AcceptRA says that it configures itself by router advertisements.
	AcceptRA bool
	// Outside says that it is a host on the provider's network, without a port, in the VLAN, if that is not zero.
	Outside bool
	VLAN    uint16 // also of a Trunk
	// Trunk is the machine of whose interface this one is the VLAN.
	Trunk string
	// Leg says that it is one more interface, with the addresses Router, of the host outside of that name.
	Leg bool
	// Behind is the machine outside behind which this one is: on a network of the two alone, on which that
	// one has the addresses Router.
	Behind string
	Router []netip.Prefix
}

// PhysicalNetwork is the name of the provider's network where no other is said. All chassis are connected to it.
const PhysicalNetwork = "physnet1"

// Verb is what an Action does.
type Verb string

// The verbs.
const (
	// Kill ends a part at once, Stop asks it to end, and Start starts it again.
	Kill  Verb = "kill"
	Stop  Verb = "stop"
	Start Verb = "start"
	// Freeze has a part stand still, and Thaw go on.
	Freeze Verb = "freeze"
	Thaw   Verb = "thaw"
	// Address gives a chassis another address on the underlay.
	Address Verb = "address"
	// Plug has a machine's interface, with a MAC address, on a switch before there is a port for it.
	Plug Verb = "plug"
	// Resume connects a machine that moves to where it was booted last, and has it say so to the network.
	Resume Verb = "resume"
	// Steady returns an error if the provider's network has seen a MAC address at two places.
	Steady Verb = "steady"
	// Unplug takes the interface of a machine off its switch.
	Unplug Verb = "unplug"
	// Cut takes a chassis off the underlay, or off the Database, and Mend puts it back.
	Cut  Verb = "cut"
	Mend Verb = "mend"
)

// Part is a kind of part of the cloud.
type Part string

// The parts.
const (
	Controller Part = "controller"
	Server     Part = "server"
	Database   Part = "database"
	Switch     Part = "switch"
	Host       Part = "chassis"
	Guests     Part = "guest"
	// Nova is the metadata server; chassis that come later ask it.
	Nova Part = "nova"
	// Keepalived is the router of virtual addresses in a guest.
	Keepalived Part = "keepalived"
	// Crowd are interfaces with nobody behind them.
	Crowd Part = "crowd"
)

// Action is something that is done to a part of the cloud.
type Action struct {
	Verb Verb
	Part Part
	// Name is the chassis, or the machine.
	Name string
	// To is the chassis for Plug, Unplug and Resume.
	To string
	// MAC is for Plug.
	MAC net.HardwareAddr
	// Prefix is for Address.
	Prefix netip.Prefix
	// Ports are those of a Crowd.
	Ports []string
	// Config is what Keepalived is told when it starts first.
	Config string
}

// Guest is a running virtual machine.
type Guest interface {
	Sockets
	// Configure does what an administrator of the machine does.
	Configure(ctx context.Context, s Settings) error
	// Lease has a DHCP client configure the machine, and returns what it was given.
	Lease(ctx context.Context, v6 bool) (Lease, error)
	// Probe sends one echo request and says what came of it within a second or two, as the platform has it.
	Probe(ctx context.Context, to netip.Addr, p Probe) (Answer, error)
	// Wire is the machine's interface for frames that no honest kernel sends.
	Wire(ctx context.Context) (Wire, error)
}

// Sockets are those of a machine, also those that listen.
type Sockets interface {
	lab.Sockets
	Listen(ctx context.Context, network, address string) (net.Listener, error)
}

// Settings are what an administrator sets in a machine; what is zero stays as it is.
type Settings struct {
	Addresses []netip.Prefix
	// Without are addresses that it is to have no more.
	Without []netip.Prefix
	Routes  []Route
	MTU     int
	// Forward has it hand on what is for others, as a router does.
	Forward bool
}

// Route is a way to a prefix.
type Route struct {
	To  netip.Prefix
	Via netip.Addr
}

// Lease is what a DHCP client was given.
type Lease struct {
	Address netip.Addr
	MTU     int
}

// Probe is an echo request. What is zero is as usual.
type Probe struct {
	TTL int
	// Size is that of the IP packet, which must not be fragmented.
	Size int
}

// Answer is what came of a Probe.
type Answer struct {
	Outcome Outcome
	From    netip.Addr
	// MTU is what a router said that fits.
	MTU int
}

// Outcome is a kind of Answer.
type Outcome string

// The outcomes.
const (
	Answered    Outcome = "answered"
	Exceeded    Outcome = "exceeded"
	TooBig      Outcome = "toobig"
	Unreachable Outcome = "unreachable"
	Silent      Outcome = "silent"
)

// Wire is an interface without a kernel.
type Wire interface {
	Send(frame []byte) error
	// Seen are the frames that arrived since the wire was opened.
	Seen() [][]byte
	Close() error
}

// NotJudged is a difference from what is expected that says nothing about the cloud: the machine was too busy.
type NotJudged struct{ Err error }

func (n NotJudged) Error() string { return n.Err.Error() }

// Unwrap returns the difference.
func (n NotJudged) Unwrap() error { return n.Err }
