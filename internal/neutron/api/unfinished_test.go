package api_test

import (
	"testing"

	"github.com/dragonflow/dragonflow/internal/neutron/api"
)

// What chassis do not do is refused, and not offered.
func TestUnfinished(t *testing.T) {
	t.Parallel()
	c := open(t, func(o *api.Options) { o.Unfinished = false })
	ext := c.external("ext")
	f := c.must(201, "POST", "/v2.0/floatingips", obj{"floatingip": obj{"floating_network_id": id(ext)}})
	forwarding := obj{"port_forwarding": obj{"protocol": "tcp", "external_port": 80, "internal_port": 80, "internal_port_id": id(ext), "internal_ip_address": "10.0.0.1"}}
	c.refused(400, "InvalidInput", "POST", "/v2.0/floatingips/"+id(f)+"/port_forwardings", forwarding)
	c.must(204, "DELETE", "/v2.0/floatingips/"+id(f), nil)
	if l := c.list("/v2.0/ports"); len(l) != 0 {
		t.Errorf("left: %v", l)
	}
	c.refused(404, "ExtensionsNotFound", "GET", "/v2.0/extensions/floating-ip-port-forwarding", nil)
	c.must(200, "GET", "/v2.0/extensions/dragonflow-distributed-snat", nil)
	c.clean(t)
}
