package controller_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/controller"
	"github.com/dragonflow/dragonflow/internal/controller/apps"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
	"github.com/dragonflow/dragonflow/internal/northbound/db/memory"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
	"github.com/dragonflow/dragonflow/internal/testkit/ovs"
)

// chassis is a controller at work on a private switch.
type chassis struct {
	t     *testing.T
	sw    *ovs.Switch
	conn  *db.Connection
	link  *memory.Link
	store *northbound.Store
	dir   string
	ctl   *controller.Controller
	stop  func()
	// change, if set, changes the options of the next start.
	change func(*controller.Options)
}

func newChassis(t *testing.T) *chassis {
	t.Helper()
	c := &chassis{t: t, sw: ovs.Start(t), dir: t.TempDir()}
	c.conn, c.link = memory.New().Connect()
	t.Cleanup(func() { _ = c.conn.Close() })
	c.store = northbound.NewStore(c.conn)
	c.start()
	return c
}

func (c *chassis) start() {
	c.t.Helper()
	ctx, cancel := context.WithCancel(c.t.Context())
	o := controller.Options{
		Chassis: apptest.Host, DB: c.conn, OVSDB: "unix:" + c.sw.OVSDB(), Bridge: "br-int", Mgmt: c.sw.Mgmt("br-int"),
		StateDir: c.dir, Apps: apps.All(), Log: slog.New(slog.NewTextHandler(c.t.Output(), nil)), LeaseTTL: 10 * time.Second, Patience: 300 * time.Millisecond,
		Self: view.Chassis{DHCPLeaseTime: 86400},
	}
	if c.change != nil {
		c.change(&o)
	}
	ctl, err := controller.New(ctx, o)
	if err != nil {
		c.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = ctl.Run(ctx)
	}()
	c.ctl = ctl
	c.stop = func() { cancel(); <-done }
	c.t.Cleanup(c.stop)
	c.eventually("the bridge is there", func() bool { return strings.Contains(c.sw.Vsctl("list-br"), "br-int") })
}

func (c *chassis) put(objects ...model.Object) {
	c.t.Helper()
	txn := c.store.Txn()
	for _, o := range objects {
		txn.Put(o)
	}
	if _, err := txn.Commit(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
}

// plug makes an unsecured port with an interface, bound to the chassis.
func (c *chassis) plug(id string, n byte) *model.Port {
	c.t.Helper()
	p := apptest.Port(id, "n", n, fmt.Sprintf("10.0.0.%d", n))
	p.PortSecurityEnabled = false
	c.sw.AddPort("br-int", "tap-"+id, "iface-id="+id)
	c.put(p, apptest.Bind(p))
	return p
}

func (c *chassis) eventually(what string, condition func() bool) {
	c.t.Helper()
	deadline := time.Now().Add(ovs.Deadline)
	for !condition() {
		if time.Now().After(deadline) {
			c.t.Fatalf("not within %v: %s\nstatus: %+v", ovs.Deadline, what, c.status())
		}
		<-time.After(5 * time.Millisecond)
		if c.sw.VswitchdPID() != 0 { // a killed one settles nothing
			c.sw.Settle()
		}
	}
}

func (c *chassis) status() (s controller.Status) {
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Second)
	defer cancel()
	_ = c.ctl.Inspect(ctx, func(in controller.Inside) { s = in.Status })
	return s
}

