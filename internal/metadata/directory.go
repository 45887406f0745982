package metadata

import (
	"net/netip"
	"sync"
)

// Client is a guest as Nova wants it told.
type Client struct {
	// Port is the port's id, Device the instance's, Project the id of the port's project.
	Port, Device, Project string
	// Address is the address from which the guest asked.
	Address netip.Addr
}

// Directory tells who stands behind the sources that the switch gives. It may be used by many goroutines.
type Directory struct {
	mu      sync.RWMutex
	clients map[netip.Prefix]Client
}

// NewDirectory returns an empty directory.
func NewDirectory() *Directory { return &Directory{clients: map[netip.Prefix]Client{}} }

// Set says who stands behind a source: one IPv4 address, or the /64 of an IPv6 address.
func (d *Directory) Set(source netip.Prefix, c Client) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.clients[source] = c
}

// Delete says that nobody does any more.
func (d *Directory) Delete(source netip.Prefix) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.clients, source)
}

// Len is the number of sources.
func (d *Directory) Len() int {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return len(d.clients)
}

// interfaceBits is the length of the prefix of an IPv6 source; the guest's interface identifier follows.
const interfaceBits = 64

// Lookup returns who asks from a source.
func (d *Directory) Lookup(source netip.Addr) (Client, bool) {
	bits := source.BitLen()
	if source.Is6() {
		bits = interfaceBits
	}
	p, err := source.Prefix(bits)
	if err != nil {
		return Client{}, false
	}
	d.mu.RLock()
	c, ok := d.clients[p]
	d.mu.RUnlock()
	if ok && source.Is6() {
		own, given := c.Address.As16(), source.As16()
		copy(own[interfaceBits/8:], given[interfaceBits/8:])
		c.Address = netip.AddrFrom16(own)
	}
	return c, ok
}
