// Package dhcp answers DHCPv4, DHCPv6 and router solicitations of local ports, on their own chassis.
//
// The protocol part is pure: [ReplyV4], [ReplyV6] and [ReplyRS] take what a port is told and a frame that
// it sent, and return the frame to send back. There are no leases to store: the address of a port is in
// the model, so any chassis answers at any time the same, also after a restart and without the database.
package dhcp

import (
	"net/netip"
	"time"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/packet"
)

// Forever as a lease time never ends.
const Forever time.Duration = -1

// Config is what one port is told. It is not changed by the functions that take it.
type Config struct {
	// MAC is the port's. Requests of other hardware addresses are refused.
	MAC packet.MAC
	// ServerMAC is the source of the answers, and the server's identity in DHCPv6; it must never
	// change, or clients take us for another server.
	ServerMAC packet.MAC
	// HostName is one label, or a name with dots; Domain is the search domain. Both may be empty.
	HostName, Domain string
	// MTU is in bytes of an IP packet; 0 is not announced.
	MTU int
	// Lease is how long addresses may be used, in whole seconds; or Forever. A client renews at half of
	// it, so half of it is the outage that a guest survives.
	Lease time.Duration
	// V4 and V6 are nil where the port is not served.
	V4 *V4
	V6 *V6
}

// V4 is what a port is told by DHCPv4.
type V4 struct {
	// Address is the port's, in Subnet.
	Address netip.Addr
	Subnet  netip.Prefix
	// Gateway is invalid if the subnet has none.
	Gateway netip.Addr
	DNS     []netip.Addr
	// Routes are the subnet's host routes.
	Routes []model.Route
	// Extra are the port's own options; they win over everything else.
	Extra Options
}

// linkLocalServer is the server identifier on a subnet without gateway, and the address of the metadata
// service, to which every guest gets a route.
func linkLocalServer() netip.Addr { return netip.AddrFrom4([4]byte{169, 254, 169, 254}) }

// ServerID is the address that the server shows: the subnet's gateway_ip, else 169.254.169.254. There is
// no port for it. Unicast requests go to it.
func (v *V4) ServerID() netip.Addr {
	if v.Gateway.IsValid() {
		return v.Gateway
	}
	return linkLocalServer()
}

// V6 is what a port is told by DHCPv6.
type V6 struct {
	// Addresses are the port's in the subnets whose addresses DHCPv6 gives out; none for a port that gets
	// only further configuration.
	Addresses []netip.Addr
	// OnLink are the prefixes of the network, against which a client confirms its addresses.
	OnLink []netip.Prefix
	DNS    []netip.Addr
	// Extra are the port's own options; they win over everything else.
	Extra Options
}

// Reply is the outcome of a request that was understood.
type Reply struct {
	// Frame is the answer, an Ethernet frame for the port; nil if the protocol wants silence.
	Frame []byte
	// Request and Answer are the RFC's names of the messages, such as DISCOVER and OFFER; Answer is empty
	// when there is none.
	Request, Answer string
	// Reason says why it was answered like this, for the log.
	Reason string
}

// Refusal says why a frame gets no answer: it is malformed, or not for this server. The values are
// constants, so that refusing a flood costs nothing.
type Refusal string

// Error implements the error interface.
func (r Refusal) Error() string { return "dhcp: " + string(r) }

// Why frames are refused, beside the errors of package packet.
const (
	ErrNotServed    Refusal = "the port has no such service"
	ErrNotToServer  Refusal = "not a datagram from a client to this server"
	ErrFragment     Refusal = "a fragment"
	ErrFormat       Refusal = "malformed message"
	ErrBOOTP        Refusal = "BOOTP without a DHCP message type"
	ErrNotRequest   Refusal = "not a client's message"
	ErrRelay        Refusal = "relayed: guests may not relay"
	ErrOtherClient  Refusal = "hardware address is not the port's"
	ErrOtherServer  Refusal = "meant for another server"
	ErrNoClientID   Refusal = "lacks the client identifier"
	ErrServerID     Refusal = "has a server identifier that the message must not have"
	ErrNoAddress    Refusal = "names no address"
	ErrNotOnNetwork Refusal = "sent from an unspecified or global address"
)

// seconds returns a duration as the protocols have it: all ones is for ever.
func seconds(d time.Duration) uint32 {
	const infinity = 1<<32 - 1
	if d < 0 || d/time.Second >= infinity {
		return infinity
	}
	return uint32(d / time.Second)
}

// part returns num/den of a lifetime in seconds; for ever stays for ever.
func part(lifetime, num, den uint32) uint32 {
	if lifetime == 1<<32-1 {
		return lifetime
	}
	return uint32(uint64(lifetime) * uint64(num) / uint64(den))
}
