package e2e

import (
	"net/netip"
	"testing"

	"github.com/dragonflow/dragonflow/internal/lab"
)

// traffic goes on between two guests while something is broken. It ends by check.
type traffic struct {
	*lab.Traffic
	t *testing.T
}

const tcpPort = 7000

// traffic starts between all addresses.
func (c *cloud) traffic(from, to *guest) traffic {
	c.t.Helper()
	tr := traffic{Traffic: lab.NewTraffic(lab.Usual()), t: c.t}
	to.Echo(tcpPort)
	c.t.Cleanup(tr.End)
	ctx, cancel := soon()
	defer cancel()
	for _, a := range []netip.Addr{to.v4, to.v6} {
		if err := tr.Start(ctx, from.Namespace, netip.AddrPortFrom(a, tcpPort)); err != nil {
			c.t.Fatal(err)
		}
	}
	return tr
}

// check ends the traffic and fails the test if anything of it was lost, or had to be sent again.
func (tr traffic) check(what string) {
	tr.t.Helper()
	tr.End()
	tr.t.Logf("%s: %s", what, tr)
	if err := tr.Lost(); err != nil {
		tr.t.Errorf("%s: lost or late: %v", what, err)
	}
}

// checkDelayed ends the traffic and fails the test if anything of it was lost. It may have come late.
func (tr traffic) checkDelayed(what string) {
	tr.t.Helper()
	tr.End()
	tr.t.Logf("%s: %s", what, tr)
	if err := tr.LostAtLast(); err != nil {
		tr.t.Errorf("%s: lost: %v", what, err)
	}
}
