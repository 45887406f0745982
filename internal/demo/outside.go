package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/dragonflow/dragonflow/internal/lab"
	"github.com/dragonflow/dragonflow/internal/lab/cloud"
)

const (
	// physicalNetwork is the provider's, to which all chassis are connected.
	physicalNetwork = "physnet1"
	// routerDevice is the outside router's on the provider's network, hostDevice that towards the host behind it.
	routerDevice = "eth0"
	hostDevice   = "to-host"
	// sharedAddress is that of blue's router outside, floatingAddress stands for web1, hostAddress is a host's.
	sharedAddress   = "203.0.113.5"
	floatingAddress = "203.0.113.70"
	hostAddress     = "198.51.100.9"
)

// gatewayFlags connect a chassis with the provider's network, and let routers have their gateways there.
func gatewayFlags() []string {
	return []string{"--bridge-mappings", physicalNetwork + ":" + lab.ExternalBridge, "--gateway", "true"}
}

// outside shows how guests reach a host outside, and it them.
func outside(ctx context.Context, t *story, s *site) {
	t.chapter("Outside is a router on the provider's network, and a host behind it, %s", hostAddress)
	var host *lab.Guest
	var router string
	t.step("an external network on the provider's wire, and a gateway for blue's router", func() (measured string, err error) {
		start := time.Now()
		if host, err = s.internet(); err == nil {
			router, err = s.uplink(ctx)
		}
		return ms(start), err
	})
	if host == nil || router == "" {
		return
	}
	to := netip.AddrPortFrom(netip.MustParseAddr(hostAddress), 80)
	for _, name := range []string{"web1", "db1"} {
		t.step(fmt.Sprintf("%s, on %s, connects to the host, which sees %s: the router's address", name, s.guests[name].at, sharedAddress), func() (string, error) {
			return s.seenAs(ctx, name, host, to, sharedAddress)
		})
	}
	t.step("floating IP "+floatingAddress+" for web1; a rule lets pings in; the host pings it", func() (string, error) {
		if err := s.floatingIP(ctx, "web1"); err != nil {
			return "", err
		}
		limited, cancel := context.WithTimeout(ctx, 15*time.Second)
		defer cancel()
		if err := host.Reaches(limited, netip.MustParseAddr(floatingAddress)); err != nil {
			return "", err
		}
		stats, err := host.Ping(limited, netip.MustParseAddr(floatingAddress), 3)
		if err == nil && stats.Lost() > 0 {
			err = errors.New("not as promised")
		}
		return stats.String(), err
	})
	t.step("web1 connects to the host, which sees "+floatingAddress+" now: straight from c1", func() (string, error) {
		return s.seenAs(ctx, "web1", host, to, floatingAddress)
	})
}

// internet makes the router outside and the host behind it.
func (s *site) internet() (*lab.Guest, error) {
	router, err := lab.NewNamespace("router outside")
	if err != nil {
		return nil, err
	}
	s.closers = append(s.closers, router.Close)
	if err := s.Fabric.Connect(router, routerDevice, lab.External); err != nil {
		return nil, err
	}
	host, err := lab.NewGuest(router, lab.Spec{Name: "host", Port: hostDevice, MAC: net.HardwareAddr{0x52, 0x54, 0, 0, 0, 1}, NoDAD: true})
	if err != nil {
		return nil, err
	}
	s.closers = append(s.closers, host.Close)
	return host, errors.Join(
		router.Sysctl("net.ipv4.ip_forward", "1"),
		router.AddressOn(routerDevice, netip.MustParsePrefix("203.0.113.1/24")), router.AddressOn(hostDevice, netip.MustParsePrefix("198.51.100.1/24")),
		host.AddAddress(netip.MustParsePrefix(hostAddress+"/24")),
		host.AddRoute(netip.MustParsePrefix("0.0.0.0/0"), netip.MustParseAddr("198.51.100.1")))
}

// uplink makes the external network, gives blue's router its gateway there and returns the router.
func (s *site) uplink(ctx context.Context) (string, error) {
	n, err := s.API.Create(ctx, "network", cloud.Object{
		"name": "internet", "router:external": true, "provider:network_type": "flat", "provider:physical_network": physicalNetwork,
	})
	if err != nil {
		return "", err
	}
	s.networks["internet"] = n.ID()
	_, err = s.API.Create(ctx, "subnet", cloud.Object{"network_id": n.ID(), "cidr": "203.0.113.0/24", "ip_version": 4, "enable_dhcp": false})
	if err != nil {
		return "", err
	}
	var found struct {
		Routers []cloud.Object `json:"routers"`
	}
	if err := s.API.As("blue").Get(ctx, cloud.Path("router", "")+"?name=r", &found); err != nil {
		return "", err
	}
	if len(found.Routers) != 1 {
		return "", fmt.Errorf("blue has %d routers", len(found.Routers))
	}
	gateway := cloud.Object{"network_id": n.ID(), "external_fixed_ips": []cloud.Object{{"ip_address": sharedAddress}}}
	_, err = s.API.Update(ctx, "router", found.Routers[0].ID(), cloud.Object{"external_gateway_info": gateway})
	return found.Routers[0].ID(), err
}

// seenAs connects a guest to the host, and says as whom it is seen there.
func (s *site) seenAs(ctx context.Context, name string, host *lab.Guest, to netip.AddrPort, want string) (string, error) {
	start := time.Now()
	l, err := host.Listen(ctx, "tcp", to.String())
	if err != nil {
		return "", err
	}
	defer func() { _ = l.Close() }() // one connection is all
	seen := ""
	err = cloud.Eventually(ctx, 15*time.Second, func(ctx context.Context) error {
		limited, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		conn, err := s.guests[name].Dial(limited, "tcp", to.String())
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }() // it has said nothing
		there, err := l.Accept()
		if err != nil {
			return err
		}
		defer func() { _ = there.Close() }() // nor has it heard anything
		if seen = there.RemoteAddr().String(); !strings.HasPrefix(seen, want+":") {
			return fmt.Errorf("it is seen as %s", seen)
		}
		return nil
	})
	return fmt.Sprintf("from %s, %s", seen, ms(start)), err
}

// floatingIP has an address outside stand for a guest, and lets pings in to the guest's project.
func (s *site) floatingIP(ctx context.Context, name string) error {
	api := s.API.As("blue")
	port, err := api.Show(ctx, "port", s.guests[name].id)
	if err != nil {
		return err
	}
	groups, _ := port["security_groups"].([]any)
	if len(groups) != 1 {
		return fmt.Errorf("%s has %d groups", name, len(groups))
	}
	rule := cloud.Object{"security_group_id": groups[0], "direction": "ingress", "ethertype": "IPv4", "protocol": "icmp"}
	if _, err := api.Create(ctx, "security_group_rule", rule); err != nil {
		return err
	}
	floating := map[string]cloud.Object{"floatingip": {
		"floating_network_id": s.networks["internet"], "floating_ip_address": floatingAddress, "port_id": s.guests[name].id,
	}}
	return api.Do(ctx, http.MethodPost, "/v2.0/floatingips", floating, nil)
}
