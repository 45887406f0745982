package controller_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller"
	"github.com/dragonflow/dragonflow/internal/model"
)

// TestSettingsThatCannotBeCorrectedAreDifferences: somebody else's port has the name of a tunnel port.
func TestSettingsThatCannotBeCorrectedAreDifferences(t *testing.T) {
	c := newChassis(t)
	c.stop()
	c.sw.Vsctl("add-port", "br-int", "geneve-br-int", "--", "set", "interface", "geneve-br-int", "type=internal")
	c.change = func(o *controller.Options) {
		o.TunnelIP, o.TunnelTypes = netip.MustParseAddr("172.16.0.1"), []model.NetworkType{model.Geneve}
	}
	c.start()
	differences := func() (list []controller.Drift) {
		if err := c.ctl.Inspect(t.Context(), func(in controller.Inside) { list = in.Settings() }); err != nil {
			t.Fatal(err)
		}
		return list
	}
	c.eventually("a difference", func() bool {
		list := differences()
		return len(list) == 1 && strings.Contains(list[0].What, "geneve-br-int") && list[0].Layer == controller.LayerSettings
	})
	c.sw.Vsctl("del-port", "br-int", "geneve-br-int")
	c.eventually("none", func() bool { return len(differences()) == 0 })
}
