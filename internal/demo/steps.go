package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"github.com/dragonflow/dragonflow/internal/lab"
)

// named is the answer to the creation of something of which only the id matters.
type named struct {
	ID string `json:"id"`
}

// topology creates two networks with the same addresses for two projects, and guests on them.
func topology(ctx context.Context, s *story, c *cloud) {
	s.chapter("Two projects, blue and red, each with a network of its own; their addresses are the same")
	for _, project := range []string{"blue", "red"} {
		s.step("network, subnets and two ports for "+project+", by the API", func() (string, error) {
			start := time.Now()
			err := createProject(ctx, c, project)
			return ms(start), err
		})
	}
	for _, name := range []string{"blue1", "blue2", "red1", "red2"} {
		s.step(name+" is plugged in, and ACTIVE once the switch confirmed its flows", func() (string, error) {
			g := c.guests[name]
			if g == nil {
				return "", errors.New("there is no such port")
			}
			start := time.Now()
			if _, err := c.plug(ctx, g.port); err != nil {
				return "", err
			}
			return ms(start), c.eventually(ctx, 10*time.Second, func() error { return c.active(ctx, g.port.ID) })
		})
	}
}

func (c *cloud) active(ctx context.Context, id string) error {
	p, err := c.client.port(ctx, id)
	if err == nil && p.Status != "ACTIVE" {
		err = fmt.Errorf("port %s is %s", p.Name, p.Status)
	}
	return err
}

func createProject(ctx context.Context, c *cloud, project string) error {
	var network named
	if err := c.client.create(ctx, project, "network", map[string]any{"name": project}, &network); err != nil {
		return err
	}
	for _, subnet := range []map[string]any{
		{"ip_version": 4, "cidr": "10.0.0.0/24", "dns_nameservers": []string{"192.0.2.53"}},
		{"ip_version": 6, "cidr": "2001:db8::/64", "ipv6_address_mode": "dhcpv6-stateful", "ipv6_ra_mode": "dhcpv6-stateful"},
	} {
		subnet["network_id"] = network.ID
		if err := c.client.create(ctx, project, "subnet", subnet, nil); err != nil {
			return err
		}
	}
	// A guest that only blue has tells whether red could reach it.
	first := map[string]string{"blue": "10.0.0.77", "red": "10.0.0.88"}[project]
	for i, ip := range []string{first, ""} {
		fields := map[string]any{"name": fmt.Sprintf("%s%d", project, i+1), "network_id": network.ID}
		if ip != "" {
			fields["fixed_ips"] = []map[string]string{{"ip_address": ip}, {"ip_address": "2001:db8::" + ip[len("10.0.0."):]}}
		}
		var p port
		if err := c.client.create(ctx, project, "port", fields, &p); err != nil {
			return err
		}
		c.guests[p.Name] = &guest{port: p}
	}
	return nil
}

// address returns a port's address of a family.
func (p port) address(v6 bool) netip.Addr {
	for _, f := range p.FixedIPs {
		if a, err := netip.ParseAddr(f.IP); err == nil && a.Is6() == v6 {
			return a
		}
	}
	return netip.Addr{}
}

// addresses has real clients get what Neutron gave.
func addresses(ctx context.Context, s *story, c *cloud) {
	s.chapter("Guests ask for their addresses; the answers come from the controller on their own host")
	clients := map[string]lab.Client{"blue1": lab.Dhclient4, "blue2": lab.Udhcpc, "red1": lab.Udhcpc, "red2": lab.Dhclient4}
	for _, name := range []string{"blue1", "blue2", "red1", "red2"} {
		kind := clients[name]
		s.step(fmt.Sprintf("%s gets its IPv4 address (%s)", name, kind), func() (string, error) {
			return lease(ctx, c.guests[name], kind, false)
		})
	}
	for _, name := range []string{"blue1", "blue2"} {
		s.step(fmt.Sprintf("%s gets its IPv6 address (%s)", name, lab.Dhclient6), func() (string, error) {
			return lease(ctx, c.guests[name], lab.Dhclient6, true)
		})
	}
}

