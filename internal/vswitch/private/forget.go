package private

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Forget has switches forget the flows of their datapaths, so that the next packets find what OpenFlow says; those that do
// not run have none. It does nothing, and says so, unless their version has the fault that such flows may stay as they
// were (docs/operate/openvswitch.md).
func Forget(ctx context.Context, switches []*Switch) (forgotten bool, err error) {
	var errs []error
	for _, s := range switches {
		if s.VswitchdPID() == 0 {
			continue
		}
		version, err := s.Appctl(ctx, "version")
		if err == nil && keepsStale(version) {
			_, err = s.Appctl(ctx, "revalidator/purge")
			forgotten = true
		}
		errs = append(errs, err)
	}
	return forgotten, errors.Join(errs...)
}

// keepsStale reads what ovs-vswitchd says of its version, such as "ovs-vswitchd (Open vSwitch) 3.1.0".
func keepsStale(version string) bool {
	first, _, _ := strings.Cut(version, "\n")
	var major, minor, patch int
	if _, err := fmt.Sscanf(first[strings.LastIndex(first, " ")+1:], "%d.%d.%d", &major, &minor, &patch); err != nil {
		return false
	}
	switch {
	case major != 3:
		return major < 2 || major == 2 && (minor < 17 || minor == 17 && patch < 8)
	case minor == 0:
		return patch < 5
	case minor == 1:
		return patch < 3
	}
	return false
}
