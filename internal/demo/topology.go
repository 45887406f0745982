package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/dragonflow/dragonflow/internal/lab"
	"github.com/dragonflow/dragonflow/internal/lab/cloud"
)

// plan is who is where. blue has two networks behind a router; red has the same addresses.
type planned struct {
	name, project, network, chassis string
	address                         string // empty leaves it to Neutron
	client                          lab.Client
	mobile                          bool
}

func plan() []planned {
	return []planned{
		{name: "web1", project: "blue", network: "web", chassis: "c1", client: lab.Dhclient4},
		{name: "web2", project: "blue", network: "web", chassis: "c2", address: "10.0.1.77", client: lab.Udhcpc, mobile: true},
		{name: "db1", project: "blue", network: "db", chassis: "c3", client: lab.Udhcpc},
		{name: "red1", project: "red", network: "red", chassis: "c1", client: lab.Udhcpc},
		{name: "red2", project: "red", network: "red", chassis: "c3", client: lab.Dhclient4},
	}
}

// topology creates the networks of two projects, and guests on them.
func topology(ctx context.Context, t *story, s *site) {
	t.chapter("Two projects: blue has two networks and a router, red has a network with the same addresses")
	for _, n := range []struct{ project, name, v4, v6 string }{
		{"blue", "web", "10.0.1.0/24", "2001:db8:1::/64"}, {"blue", "db", "10.0.2.0/24", "2001:db8:2::/64"},
		{"red", "red", "10.0.1.0/24", "2001:db8:1::/64"},
	} {
		t.step(fmt.Sprintf("network %s of %s, %s and %s, by the API", n.name, n.project, n.v4, n.v6), func() (string, error) {
			start := time.Now()
			err := s.network(ctx, n.project, n.name, n.v4, n.v6)
			return ms(start), err
		})
	}
	t.step("router r of blue joins web and db, on every chassis that needs it", func() (string, error) {
		start := time.Now()
		err := s.router(ctx, "blue", "web", "db")
		return ms(start), err
	})
	for _, p := range plan() {
		t.step(fmt.Sprintf("%s of %s is plugged in on %s; ACTIVE when its switch confirmed the flows", p.name, p.network, p.chassis), func() (string, error) {
			start := time.Now()
			err := s.guest(ctx, p)
			return ms(start), err
		})
	}
}

