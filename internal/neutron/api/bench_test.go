package api_test

import (
	"fmt"
	"testing"

	"github.com/dragonflow/dragonflow/internal/northbound/db/embedded"
)

// BenchmarkCreatePort is one port from the request to the answer, with a network that has 0 and 5,000 already.
func BenchmarkCreatePort(b *testing.B) {
	for _, before := range []int{0, 5000} {
		b.Run(fmt.Sprintf("ports=%d", before), func(b *testing.B) {
			c := open(b)
			n := c.network(obj{})
			c.subnet(n["id"], "10.0.0.0/8", nil)
			fill(c, n["id"], before)
			b.ResetTimer()
			for b.Loop() {
				c.port(n["id"], nil)
			}
		})
	}
}

// BenchmarkCreatePortDurably is the same with the embedded database, which syncs its log before it answers.
func BenchmarkCreatePortDurably(b *testing.B) {
	conn, err := embedded.Open(b.Context(), embedded.Config{Dir: b.TempDir(), Prefix: "/b"})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	c := start(b, conn)
	n := c.network(obj{})
	c.subnet(n["id"], "10.0.0.0/8", nil)
	b.ResetTimer()
	for b.Loop() {
		c.port(n["id"], nil)
	}
}

// BenchmarkListPorts shows all ports of a network of 5,000, and one of them found by its address.
func BenchmarkListPorts(b *testing.B) {
	c := open(b)
	n := c.network(obj{})
	c.subnet(n["id"], "10.0.0.0/8", nil)
	fill(c, n["id"], 5000)
	for name, query := range map[string]string{"all": "", "one": "?fixed_ips=ip_address=10.0.0.9", "page": "?limit=100"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				c.list("/v2.0/ports" + query)
			}
		})
	}
}

func fill(c *client, network any, ports int) {
	for done := 0; done < ports; done += 500 {
		list := make([]obj, 500)
		for i := range list {
			list[i] = obj{"network_id": network}
		}
		c.must(201, "POST", "/v2.0/ports", obj{"ports": list})
	}
}
