// Package pipeline declares, as data, how a packet goes through the switch: the stages in order, the
// registers, marks, zones, number spaces and priorities, and the layout of cookies. No other package
// holds a table or register number.
//
// The package imports flow and number.
package pipeline

import (
	"fmt"
	"slices"

	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/number"
)

// Layout is the version of the pipeline's meaning, in every cookie. It grows when a stage or register
// changes what it stands for.
const Layout = 4

// What registers carry.
var (
	// Network is the network's key, all along the pipeline.
	Network = flow.Metadata.All()
	// SourcePort is the key of the local port that sent the packet.
	SourcePort = flow.Reg6.All()
	// DestPort is the key of the port that will receive it.
	DestPort = flow.Reg7.All()
	// Profile is the number of the set of security groups in force, for the direction being checked.
	Profile = flow.Reg5.All()
	// Universe is the number of the set of remote groups that the profile names.
	Universe = flow.Reg4.All()
	// Zone is the conntrack zone of the port being checked, zero if its groups are stateless.
	Zone = flow.Reg0.Part(0, 16)
	// NextMark is the conntrack mark that the connection gets if a rule allows it.
	NextMark = flow.Reg1.All()
	// FloodSet is the number of the set of members to which a packet is being copied.
	FloodSet = flow.Reg3.All()
	// RouteSet is the number of a set of routes of one router with the same destination.
	RouteSet = flow.Reg3.All()
	// Router is the number of the router that has the packet, from Routers to RouterRefuse; of what it sends into
	// its external network, until its address is translated.
	Router = flow.Reg2.All()
	// CameBy is the network by which the packet came to the router.
	CameBy = flow.Reg12.All()
	// AddressScope is the address scope, zero for none, of the network by which the packet came to the router, if the
	// router has several of the packet's family. Else nothing looks at it.
	AddressScope = flow.Reg13.All()
	// Refusal is why a router refuses the packet, for the controller.
	Refusal = flow.Reg3.All()
	// RemoteChassis is the number of the chassis and the type of tunnel by which the packet leaves, or
	// [EveryMember] or [UnsecuredMembers]. L2Lookup sets it for Tunnel.
	RemoteChassis = flow.Reg2.All()
	// NextHop4 and NextHop6 are the address in the outgoing network to which a router sends the packet.
	// They lie in the registers of the group bits, which are not in use between egress and ingress rules.
	NextHop4 = flow.Reg8.All()
	NextHop6 = flow.XXReg2.All()
	// RouteBucket is the place in its set of the route that was chosen, until the next hop is loaded.
	RouteBucket = flow.Reg8.All()
	// TooLarge says, once the next hop's MAC address is found, that the packet exceeds the MTU of its network.
	TooLarge = flow.Reg8.Part(0, 1)
	// Apart is written, and read by nobody, where a packet must be a copy of its own in the datapath.
	Apart = flow.Reg8.Part(0, 1)
)

// What RemoteChassis holds of a packet that goes to several chassis.
const (
	// EveryMember is for all chassis with ports of the network.
	EveryMember = 0
	// UnsecuredMembers is for those that have ports without port security.
	UnsecuredMembers = 1 << 31
)

// Routed is the SourcePort of a packet that a router of this chassis has got from elsewhere, by a wire or a
// tunnel: unlike others from there, whose SourcePort is zero, it may go anywhere. No port has this number.
const Routed = 1 << 31

// ChassisContent is what stands behind a number of ChassisNumbers: a chassis and the type of tunnel to it.
func ChassisContent(chassis, tunnelType string) string { return chassis + "/" + tunnelType }

// GroupBits is how many remote groups one universe can tell apart: one bit each in Reg8 to Reg15.
const GroupBits = 256

// GroupBit is the bit of the n-th remote group of a universe.
func GroupBit(n int) flow.SubField { return flow.Reg(8+n/32).Part(n%32, 1) }

// GroupWord is the register that holds the bits of remote groups 32n to 32n+31.
func GroupWord(n int) flow.SubField { return flow.Reg(8 + n).All() }

// The conntrack mark says what let the connection through. It is zero as long as nothing did.
var (
	// Stamp is the hash of the compiled rules that allowed the connection, or [StampRemote].
	Stamp = flow.CTMark.Part(0, 31)
	// Committed is the bit of the stamp that every stamp has set.
	Committed = flow.CTMark.Part(0, 1)
	// Blocked says that the rules no longer allow it.
	Blocked = flow.CTMark.Part(31, 1)
)

// StampRemote is the stamp of connections that a rule with a remote group allowed: they go through the
// rules with every packet, because members come and go.
const StampRemote = 1