func lease(ctx context.Context, g *guest, kind lab.Client, v6 bool) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	start := time.Now()
	d, err := g.DHCP(ctx, kind)
	if err != nil {
		return "", err
	}
	l, err := d.Lease()
	if err != nil {
		return "", err
	}
	if want := g.port.address(v6); l.Address.Addr() != want {
		return "", fmt.Errorf("got %s, Neutron gave %s", l.Address, want)
	}
	return fmt.Sprintf("%s in %s", l.Address.Addr(), ms(start)), nil
}

// reach pings what the default group allows, and what nobody may.
func reach(ctx context.Context, s *story, c *cloud) {
	s.chapter("Within a project guests talk to each other, as the default security group says; projects never meet")
	blue1, blue2, red1 := c.guests["blue1"], c.guests["blue2"], c.guests["red1"]
	for _, v6 := range []bool{false, true} {
		s.step(fmt.Sprintf("blue2 pings blue1 at %s", blue1.port.address(v6)), func() (string, error) {
			return pings(ctx, blue2, blue1.port.address(v6), true)
		})
	}
	s.step(fmt.Sprintf("red1 pings %s, which only blue has: no answer", blue1.port.address(false)), func() (string, error) {
		return pings(ctx, red1, blue1.port.address(false), false)
	})
}

func pings(ctx context.Context, from *guest, to netip.Addr, want bool) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	stats, err := from.Ping(ctx, to, 3)
	if err != nil {
		return "", err
	}
	switch {
	case want && stats.Lost() > 0, !want && stats.Received > 0:
		return stats.String(), errors.New("not as promised")
	}
	return stats.String(), nil
}

// rules shows a service that a rule opens, and closes again under an open connection.
func rules(ctx context.Context, s *story, c *cloud) {
	s.chapter("A web server on blue1, in a security group of its own without a rule that lets anybody in")
	blue1, blue2 := c.guests["blue1"], c.guests["blue2"]
	to := netip.AddrPortFrom(blue1.port.address(false), 8080)
	echo, err := blue1.ServeEcho(ctx, "[::]:8080")
	if err != nil {
		s.step("the server listens", func() (string, error) { return "", err })
		return
	}
	defer func() { _ = echo.Close() }() // the guest ends with the demo anyway
	var web named
	s.step("blue1 moves to the group web", func() (string, error) {
		start := time.Now()
		if err := c.client.create(ctx, "blue", "security_group", map[string]any{"name": "web"}, &web); err != nil {
			return "", err
		}
		return ms(start), c.client.update(ctx, "port", blue1.port.ID, map[string]any{"security_groups": []string{web.ID}})
	})
	s.step("blue2 can no longer connect to "+to.String(), func() (string, error) {
		// The API answers when the change is safe in the database; the switch follows within milliseconds.
		var measured string
		err := c.eventually(ctx, 5*time.Second, func() (err error) {
			measured, err = refused(ctx, blue2, to)
			return err
		})
		return measured, err
	})
	s.step("dragonflow why says which rule is missing", func() (string, error) {
		out, err := c.dragonflow(ctx, "why", "blue2", "blue1", "tcp/8080")
		if err == nil && !strings.Contains(out, "web") {
			err = errors.New("the group is not named")
		}
		return strings.SplitN(out, "\n", 2)[0], err
	})
	opened(ctx, s, c, web.ID, to)
}

