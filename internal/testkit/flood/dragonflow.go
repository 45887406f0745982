package flood

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/dragonflow/dragonflow/internal/lab/cloud"
)

// NewDragonflow makes a plane under Dragonflow: the same guests, on a network with a router, in the default security
// group, and a stranger. program is the path of the dragonflow program.
func NewDragonflow(ctx context.Context, program string) (*Plane, error) {
	p := &Plane{Name: "dragonflow"}
	if err := p.dragonflow(ctx, program); err != nil {
		return nil, errors.Join(fmt.Errorf("dragonflow: %w", err), p.Close())
	}
	return p, nil
}

func (p *Plane) dragonflow(ctx context.Context, program string) (err error) {
	if p.Cloud, err = cloud.New(ctx, program); err != nil {
		return err
	}
	p.atEnd(p.Cloud.Close)
	for _, name := range []string{"c1", "c2"} {
		c, err := p.Cloud.AddChassis(ctx, name)
		if err != nil {
			return err
		}
		p.chassis = append(p.chassis, c.Chassis)
	}
	red, blue := p.Cloud.API.As("red"), p.Cloud.API.As("blue")
	flooded, err := network(ctx, red, "10.0.0.0/24", "2001:db8::/64")
	if err != nil {
		return err
	}
	behind, err := network(ctx, red, "10.0.1.0/24", "2001:db8:1::/64")
	if err != nil {
		return err
	}
	other, err := network(ctx, blue, "10.0.0.0/24", "2001:db8::/64")
	if err != nil {
		return err
	}
	mac, err := router(ctx, red, flooded, behind)
	if err != nil {
		return err
	}
	for _, g := range []struct {
		to      **Guest
		name    string
		at      int
		api     *cloud.Client
		network string
	}{
		{&p.Hostile, "hostile", 0, red, flooded.id}, {&p.Client, "client", 0, red, flooded.id}, {&p.Near, "near", 0, red, flooded.id},
		{&p.Far, "far", 1, red, flooded.id}, {&p.Stranger, "stranger", 0, blue, other.id},
	} {
		if *g.to, err = p.boot(ctx, g.api, g.name, g.at, g.network); err != nil {
			return err
		}
	}
	p.around(mac)
	return p.reach(ctx)
}

// made is a network with its subnets.
type made struct {
	id      string
	subnets []string
}

func network(ctx context.Context, api *cloud.Client, cidr4, cidr6 string) (made, error) {
	n, err := api.Create(ctx, "network", cloud.Object{"name": cidr4})
	if err != nil {
		return made{}, err
	}
	out := made{id: n.ID()}
	for _, fields := range []cloud.Object{
		{"network_id": n.ID(), "ip_version": 4, "cidr": cidr4},
		{"network_id": n.ID(), "ip_version": 6, "cidr": cidr6, "ipv6_ra_mode": "dhcpv6-stateful", "ipv6_address_mode": "dhcpv6-stateful"},
	} {
		s, err := api.Create(ctx, "subnet", fields)
		if err != nil {
			return made{}, err
		}
		out.subnets = append(out.subnets, s.ID())
	}
	return out, nil
}

// router joins networks and returns its MAC address on the first one.
func router(ctx context.Context, api *cloud.Client, networks ...made) (net.HardwareAddr, error) {
	r, err := api.Create(ctx, "router", cloud.Object{"name": "r"})
	if err != nil {
		return nil, err
	}
	for _, n := range networks {
		for _, s := range n.subnets {
			if err := api.Do(ctx, http.MethodPut, cloud.Path("router", r.ID())+"/add_router_interface", cloud.Object{"subnet_id": s}, nil); err != nil {
				return nil, err
			}
		}
	}
	var list struct {
		Ports []cloud.Object `json:"ports"`
	}
	if err := api.Get(ctx, cloud.Path("port", "")+"?device_id="+r.ID()+"&network_id="+networks[0].id, &list); err != nil {
		return nil, err
	}
	if len(list.Ports) == 0 {
		return nil, errors.New("the router has no port on the network")
	}
	return net.ParseMAC(list.Ports[0].Text("mac_address"))
}

func (p *Plane) boot(ctx context.Context, api *cloud.Client, name string, at int, network string) (*Guest, error) {
	port, err := api.Create(ctx, "port", cloud.Object{"name": name, "network_id": network, "binding:host_id": p.chassis[at].Name()})
	if err != nil {
		return nil, err
	}
	mac, err := net.ParseMAC(port.Text("mac_address"))
	if err != nil {
		return nil, err
	}
	booted, err := p.chassis[at].Boot(ctx, cloud.Bridge, port.ID(), spec(name, mac))
	if err != nil {
		return nil, err
	}
	p.atEnd(booted.Close)
	g := &Guest{Guest: booted, Port: port.ID()}
	for _, a := range port.Addresses() {
		if a.Is4() {
			g.V4 = a
		} else {
			g.V6 = a
		}
	}
	return g, g.configure()
}
