package view

import "net/netip"

// DHCPServer says that this chassis answers, at an address, the DHCPv4 requests that a local port sends to it by
// unicast, and that none of these goes any further.
type DHCPServer struct {
	PortID  string
	Address netip.Addr
}

// DHCPServers holds the servers, by port id. The app dhcp derives it, the app secgroup lets the requests through.
var DHCPServers = NewDerived("DHCPServer", func(s DHCPServer) string { return s.PortID })