func opened(ctx context.Context, s *story, c *cloud, web string, to netip.AddrPort) {
	blue2 := c.guests["blue2"]
	var rule named
	var conn net.Conn
	s.step("with a rule for tcp/8080 it can, and a connection stays open", func() (string, error) {
		start := time.Now()
		err := c.client.create(ctx, "blue", "security_group_rule", map[string]any{
			"security_group_id": web, "direction": "ingress", "ethertype": "IPv4", "protocol": "tcp",
			"port_range_min": to.Port(), "port_range_max": to.Port(),
		}, &rule)
		if err != nil {
			return "", err
		}
		err = c.eventually(ctx, 10*time.Second, func() error {
			// The first packet may be before the rule; a short patience does not wait for its repetition.
			limited, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
			defer cancel()
			conn, err = blue2.Connect(limited, to)
			return err
		})
		return "connected " + ms(start) + " after the rule was asked for", err
	})
	if conn == nil {
		return
	}
	defer func() { _ = conn.Close() }() // cut by then
	s.step("the rule is removed: the open connection is cut", func() (string, error) {
		start := time.Now()
		if err := c.client.remove(ctx, "security_group_rule", rule.ID); err != nil {
			return "", err
		}
		err := c.eventually(ctx, 5*time.Second, func() error {
			if lab.Exchange(conn, 300*time.Millisecond) == nil {
				return errors.New("the connection still lives")
			}
			return nil
		})
		return "cut within " + ms(start), err
	})
	s.step("and a new one is refused again", func() (string, error) { return refused(ctx, blue2, to) })
}

func refused(ctx context.Context, from *guest, to netip.AddrPort) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	conn, err := from.Connect(ctx, to)
	if err == nil {
		return "", errors.Join(errors.New("the connection came about"), conn.Close())
	}
	return "no answer within 1 s", nil
}

// survive kills dragonflow under a running ping.
func survive(ctx context.Context, s *story, c *cloud) {
	s.chapter("Dragonflow is killed with SIGKILL, API, controller and database at once, and started again")
	red1, red2 := c.guests["red1"], c.guests["red2"]
	s.step("a ping every 10 ms from red1 to red2 loses nothing", func() (string, error) {
		before, err := c.flows(ctx)
		if err != nil {
			return "", err
		}
		ping, err := red1.StartPing(red2.port.address(false), 10*time.Millisecond)
		if err != nil {
			return "", err
		}
		c.pause(ctx, time.Second)
		c.kill(syscall.SIGKILL)
		start := time.Now()
		err = c.startDragonflow(ctx)
		if err == nil {
			err = c.eventually(ctx, 10*time.Second, func() error { return c.settled(ctx) })
		}
		back := ms(start)
		c.pause(ctx, time.Second)
		stats, stopErr := ping.Stop(ctx)
		if err = errors.Join(err, stopErr); err != nil {
			return "", err
		}
		after, err := c.flows(ctx)
		if stats.Lost() > 0 {
			err = errors.Join(err, errors.New("packets were lost"))
		}
		if after != before {
			err = errors.Join(err, errors.New("the restart changed flows"))
		}
		return fmt.Sprintf("%s; back after %s, 0 flows changed", stats, back), err
	})
	s.step("a new guest is plugged in, gets its address and reaches red1", func() (string, error) {
		start := time.Now()
		err := c.newcomer(ctx, red1)
		return ms(start), err
	})
}

// newcomer makes a guest on red1's network and has it ping red1.
func (c *cloud) newcomer(ctx context.Context, red1 *guest) error {
	var p port
	fields := map[string]any{"name": "red3", "network_id": red1.port.Network}
	if err := c.client.create(ctx, "red", "port", fields, &p); err != nil {
		return err
	}
	g, err := c.plug(ctx, p)
	if err != nil {
		return err
	}
	if _, err := lease(ctx, g, lab.Udhcpc, false); err != nil {
		return err
	}
	_, err = pings(ctx, g, red1.port.address(false), true)
	return err
}

// settled reports an error until the switch has been compared with what is desired.
func (c *cloud) settled(ctx context.Context) error {
	out, err := c.dragonflow(ctx, "status", "-o", "json")
	if err == nil && !strings.Contains(strings.ReplaceAll(out, " ", ""), `"complete":true`) {
		err = errors.New("the controller has not settled")
	}
	return err
}

// flows returns the switch's flows without what counts packets or time.
func (c *cloud) flows(ctx context.Context) (string, error) {
	return c.ovs.Ofctl(ctx, "-O", "OpenFlow14", "--sort", "--no-stats", "dump-flows", bridge)
}

func ms(start time.Time) string { return fmt.Sprintf("%d ms", time.Since(start).Milliseconds()) }
