package local

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/dragonflow/dragonflow/internal/controller"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/operate"
	"github.com/dragonflow/dragonflow/internal/vswitch/openflow"
)

// diff compares all layers.
func (h *handler) diff(ctx context.Context) (operate.DifferenceList, error) {
	list, _, err := h.compare(ctx)
	return list, err
}

// fix repairs what diff finds, and tells what came of it.
func (h *handler) fix(ctx context.Context, _ *http.Request) (operate.DifferenceList, error) {
	before, drift, err := h.compare(ctx)
	if err != nil || len(before) == 0 {
		return before, err
	}
	if err := h.chassis.Repair(ctx, drift); err != nil {
		return nil, fmt.Errorf("repair: %w", err)
	}
	after, _, err := h.compare(ctx)
	if err != nil {
		return nil, err
	}
	return before.Mark(after), nil
}

// compare finds the differences of all layers, to show and to repair.
func (h *handler) compare(ctx context.Context) (operate.DifferenceList, []controller.Drift, error) {
	inView, err := h.chassis.CompareView(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("compare the view with the database: %w", err)
	}
	derived, err := h.chassis.CompareDerivation(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("derive everything anew: %w", err)
	}
	var settings []controller.Drift
	err = h.chassis.Inspect(ctx, func(in controller.Inside) {
		if in.Settings != nil {
			settings = in.Settings()
		}
	})
	if err != nil {
		return nil, nil, err
	}
	drift := slices.Concat(inView, derived, settings)
	dump, err := h.dump(ctx, true)
	if err != nil {
		return nil, nil, err
	}
	list := operate.DifferenceList{}
	err = h.inspect(ctx, func(w operate.World, _ controller.Status) {
		list = append(list, operate.Drifted(w, drift)...)
		onSwitch := operate.Diff(w, dump)
		if list = append(list, onSwitch...); len(onSwitch) > 0 {
			drift = append(drift, controller.Drift{Layer: controller.LayerSwitch})
		}
	})
	return list, drift, err
}

// dump reads the flows that are ours, with what they counted, and what meters dropped; with all the groups and meters, too.
func (h *handler) dump(ctx context.Context, all bool) (operate.Dump, error) {
	var d operate.Dump
	err := h.chassis.Ask(ctx, func(ctx context.Context, conn *openflow.Conn) error {
		d = operate.Dump{}
		for s, err := range conn.Flows(ctx, openflow.Filter{Cookie: pipeline.CookieMark, CookieMask: pipeline.CookieMask}) {
			if err != nil {
				return fmt.Errorf("dump the flows: %w", err)
			}
			d.Flows = append(d.Flows, operate.Counted{Flow: s.Flow, Packets: s.Packets, Bytes: s.Bytes})
		}
		metered, err := conn.MeterStats(ctx)
		if err != nil {
			return fmt.Errorf("dump what meters counted: %w", err)
		}
		for _, m := range metered {
			d.Metered = append(d.Metered, operate.Metered{ID: m.ID, Dropped: m.Dropped})
		}
		if !all {
			return nil
		}
		if d.Groups, err = conn.Groups(ctx); err != nil {
			return fmt.Errorf("dump the groups: %w", err)
		}
		if d.Meters, err = conn.Meters(ctx); err != nil {
			return fmt.Errorf("dump the meters: %w", err)
		}
		return nil
	})
	return d, err
}
