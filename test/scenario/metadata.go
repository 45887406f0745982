package scenario

import (
	"context"
	"fmt"

	"github.com/dragonflow/dragonflow/internal/lab/cloud"
)

// parseNova has the chassis that follow serve metadata.
func parseNova(*words) action {
	return func(ctx context.Context, r *Run) error { return r.platform.Do(ctx, Action{Verb: Start, Part: Nova}) }
}

// parseMetadata has a guest ask who it is, at both addresses of the service.
func parseMetadata(w *words) action {
	name := w.name(aGuest)
	return func(ctx context.Context, r *Run) error {
		for _, address := range []string{cloud.Metadata4, cloud.Metadata6} {
			err := eventually(ctx, func(ctx context.Context) error {
				told, err := cloud.WhoAmI(ctx, r.machines[name], address)
				if err == nil && told != instanceOf(name) {
					err = fmt.Errorf("%s is told %q", name, told)
				}
				return err
			})
			if err != nil {
				return fmt.Errorf("metadata at %s: %w", address, err)
			}
		}
		return nil
	}
}

// instanceOf is the device_id of a guest's port.
func instanceOf(guest string) string { return "instance-" + guest }
