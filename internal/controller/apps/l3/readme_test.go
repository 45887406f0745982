package l3_test

import (
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
	"github.com/dragonflow/dragonflow/internal/testkit/packet"
)

// TestReadme keeps the dump in the README real.
func TestReadme(t *testing.T) {
	t.Parallel()
	s, _, a, _ := routed(t)
	for _, f := range []int{v4, v6} {
		s.Send(a, packet.Build(packet.Ethernet(mac(1, 10), mac(1, 1)),
			packet.IP(address(f, 1, 10), address(f, 2, 10)), packet.UDP(1000, 2000)))
		s.Send(a, packet.Build(packet.Ethernet(mac(1, 10), mac(1, 1)),
			packet.IP(address(f, 1, 10), address(f, 1, 1)), packet.EchoRequest(1, 1)))
	}
	apptest.Readme(t, "dump", s.Dump(func(owner string) bool {
		return strings.HasPrefix(owner, "l3.") && !strings.Contains(owner, "/r-n2") && !strings.Contains(owner, "RouterAddress/r/2001:db8:0:2") &&
			!strings.Contains(owner, "fe80") && !strings.Contains(owner, "RouterAddress/r/10.0.2")
	}))
}
