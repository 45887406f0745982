package pipeline

import "github.com/dragonflow/dragonflow/internal/controller/flow"

// Stage is a flow table of the pipeline. Its number is its place in this list, which is the packet's
// order: a packet only ever goes forward, but for what a declaration says to do again.
type Stage uint8

// The stages.
const (
	Classify Stage = iota
	TunnelInput
	ProviderInput
	WireServices
	DNATInput
	DNATForward
	DNATEnter
	SNATInput
	SNATInternal
	SNATReply
	MetadataReply
	Announce
	EgressPortSecurity
	EgressPortSecurityIP
	EgressPortSecurityND
	EgressConntrack
	EgressTrack
	EgressState
	EgressRules
	EgressRemote
	EgressRemoteRules
	EgressRefuse
	EgressCommit
	EgressWhole
	EgressBandwidth
	EgressPacketRate
	EgressDSCP
	Services
	ActivePort
	ARPResponder
	NDResponder
	NDReply
	DHCP
	MetadataRequest
	Routers
	RouterAddresses
	Routes
	RouteChoice
	Gateways
	NextHops
	RouteOutput
	RouteMTU
	RouterRefuse
	DNATOutput
	DNATReply
	SNATOutput
	SNATShare
	SNATLeave
	L2Lookup
	L2Flood
	Tunnel
	TunnelFlood
	TunnelOutput
	ProviderOutput
	L2Horizon
	IngressConntrack
	IngressTrack
	IngressState
	IngressRules
	IngressRemote
	IngressRemoteRules
	IngressRefuse
	IngressCommit
	IngressWhole
	IngressPortSecurity
	Deliver
	IngressBandwidth
	IngressPacketRate
	DeliverLimited
	Marker

	numStages
)

