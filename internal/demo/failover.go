package demo

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/dragonflow/dragonflow/internal/lab"
	"github.com/dragonflow/dragonflow/internal/lab/cloud"
)

// failover turns off the gateway of blue's router.
func failover(ctx context.Context, t *story, s *site) {
	if s.host == nil {
		return
	}
	t.chapter("The gateway of blue's router loses its power, while db1 pings the host by the address that it shares")
	var ping *lab.Ping
	var gateway *cloud.Chassis
	t.step("dragonflow why, on c3, says which one it is", func() (measured string, err error) {
		ping, err = s.guests["db1"].StartPing(netip.MustParseAddr(hostAddress), pingEvery)
		if err != nil {
			return "", err
		}
		pause(ctx, time.Second)
		measured, gateway, err = s.gateway(ctx)
		return measured, err
	})
	if gateway == nil {
		return
	}
	t.step("another one is the gateway in less than 2 s; web1's floating IP loses nothing", func() (string, error) {
		beside, err := s.host.StartPing(netip.MustParseAddr(floatingAddress), pingEvery)
		if err != nil {
			return "", err
		}
		gateway.PowerOff()
		pause(ctx, 2500*time.Millisecond)
		stats, err := ping.Stop(ctx)
		other, errOther := beside.Stop(ctx)
		if err = errors.Join(err, errOther); err != nil {
			return "", err
		}
		lost := time.Duration(stats.Lost()) * pingEvery
		if lost >= 2*time.Second || other.Lost() > 0 {
			err = errors.New("not as promised")
		}
		return fmt.Sprintf("%s is off: %d ms without an answer; floating IP: %s", gateway.Name(), lost.Milliseconds(), other), err
	})
}

// gateway asks which chassis is the gateway of what db1 sends outside.
func (s *site) gateway(ctx context.Context) (said string, found *cloud.Chassis, err error) {
	said, err = s.Chassis("c3").Ask(ctx, "why", "db1", hostAddress, "icmp")
	if err != nil {
		return said, nil, err
	}
	for _, name := range gatewayNames() {
		if strings.Contains(said, " on "+name+" ") {
			return said, s.Chassis(name), nil
		}
	}
	return said, nil, errors.New("no gateway is named")
}
