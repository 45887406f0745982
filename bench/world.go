package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/apps"
	"github.com/dragonflow/dragonflow/internal/controller/engine"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/number"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/vswitch/openflow"
	"github.com/dragonflow/dragonflow/internal/vswitch/private"
	"github.com/dragonflow/dragonflow/internal/vswitch/reconcile"
)

// host is the chassis that is measured.
const host = "c1"

// leaseTime is the DHCP lease time in seconds, as the program sets it.
const leaseTime = 86400

// uuid is the n-th id of a kind of things, in the form that Neutron's ids have.
func uuid(kind, n int) string { return fmt.Sprintf("%08x-0000-4000-8000-%012x", kind, n) }

// The kinds of ids.
const (
	aNetwork = iota + 1
	aSubnet
	aPort
	aGroup
	aRule
	aRouter
	aRouterPort
)

func meta(kind, n int) model.Meta { return model.Meta{ID: uuid(kind, n), Revision: 1} }

// network is the n-th network with a subnet of each family; all have the same addresses.
func network(n int) []model.Object {
	id := uuid(aNetwork, n)
	return []model.Object{
		&model.Network{Meta: meta(aNetwork, n), Name: fmt.Sprint("net", n), AdminStateUp: true, MTU: 1450},
		&model.Subnet{
			Meta: meta(aSubnet, 2*n), NetworkID: id, CIDR: netip.MustParsePrefix("10.0.0.0/8"), EnableDHCP: true,
			GatewayIP: netip.MustParseAddr("10.0.0.1"),
		},
		&model.Subnet{
			Meta: meta(aSubnet, 2*n+1), NetworkID: id, CIDR: netip.MustParsePrefix("2001:db8::/64"), EnableDHCP: true,
			GatewayIP: netip.MustParseAddr("2001:db8::1"), IPv6AddressMode: model.DHCPv6Stateful, IPv6RAMode: model.DHCPv6Stateful,
		},
	}
}

func address4(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})
}

func address6(n int) netip.Addr {
	return netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 13: byte(n >> 16), 14: byte(n >> 8), 15: byte(n)})
}

func mac(n int) model.MAC { return model.MAC{0xfa, 0x16, 0x3e, byte(n >> 16), byte(n >> 8), byte(n)} }

// port is the n-th port, dual stack, with its memberships. Numbers begin at 16.
func port(n, network int, groups ...string) (*model.Port, []model.Object) {
	p := &model.Port{
		Meta: meta(aPort, n), NetworkID: uuid(aNetwork, network), MACAddress: mac(n),
		AdminStateUp: true, PortSecurityEnabled: true, SecurityGroups: groups,
		FixedIPs: []model.FixedIP{
			{SubnetID: uuid(aSubnet, 2*network), IPAddress: address4(n)}, {SubnetID: uuid(aSubnet, 2*network+1), IPAddress: address6(n)},
		},
	}
	objects := []model.Object{p}
	for _, g := range groups {
		objects = append(objects, member(n, network, g))
	}
	return p, objects
}

// member is the membership of the n-th port in a group.
func member(n, network int, group string) *model.SecurityGroupMember {
	return &model.SecurityGroupMember{
		Meta: meta(aPort, n), SecurityGroupID: group, NetworkID: uuid(aNetwork, network),
		Addresses: []netip.Prefix{netip.PrefixFrom(address4(n), 32), netip.PrefixFrom(address6(n), 128)},
	}
}

func binding(p *model.Port) *model.Binding {
	return &model.Binding{Meta: model.Meta{ID: p.ID, Revision: 1}, NetworkID: p.NetworkID, Host: host, Status: model.BindingActive}
}

// defaultGroup is Neutron's: everything out, and in from members.
func defaultGroup(n int) []model.Object {
	id := uuid(aGroup, n)
	objects := []model.Object{&model.SecurityGroup{Meta: meta(aGroup, n), Name: "default", Stateful: true}}
	for i, family := range []model.EtherType{model.IPv4, model.IPv6} {
		objects = append(objects,
			&model.SecurityGroupRule{
				Meta: meta(aRule, 4*n+2*i), SecurityGroupID: id, Direction: model.Ingress, EtherType: family,
				Protocol: model.AnyProtocol, RemoteGroupID: id,
			},
			&model.SecurityGroupRule{
				Meta: meta(aRule, 4*n+2*i+1), SecurityGroupID: id, Direction: model.Egress, EtherType: family, Protocol: model.AnyProtocol,
			})
	}
	return objects
}

// chassis is a view with an engine over it and, if it was connected, a switch below.
type chassis struct {
	db     *view.DB
	engine *engine.Engine
	writer *reconcile.Writer
}

