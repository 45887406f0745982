package e2e

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/lab"
	"github.com/dragonflow/dragonflow/internal/testkit/netns"
)

// cutWithin is how long a connection may live on that nothing allows any more.
const cutWithin = time.Second

// Taking away what alone allowed a connection cuts it, and no other: a rule, a member of a remote group, a port's own
// group. Each in both families.
func TestWhatIsForbiddenIsCut(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.standalone()
	r := newRules(c)

	byRule := r.rule("tcp", 8001, nil)
	r.rule("tcp", 8002, nil)
	r.opens(8001)
	r.opens(8002)
	c.remove("security_group_rule", byRule[0])
	c.remove("security_group_rule", byRule[1])
	r.cut(8001, "its rule is removed")
	r.lives(8002)

	friends := c.create("security_group", obj{"name": "friends"}).id()
	others := c.create("security_group", obj{"name": "others"}).id()
	r.rule("tcp", 8003, obj{"remote_group_id": friends})
	r.rule("tcp", 8004, obj{"remote_group_id": others})
	r.closed(8003)
	c.update("port", r.client.id, obj{"security_groups": []string{friends, others}})
	r.opens(8003)
	r.opens(8004)
	c.update("port", r.client.id, obj{"security_groups": []string{others}})
	r.cut(8003, "the client has left the group that may come in")
	r.lives(8004)
	r.lives(8002)

	second := c.create("security_group", obj{"name": "second"}).id()
	web := r.group
	r.group = second
	r.rule("tcp", 8002, nil)
	c.update("port", r.server.id, obj{"security_groups": []string{second}})
	r.cut(8004, "the server has moved to another group")
	r.lives(8002)
	r.closed(8004)
	c.update("port", r.server.id, obj{"security_groups": []string{web, second}})
	r.opens(8004)
	r.lives(8002)
}

// rules are those of a server's group, and connections to it by port and address.
type rules struct {
	c              *cloud
	server, client *guest
	group          string
	conns          map[netip.AddrPort]net.Conn
}

func newRules(c *cloud) *rules {
	c.t.Helper()
	r := &rules{c: c, conns: map[netip.AddrPort]net.Conn{}}
	r.group = c.create("security_group", obj{"name": "web"}).id()
	n := c.network("blue")
	r.server = c.guest(n, "server", obj{"security_groups": []string{r.group}}).static()
	r.client = c.guest(n, "client", nil).static()
	for port := 8001; port <= 8004; port++ {
		r.server.Echo(port)
	}
	return r
}

// rule lets in a port of both families, and returns the ids of its two rules.
func (r *rules) rule(protocol string, port int, further obj) (ids []string) {
	r.c.t.Helper()
	for _, family := range []string{"IPv4", "IPv6"} {
		all := obj{"security_group_id": r.group, "direction": "ingress", "ethertype": family, "protocol": protocol,
			"port_range_min": port, "port_range_max": port}
		for k, v := range further {
			all[k] = v
		}
		ids = append(ids, r.c.create("security_group_rule", all).id())
	}
	return ids
}

func (r *rules) to(port int) []netip.AddrPort {
	return []netip.AddrPort{netip.AddrPortFrom(r.server.v4, uint16(port)), netip.AddrPortFrom(r.server.v6, uint16(port))}
}

// opens opens a connection of each family, as soon as it is allowed.
func (r *rules) opens(port int) {
	r.c.t.Helper()
	for _, to := range r.to(port) {
		ctx, cancel := soon()
		conn, err := r.client.Namespace.Connect(ctx, to) // its SYN is sent again until it is allowed
		cancel()
		if err != nil {
			r.c.t.Fatal(err)
		}
		r.c.t.Cleanup(func() { _ = conn.Close() })
		r.conns[to] = conn
	}
}

// closed checks that nobody can connect.
func (r *rules) closed(port int) {
	r.c.t.Helper()
	for _, to := range r.to(port) {
		r.client.Refuses(to.Addr().String(), port, cutWithin)
	}
}

// lives checks that the open connections work.
func (r *rules) lives(port int) {
	r.c.t.Helper()
	for _, to := range r.to(port) {
		if err := lab.Exchange(r.conns[to], patience); err != nil {
			r.c.t.Errorf("the connection to %s, which a rule allows: %v", to, err)
		}
	}
}

// cut checks that the open connections are cut in time. What was said before is not taken back.
func (r *rules) cut(port int, why string) {
	r.c.t.Helper()
	began := time.Now()
	for _, to := range r.to(port) {
		for lab.Exchange(r.conns[to], 200*time.Millisecond) == nil {
			if time.Since(began) > cutWithin {
				r.c.t.Errorf("the connection to %s lives after %v, although %s", to, time.Since(began), why)
				break
			}
		}
	}
	r.closed(port)
}

// A guest that looks for others with its address before it uses it finds nobody, and keeps it; one whose address
// somebody else uses by mistake finds him.
func TestDuplicateAddressDetection(t *testing.T) {
	t.Parallel()
	netns.Need(t, "arping")
	c := newCloud(t)
	c.standalone()
	n := c.network("blue")
	withDAD := func(s *lab.Spec) { s.NoDAD = false }
	a := c.guest(n, "a", nil, withDAD).static()
	a.usable(a.v6)
	a.Run("arping", "-D", "-c", "2", "-w", "5", "-I", lab.Interface, a.v4.String()) // exits with 1 if somebody answers
	dhcp := a.DHCP(lab.Dhclient6)
	if l := a.Lease(dhcp); l.Address.Addr() != a.v6 {
		t.Errorf("lease %v, not %v", l.Address, a.v6)
	}
	a.usable(a.v6)

	// Both may use the address: it is given to one by mistake.
	pair := []obj{{"ip_address": a.v4.String()}, {"ip_address": a.v6.String()}}
	b := c.guest(n, "b", obj{"allowed_address_pairs": pair}, withDAD)
	ctx, cancel := soon()
	defer cancel()
	if out, err := b.Guest.Guest.Run(ctx, "arping", "-D", "-c", "3", "-w", "10", "-I", lab.Interface, a.v4.String()); err == nil {
		t.Errorf("b does not find that a has its IPv4 address:\n%s", out)
	}
	if err := b.AddAddress(netip.PrefixFrom(a.v6, 64)); err != nil {
		t.Fatal(err)
	}
	c.eventually("b finds that a has its IPv6 address", func() error { return b.state(a.v6, func(x lab.Address) bool { return x.Duplicate }) })
	a.usable(a.v6)
}

// usable waits until an address has been found to be nobody else's.
func (g *guest) usable(a netip.Addr) {
	g.c.t.Helper()
	g.c.eventually("the address can be used", func() error {
		return g.state(a, func(x lab.Address) bool { return !x.Tentative && !x.Duplicate })
	})
}

func (g *guest) state(a netip.Addr, condition func(lab.Address) bool) error {
	list, err := g.Addresses()
	if err != nil {
		return err
	}
	for _, x := range list {
		if x.Addr() == a && condition(x) {
			return nil
		}
	}
	return fmt.Errorf("the addresses are %+v", list)
}
