package controller

import (
	"errors"
	"fmt"
	"hash/fnv"
	"net/netip"

	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/vswitch/ovsdb"
)

// metadataOwner marks the port for metadata in external_ids.
const metadataOwner = "metadata"

// MetadataDevice is the name of the device behind which a chassis serves metadata. It tells the integration bridge,
// as several of one Open vSwitch share a space of names.
func MetadataDevice(bridge string) string {
	name := "df-meta-" + bridge
	if len(name) <= maxDevice {
		return name
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(bridge)) // cannot fail
	return fmt.Sprintf("df-meta%08x", h.Sum32())
}

// ensureMetadata makes the bridge have a port for metadata, or none if it is not served.
func (c *Controller) ensureMetadata() ovsdb.Txn {
	if c.rows.Bridge(c.o.Bridge) == nil {
		return ovsdb.Txn{}
	}
	name := MetadataDevice(c.o.Bridge)
	if c.o.Clients != nil {
		txn, err := ovsdb.AddPort(c.rows, ovsdb.PortSpec{Bridge: c.o.Bridge, Name: name, Type: "internal", Owner: metadataOwner})
		c.trouble("metadata", err)
		return txn
	}
	txn, err := ovsdb.DeletePort(c.rows, c.o.Bridge, name)
	if err != nil && !errors.Is(err, ovsdb.ErrForeign) { // somebody else may call a port of his as he likes
		c.trouble("metadata", err)
	}
	return txn
}

// takeMetadata brings the port for metadata into the view, once the switch has it.
func (c *Controller) takeMetadata() {
	row := c.rows.InterfaceNamed(MetadataDevice(c.o.Bridge))
	if c.o.Clients == nil || row == nil || row.ExternalIDs[ovsdb.OwnerKey] != metadataOwner {
		view.Delete(c.db, view.MetadataPorts, view.MetadataPortKey)
		return
	}
	var err error
	if row.Error != "" {
		err = fmt.Errorf("port %s: %s", row.Name, row.Error)
	}
	c.trouble("metadata port", err)
	if b := c.rows.BridgeOf(row.UUID); row.OFPort > 0 && b != nil && b.Name == c.o.Bridge {
		view.Set(c.db, view.MetadataPorts, view.MetadataPort{OFPort: uint32(row.OFPort)})
	} else {
		view.Delete(c.db, view.MetadataPorts, view.MetadataPortKey)
	}
}

// tellClients tells the service of metadata who asks from which source.
func (c *Controller) tellClients(sources []string) {
	if c.o.Clients == nil {
		return
	}
	for _, key := range sources {
		row, ok := c.db.Row(view.MetadataClients, key)
		source := netip.MustParsePrefix(key) // as MetadataClients has made it
		if !ok {
			c.o.Clients(source, nil)
			continue
		}
		client := row.(view.MetadataClient)
		c.o.Clients(source, &client)
	}
}
