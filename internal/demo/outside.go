package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
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
	// sharedAddress is that of blue's router outside, floatingAddress stands for web1, a port of forwardedAddress for
	// databasePort of db1; hostAddress is a host's.
	sharedAddress    = "203.0.113.5"
	floatingAddress  = "203.0.113.70"
	forwardedAddress = "203.0.113.80"
	databasePort     = 5433
	hostAddress      = "198.51.100.9"
)

// outside shows how guests reach a host outside, and it them.
func outside(ctx context.Context, t *story, s *site) {
	t.chapter("Outside is a router on the provider's network, and a host behind it, %s. By the openstack client:", hostAddress)
	t.step("a gateway for blue's router, a floating IP for web1, and a port of one for db1", func() (string, error) {
		start := time.Now()
		if err := s.internet(); err != nil {
			return "", err
		}
		err := s.publish(ctx, t)
		return ms(start), err
	})
	if s.host == nil {
		return
	}
	to := netip.AddrPortFrom(netip.MustParseAddr(hostAddress), 80)
	t.step("db1, on c3, connects to the host, which sees "+sharedAddress+": the router's address", func() (string, error) {
		return s.seenAs(ctx, "db1", to, sharedAddress)
	})
	t.step("web1 connects to the host, which sees "+floatingAddress+": straight from c1", func() (string, error) {
		return s.seenAs(ctx, "web1", to, floatingAddress)
	})
	t.step("the host pings "+floatingAddress+", which is web1", func() (string, error) {
		limited, cancel := context.WithTimeout(ctx, 15*time.Second)
		defer cancel()
		if err := s.host.Reaches(limited, netip.MustParseAddr(floatingAddress)); err != nil {
			return "", err
		}
		stats, err := s.host.Ping(limited, netip.MustParseAddr(floatingAddress), 3)
		if err == nil && stats.Lost() > 0 {
			err = errors.New("not as promised")
		}
		return stats.String(), err
	})
	t.step(fmt.Sprintf("the host connects to %s, and port %d of db1 answers", forwardedAddress, databasePort), func() (string, error) {
		return s.forwarded(ctx)
	})
}

// internet makes the router outside and the host behind it.
func (s *site) internet() error {
	router, err := lab.NewNamespace("router outside")
	if err != nil {
		return err
	}
	s.closers = append(s.closers, router.Close)
	if err := s.Fabric.Connect(router, routerDevice, lab.External); err != nil {
		return err
	}
	host, err := lab.NewGuest(router, lab.Spec{Name: "host", Port: hostDevice, MAC: net.HardwareAddr{0x52, 0x54, 0, 0, 0, 1}, NoDAD: true})
	if err != nil {
		return err
	}
	s.host = host
	s.closers = append(s.closers, host.Close)
	return errors.Join(
		router.Sysctl("net.ipv4.ip_forward", "1"),
		router.AddressOn(routerDevice, netip.MustParsePrefix("203.0.113.1/24")), router.AddressOn(hostDevice, netip.MustParsePrefix("198.51.100.1/24")),
		host.AddAddress(netip.MustParsePrefix(hostAddress+"/24")),
		host.AddRoute(netip.MustParsePrefix("0.0.0.0/0"), netip.MustParseAddr("198.51.100.1")))
}

// seenAs connects a guest to the host, and says as whom it is seen there.
func (s *site) seenAs(ctx context.Context, name string, to netip.AddrPort, want string) (string, error) {
	start := time.Now()
	l, err := s.host.Listen(ctx, "tcp", to.String())
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

// publish gives blue's router its gateway, has addresses outside stand for guests, and lets those outside in to their
// project.
func (s *site) publish(ctx context.Context, t *story) error {
	port, err := s.API.Show(ctx, "port", s.guests["web1"].id)
	if err != nil {
		return err
	}
	groups, _ := port["security_groups"].([]any)
	if len(groups) != 1 {
		return fmt.Errorf("web1 has %d groups", len(groups))
	}
	return s.openstack(ctx, t,
		"network create --external --provider-network-type flat --provider-physical-network "+physicalNetwork+" internet",
		"subnet create --network internet --subnet-range 203.0.113.0/24 --no-dhcp internet4",
		"router set --external-gateway internet --fixed-ip ip-address="+sharedAddress+" r",
		"floating ip create --floating-ip-address "+floatingAddress+" --port web1 internet",
		fmt.Sprintf("security group rule create --protocol icmp %v", groups[0]),
		fmt.Sprintf("security group rule create --protocol tcp --dst-port %d %v", databasePort, groups[0]),
		"floating ip create --floating-ip-address "+forwardedAddress+" internet",
		fmt.Sprintf("floating ip port forwarding create --port db1 --internal-ip-address %s --internal-protocol-port %d --external-protocol-port 80 --protocol tcp %s",
			s.guests["db1"].address(false), databasePort, forwardedAddress))
}

// forwarded connects from outside to the port that leads to db1.
func (s *site) forwarded(ctx context.Context) (string, error) {
	start := time.Now()
	echo, err := s.guests["db1"].ServeEcho(ctx, fmt.Sprintf("[::]:%d", databasePort))
	if err != nil {
		return "", err
	}
	defer func() { _ = echo.Close() }() // the guest ends with the demo anyway
	err = cloud.Eventually(ctx, 15*time.Second, func(ctx context.Context) error {
		limited, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		conn, err := s.host.Dial(limited, "tcp", forwardedAddress+":80")
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }() // it has said what it had to
		return lab.Exchange(conn, time.Second)
	})
	return ms(start), err
}