// StampOf makes a stamp other than StampRemote of a hash.
func StampOf(hash uint64) uint32 {
	s := uint32(hash^hash>>32)&(1<<31-1) | 1
	if s == StampRemote {
		return 3
	}
	return s
}

// The spaces of chassis-local numbers.
var (
	PortNumbers     = number.Space{Name: "port", Min: 1, Max: 1<<31 - 1}
	NetworkNumbers  = number.Space{Name: "network", Min: 1, Max: 1<<31 - 1}
	ProfileNumbers  = number.Space{Name: "profile", Min: 1, Max: 1<<31 - 1}
	UniverseNumbers = number.Space{Name: "universe", Min: 1, Max: 1<<31 - 1}
	// Zones are conntrack zones; the low ones are left to others on the host.
	Zones = number.Space{Name: "zone", Min: 1024, Max: 65534}
	// RouterNumbers are the keys of routers, RouteSetNumbers of sets of routes with the same destination.
	RouterNumbers   = number.Space{Name: "router", Min: 1, Max: 1<<31 - 1}
	RouteSetNumbers = number.Space{Name: "route-set", Min: 1, Max: 1<<31 - 1}
	// AddressScopeNumbers are the keys of address scopes.
	AddressScopeNumbers = number.Space{Name: "address-scope", Min: 1, Max: 1<<31 - 1}
	// ChassisNumbers are keys of other chassis, one for each type of tunnel to them.
	ChassisNumbers = number.Space{Name: "chassis", Min: 1, Max: 1<<31 - 1}
	// MeterNumbers are OpenFlow meters.
	MeterNumbers = number.Space{Name: "meter", Min: 1, Max: 60000}
	// QueueNumbers are queues of the ways to physical networks.
	QueueNumbers = number.Space{Name: "queue", Min: 1, Max: flow.MaxQueue}
	// MetadataNumbers tell the service of metadata which address of which port a request came from.
	MetadataNumbers = number.Space{Name: "metadata", Min: 1, Max: 1<<28 - 2}
	// SNATNumbers stand for routers in the addresses that only this chassis knows, between the two steps of
	// distributed SNAT.
	SNATNumbers = number.Space{Name: "snat", Min: 1, Max: 1<<28 - 2}
	// GroupNumbers are OpenFlow groups.
	GroupNumbers = number.Space{Name: "group", Min: 1, Max: 1<<31 - 1}
)

// The priorities of flows. Between them stages may use offsets of their own.
const (
	// Miss is the priority of what happens when nothing else matches.
	Miss uint16 = 0
	// Low is for what holds for a whole network.
	Low uint16 = 100
	// Normal is for what holds for a port or an address.
	Normal uint16 = 200
	// High is for exceptions from that.
	High uint16 = 300
	// Override is for what nothing may overrule.
	Override uint16 = 400
	// PrefixBase plus the length of a prefix makes the longest win.
	PrefixBase uint16 = 1000
)

// Table returns the stage's OpenFlow table number.
func (s Stage) Table() uint8 { return uint8(s) }

// String returns the stage's name.
func (s Stage) String() string { return StageName(uint8(s)) }

// App returns the name of the app that owns the stage.
func (s Stage) App() string { return stages[s].app }

// Purpose says in a sentence what the stage does.
func (s Stage) Purpose() string { return stages[s].purpose }

// Miss says what happens to a packet that no flow matches: it goes on to the returned stage, or is
// dropped for the returned reason.
func (s Stage) Miss() (next Stage, reason string) { return stages[s].pass, stages[s].miss }

// Next lists where a packet may go from here.
func (s Stage) Next() []Stage { return slices.Clone(stages[s].next) }

// Prefixes lists the fields for which the switch keeps a prefix tree in this table (OVSDB, Flow_Table).
func (s Stage) Prefixes() []string { return slices.Clone(stages[s].prefixes) }

// Fields lists what flows of the stage may match and set.
func (s Stage) Fields() (matches, sets []flow.Field) {
	return slices.Clone(stages[s].matches), slices.Clone(stages[s].sets)
}

// Stages lists all stages in packet order.
func Stages() []Stage {
	out := make([]Stage, numStages)
	for i := range out {
		out[i] = Stage(i)
	}
	return out
}

// StageName returns the name of a table, or its number if the pipeline has no such stage.
func StageName(table uint8) string {
	if int(table) < len(stages) {
		return stages[table].name
	}
	return fmt.Sprint(table)
}

// ParseStage finds a stage by name.
func ParseStage(name string) (Stage, bool) {
	for i := range stages {
		if stages[i].name == name {
			return Stage(i), true
		}
	}
	return 0, false
}
