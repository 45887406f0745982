package controller

import (
	"errors"
	"fmt"
	"hash/fnv"

	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/vswitch/ovsdb"
)

// tunnelOwner marks the tunnel ports in external_ids.
const tunnelOwner = "tunnel"

// maxDevice is the longest name of a network device in Linux.
const maxDevice = 15

// simulated is the datapath type of Open vSwitch's own tests, and of ours.
const simulated = "dummy"

// tunnelPortName is the name of the port for a type of tunnels. It tells the bridge, as several
// integration bridges of one Open vSwitch share a space of names.
func tunnelPortName(typ model.NetworkType, bridge string) string {
	name := string(typ) + "-" + bridge
	if len(name) <= maxDevice {
		return name
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(bridge)) // cannot fail
	return fmt.Sprintf("%.6s-%08x", typ, h.Sum32())
}

// tunnelPort is the port for a type of tunnels. Packets go out from the chassis' own address, so that
// firewalls of the underlay know them, and only those to that address are taken, so that another bridge of
// the host may have tunnels of its own.
func (c *Controller) tunnelPort(typ model.NetworkType) ovsdb.PortSpec {
	s := ovsdb.TunnelPort(c.o.Bridge, tunnelPortName(typ, c.o.Bridge), string(typ))
	s.Owner = tunnelOwner
	if c.o.DatapathType != simulated { // which has addresses and routes, but no table that says which are its own
		s.Options["local_ip"] = c.o.TunnelIP.String()
	}
	return s
}

// tunnelTypes are the types of tunnels that this chassis is to have.
func (c *Controller) tunnelTypes() []model.NetworkType {
	if !c.o.TunnelIP.IsValid() {
		return nil
	}
	return c.o.TunnelTypes
}

// ensureTunnels makes the bridge have one port for each type of tunnels, and none that is not wanted any
// more. On a bridge that is not there yet there is nothing to do.
func (c *Controller) ensureTunnels() (ovsdb.Txn, error) {
	var txn ovsdb.Txn
	if c.rows.Bridge(c.o.Bridge) == nil {
		return txn, nil
	}
	var errs []error // what is wrong with one port does not hold up the others
	wanted := map[string]bool{}
	for _, typ := range c.tunnelTypes() {
		s := c.tunnelPort(typ)
		wanted[s.Name] = true
		add, err := ovsdb.AddPort(c.rows, s)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s tunnels: %w", typ, err))
		}
		txn = ovsdb.Join(txn, add)
	}
	for row := range c.rows.Plugged(c.o.Bridge) {
		port := c.rows.PortOf(row.UUID)
		if row.ExternalIDs[ovsdb.OwnerKey] != tunnelOwner || port == nil || wanted[port.Name] {
			continue
		}
		gone, err := ovsdb.DeletePort(c.rows, c.o.Bridge, port.Name)
		if err != nil {
			errs = append(errs, fmt.Errorf("tunnels that are not configured: %w", err))
		}
		txn = ovsdb.Join(txn, gone)
	}
	return txn, errors.Join(errs...)
}

// takeTunnels brings the tunnel ports that the switch has into the view.
func (c *Controller) takeTunnels() {
	have := map[model.NetworkType]uint32{}
	for _, typ := range c.tunnelTypes() {
		row := c.rows.InterfaceNamed(tunnelPortName(typ, c.o.Bridge))
		if row == nil || row.ExternalIDs[ovsdb.OwnerKey] != tunnelOwner || row.Type != string(typ) {
			continue
		}
		if b := c.rows.BridgeOf(row.UUID); b == nil || b.Name != c.o.Bridge {
			continue
		}
		if row.OFPort > 0 {
			have[typ] = uint32(row.OFPort)
		}
		var err error
		if row.Error != "" {
			err = fmt.Errorf("port %s: %s", row.Name, row.Error)
		}
		c.trouble("tunnel "+string(typ), err)
	}
	for _, typ := range []model.NetworkType{model.Geneve, model.VXLAN} {
		if at, ok := have[typ]; ok {
			view.Set(c.db, view.TunnelPorts, view.TunnelPort{Type: typ, OFPort: at, Local: c.o.TunnelIP})
		} else {
			view.Delete(c.db, view.TunnelPorts, string(typ))
		}
	}
}
