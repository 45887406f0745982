package controller_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dragonflow/dragonflow/internal/controller"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

// shared is a chassis whose device eth1 carries ten megabits a second to physnet1, of which its port a has some guaranteed.
type shared struct{ *chassis }

func newShared(t *testing.T) shared {
	t.Helper()
	c := shared{newChassis(t)}
	c.sw.AddBridge("br-ex", "set", "bridge", "br-ex", "datapath_type=system", "fail_mode=standalone")
	c.sw.AddPort("br-ex", outside)
	c.restart(map[string]int{"physnet1": 10_000})
	a := apptest.Port("a", "w", 10, "192.0.2.10")
	a.QoSPolicyID, a.Host = "q", apptest.Host
	c.sw.AddPort("br-int", "tap-a", "iface-id=a")
	c.put(apptest.Provider("w", "physnet1", 7), c.policy(1, 3000), a, apptest.Bind(a))
	return c
}

func (c shared) restart(bandwidths map[string]int) {
	c.stop()
	c.change = func(o *controller.Options) {
		o.BridgeMappings, o.Bandwidths, o.DatapathType = map[string]string{"physnet1": "br-ex"}, bandwidths, "system"
	}
	c.start()
}

func (c shared) policy(revision int64, kbps int) *model.QoSPolicy {
	return &model.QoSPolicy{Meta: model.Meta{ID: "q", Revision: revision}, MinimumBandwidths: []model.QoSMinimum{{Direction: model.Egress, Min: kbps}}}
}

// rates are those of the queues in the switch's database.
func (c shared) rates() string {
	list := strings.Fields(strings.ReplaceAll(c.sw.Vsctl("--no-headings", "--columns=other_config", "list", "queue"), ", ", ","))
	slices.Sort(list)
	return strings.ReplaceAll(strings.Join(list, " "), `"`, "")
}

func queued(defaults, port int) string {
	return fmt.Sprintf("{max-rate=10000000,min-rate=%d} {max-rate=10000000,min-rate=%d}", port*1000, defaults*1000)
}

func (c shared) shows() map[string]int {
	self, _, err := northbound.Get[model.Chassis](c.t.Context(), c.store, model.ScopeGlobal, apptest.Host)
	if err != nil {
		return map[string]int{"error": 0}
	}
	return self.Bandwidths
}

// TestGuaranteedBandwidths: the device has a queue for each port with a guarantee, and the flow leads there; the queue
// survives a restart, and goes with the setting.
func TestGuaranteedBandwidths(t *testing.T) {
	c := newShared(t)
	c.eventually("the port has its queue", func() bool { return c.rates() == queued(7000, 3000) })
	c.eventually("its packets wait there", func() bool { return regexp.MustCompile(`set_queue:\d+,.*pop_queue`).MatchString(c.dump()) })
	c.eventually("others see what is guaranteed", func() bool { return cmp.Equal(c.shows(), map[string]int{"physnet1": 10_000}) })
	rows := c.sw.Vsctl("--no-headings", "--columns=_uuid", "list", "queue")
	c.put(c.policy(2, 4000))
	c.eventually("another guarantee changes the queue", func() bool { return c.rates() == queued(6000, 4000) })
	c.restart(map[string]int{"physnet1": 10_000})
	c.eventually("the view is whole after a restart", func() bool { return c.status().Complete })
	c.put(c.policy(3, 4500))
	c.eventually("and a change is followed", func() bool {
		return c.rates() == "{max-rate=10000000,min-rate=4500000} {max-rate=10000000,min-rate=5500000}"
	})
	if after := c.sw.Vsctl("--no-headings", "--columns=_uuid", "list", "queue"); after != rows {
		t.Errorf("the queues were made anew: %s, were %s", after, rows)
	}
	c.put(c.policy(4, 12_000))
	c.eventually("more than there is is told", func() bool {
		return strings.Contains(c.status().Troubles["bandwidths physnet1"], "12000 kilobits a second guaranteed, and device eth1 carries 10000")
	})
	c.restart(nil)
	c.eventually("nothing is left in the switch", func() bool {
		return c.rates() == "" && c.sw.Vsctl("--no-headings", "list", "qos") == "" && !strings.Contains(c.dump(), "set_queue")
	})
	c.eventually("others see that nothing is guaranteed", func() bool { return len(c.shows()) == 0 })
}

// TestWhatCannotBeSharedIsLeftAlone: the operator's device keeps what is not ours, and others are told that nothing is guaranteed.
func TestWhatCannotBeSharedIsLeftAlone(t *testing.T) {
	c := newShared(t)
	c.eventually("the port has its queue", func() bool { return c.rates() == queued(7000, 3000) })
	lost := func(what, trouble string) {
		t.Helper()
		c.eventually(what, func() bool {
			return strings.Contains(c.status().Troubles["bandwidths physnet1"], trouble) && len(c.shows()) == 0 &&
				!strings.Contains(c.dump(), "set_queue")
		})
	}
	c.sw.AddPort("br-ex", "eth2")
	lost("a second device", "several devices, eth1 and eth2")
	c.sw.Vsctl("del-port", "br-ex", "eth2")
	c.eventually("it is gone", func() bool { return c.rates() == queued(7000, 3000) && len(c.shows()) == 1 })
	c.sw.Vsctl("set", "port", outside, "qos=@q", "--", "--id=@q", "create", "qos", "type=linux-htb", "external_ids:theirs=x")
	lost("a qos of somebody else", "somebody else has made")
	if got := c.sw.Vsctl("--no-headings", "--columns=external_ids", "list", "qos"); strings.TrimSpace(got) != "{theirs=x}" {
		t.Errorf("rows of the table QoS: %s, want theirs alone", got)
	}
	c.sw.Vsctl("clear", "port", outside, "qos")
	c.eventually("it is cleared", func() bool { return c.rates() == queued(7000, 3000) && len(c.shows()) == 1 })
}

// TestAnOldSwitchDoesNotSlowItsDeviceDown: before 3.2 Open vSwitch tells Linux another rate than is asked for.
func TestAnOldSwitchDoesNotSlowItsDeviceDown(t *testing.T) {
	c := newShared(t)
	c.restart(map[string]int{"physnet1": 100_000_000})
	c.sw.Vsctl("set", "open_vswitch", ".", "ovs_version=3.1.5")
	c.eventually("it is told", func() bool {
		return strings.Contains(c.status().Troubles["bandwidths physnet1"], "Open vSwitch 3.1.5 counts no more than 34359738 kilobits") && len(c.shows()) == 0
	})
	c.eventually("the device is as it was", func() bool { return c.rates() == "" })
	c.sw.Vsctl("set", "open_vswitch", ".", "ovs_version=3.2.0")
	c.eventually("a newer one can", func() bool {
		return strings.Contains(c.rates(), "max-rate=100000000000") && len(c.shows()) == 1 && len(c.status().Troubles) == 0
	})
}