func (s *site) network(ctx context.Context, project, name string, cidrs ...string) error {
	api := s.API.As(project)
	n, err := api.Create(ctx, "network", cloud.Object{"name": name})
	if err != nil {
		return err
	}
	s.networks[name] = n.ID()
	for _, cidr := range cidrs {
		fields := cloud.Object{"network_id": n.ID(), "cidr": cidr, "ip_version": 4, "dns_nameservers": []string{"192.0.2.53"}}
		if netip.MustParsePrefix(cidr).Addr().Is6() {
			fields = cloud.Object{"network_id": n.ID(), "cidr": cidr, "ip_version": 6, "ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}
		}
		if _, err := api.Create(ctx, "subnet", fields); err != nil {
			return err
		}
	}
	return nil
}

func (s *site) router(ctx context.Context, project string, networks ...string) error {
	api := s.API.As(project)
	router, err := api.Create(ctx, "router", cloud.Object{"name": "r"})
	if err != nil {
		return err
	}
	for _, n := range networks {
		var found struct {
			Subnets []cloud.Object `json:"subnets"`
		}
		if err := api.Get(ctx, cloud.Path("subnet", "")+"?network_id="+s.networks[n], &found); err != nil {
			return err
		}
		for _, subnet := range found.Subnets {
			path := cloud.Path("router", router.ID()) + "/add_router_interface"
			if err := api.Do(ctx, http.MethodPut, path, cloud.Object{"subnet_id": subnet.ID()}, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// guest makes a port, and the machine of it.
func (s *site) guest(ctx context.Context, p planned) error {
	fields := cloud.Object{
		"name": p.name, "network_id": s.networks[p.network], "binding:host_id": p.chassis, "device_owner": "compute:nova", "device_id": instanceOf(p.name),
	}
	port, err := s.API.As(p.project).Create(ctx, "port", fields)
	if err == nil && p.address != "" {
		port, err = s.API.Update(ctx, "port", port.ID(), cloud.Object{"fixed_ips": s.withAddress(port, p.address)})
	}
	if err != nil {
		return err
	}
	g := &guest{at: p.chassis, id: port.ID(), fixed: port.Addresses()}
	if g.mac, err = net.ParseMAC(port.Text("mac_address")); err != nil {
		return err
	}
	s.guests[p.name] = g
	if err := s.plug(ctx, p.name, p.mobile); err != nil {
		return err
	}
	return cloud.Eventually(ctx, cloud.Patience, func(ctx context.Context) error { return s.active(ctx, g.id) })
}

// withAddress are the fixed addresses of a port with another one of IPv4.
func (s *site) withAddress(port cloud.Object, v4 string) []any {
	list, _ := port["fixed_ips"].([]any)
	for _, f := range list {
		fields, _ := f.(map[string]any)
		if a, err := netip.ParseAddr(cloud.Object(fields).Text("ip_address")); err == nil && a.Is4() {
			fields["ip_address"] = v4
		}
	}
	return list
}

// addresses has real clients get what Neutron gave.
func addresses(ctx context.Context, t *story, s *site) {
	t.chapter("Guests ask for their addresses; the answers come from the controller on their own chassis")
	for _, p := range plan() {
		t.step(fmt.Sprintf("%s gets its IPv4 address (%s)", p.name, p.client), func() (string, error) {
			return s.lease(ctx, p.name, p.client)
		})
	}
	t.step("web1 makes its IPv6 address of what the router advertises", func() (string, error) {
		g := s.guests["web1"]
		err := cloud.Eventually(ctx, cloud.Patience, func(context.Context) error {
			all, err := g.Addresses()
			for _, a := range all {
				if a.Addr() == g.address(true) && !a.Tentative {
					return nil
				}
			}
			return errors.Join(err, errors.New("not yet"))
		})
		return g.address(true).String(), err
	})
}

func (s *site) lease(ctx context.Context, name string, kind lab.Client) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	g := s.guests[name]
	if g == nil || g.Guest == nil {
		return "", errors.New("there is no such guest")
	}
	start := time.Now()
	d, err := g.DHCP(ctx, kind)
	if err != nil {
		return "", err
	}
	l, err := d.Lease()
	if err != nil {
		return "", err
	}
	if want := g.address(false); l.Address.Addr() != want {
		return "", fmt.Errorf("got %s, Neutron gave %s", l.Address, want)
	}
	return fmt.Sprintf("%s, MTU %d, in %s", l.Address.Addr(), l.MTU, ms(start)), nil
}

// instanceOf is the id that Nova gave a guest.
func instanceOf(name string) string { return "instance-" + name }

// identity has guests ask who they are.
func identity(ctx context.Context, t *story, s *site) {
	t.chapter("Nova's metadata for guests on all networks: the controllers pass on who asks, signed as Nova wants it")
	for _, ask := range []struct{ name, address, which string }{
		{"web1", cloud.Metadata4, "with a router"}, {"red1", cloud.Metadata6, "without"},
	} {
		t.step(fmt.Sprintf("%s, on a network %s, asks %s who it is", ask.name, ask.which, ask.address), func() (string, error) {
			start := time.Now()
			told, err := cloud.WhoAmI(ctx, s.guests[ask.name], ask.address)
			if err == nil && told != instanceOf(ask.name) {
				err = errors.New("that is somebody else")
			}
			return fmt.Sprintf("%q, %s", told, ms(start)), err
		})
	}
}