// newChassis makes a view in which every scope of the objects is in sync.
func newChassis(list []*app.App, objects []model.Object) (*chassis, error) {
	c := &chassis{db: view.NewDB(nil)}
	var err error
	if c.engine, err = engine.New(c.db, number.New(), list, engine.Options{}); err != nil {
		return nil, err
	}
	view.Set(c.db, view.Self, view.Chassis{Name: host, DHCPLeaseTime: leaseTime})
	for _, s := range []string{view.ScopeOVSDB, model.ScopeGlobal, model.ScopeChassis(host)} {
		c.db.SetSynced(s, true)
	}
	c.place(objects...)
	c.engine.Step()
	return c, nil
}

func (c *chassis) place(objects ...model.Object) {
	for _, o := range objects {
		c.db.Place(asRead(o))
		c.db.SetSynced(o.Scope(), true)
		if g, ok := o.(*model.SecurityGroup); ok { // a group without members is in sync, too
			c.db.SetSynced(model.ScopeSecurityGroupMembers(g.ID), true)
		}
	}
}

// asRead is an object as a controller has it, which has read it from the database.
func asRead(o model.Object) model.Object {
	value, err := northbound.Encode(o)
	if err != nil {
		panic(err)
	}
	if o, err = northbound.Decode(northbound.KeyOf(o), value); err != nil {
		panic(err)
	}
	return o
}

func (c *chassis) remove(objects ...model.Object) {
	for _, o := range objects {
		c.db.DeleteAny(view.TableOf(o.Kind()), view.KeyOf(o))
	}
}

// plug gives a port an interface here.
func (c *chassis) plug(p *model.Port, ofport int) {
	c.place(binding(p))
	view.Set(c.db, view.Interfaces, view.Interface{Name: "tap" + p.ID, PortID: p.ID, OFPort: uint32(ofport)})
}

func (c *chassis) unplug(p *model.Port) {
	c.remove(binding(p))
	view.Delete(c.db, view.Interfaces, "tap"+p.ID)
}

// connect gives a switch all that is desired, and keeps the connection.
func (c *chassis) connect(ctx context.Context, r *run, sw *private.Switch, bridge string) error {
	conn, err := openflow.Dial(ctx, sw.Mgmt(bridge), openflow.Options{})
	if err != nil {
		return err
	}
	r.atEnd(func() { _ = conn.Close() })
	c.writer = reconcile.New(reconcile.OpenFlow{Conn: conn}, reconcile.Options{
		Mark: pipeline.CookieMark, Mask: pipeline.CookieMask,
		MaxMeter: pipeline.MeterNumbers.Max, MaxGroup: pipeline.GroupNumbers.Max,
	})
	_, err = c.writer.Sync(ctx, reconcile.State{
		Flows:  slices.AppendSeq(make([]flow.Flow, 0, c.engine.FlowCount()), c.engine.Flows()),
		Groups: slices.Collect(c.engine.Groups()), Meters: slices.Collect(c.engine.Meters()),
	}, reconcile.Full)
	return err
}

// spent is what one change cost.
type spent struct {
	// engine is the time to derive, and barrier the time until the switch had it, from the beginning.
	engine, barrier time.Duration
	mods            int
}

// step derives what changed and, on a chassis with a switch, waits until that has it.
func (c *chassis) step(ctx context.Context) (spent, error) {
	var s spent
	began := time.Now()
	d := c.engine.Step()
	s.engine = time.Since(began)
	s.mods = len(d.Flows)
	if c.writer == nil {
		return s, nil
	}
	var change reconcile.Change
	for _, f := range d.Flows {
		change.Flows = append(change.Flows, reconcile.FlowChange(f))
	}
	for _, g := range d.Groups {
		change.Groups = append(change.Groups, reconcile.GroupChange(g))
	}
	for _, m := range d.Meters {
		change.Meters = append(change.Meters, reconcile.MeterChange(m))
	}
	out, err := c.writer.Apply(ctx, change)
	s.barrier = time.Since(began)
	if err == nil && len(out.Refused) > 0 {
		err = fmt.Errorf("the switch refused %d flows, such as %w", len(out.Refused), out.Refused[0].Err)
	}
	return s, err
}

// crowd is a view of one network with one default group, with ports elsewhere and ports here.
func crowd(elsewhere, here int) (*chassis, error) {
	objects := append(network(0), defaultGroup(0)...)
	for n := range elsewhere {
		_, more := port(16+n, 0, uuid(aGroup, 0))
		objects = append(objects, more...)
	}
	c, err := newChassis(apps.All(), objects)
	if err != nil {
		return nil, err
	}
	for n := range here {
		p, more := port(16+elsewhere+n, 0, uuid(aGroup, 0))
		c.place(more...)
		c.plug(p, 1+n)
	}
	c.engine.Step()
	for _, p := range c.engine.Problems() {
		return nil, fmt.Errorf("%v: %s %v", p.Owner, p.Text, p.Waiting)
	}
	return c, nil
}

// write puts objects into a database, many in one transaction.
func write(ctx context.Context, store *northbound.Store, objects []model.Object) error {
	for batch := range slices.Chunk(objects, 64) {
		txn := store.Txn()
		for _, o := range batch {
			txn.Put(o)
		}
		if _, err := txn.Commit(ctx); err != nil {
			return err
		}
	}
	return nil
}
