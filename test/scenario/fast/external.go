package fast

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"sync"

	"github.com/dragonflow/dragonflow/internal/lab"
	"github.com/dragonflow/dragonflow/test/scenario"
)

// external is the provider's network: a hub between the external bridges of the chassis and hosts outside, which
// notes where each MAC address is seen.
type external struct {
	work sync.WaitGroup

	mu    sync.Mutex
	links map[*outlet]bool
	seen  map[string]*outlet // by VLAN and MAC
	moves []string
}

// outlet is a connection to it: of a chassis, which gets all VLANs, or of a host in one.
type outlet struct {
	port
	name string
	host bool
	vlan uint16
}

func newExternal() *external {
	return &external{links: map[*outlet]bool{}, seen: map[string]*outlet{}}
}

func (e *external) add(l *outlet) {
	e.mu.Lock()
	e.links[l] = true
	e.mu.Unlock()
	e.work.Go(func() { l.receive(func(frame []byte) { e.forward(l, frame) }) })
}

func (e *external) remove(l *outlet) {
	_ = l.conn.Close() // it may be closed
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.links, l)
}

const (
	macs    = 12
	tagType = 0x8100
)

// forward gives a frame to everybody else who is in its VLAN.
func (e *external) forward(from *outlet, frame []byte) {
	if len(frame) < macs+2 {
		return
	}
	vlan, tagged, plain := from.vlan, frame, frame
	if !from.host {
		vlan = 0
	}
	switch {
	case from.host && vlan != 0:
		tagged = append(append([]byte{}, frame[:macs]...), tagType>>8, tagType&0xff, byte(vlan>>8), byte(vlan))
		tagged = append(tagged, frame[macs:]...)
	case !from.host && binary.BigEndian.Uint16(frame[macs:]) == tagType:
		vlan = binary.BigEndian.Uint16(frame[macs+2:]) & 0xfff
		plain = append(append([]byte{}, frame[:macs]...), frame[macs+4:]...)
	}
	for _, l := range e.others(from, vlan, net.HardwareAddr(frame[6:macs])) {
		if l.host {
			_ = l.send(plain) // a wire that was cut loses what is on it
		} else {
			_ = l.send(tagged)
		}
	}
}

func (e *external) others(from *outlet, vlan uint16, src net.HardwareAddr) (list []*outlet) {
	e.mu.Lock()
	defer e.mu.Unlock()
	key := fmt.Sprintf("%s in VLAN %d", src, vlan)
	if had := e.seen[key]; had != nil && had != from {
		e.moves = append(e.moves, fmt.Sprintf("%s: from %s to %s", key, had.name, from.name))
	}
	e.seen[key] = from
	for l := range e.links {
		if l != from && (!l.host || l.vlan == vlan) {
			list = append(list, l)
		}
	}
	return list
}

// steady returns an error if a MAC address was seen at two places.
func (e *external) steady() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.moves) > 0 {
		return fmt.Errorf("MAC addresses move: %v", e.moves)
	}
	return nil
}

func (e *external) close() {
	e.mu.Lock()
	for l := range e.links {
		_ = l.conn.Close()
	}
	e.mu.Unlock()
	e.work.Wait()
}

// outside makes a host there.
func (p *Platform) outside(m scenario.Machine) (scenario.Guest, error) {
	if m.Leg {
		ours, theirs := net.Pipe()
		p.external.add(&outlet{port: port{conn: theirs}, name: m.Name + "'s leg", host: true, vlan: m.VLAN})
		return p.guests[m.Name], p.guests[m.Name].attach(ours, m.Router)
	}
	g, err := newGuest(m, p.sent)
	if err != nil {
		return nil, err
	}
	ours, theirs := net.Pipe()
	p.guests[m.Name] = g
	g.offer("", ours)
	if m.Behind != "" {
		if err := p.guests[m.Behind].attach(theirs, m.Router); err != nil {
			return nil, err
		}
		return g, g.connect("")
	}
	p.external.add(&outlet{port: port{conn: theirs}, name: m.Name, host: true, vlan: m.VLAN})
	return g, g.connect("")
}

// reach connects the external bridge of a chassis.
func (c *chassis) reach(ctx context.Context) error {
	conn, err := dial(ctx, c.p.path(c.name, "ext0"))
	if err != nil {
		return err
	}
	if c.outlet != nil {
		c.p.external.remove(c.outlet)
	}
	c.outlet = &outlet{port: port{conn: conn}, name: c.name}
	c.p.external.add(c.outlet)
	return nil
}

// bridges makes the bridges to the underlay and to the provider's network.
func (c *chassis) bridges(ctx context.Context) error {
	for bridge, device := range map[string]string{lab.PhysicalBridge: "phy0", lab.ExternalBridge: "ext0"} {
		args := []string{
			"set-fail-mode", bridge, "standalone", "--", "add-port", bridge, device,
			"--", "set", "interface", device, "type=dummy", "options:pstream=punix:" + c.p.path(c.name, device),
		}
		if bridge == lab.PhysicalBridge {
			args = append(args, "--", "set", "bridge", bridge, fmt.Sprintf("other_config:hwaddr=%s", c.mac()))
		}
		if err := c.ovs.AddBridge(ctx, bridge, args...); err != nil {
			return err
		}
	}
	return nil
}
