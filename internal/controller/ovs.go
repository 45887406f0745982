package controller

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/vswitch/ovsdb"
)

// bundleTimeout is what Open vSwitch shall allow a bundle to take: its own 10 s are too short for a
// starved host with thousands of ports.
const bundleTimeout = 120 * time.Second

// takeOVS brings what the switch's database told into the view.
func (c *Controller) takeOVS(ctx context.Context, e ovsdb.Event) {
	touched := c.rows.Apply(e.Changes)
	// What goes comes first: a port that is deleted and added again in one transaction keeps its name.
	for _, id := range touched {
		c.dropInterface(id)
	}
	for _, id := range touched {
		c.takeInterface(id)
	}
	if e.State != ovsdb.InSync {
		c.trouble("ovsdb", fmt.Errorf("no connection to OVSDB at %s: %w", c.o.OVSDB, e.Err))
		return
	}
	c.trouble("ovsdb", nil)
	c.takeTunnels()
	c.takeMetadata()
	c.takeProviders()
	c.showGuarantees()
	c.takeWatchPorts()
	c.bridged.told = c.bridged.inFlight
	c.ensureBridge(ctx)
	c.db.SetSynced(view.ScopeOVSDB, true)
}

// dropInterface takes an interface out of the view that is gone from the bridge, or has another name.
func (c *Controller) dropInterface(id ovsdb.UUID) {
	name, had := c.interfaces[id]
	if !had {
		return
	}
	if row := c.rows.Interface(id); row == nil || row.Name != name || !c.isGuest(row) {
		view.Delete(c.db, view.Interfaces, name)
		delete(c.interfaces, id)
	}
}

// takeInterface makes the view have an interface if it is on the integration bridge and carries a port's id.
func (c *Controller) takeInterface(id ovsdb.UUID) {
	row := c.rows.Interface(id)
	if row == nil || !c.isGuest(row) {
		return
	}
	i := view.Interface{Name: row.Name, PortID: row.ExternalIDs["iface-id"], MAC: row.ExternalIDs["attached-mac"]}
	if i.MAC == "" {
		i.MAC = row.MACInUse
	}
	if row.OFPort > 0 {
		i.OFPort = uint32(row.OFPort)
	}
	c.interfaces[id] = row.Name
	view.Set(c.db, view.Interfaces, i)
}

func (c *Controller) isGuest(row *ovsdb.Interface) bool {
	b := c.rows.BridgeOf(row.UUID)
	return row.ExternalIDs["iface-id"] != "" && b != nil && b.Name == c.o.Bridge
}

// bridgeState keeps the loop from sending the same correction again before the database has told of it; told says that
// it has told something meanwhile.
type bridgeState struct{ inFlight, told bool }

// settings is what the switch's database lacks of what the chassis wants there: its bridge, the ports that
// are the chassis' own, and their settings.
func (c *Controller) settings() ovsdb.Txn {
	prefixes := map[int][]string{}
	for _, s := range pipeline.Stages() {
		if p := s.Prefixes(); len(p) > 0 {
			prefixes[int(s.Table())] = p
		}
	}
	txn := ovsdb.EnsureBridge(c.rows, ovsdb.BridgeSpec{
		Name: c.o.Bridge, DatapathType: c.o.DatapathType, Prefixes: prefixes,
		ExternalIDs: map[string]string{"dragonflow-chassis": c.o.Chassis},
	})
	if timeout, err := ovsdb.EnsureBundleIdleTimeout(c.rows, bundleTimeout); err == nil {
		txn = ovsdb.Join(txn, timeout)
	}
	tunnels, err := c.ensureTunnels()
	c.trouble("tunnels", err)
	watches, err := c.ensureWatches()
	c.trouble("gateways watched", err)
	txn = ovsdb.Join(txn, tunnels, c.ensureProviders(), c.ensureMetadata(), watches, c.ensureQueues())
	return txn
}

// compareSettings lists the same as differences.
func (c *Controller) compareSettings() []Drift {
	var out []Drift
	for _, change := range c.settings().Steps() {
		d := Drift{Layer: LayerSettings, Scope: change.Table, ID: change.Object, What: "not as the chassis needs it: " + change.Op, Want: change.What}
		if change.Op != "insert" {
			d.Have = "otherwise"
		}
		out = append(out, d)
	}
	for topic, err := range c.troubles {
		for _, about := range []string{"tunnels", "bridge-mappings", "bandwidths", "bridge", "metadata"} {
			if topic == about || strings.HasPrefix(topic, about+" ") {
				out = append(out, Drift{Layer: LayerSettings, Scope: "Port", ID: topic, What: fmt.Sprint(err), Want: "as configured", Have: "otherwise"})
			}
		}
	}
	return out
}

// ensureBridge makes the integration bridge exist with the settings that a chassis needs. It is called
// whenever the database told something, so that a bridge deleted under us comes back.
func (c *Controller) ensureBridge(ctx context.Context) {
	txn := c.settings()
	if txn.Empty() {
		c.trouble("bridge", nil)
		return
	}
	if c.bridged.inFlight {
		return
	}
	c.bridged.inFlight = true
	c.background.Go(func() {
		err := c.ovs.Transact(ctx, txn)
		if err != nil {
			// Most likely somebody else changed the same; look again once that has been told.
			select {
			case <-time.After(bridgePause):
			case <-ctx.Done():
			}
		}
		c.post(ctx, func(c *Controller) {
			told := c.bridged.told
			c.bridged = bridgeState{}
			switch {
			case errors.Is(err, ovsdb.ErrNotConnected):
			case err != nil:
				c.trouble("bridge", fmt.Errorf("set up bridge %s: %w", c.o.Bridge, err))
				c.ensureBridge(ctx)
			default:
				c.trouble("bridge", nil)
				c.corrected(ctx, txn, told)
			}
		})
	})
}

// corrected looks whether something else has been wanted since a correction was sent. What the correction itself did is told
// sooner or later, but where the database has told something already, it may have been that, and also who undid it.
func (c *Controller) corrected(ctx context.Context, sent ovsdb.Txn, told bool) {
	switch {
	case !slices.Equal(c.settings().Steps(), sent.Steps()):
		c.ensureBridge(ctx)
	case told:
		c.background.Go(func() {
			select {
			case <-time.After(bridgePause):
				c.post(ctx, func(c *Controller) { c.ensureBridge(ctx) })
			case <-ctx.Done():
			}
		})
	}
}

// bridgePause is how long a correction of the bridge is left alone that was refused, or seems to have had no effect.
const bridgePause = 200 * time.Millisecond

// announceUnbound tells who wants to know about interfaces of ports that are not bound here.
func (c *Controller) announceUnbound(interfaces []string) {
	if c.o.Unbound == nil {
		return
	}
	for _, name := range interfaces {
		if row, ok := c.db.Row(view.Interfaces, name); ok {
			if id := row.(view.Interface).PortID; !c.db.Has(view.Bindings, id) {
				c.o.Unbound(id)
			}
		}
	}
}
