package controller_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/controller"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

// TestAnInterfaceReplacedInOneTransactionIsServed: Nova's os-vif deletes a stale port and adds it again at once.
func TestAnInterfaceReplacedInOneTransactionIsServed(t *testing.T) {
	c := newChassis(t)
	c.put(apptest.Net("n"))
	c.plug("a", 1)
	c.eventually("the port is up", func() bool { return c.up("a") })
	for i := range 8 { // which of the two rows is looked at first is chance
		mac := fmt.Sprintf("02:00:00:00:00:%02x", i+1)
		c.sw.Vsctl("--if-exists", "del-port", "tap-a", "--", "add-port", "br-int", "tap-a",
			"--", "set", "interface", "tap-a", "type="+strings.TrimSpace(c.sw.Vsctl("get", "interface", "tap-a", "type")),
			"external_ids:iface-id=a", `external_ids:attached-mac="`+mac+`"`)
		c.eventually("the new interface is seen", func() (seen bool) {
			c.inside(func(in controller.Inside) {
				row, ok := in.View.Row(view.Interfaces, "tap-a")
				seen = ok && row.(view.Interface).MAC == mac
			})
			return seen
		})
	}
}

// inside looks into the loop.
func (c *chassis) inside(f func(controller.Inside)) {
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Second)
	defer cancel()
	_ = c.ctl.Inspect(ctx, f)
}
