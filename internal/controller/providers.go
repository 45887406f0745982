package controller

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/vswitch/ovsdb"
)

// providerOwner marks the ends of the connections to bridges of physical networks in external_ids, and
// providerBridgeKey tells whose they are, as several integration bridges may share such a bridge.
const (
	providerOwner     = "provider"
	providerBridgeKey = "dragonflow-bridge"
)

// providerEnds are the two ends of the connection to a physical network's bridge. Of that bridge nothing
// else is ours.
func (c *Controller) providerEnds(bridge string) (ours, theirs ovsdb.PortSpec) {
	ours, theirs = ovsdb.PatchPorts(c.o.Bridge, c.o.Bridge+"-to-"+bridge, bridge, bridge+"-to-"+c.o.Bridge)
	for _, end := range []*ovsdb.PortSpec{&ours, &theirs} {
		end.Owner, end.ExternalIDs = providerOwner, map[string]string{providerBridgeKey: c.o.Bridge}
	}
	return ours, theirs
}

// ensureProviders makes the bridge be connected to that of each physical network, and to none that is not
// wanted any more. What is wrong with one does not hold up the others.
func (c *Controller) ensureProviders() ovsdb.Txn {
	var txn ovsdb.Txn
	if c.rows.Bridge(c.o.Bridge) == nil {
		return txn
	}
	wanted := map[string]bool{}
	for _, network := range slices.Sorted(maps.Keys(c.o.BridgeMappings)) {
		ours, theirs := c.providerEnds(c.o.BridgeMappings[network])
		wanted[ours.Name], wanted[theirs.Name] = true, true
		connect, err := c.connectProvider(ours, theirs)
		c.trouble("bridge-mappings "+network, err)
		txn = ovsdb.Join(txn, connect)
	}
	gone, err := c.dropProviders(wanted)
	c.trouble("bridge-mappings", err)
	return ovsdb.Join(txn, gone)
}

// connectProvider makes both ends exist. One end alone would be an error that Open vSwitch logs for ever.
func (c *Controller) connectProvider(ours, theirs ovsdb.PortSpec) (ovsdb.Txn, error) {
	bridge := c.rows.Bridge(theirs.Bridge)
	if bridge == nil {
		return ovsdb.Txn{}, fmt.Errorf("bridge %s does not exist: create it and add the device that leads to the physical network, "+
			"or correct bridge-mappings", theirs.Bridge)
	}
	// Packets cross from one bridge to the other only within one datapath.
	if one, other := cmp.Or(c.rows.Bridge(c.o.Bridge).DatapathType, "system"), cmp.Or(bridge.DatapathType, "system"); one != other {
		return ovsdb.Txn{}, fmt.Errorf("bridge %s has the datapath_type %s and %s has %s: set one to that of the other", theirs.Bridge, other, c.o.Bridge, one)
	}
	a, err := ovsdb.AddPort(c.rows, ours)
	if err != nil {
		return ovsdb.Txn{}, fmt.Errorf("connect bridge %s: %w", theirs.Bridge, err)
	}
	b, err := ovsdb.AddPort(c.rows, theirs)
	if err != nil {
		return ovsdb.Txn{}, fmt.Errorf("connect bridge %s: %w", theirs.Bridge, err)
	}
	return ovsdb.Join(a, b), nil
}

// dropProviders removes the ends that are not wanted, on all bridges.
func (c *Controller) dropProviders(wanted map[string]bool) (ovsdb.Txn, error) {
	var txn ovsdb.Txn
	var errs []error
	for b := range c.rows.Bridges() {
		for row := range c.rows.Plugged(b.Name) {
			port := c.rows.PortOf(row.UUID)
			if row.ExternalIDs[ovsdb.OwnerKey] != providerOwner || row.ExternalIDs[providerBridgeKey] != c.o.Bridge || port == nil || wanted[port.Name] {
				continue
			}
			gone, err := ovsdb.DeletePort(c.rows, b.Name, port.Name)
			if err != nil {
				errs = append(errs, fmt.Errorf("connections that are not configured: %w", err))
			}
			txn = ovsdb.Join(txn, gone)
		}
	}
	return txn, errors.Join(errs...)
}

// takeProviders brings the physical networks to which the switch is connected into the view.
func (c *Controller) takeProviders() {
	for network, bridge := range c.o.BridgeMappings {
		ours, theirs := c.providerEnds(bridge)
		if at := c.providerPort(ours); at > 0 && c.providerPort(theirs) > 0 {
			kbps, _ := c.bandwidth(network) // ensureQueues tells what is wrong
			view.Set(c.db, view.ProviderPorts, view.ProviderPort{PhysicalNetwork: network, OFPort: at, Kbps: kbps})
		} else {
			view.Delete(c.db, view.ProviderPorts, network)
		}
	}
}

// providerPort is the OpenFlow port of an end, zero if the switch has none.
func (c *Controller) providerPort(s ovsdb.PortSpec) uint32 {
	row := c.rows.InterfaceNamed(s.Name)
	if row == nil || row.ExternalIDs[ovsdb.OwnerKey] != providerOwner || row.Type != s.Type || row.OFPort <= 0 {
		return 0
	}
	if b := c.rows.BridgeOf(row.UUID); b == nil || b.Name != s.Bridge {
		return 0
	}
	return uint32(row.OFPort)
}
