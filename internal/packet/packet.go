// Package packet parses and builds the packets that guests send to the controller and that it answers:
// Ethernet with 802.1Q, ARP, IPv4, IPv6, UDP, ICMP and neighbour discovery.
//
// A parser takes the bytes of one protocol and returns a small struct by value whose Payload is a slice
// of the input: nothing is copied and nothing is allocated. Input is hostile: every length is checked,
// no input makes a parser panic, and what is malformed or has a wrong checksum is an [Error].
//
// A builder is a method named Append: it appends one header, and what belongs to it, to a byte slice, in
// the manner of package encoding/binary. Frames are built from the outside in, so a header that carries
// a length or a checksum takes its payload as an argument.
//
// Nothing here keeps state; all functions may be called concurrently. The package imports only the
// standard library.
package packet

import "encoding/binary"

// Error says why bytes are not a packet. The values are constants, so that refusing a flood of malformed
// packets allocates nothing.
type Error string

// Error implements the error interface.
func (e Error) Error() string { return "packet: " + string(e) }

// What can be wrong with a packet.
const (
	ErrEthernetTruncated Error = "Ethernet: shorter than its header"
	ErrVLANTruncated     Error = "802.1Q: shorter than its tag"
	ErrARPTruncated      Error = "ARP: shorter than an IPv4 over Ethernet packet"
	ErrARPFormat         Error = "ARP: not IPv4 over Ethernet"
	ErrIPv4Truncated     Error = "IPv4: shorter than its length fields say"
	ErrIPv4Format        Error = "IPv4: header fields contradict each other"
	ErrIPv4Checksum      Error = "IPv4: wrong header checksum"
	ErrIPv6Truncated     Error = "IPv6: shorter than its length fields say"
	ErrIPv6Format        Error = "IPv6: header fields contradict each other"
	ErrUDPTruncated      Error = "UDP: shorter than its length field says"
	ErrUDPFormat         Error = "UDP: length field is less than its header"
	ErrUDPChecksum       Error = "UDP: wrong checksum"
	ErrTCPTruncated      Error = "TCP: shorter than its header"
	ErrTCPFormat         Error = "TCP: data offset is less than its header"
	ErrICMPTruncated     Error = "ICMP: shorter than its header"
	ErrICMPChecksum      Error = "ICMP: wrong checksum"
	ErrTranslate         Error = "translation: not a packet that has the address, or an error about one"
	ErrNDTruncated       Error = "ND: shorter than its message"
	ErrNDType            Error = "ND: not the expected message"
	ErrNDFormat          Error = "ND: fields that RFC 4861 forbids"
	ErrNDHopLimit        Error = "ND: hop limit is not 255, the packet crossed a router"
	ErrNDOption          Error = "ND: an option has length 0 or reaches beyond the message"
)

// IP protocol numbers (IANA "Assigned Internet Protocol Numbers").
const (
	ProtocolHopByHop  = 0
	ProtocolICMP      = 1
	ProtocolIGMP      = 2
	ProtocolTCP       = 6
	ProtocolUDP       = 17
	ProtocolRouting   = 43
	ProtocolFragment  = 44
	ProtocolESP       = 50
	ProtocolAH        = 51
	ProtocolICMPv6    = 58
	ProtocolNoNext    = 59
	ProtocolDstOpts   = 60
	ProtocolMobility  = 135
	ProtocolHIP       = 139
	ProtocolShim6     = 140
	maxUint16         = 0xffff
	ipv6AddressLength = 16
)

func be16(b []byte) uint16 { return binary.BigEndian.Uint16(b) }
func be32(b []byte) uint32 { return binary.BigEndian.Uint32(b) }

func append16(b []byte, v uint16) []byte { return binary.BigEndian.AppendUint16(b, v) }
func put16(b []byte, v uint16)           { binary.BigEndian.PutUint16(b, v) }

func append32(b []byte, v uint32) []byte { return binary.BigEndian.AppendUint32(b, v) }