// dump lists the flows of the switch, but for the marker.
func (c *chassis) dump() string {
	lines := strings.Split(c.sw.Ofctl("-O", "OpenFlow14", "dump-flows", "--no-stats", "br-int"), "\n")
	lines = slices.DeleteFunc(lines, func(l string) bool { return strings.Contains(l, "actions=note:") })
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func (c *chassis) up(id string) bool {
	s, _, err := northbound.Get[model.PortStatus](c.t.Context(), c.store, model.ScopeChassis(apptest.Host), id)
	return err == nil && s.Up
}

func TestAPortIsUpAndReachableOnceTheSwitchConfirmedIt(t *testing.T) {
	c := newChassis(t)
	c.put(apptest.Net("n"))
	a, b := c.plug("a", 1), c.plug("b", 2)
	c.eventually("both ports are up", func() bool { return c.up("a") && c.up("b") })
	frame := append(append(b.MACAddress[:], a.MACAddress[:]...), 0x88, 0xb5)
	frame = append(frame, make([]byte, 50)...)
	c.sw.Inject("tap-a", frame)
	c.sw.WaitSent("tap-b", func(got []byte) bool { return string(got[:14]) == string(frame[:14]) })
}

func TestARestartWithNothingChangedSendsNoFlowMod(t *testing.T) {
	c := newChassis(t)
	c.put(apptest.Net("n"))
	c.plug("a", 1)
	c.eventually("the port is up", func() bool { return c.up("a") })
	c.eventually("complete", func() bool { return c.status().Complete })
	c.sw.Ofctl("-O", "OpenFlow14", "add-flow", "br-int", "table=250,priority=7,cookie=0x77,actions=drop")
	before := c.sw.Ofctl("-O", "OpenFlow14", "dump-flows", "br-int")
	c.stop()
	c.start()
	c.eventually("complete again", func() bool { return c.status().Complete })
	after := c.sw.Ofctl("-O", "OpenFlow14", "dump-flows", "br-int")
	if ages := youngest(after); ages < youngest(before) {
		t.Errorf("a flow was added or replaced by the restart\nbefore:\n%s\nafter:\n%s", before, after)
	}
	if strings.Count(before, "\n") != strings.Count(after, "\n") || !strings.Contains(after, "cookie=0x77") {
		t.Errorf("flows came or went\nbefore:\n%s\nafter:\n%s", before, after)
	}
}

// youngest returns the age of the youngest flow of a dump, in seconds.
func youngest(dump string) float64 {
	age := 1e9
	for line := range strings.Lines(dump) {
		var s float64
		if at := strings.Index(line, "duration="); at >= 0 {
			if _, err := fmt.Sscanf(line[at:], "duration=%fs", &s); err == nil {
				age = min(age, s)
			}
		}
	}
	return age
}

func TestAControllerThatStartsWithoutTheDatabaseServesFromItsSnapshot(t *testing.T) {
	c := newChassis(t)
	c.put(apptest.Net("n"))
	c.plug("a", 1)
	c.eventually("complete", func() bool { return c.up("a") && c.status().Complete })
	want := c.dump()
	c.stop()
	c.link.Cut()
	c.start()
	c.eventually("the switch is synced", func() bool { return c.status().Synced })
	if s := c.status(); s.Complete || s.Ports != 1 {
		t.Errorf("status without the database: %+v", s)
	}
	if got := c.dump(); got != want {
		t.Errorf("flows differ\nbefore:\n%s\nafter:\n%s", want, got)
	}
	c.sw.KillVswitchd()
	c.eventually("the controller notices", func() bool { return !c.status().Synced })
	c.sw.StartVswitchd()
	c.eventually("the switch is programmed from the snapshot", func() bool { return c.status().Synced && c.dump() == want })
	c.link.Restore()
	c.eventually("complete with the database", func() bool { return c.status().Complete })
}

func TestNothingIsTouchedBeforeTheViewIsInSync(t *testing.T) {
	c := newChassis(t)
	c.put(apptest.Net("n"))
	c.plug("a", 1)
	c.eventually("complete", func() bool { return c.up("a") && c.status().Complete })
	want := c.dump()
	c.stop()
	c.dir = t.TempDir() // a host that lost its state
	c.link.Cut()
	c.start()
	c.eventually("patience is over", func() bool { s := c.status(); return s.Phase == "waiting" && s.Uptime > time.Second })
	if got := c.dump(); got != want {
		t.Errorf("the switch was touched without a view\nbefore:\n%s\nafter:\n%s", want, got)
	}
	c.link.Restore()
	c.eventually("complete again", func() bool { return c.status().Complete })
}

func TestFlowsComeBackAfterTheSwitchRestarts(t *testing.T) {
	c := newChassis(t)
	c.put(apptest.Net("n"))
	c.plug("a", 1)
	c.eventually("the port is up", func() bool { return c.up("a") })
	want := c.dump()
	c.sw.KillVswitchd()
	c.eventually("the controller notices", func() bool { return !c.status().Complete })
	c.sw.StartVswitchd()
	c.eventually("the switch is programmed", func() bool { return c.status().Complete })
	if got := c.dump(); got != want {
		t.Errorf("flows differ\nbefore:\n%s\nafter:\n%s", want, got)
	}
}

func TestABridgeDeletedUnderTheControllerComesBack(t *testing.T) {
	c := newChassis(t)
	c.put(apptest.Net("n"))
	c.plug("a", 1)
	c.eventually("the port is up", func() bool { return c.up("a") })
	c.sw.Vsctl("del-br", "br-int")
	c.eventually("the port is down", func() bool { return !c.up("a") })
	c.eventually("the bridge is back", func() bool {
		return strings.Contains(c.sw.Vsctl("list-br"), "br-int") && c.status().Phase == "idle"
	})
	if mode := c.sw.Vsctl("get-fail-mode", "br-int"); strings.TrimSpace(mode) != "secure" {
		t.Errorf("fail mode %q", mode)
	}
	c.sw.AddPort("br-int", "tap-a", "iface-id=a")
	c.eventually("the port is up again", func() bool { return c.up("a") })
}

func TestAPortThatIsNoLongerBoundIsForgotten(t *testing.T) {
	c := newChassis(t)
	c.put(apptest.Net("n"))
	p := c.plug("a", 1)
	c.eventually("the port is up", func() bool { return c.up("a") })
	if _, err := c.store.Txn().Delete(northbound.KeyOf(apptest.Bind(p)), 2).Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.eventually("nothing of the network is held", func() bool {
		s := c.status()
		return s.Ports == 0 && len(s.Scopes) == 2
	})
	c.eventually("the report is withdrawn", func() bool {
		_, _, err := northbound.Get[model.PortStatus](t.Context(), c.store, model.ScopeChassis(apptest.Host), "a")
		return err != nil
	})
}
