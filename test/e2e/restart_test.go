package e2e

import (
	"strings"
	"testing"
)

// Everything is in one process: API, database, controller. It is killed, or asked to end, and started again; nobody on
// the network notices, and the switch is not touched.
func TestRestartsLoseNothing(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	d := c.standalone()
	a, b := c.pair()
	c.waitSettled()
	before := c.flows()
	tr := c.traffic(a, b)
	for _, end := range []func(*daemon){(*daemon).Kill, (*daemon).terminate, (*daemon).Kill} {
		end(d)
		if strings.Contains(d.Output(), "level=ERROR") {
			t.Errorf("dragonflow complains:\n%s", d.said())
		}
		d.start()
		c.waitAPI(d)
		c.waitSettled()
	}
	tr.check("three restarts")
	c.sameFlows("three restarts", before)
	c.guest(c.network("green"), "late", nil)
}
