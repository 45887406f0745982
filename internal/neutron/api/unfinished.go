package api

import (
	"slices"

	"github.com/dragonflow/dragonflow/internal/neutron/resource"
)

// What chassis do not do yet is refused, since a client that is told that it is done would believe it. All of it
// waits for the translation of ports by gateways: the server writes what chassis need for that, and they ignore it.

// unfinishedExtensions are those that stand for what is refused.
func unfinishedExtensions() []string {
	return []string{
		"expose-port-forwarding-in-fip", "floating-ip-port-forwarding",
		"floating-ip-port-forwarding-description", "floating-ip-port-forwarding-port-ranges",
	}
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