// stages is the pipeline.
var stages = [numStages]declaration{
	Classify: {
		name: "classify", app: "classifier",
		purpose: "tells who sent the packet: loads the source port and its network",
		matches: fields(one(flow.InPort), ethernet), sets: one(flow.Reg6, flow.Metadata),
		next: []Stage{EgressPortSecurity, TunnelInput, ProviderInput, MetadataReply, Announce},
		miss: "the packet came from an interface that no port of this chassis owns",
	},
	TunnelInput: {
		name: "tunnel-input", app: "tunnel",
		purpose: "tells the network of a packet that came through a tunnel; its source port is zero; takes what is for a gateway to its router; sends on what is for a port that has left",
		matches: one(flow.InPort, flow.TunID, flow.TunSrc, flow.TunIPv6Src, flow.EthDst, flow.EthType, flow.IPProto, flow.ICMPv6Type),
		sets:    one(flow.Reg6, flow.Metadata, flow.Reg2, flow.Reg12, flow.Reg13, flow.InPort),
		next:    []Stage{DNATInput, ActivePort, RouterAddresses, L2Lookup, TunnelOutput},
		miss:    "tunnel: no network of this chassis has the packet's identifier",
	},
	ProviderInput: {
		name: "provider-input", app: "provider",
		purpose: "tells the network of a frame that came from a physical network, by its VLAN; its source port is zero, or, if it is for a router, stands for that",
		matches: fields(one(flow.InPort), ethernet), sets: one(flow.Reg6, flow.Metadata, flow.EthSrc, flow.EthDst),
		next: []Stage{WireServices},
		miss: "provider: no network of this chassis has the VLAN of the frame on its physical network",
	},
	WireServices: {
		name: "wire-services", app: "neighbour",
		purpose: "answers those outside who ask for an address that this chassis has there, and hears who has an address that it looks for",
		matches: fields(one(flow.Metadata, flow.Reg6), ethernet, ip, l4, arp, nd), sets: fields(ethernet, ip, l4, arp, nd, one(flow.Reg6)),
		next: []Stage{DNATInput, NDReply, ProviderOutput}, pass: DNATInput,
	},
	DNATInput: {
		name: "dnat-input", app: "dnat",
		purpose: "gives what is for a floating IP of this chassis the address for which that stands, and takes it to its router",
		matches: fields(one(flow.Metadata, flow.Reg6), ethernet, ip, l4),
		sets:    fields(ip, one(flow.Reg2, flow.Reg6, flow.Reg12, flow.Reg13)),
		next:    []Stage{DNATForward, SNATInput, RouterAddresses}, pass: SNATInput, prefixes: destinations,
	},
	DNATForward: {
		name: "dnat-forward", app: "dnat",
		purpose: "port forwarding: gives what begins a connection to a port of a floating IP the address and port inside",
		matches: fields(one(flow.Reg2), ip, l4, conntrack), next: []Stage{DNATEnter},
		miss: "dnat: the floating IP has no port forwarding for this",
	},
	DNATEnter: {
		name: "dnat-enter", app: "dnat",
		purpose: "port forwarding: takes what is addressed to a guest now to its router",
		matches: fields(one(flow.Reg2), ip, conntrack), sets: one(flow.Reg6, flow.Reg12, flow.Reg13), next: []Stage{RouterAddresses},
		miss: "dnat: the destination could not be translated", prefixes: destinations,
	},
	SNATInput: {
		name: "snat-input", app: "snat",
		purpose: "has the connection tracker find who sent what this answers that comes for an address to which the senders' addresses were translated",
		matches: fields(one(flow.Metadata), ethernet, ip), sets: one(flow.Reg2),
		next: []Stage{SNATInternal, SNATReply, Routers}, pass: Routers, prefixes: destinations,
	},
	SNATInternal: {
		name: "snat-internal", app: "snat",
		purpose: "distributed: tells the router by the address that stands for it on this chassis, and has the sender found in its zone",
		matches: fields(one(flow.Metadata), ip, conntrack), sets: one(flow.Reg2), next: []Stage{SNATReply},
		miss: "snat: what came for the chassis' address belongs to no connection that was translated to it",
	},
	SNATReply: {
		name: "snat-reply", app: "snat",
		purpose: "takes what is again addressed to who sent first to his router",
		matches: fields(one(flow.Reg2), ip, conntrack), sets: one(flow.Reg2, flow.Reg6, flow.Reg12, flow.Reg13),
		next: []Stage{Routers, RouterAddresses}, pass: Routers, prefixes: destinations,
	},
	MetadataReply: {
		name: "metadata-reply", app: "metadata",
		purpose: "tells for which port an answer of the metadata service is, and gives it back the address from which the guest asked",
		matches: fields(ethernet, ip, l4), sets: fields(ethernet, ip, one(flow.Reg7, flow.Metadata)),
		next: []Stage{Deliver}, prefixes: destinations,
		miss: "metadata: not an answer of the service to a port of this chassis",
	},
	Announce: {
		name: "announce", app: "migration",
		purpose: "hears the guest of a port whose active binding is elsewhere: when it says that it is here, it is",
		matches: fields(one(flow.Reg6), ethernet, ip, l4, arp, nd),
		miss:    "the port's active binding is on another chassis",
	},
	EgressPortSecurity: {
		name: "egress-port-security", app: "portsecurity",
		purpose: "drops what a guest sends from a MAC address that is not its own",
		matches: fields(one(flow.Reg6), ethernet), next: []Stage{EgressPortSecurityIP, EgressBandwidth},
		miss: "port security: the port's addresses are not known yet",
	},
	EgressPortSecurityIP: {
		name: "egress-port-security-ip", app: "portsecurity",
		purpose: "drops what a guest sends from an IP address, or tells by ARP about one, that is not its own",
		matches: fields(one(flow.Reg6), ethernet, ip, l4, arp, one(flow.NDTarget)), next: []Stage{EgressPortSecurityND, EgressConntrack},
		pass: EgressBandwidth, prefixes: append([]string{"ip_dst"}, sources...), // the destination for DHCP
	},
	EgressPortSecurityND: {
		name: "egress-port-security-nd", app: "portsecurity",
		purpose: "drops neighbour discovery about addresses that are not the guest's own",
		matches: fields(one(flow.Reg6), ethernet, ip, l4, nd), pass: EgressConntrack,
	},
	EgressConntrack: {
		name: "egress-conntrack", app: "secgroup",
		purpose: "lets essential services pass; loads the sender's conntrack zone, profile and universe",
		matches: fields(one(flow.Reg6, flow.Metadata), ethernet, ip, l4), sets: one(flow.Reg0, flow.Reg4, flow.Reg5),
		next:     []Stage{EgressTrack, EgressBandwidth},
		prefixes: destinations, // for DHCP and neighbour discovery
		miss:     "security group: the rules of the port are not known yet",
	},
	EgressTrack: {
		name: "egress-track", app: "secgroup",
		purpose: "looks the connection up in the zone",
		matches: one(flow.Reg0, flow.Reg6, flow.EthType), next: []Stage{EgressState, EgressRules},
		miss: "security group: neither ARP nor IP",
	},
	EgressState: {
		name: "egress-state", app: "secgroup",
		purpose: "lets known connections pass whose rules have not changed, and replies; drops what a DHCP server sends in fragments",
		matches: fields(one(flow.Reg6, flow.Reg5, flow.EthType, flow.IPFrag), conntrack, conntrackTuple), sets: one(flow.Reg1), next: []Stage{EgressRules, EgressBandwidth},
		miss: "security group: no state of a connection that any rule could allow",
	},
	EgressRules: {
		name: "egress-rules", app: "secgroup",
		purpose: "allows what a rule without remote group allows",
		matches: fields(one(flow.Reg5), ip, l4, conntrackTuple), sets: one(flow.Reg1),
		next: []Stage{EgressCommit}, pass: EgressRemote, prefixes: destinations,
	},
	EgressRemote: {
		name: "egress-remote", app: "secgroup",
		purpose: "loads a bit for each remote group of the universe that the destination belongs to",
		matches: fields(one(flow.Reg4), ip), sets: groupBits, next: []Stage{EgressRemoteRules}, pass: EgressRefuse, prefixes: destinations,
	},
	EgressRemoteRules: {
		name: "egress-remote-rules", app: "secgroup",
		purpose: "allows what a rule with a remote group allows",
		matches: fields(one(flow.Reg5), groupBits, ip, l4, conntrackTuple), sets: one(flow.Reg1),
		next: []Stage{EgressCommit}, pass: EgressRefuse,
	},
	EgressRefuse: {
		name: "egress-refuse", app: "secgroup",
		purpose: "marks connections that no rule allows any more as blocked, so that replies stop, too",
		matches: fields(one(flow.Reg0, flow.Reg6, flow.EthType, flow.IPFrag), conntrack), sets: one(flow.CTMark),
		miss: "security group: no egress rule allows the packet",
	},
	EgressCommit: {
		name: "egress-commit", app: "secgroup",
		purpose: "records in the connection what allowed it",
		matches: fields(one(flow.Reg0, flow.Reg6, flow.Reg1, flow.EthType, flow.IPFrag), conntrack), sets: one(flow.CTMark),
		next: []Stage{EgressWhole, EgressBandwidth},
		miss: "security group: only IP has connections",
	},
	EgressWhole: {
		name: "egress-whole", app: "secgroup",
		purpose: "drops fragments that the connection tracker could not put together",
		matches: fields(one(flow.Reg6), conntrack), next: []Stage{EgressBandwidth},
		miss: "security group: a fragment without its first, which was refused",
	},
	EgressBandwidth: {
		name: "egress-bandwidth", app: "qos",
		purpose: "meters, in bits, what a guest sends whose QoS policy limits that",
		matches: one(flow.Reg6), pass: EgressPacketRate,
	},
	EgressPacketRate: {
		name: "egress-packet-rate", app: "qos",
		purpose: "meters, in packets, what a guest sends whose QoS policy limits that",
		matches: one(flow.Reg6), pass: EgressDSCP,
	},
	EgressDSCP: {
		name: "egress-dscp", app: "qos",
		purpose: "marks what a guest sends as its QoS policy says (RFC 2474)",
		matches: one(flow.Reg6, flow.EthType), sets: one(flow.IPDSCP), pass: Services,
	},
	Services: {
		name: "services", app: "classifier",
		purpose: "sends requests for services that this chassis gives itself to their stage",
		matches: fields(one(flow.Reg6), ethernet, ip, l4, arp), next: []Stage{ActivePort, NDResponder, DHCP, MetadataRequest, Routers},
		pass: Routers, prefixes: destinations,
	},
	ActivePort: {
		name: "active-port", app: "activeport",
		purpose: "hears which of the ports that may have an address says that it has it; all else that tells of addresses passes",
		matches: fields(one(flow.Metadata, flow.Reg6, flow.TunSrc, flow.TunIPv6Src), ethernet, ip, l4, arp, nd), next: []Stage{ARPResponder, L2Lookup},
		pass: ARPResponder,
	},
	ARPResponder: {
		name: "arp-responder", app: "neighbour",
		purpose: "answers ARP requests for addresses of the model (RFC 826)",
		matches: fields(one(flow.Metadata, flow.Reg6, flow.InPort), ethernet, arp), sets: fields(ethernet, arp, one(flow.Reg7, flow.InPort)),
		next: []Stage{Routers, Deliver}, pass: Routers,
	},
	NDResponder: {
		name: "nd-responder", app: "neighbour",
		purpose: "turns neighbour solicitations for addresses of the model into advertisements (RFC 4861)",
		matches: fields(one(flow.Metadata, flow.Reg6, flow.InPort), ethernet, ip, l4, nd),
		sets:    fields(ethernet, ip, l4, nd, one(flow.Reg7)),
		next:    []Stage{NDReply, Routers, Deliver}, pass: Routers,
	},
	NDReply: {
		name: "nd-reply", app: "neighbour",
		purpose: "completes the advertisement; its options can be set only once its type is",
		matches: fields(one(flow.Metadata, flow.Reg6, flow.InPort), ethernet, ip, l4, nd),
		sets:    fields(ethernet, ip, l4, nd, one(flow.Reg7, flow.InPort)), next: []Stage{Deliver, ProviderOutput},
		miss: "neighbour discovery: the answer could not be completed",
	},
	DHCP: {
		name: "dhcp", app: "dhcp",
		purpose: "sends DHCP requests and router solicitations of served ports to the controller, metered",
		matches: fields(one(flow.Metadata, flow.Reg6, flow.InPort), ethernet, ip, l4), next: []Stage{Routers}, pass: Routers,
	},
	MetadataRequest: {
		name: "metadata-request", app: "metadata",
		purpose: "takes requests for metadata to the service, metered; their source becomes an address that on this chassis only this port has",
		matches: fields(one(flow.Reg6), ethernet, ip, l4), sets: fields(ethernet, ip),
		miss: "metadata: only HTTP is served at this address, and only from the port's own fixed or link-local addresses",
	},
	Routers: {
		name: "routers", app: "l3",
		purpose: "takes what is addressed to a router's MAC address to that router",
		matches: fields(one(flow.Metadata, flow.Reg6), ethernet), sets: one(flow.Reg2, flow.Reg6, flow.Reg12, flow.Reg13), next: []Stage{RouterAddresses}, pass: L2Lookup,
	},
	RouterAddresses: {
		name: "router-addresses", app: "l3",
		purpose: "answers what is addressed to the router itself; refuses what must not be forwarded (RFC 1812, RFC 4443)",
		matches: fields(one(flow.Reg2, flow.Reg6), ethernet, ip, l4),
		sets:    fields(ethernet, ip, l4, one(flow.Reg2, flow.Reg3, flow.Reg6, flow.Reg7, flow.InPort)),
		next:    []Stage{RouterRefuse, IngressConntrack, L2Lookup}, pass: Routes, prefixes: append([]string{"ip_src"}, destinations...),
	},
	Routes: {
		name: "routes", app: "l3",
		purpose: "finds the route with the longest prefix: the network to go to and the next hop there",
		matches: fields(one(flow.Reg2), ip), sets: fields(one(flow.Metadata, flow.Reg3), nextHop),
		next: []Stage{RouteChoice, Gateways, NextHops, RouterRefuse},
		miss: "router: no route to the destination", prefixes: destinations,
	},
	RouteChoice: {
		name: "route-choice", app: "l3",
		purpose: "picks one of several next hops of equal cost, by the connection's hash (RFC 2992)",
		matches: one(flow.Reg3, flow.Reg8), sets: fields(one(flow.Metadata), nextHop), next: []Stage{Gateways, NextHops},
		miss: "router: the route has no such next hop",
	},
	Gateways: {
		name: "gateways", app: "gateway",
		purpose: "decides where a packet leaves the cloud: here, or on the chassis of the router's gateway, to which it goes unrouted",
		matches: fields(one(flow.Metadata, flow.Reg2, flow.Reg13), ip, l4), sets: one(flow.TunID, flow.Reg2, flow.Reg13, flow.InPort),
		next: []Stage{NextHops, TunnelOutput},
		miss: "router: no chassis is its gateway", prefixes: sources,
	},
	NextHops: {
		name: "next-hops", app: "l3",
		purpose: "addresses the packet to the next hop's MAC address; another router takes it up again",
		matches: fields(one(flow.Metadata, flow.EthType, flow.Reg2, flow.Reg13), nextHop),
		sets:    fields(ethernet, ip, one(flow.Reg2, flow.Reg3, flow.Reg12, flow.Reg13)),
		next:    []Stage{RouteOutput, RouterRefuse}, again: []Stage{RouterAddresses},
		miss: "router: nobody in the network has the next hop's address",
	},
	RouteOutput: {
		name: "route-output", app: "l3",
		purpose: "sends the packet from the router's interface: its MAC address, one hop less to live; keeps it in its address scope",
		matches: fields(one(flow.Metadata, flow.Reg2, flow.Reg6, flow.Reg13), ip), sets: fields(ethernet, ip, one(flow.Reg2), nextHop),
		next: []Stage{RouteMTU, DNATOutput, L2Lookup},
		miss: "router: it has no interface on the network of the next hop",
	},
	RouteMTU: {
		name: "route-mtu", app: "l3",
		purpose: "refuses packets that are too large for the network to which they go (RFC 1191, RFC 8201)",
		matches: fields(one(flow.Metadata, flow.Reg2), nextHop, ip), sets: fields(ethernet, ip, one(flow.Reg2, flow.Reg3)),
		next: []Stage{RouterRefuse, DNATOutput, L2Lookup},
		miss: "router: it has no interface on the network of the next hop",
	},
	RouterRefuse: {
		name: "router-refuse", app: "l3",
		purpose: "has the controller tell the sender why its packet is refused, metered; the packet is as it came",
		matches: fields(one(flow.Reg6, flow.Reg3), ip),
		miss:    "router: the packet is refused, and its sender is not a port of this chassis",
	},
	DNATOutput: {
		name: "dnat-output", app: "dnat",
		purpose: "gives what a router sends into an external network the floating IP of its sender",
		matches: fields(one(flow.Metadata, flow.Reg2), ethernet, ip, l4), sets: fields(ethernet, ip, one(flow.Reg2)),
		next: []Stage{DNATReply, SNATOutput, L2Lookup}, pass: SNATOutput, prefixes: sources,
	},
	DNATReply: {
		name: "dnat-reply", app: "dnat",
		purpose: "port forwarding: lets what answers a forwarded connection leave with the floating IP that the connection tracker has given it",
		matches: fields(one(flow.Metadata, flow.Reg2), ip, conntrack), sets: one(flow.EthSrc, flow.Reg2),
		next: []Stage{SNATOutput, L2Lookup}, pass: SNATOutput, prefixes: sources,
	},
	SNATOutput: {
		name: "snat-output", app: "snat",
		purpose: "gives what a router sends into an external network the gateway's address, by the connection tracker; distributed: first one that stands for the router on this chassis",
		matches: fields(one(flow.Metadata, flow.Reg2, flow.Reg6), ip), sets: one(flow.Reg2, flow.EthSrc),
		next: []Stage{SNATShare, SNATLeave, L2Lookup}, pass: L2Lookup, prefixes: sources,
	},
	SNATShare: {
		name: "snat-share", app: "snat",
		purpose: "distributed: gives the packet the chassis' own address, which all routers share",
		matches: fields(one(flow.Metadata), ip, conntrack), next: []Stage{SNATLeave},
		miss: untranslated,
	},
	SNATLeave: {
		name: "snat-leave", app: "snat",
		purpose: "lets nothing leave that should have been translated and was not",
		matches: conntrack, sets: one(flow.Reg2), next: []Stage{L2Lookup},
		miss: untranslated,
	},
	L2Lookup: {
		name: "l2-lookup", app: "l2",
		purpose: "finds the destination by MAC address; copies broadcast and multicast to the network's members",
		matches: fields(one(flow.Metadata, flow.Reg6), ethernet), sets: one(flow.Reg7, flow.Reg6, flow.Reg3, flow.Reg2, flow.InPort),
		next: []Stage{L2Flood, Tunnel, ProviderOutput, L2Horizon}, again: []Stage{DNATInput},
		miss: "no port of the network has the destination address",
	},
	L2Flood: {
		name: "l2-flood", app: "l2",
		purpose: "copies a packet to one set of a network's members; sets keep flows short",
		matches: one(flow.Metadata, flow.Reg3), sets: one(flow.Reg7), next: []Stage{L2Horizon},
		miss: "the network has no such set of members",
	},
	Tunnel: {
		name: "tunnel", app: "tunnel",
		purpose: "gives the packet its network's identifier; what came through a tunnel does not go back into one",
		matches: one(flow.Metadata, flow.Reg6, flow.Reg2), sets: one(flow.TunID, flow.Reg3), next: []Stage{TunnelFlood, TunnelOutput},
		miss: "the network has no tunnel",
	},
	TunnelFlood: {
		name: "tunnel-flood", app: "tunnel",
		purpose: "copies broadcast and multicast to the chassis that have members of the network, one set after the other",
		matches: one(flow.Metadata, flow.Reg3), sets: one(flow.Reg2, flow.Reg3), next: []Stage{TunnelOutput},
		miss: "no other chassis has members of the network",
	},
	TunnelOutput: {
		name: "tunnel-output", app: "tunnel",
		purpose: "sends the packet to the other chassis",
		matches: one(flow.Reg2), sets: one(flow.TunDst, flow.TunIPv6Dst),
		miss: "the other chassis has no tunnel of the network's type",
	},
	ProviderOutput: {
		name: "provider-output", app: "provider",
		purpose: "sends the frame into the physical network, in its VLAN; a router's MAC address stays on the chassis, which has one of its own for it",
		matches: one(flow.Metadata, flow.Reg6, flow.EthSrc), sets: one(flow.EthSrc, flow.VLANVID, flow.InPort),
		miss: "provider: the chassis is not connected to a physical network of the network",
	},
	L2Horizon: {
		name: "l2-horizon", app: "l2",
		purpose: "keeps a packet from going back to its sender (split horizon)",
		matches: one(flow.Reg6, flow.Reg7), next: []Stage{IngressConntrack}, pass: IngressConntrack,
	},
	IngressConntrack: {
		name: "ingress-conntrack", app: "secgroup",
		purpose: "lets essential services pass; loads the receiver's conntrack zone, profile and universe",
		matches: fields(one(flow.Reg7), ethernet, ip, l4), sets: one(flow.Reg0, flow.Reg4, flow.Reg5),
		next: []Stage{IngressTrack, IngressPortSecurity},
		miss: "security group: the rules of the port are not known yet",
	},
	IngressTrack: {
		name: "ingress-track", app: "secgroup",
		purpose: "looks the connection up in the zone",
		matches: one(flow.Reg0, flow.Reg7, flow.EthType), next: []Stage{IngressState, IngressRules},
		miss: "security group: neither ARP nor IP",
	},
	IngressState: {
		name: "ingress-state", app: "secgroup",
		purpose: "lets known connections pass whose rules have not changed, and replies",
		matches: fields(one(flow.Reg7, flow.Reg5), conntrack), sets: one(flow.Reg1), next: []Stage{IngressRules, IngressPortSecurity},
		miss: "security group: no state of a connection that any rule could allow",
	},
	IngressRules: {
		name: "ingress-rules", app: "secgroup",
		purpose: "allows what a rule without remote group allows",
		matches: fields(one(flow.Reg5), ip, l4, conntrackTuple), sets: one(flow.Reg1),
		next: []Stage{IngressCommit}, pass: IngressRemote, prefixes: sources,
	},
	IngressRemote: {
		name: "ingress-remote", app: "secgroup",
		purpose: "loads a bit for each remote group of the universe that the source belongs to",
		matches: fields(one(flow.Reg4), ip), sets: groupBits, next: []Stage{IngressRemoteRules}, pass: IngressRefuse, prefixes: sources,
	},
	IngressRemoteRules: {
		name: "ingress-remote-rules", app: "secgroup",
		purpose: "allows what a rule with a remote group allows",
		matches: fields(one(flow.Reg5), groupBits, ip, l4, conntrackTuple), sets: one(flow.Reg1),
		next: []Stage{IngressCommit}, pass: IngressRefuse,
	},
	IngressRefuse: {
		name: "ingress-refuse", app: "secgroup",
		purpose: "marks connections that no rule allows any more as blocked, so that replies stop, too",
		matches: fields(one(flow.Reg0, flow.Reg7, flow.EthType, flow.IPFrag), conntrack), sets: one(flow.CTMark),
		miss: "security group: no ingress rule allows the packet",
	},
	IngressCommit: {
		name: "ingress-commit", app: "secgroup",
		purpose: "records in the connection what allowed it",
		matches: fields(one(flow.Reg0, flow.Reg7, flow.Reg1, flow.EthType, flow.IPFrag), conntrack), sets: one(flow.CTMark),
		next: []Stage{IngressWhole, IngressPortSecurity},
		miss: "security group: only IP has connections",
	},
	IngressWhole: {
		name: "ingress-whole", app: "secgroup",
		purpose: "drops fragments that the connection tracker could not put together",
		matches: fields(one(flow.Reg7), conntrack), next: []Stage{IngressPortSecurity},
		miss: "security group: a fragment without its first, which was refused",
	},
	IngressPortSecurity: {
		name: "ingress-port-security", app: "portsecurity",
		purpose: "keeps from a guest what is addressed to another MAC address",
		matches: fields(one(flow.Reg7), ethernet, ip), next: []Stage{Deliver},
		miss: "port security: the packet is not addressed to the receiving port",
	},
	Deliver: {
		name: "deliver", app: "classifier",
		purpose: "puts the packet out of the destination port's interface; one for a port with limits goes on to them, apart from copies for others, which a meter would drop with it",
		matches: fields(one(flow.Reg6, flow.Reg7), ethernet), sets: one(flow.VLANVID, flow.InPort, flow.Reg8), next: []Stage{IngressBandwidth},
		miss: "the destination port has no interface on this chassis",
	},
	IngressBandwidth: {
		name: "ingress-bandwidth", app: "qos",
		purpose: "meters, in bits, what a guest receives whose QoS policy limits that",
		matches: one(flow.Reg7), pass: IngressPacketRate,
	},
	IngressPacketRate: {
		name: "ingress-packet-rate", app: "qos",
		purpose: "meters, in packets, what a guest receives whose QoS policy limits that",
		matches: one(flow.Reg7), pass: DeliverLimited,
	},
	DeliverLimited: {
		name: "deliver-limited", app: "classifier",
		purpose: "puts the packet out of the interface of a port with limits",
		matches: one(flow.Reg7), sets: one(flow.VLANVID, flow.InPort),
		miss: "the destination port has no interface on this chassis",
	},
	Marker: {
		name: "marker", app: "controller",
		purpose: "holds the flow that records which revision of the view the switch has; no packet comes here",
		miss:    "no packet can come here",
	},
}
