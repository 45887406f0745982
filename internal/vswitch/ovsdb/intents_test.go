package ovsdb_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/testkit/ovs"
	"github.com/dragonflow/dragonflow/internal/vswitch/ovsdb"
)

// settled makes an intent so and checks that it then has nothing left to do.
func settled(t *testing.T, c *ovsdb.Client, db *ovsdb.DB, intent func() (ovsdb.Txn, error)) {
	t.Helper()
	txn, err := intent()
	transact(t, c, txn, err)
	await(t, c, db, func(*ovsdb.DB) bool {
		again, err := intent()
		return err == nil && again.Empty()
	})
}

func bridgeIntent(db *ovsdb.DB, s ovsdb.BridgeSpec) func() (ovsdb.Txn, error) {
	return func() (ovsdb.Txn, error) { return ovsdb.EnsureBridge(db, s), nil }
}

func get(s *ovs.Switch, t *testing.T, args ...string) string {
	t.Helper()
	return strings.TrimSpace(s.Vsctl(append([]string{"get"}, args...)...))
}

func TestEnsureBridgeFromNothing(t *testing.T) {
	t.Parallel()
	s := ovs.Start(t)
	c, db := connect(t, s)
	spec := ovsdb.BridgeSpec{
		Name: "br-int", DatapathType: "netdev", ExternalIDs: map[string]string{"zone": "1"},
		Prefixes: map[int][]string{3: {"ipv6_src", "ip_src"}, 0: {"ip_dst"}},
	}
	settled(t, c, db, bridgeIntent(db, spec))
	for what, want := range map[string]string{
		"fail_mode": "secure", "datapath_type": "netdev", "protocols": "[OpenFlow13, OpenFlow14, OpenFlow15]",
		"other_config": `{disable-in-band="true"}`, "external_ids": `{dragonflow=bridge, zone="1"}`,
	} {
		if got := get(s, t, "bridge", "br-int", what); got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	// ovs-vswitchd understands it, too.
	await(t, c, db, func(db *ovsdb.DB) bool { return db.Bridge("br-int").DatapathID != "" })
	if got := s.Ofctl("-O", "OpenFlow15", "dump-table-features", "unix:"+s.Mgmt("br-int")); !strings.Contains(got, "table 0") {
		t.Errorf("table features: %s", got)
	}
	if got := s.Vsctl("--columns=prefixes", "--no-headings", "--format=csv", "list", "flow_table"); !strings.Contains(got, "ip_src") {
		t.Errorf("flow tables: %s", got)
	}
}

// TestEnsureBridgeKeepsWhatIsNotOurs corrects a bridge that somebody else set up.
func TestEnsureBridgeKeepsWhatIsNotOurs(t *testing.T) {
	t.Parallel()
	s := ovs.Start(t)
	s.Vsctl("add-br", "br-int", "--", "set", "bridge", "br-int", "datapath_type=netdev", "fail_mode=standalone",
		"protocols=OpenFlow10,OpenFlow14", "other_config:mac-table-size=100", "external_ids:theirs=x", "external_ids:zone=old",
		"--", "--id=@a", "create", "flow_table", "flow_limit=1000", "prefixes=ip_src", "--", "set", "bridge", "br-int", "flow_tables:5=@a",
		"--", "--id=@b", "create", "flow_table", "name=theirs", "--", "set", "bridge", "br-int", "flow_tables:6=@b")
	c, db := connect(t, s)
	spec := ovsdb.BridgeSpec{Name: "br-int", ExternalIDs: map[string]string{"zone": "new"}, Prefixes: map[int][]string{5: {"ipv6_dst"}, 7: {"ip_dst"}}}
	settled(t, c, db, bridgeIntent(db, spec))
	for what, want := range map[string]string{
		"fail_mode": "secure", "datapath_type": "netdev", "protocols": "[OpenFlow10, OpenFlow13, OpenFlow14, OpenFlow15]",
		"other_config": `{disable-in-band="true", mac-table-size="100"}`, "external_ids": `{theirs=x, zone=new}`,
	} {
		if got := get(s, t, "bridge", "br-int", what); got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	tables := db.Bridge("br-int").FlowTables
	if len(tables) != 3 || db.FlowTable(tables[6]).Name != "theirs" || !slices.Equal(db.FlowTable(tables[5]).Prefixes, []string{"ipv6_dst"}) {
		t.Errorf("flow tables %v", tables)
	}
	if got := get(s, t, "flow_table", string(tables[5]), "flow_limit"); got != "1000" {
		t.Errorf("their flow_limit is %s", got)
	}
	spec.Prefixes = nil // what was ours goes, what was theirs stays
	settled(t, c, db, bridgeIntent(db, spec))
	if tables := db.Bridge("br-int").FlowTables; len(tables) != 2 || tables[7] != "" {
		t.Errorf("flow tables %v", tables)
	}
}

func TestMergeTouchesOnlyItsKeys(t *testing.T) {
	t.Parallel()
	s := ovs.Start(t, ovs.SystemID("hv1"))
	c, db := connect(t, s)
	settled(t, c, db, func() (ovsdb.Txn, error) {
		return ovsdb.MergeExternalIDs(db.OpenvSwitch(), map[string]string{"dragonflow-a": "1", "dragonflow-b": "2"}, nil), nil
	})
	settled(t, c, db, func() (ovsdb.Txn, error) {
		return ovsdb.MergeExternalIDs(db.OpenvSwitch(), map[string]string{"dragonflow-a": "3"}, []string{"dragonflow-b", "never-there"}), nil
	})
	if got := get(s, t, "open_vswitch", ".", "external_ids"); got != `{dragonflow-a="3", system-id=hv1}` {
		t.Errorf("external_ids %s", got)
	}
}

func TestBundleIdleTimeout(t *testing.T) {
	t.Parallel()
	s := ovs.Start(t)
	c, db := connect(t, s)
	intent := func(d time.Duration) func() (ovsdb.Txn, error) {
		return func() (ovsdb.Txn, error) { return ovsdb.EnsureBundleIdleTimeout(db, d) }
	}
	settled(t, c, db, intent(2*time.Minute))
	if got := get(s, t, "open_vswitch", ".", "other_config:bundle-idle-timeout"); got != `"120"` {
		t.Errorf("timeout %s", got)
	}
	if txn, err := intent(time.Minute)(); err != nil || !txn.Empty() {
		t.Errorf("a longer time of somebody else would be changed: %v %v", txn, err)
	}
	if _, err := intent(0)(); err == nil {
		t.Error("no time at all is accepted")
	}
}

func TestPortsOfOurs(t *testing.T) {
	t.Parallel()
	s := ovs.Start(t)
	s.AddBridge("br-int")
	s.AddBridge("br-ex")
	s.AddPort("br-int", "theirs")
	c, db := connect(t, s)

	a, b := ovsdb.PatchPorts("br-int", "patch-ex", "br-ex", "patch-int")
	specs := []ovsdb.PortSpec{
		ovsdb.TunnelPort("br-int", "df-geneve", "geneve"), ovsdb.TunnelPort("br-int", "df-vxlan", "vxlan"), a, b,
		{Bridge: "br-int", Name: "df-meta", Type: "internal", Owner: "metadata", ExternalIDs: map[string]string{"k": "v"}},
	}
	intent := func() (ovsdb.Txn, error) {
		var all []ovsdb.Txn
		for _, spec := range specs {
			txn, err := ovsdb.AddPort(db, spec)
			if err != nil {
				return ovsdb.Txn{}, err
			}
			all = append(all, txn)
		}
		return ovsdb.Join(all...), nil
	}
	settled(t, c, db, intent)
	await(t, c, db, func(db *ovsdb.DB) bool {
		for _, spec := range specs {
			if i := db.InterfaceNamed(spec.Name); i == nil || i.OFPort <= 0 || i.ExternalIDs[ovsdb.OwnerKey] == "" {
				return false
			}
		}
		return true
	})
	if got := get(s, t, "interface", "df-geneve", "options"); got != "{key=flow, remote_ip=flow}" {
		t.Errorf("tunnel options %s", got)
	}
	// Somebody spoils a port of ours; somebody adds a key of their own.
	s.Vsctl("set", "interface", "df-vxlan", "options:remote_ip=192.0.2.1", "external_ids:theirs=x")
	await(t, c, db, func(db *ovsdb.DB) bool { return db.InterfaceNamed("df-vxlan").Options["remote_ip"] != "flow" })
	settled(t, c, db, intent)
	if i := db.InterfaceNamed("df-vxlan"); i.Options["remote_ip"] != "flow" || i.ExternalIDs["theirs"] != "x" {
		t.Errorf("after the repair %+v", i)
	}
	settled(t, c, db, func() (ovsdb.Txn, error) { return ovsdb.DeletePort(db, "br-int", "df-meta") })
	if db.InterfaceNamed("df-meta") != nil || db.InterfaceNamed("df-vxlan") == nil {
		t.Error("the wrong port was deleted")
	}
	refusesForeign(t, db)
}

func refusesForeign(t *testing.T, db *ovsdb.DB) {
	t.Helper()
	if _, err := ovsdb.DeletePort(db, "br-int", "theirs"); !errors.Is(err, ovsdb.ErrForeign) {
		t.Errorf("deletion of a port that is not ours: %v", err)
	}
	if _, err := ovsdb.DeletePort(db, "br-ex", "df-vxlan"); !errors.Is(err, ovsdb.ErrForeign) {
		t.Errorf("deletion from the wrong bridge: %v", err)
	}
	for want, spec := range map[string]ovsdb.PortSpec{
		"not ours":    {Bridge: "br-int", Name: "theirs", Owner: "x"},
		"no bridge":   {Bridge: "br-none", Name: "p", Owner: "x"},
		"no owner":    {Bridge: "br-int", Name: "p"},
		"another bri": {Bridge: "br-ex", Name: "df-vxlan", Owner: "x"},
	} {
		if _, err := ovsdb.AddPort(db, spec); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v", want, err)
		}
	}
}
