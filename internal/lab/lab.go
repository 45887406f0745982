// Package lab makes hypervisors and guests out of network namespaces, for the
// demonstration and for tests that need real packets: a Guest is a namespace
// with one interface whose other end is for a switch, with real DHCP clients,
// real pings and real TCP connections.
//
// Namespaces are anonymous: no name for others to trip over, and the kernel
// removes them, their interfaces included, when the process ends, however it
// ends. The processes in them are killed at the same moment. A directory of
// small files may stay behind a process that was killed.
//
// The interfaces of ovs-vswitchd live in a Namespace of its own, too, so that
// nothing appears in the host's. To look into one from outside, use
// "nsenter --net=PATH" with the Path of the Namespace.
//
// Needs root.
package lab

import (
	"context"
	"time"
)

// poll calls the condition until it says true or fails, or the context ends.
func poll(ctx context.Context, condition func() (bool, error)) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if ok, err := condition(); ok || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
