package api

import (
	"slices"

	"github.com/dragonflow/dragonflow/internal/neutron/resource"
)

// What chassis do not do yet is refused, since a client that is told that it is done would believe it. All of it
// waits for the translation of addresses by gateways: the server writes what chassis need for that, and they ignore it.

// unfinishedExtensions are those that stand for what is refused.
func unfinishedExtensions() []string {
	return []string{
		"dragonflow-distributed-snat", "expose-port-forwarding-in-fip", "floating-ip-port-forwarding",
		"floating-ip-port-forwarding-description", "floating-ip-port-forwarding-port-ranges",
	}
}

// checkFinished refuses a router whose packets would have to be translated.
func (s *Server) checkFinished(r *resource.Router) error {
	if s.opts.Unfinished {
		return nil
	}
	if r.DistributedSNAT {
		return resource.InvalidInput("distributed_snat is not supported yet: chassis do not translate addresses")
	}
	if r.Gateway == nil || !r.Gateway.EnableSNAT {
		return nil
	}
	for _, f := range r.Gateway.FixedIPs {
		if f.IPAddress.Is4() {
			return resource.InvalidInput("gateways that translate IPv4 addresses are not supported yet: set enable_snat to false in " +
				"external_gateway_info, or give the gateway no IPv4 address")
		}
	}
	return nil
}

// forwardingFinished refuses port forwardings.
func (s *Server) forwardingFinished() error {
	if s.opts.Unfinished {
		return nil
	}
	return resource.InvalidInput("port forwardings are not supported yet: chassis do not translate ports")
}

// offers reports whether an extension is listed.
func (s *Server) offers(alias string) bool {
	return s.opts.Unfinished || !slices.Contains(unfinishedExtensions(), alias)
}
