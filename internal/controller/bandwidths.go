package controller

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/vswitch/ovsdb"
)

// bitsPerKilobit: Neutron's kilobits are of 1,000 bits.
const bitsPerKilobit = 1000

// bandwidth is what can be guaranteed to ports on the way to a physical network, in kilobits a second: zero if none is
// configured, or something is wrong with it.
func (c *Controller) bandwidth(network string) (int, error) {
	kbps := c.o.Bandwidths[network]
	if kbps == 0 {
		return 0, nil
	}
	if b := c.rows.Bridge(c.o.Bridge); b != nil && b.DatapathType == "netdev" {
		return 0, fmt.Errorf("bridge %s has the datapath in user space, which has no queues: set its datapath_type to system, or take %s out of bandwidths",
			c.o.Bridge, network)
	}
	if root := c.rows.OpenvSwitch(); kbps > mostBefore32 && root != nil && before32(root.OVSVersion) {
		return 0, fmt.Errorf("Open vSwitch %s counts no more than %d kilobits a second in queues, and would slow the device down to what is left of %d: "+
			"update it to 3.2 or later, or take %s out of bandwidths", root.OVSVersion, mostBefore32, kbps, network)
	}
	port, err := c.uplink(c.o.BridgeMappings[network])
	if err != nil {
		return 0, err
	}
	if _, err := ovsdb.Share(c.rows, c.sharing(port, kbps)); err != nil {
		return 0, fmt.Errorf("port %s has a qos that somebody else has made: ovs-vsctl clear port %s qos, or take %s out of bandwidths: %w",
			port, port, network, err)
	}
	return kbps, nil
}

// mostBefore32 is the rate in kilobits that Open vSwitch can tell Linux before its version 3.2: it counted bytes a second
// in 32 bits, and a rate above wrapped round (seen with 3.1.0: 100 Gbit/s become 31).
const mostBefore32 = (1<<32 - 1) * 8 / bitsPerKilobit

// before32 reports whether a version of Open vSwitch is older than 3.2. One that cannot be read counts as new.
func before32(version string) bool {
	var major, minor int
	n, _ := fmt.Sscanf(version, "%d.%d", &major, &minor) // n tells
	return n == 2 && (major < 3 || major == 3 && minor < 2)
}

// uplink finds the one port by which a bridge leads outside. It is the operator's.
func (c *Controller) uplink(name string) (string, error) {
	bridge := c.rows.Bridge(name)
	if bridge == nil {
		return "", fmt.Errorf("bridge %s does not exist", name)
	}
	var found []string
	for port := range c.rows.Ports(bridge) {
		if len(port.Interfaces) > 0 && !slices.ContainsFunc(port.Interfaces, func(id ovsdb.UUID) bool {
			row := c.rows.Interface(id)
			return row == nil || row.Type != "" && row.Type != "system"
		}) {
			found = append(found, port.Name)
		}
	}
	slices.Sort(found)
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return "", fmt.Errorf("bridge %s has no device: add that which leads to the physical network", name)
	}
	return "", fmt.Errorf("bridge %s has several devices, %s: which of them leads to the physical network cannot be told, so that nothing is guaranteed there",
		name, strings.Join(found, " and "))
}

// sharing is how the device of a physical network shares what it sends: each port with a guarantee has its queue, all
// others have what is left.
func (c *Controller) sharing(port string, kbps int) ovsdb.Sharing {
	return ovsdb.Sharing{
		Port: port, Owner: providerOwner, ExternalIDs: map[string]string{providerBridgeKey: c.o.Bridge},
		Rate: kbps * bitsPerKilobit, Queues: map[int]int{0: kbps * bitsPerKilobit},
	}
}

// ensureQueues makes the devices of physical networks have the queues that ports with guaranteed bandwidths need, and
// none where nothing is configured any more.
func (c *Controller) ensureQueues() ovsdb.Txn {
	var txn ovsdb.Txn
	kept := map[string]bool{}
	for _, network := range slices.Sorted(maps.Keys(c.o.BridgeMappings)) {
		kbps, err := c.bandwidth(network)
		if kbps > 0 {
			port, _ := c.uplink(c.o.BridgeMappings[network]) // bandwidth has found it
			kept[port] = true
			var share ovsdb.Txn
			share, err = c.share(network, c.sharing(port, kbps))
			txn = ovsdb.Join(txn, share)
		}
		c.trouble("bandwidths "+network, err)
	}
	ids := map[string]string{ovsdb.OwnerKey: providerOwner, providerBridgeKey: c.o.Bridge}
	return ovsdb.Join(txn, ovsdb.Unshare(c.rows, ids, func(port string) bool { return kept[port] }))
}

// share gives each port with a guarantee on the physical network its queue.
func (c *Controller) share(network string, s ovsdb.Sharing) (ovsdb.Txn, error) {
	port := c.rows.Port(s.Port)
	if !c.full && port.QoS != "" {
		return ovsdb.Txn{}, nil // not all guarantees are known yet, of which none is to be taken away
	}
	promised := 0
	c.db.Each(view.Guarantees, func(_ string, row any) {
		if g := row.(view.Guarantee); g.PhysicalNetwork == network {
			s.Queues[int(g.Queue)] = g.Kbps * bitsPerKilobit
			promised += g.Kbps * bitsPerKilobit
		}
	})
	s.Queues[0] = max(s.Rate-promised, 0)
	txn, err := ovsdb.Share(c.rows, s)
	if err == nil && promised > s.Rate {
		err = fmt.Errorf("ports of this chassis have %d kilobits a second guaranteed, and device %s carries %d: move some of them to other chassis",
			promised/bitsPerKilobit, s.Port, s.Rate/bitsPerKilobit)
	}
	return txn, err
}

// queueing is what the queues were made for last.
type queueing struct{ due, full bool }

// requeue looks after the queues when guarantees have changed, or all of them are known.
func (c *Controller) requeue(ctx context.Context) {
	if len(c.o.Bandwidths) == 0 || !c.queues.due && c.queues.full == c.full || c.rows.Bridge(c.o.Bridge) == nil {
		return
	}
	c.queues = queueing{full: c.full}
	c.ensureBridge(ctx)
}

// showGuarantees tells others what this chassis guarantees.
func (c *Controller) showGuarantees() {
	var can map[string]int
	for network := range c.o.Bandwidths {
		if kbps, err := c.bandwidth(network); err == nil && kbps > 0 {
			if can == nil {
				can = map[string]int{}
			}
			can[network] = kbps
		}
	}
	if maps.Equal(can, c.guaranteed) || c.registration == nil {
		return
	}
	c.guaranteed = can
	if err := c.registration.Change(c.chassis()); err != nil {
		c.log.Error("the bandwidths that this chassis guarantees are not shown to others", "err", err)
	}
}
