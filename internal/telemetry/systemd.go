package telemetry

import (
	"context"
	"fmt"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Announce tells systemd when the process becomes ready and when it ends, and returns then. Started by
// anything else than systemd it does nothing and returns when ctx ends.
func Announce(ctx context.Context, health *Health) error {
	if err := health.WaitReady(ctx); err != nil {
		return nil // ended before it was ready: nothing to announce
	}
	if _, err := daemon.SdNotify(false, daemon.SdNotifyReady); err != nil {
		return fmt.Errorf("telling systemd that the process is ready: %w", err)
	}
	<-ctx.Done()
	if _, err := daemon.SdNotify(false, daemon.SdNotifyStopping); err != nil {
		return fmt.Errorf("telling systemd that the process ends: %w", err)
	}
	return nil
}
