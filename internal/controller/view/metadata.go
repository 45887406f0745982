package view

import (
	"net/netip"
)

// MetadataPort is the port of the integration bridge behind which this chassis serves metadata to its guests.
type MetadataPort struct {
	// OFPort is the OpenFlow port number.
	OFPort uint32
}

// MetadataPortKey is the key of the one row of MetadataPorts.
const MetadataPortKey = "metadata"

// MetadataPorts holds one row if this chassis serves metadata, and none if it does not.
var MetadataPorts = NewTable("MetadataPort", func(MetadataPort) string { return MetadataPortKey },
	func(string) string { return ScopeOVSDB })

// The addresses of the service of metadata, the same on every network: that of Amazon's service, which every
// image knows, and Neutron's for IPv6.
var (
	MetadataIPv4 = netip.AddrFrom4([4]byte{169, 254, 169, 254})
	MetadataIPv6 = netip.MustParseAddr("fe80::a9fe:a9fe")
)

// MetadataTCPPort is where the service listens.
const MetadataTCPPort = 80

// MetadataClient is who stands behind a source address of requests for metadata. The app metadata derives it.
type MetadataClient struct {
	// Source are the addresses that requests have as their source when they reach the service, which only this
	// port has: one for IPv4; for IPv6 a /64, which keeps the interface identifier of the guest's own address.
	Source netip.Prefix
	// Address is the guest's own address, or for IPv6 the prefix of its length, unmasked.
	Address netip.Addr
	// PortID, DeviceID, which is the instance, and ProjectID are the port's.
	PortID, DeviceID, ProjectID string
}

// MetadataClients holds them by their sources.
var MetadataClients = NewDerived("MetadataClient", func(c MetadataClient) string { return c.Source.String() })
