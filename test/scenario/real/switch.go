package real

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/dragonflow/dragonflow/internal/lab/cloud"
	"github.com/dragonflow/dragonflow/test/scenario"
)

func onSwitch(ctx context.Context, c *cloud.Chassis, verb scenario.Verb) error {
	switch verb {
	case scenario.Kill:
		c.OVS.KillVswitchd()
		return nil
	case scenario.Stop:
		c.OVS.StopVswitchd()
		return nil
	case scenario.Start:
		return startSwitch(ctx, c)
	case scenario.Freeze:
		return syscall.Kill(c.OVS.VswitchdPID(), syscall.SIGSTOP)
	case scenario.Thaw:
		return syscall.Kill(c.OVS.VswitchdPID(), syscall.SIGCONT)
	}
	return fmt.Errorf("%s the switch of %s: %w", verb, c.Name(), errors.ErrUnsupported)
}

// startSwitch returns when Open vSwitch has made its ports anew and takes flows.
func startSwitch(ctx context.Context, c *cloud.Chassis) error {
	if err := c.OVS.StartVswitchd(ctx); err != nil {
		return err
	}
	return cloud.Eventually(ctx, cloud.Patience, func(ctx context.Context) error {
		conn, err := new(net.Dialer).DialContext(ctx, "unix", c.OVS.Mgmt(cloud.Bridge))
		if err != nil {
			return err
		}
		return conn.Close()
	})
}
