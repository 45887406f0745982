package reconcile

import (
	"context"
	"errors"
	"fmt"

	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/vswitch/openflow"
)

// OpenFlow is the real Switch: a connection to a bridge's management socket.
type OpenFlow struct{ Conn *openflow.Conn }

// DumpFlows calls f for every flow of the switch but those that package flow cannot express, which are not ours.
func (o OpenFlow) DumpFlows(ctx context.Context, f func(flow.Flow)) error {
	for s, err := range o.Conn.Flows(ctx, openflow.Filter{}) {
		if err != nil {
			return err
		}
		if s.Opaque == nil {
			f(s.Flow)
		}
	}
	return nil
}

// DumpGroups returns the group table.
func (o OpenFlow) DumpGroups(ctx context.Context) ([]flow.GroupEntry, error) {
	return o.Conn.Groups(ctx)
}

// DumpMeters returns the meter table.
func (o OpenFlow) DumpMeters(ctx context.Context) ([]flow.MeterEntry, error) {
	return o.Conn.Meters(ctx)
}

// ModFlows carries out all mods in one atomic bundle, or none.
func (o OpenFlow) ModFlows(ctx context.Context, mods []FlowMod) error {
	list := make([]openflow.FlowMod, len(mods))
	for i, m := range mods {
		list[i].Flow = m.Flow
		if m.Delete {
			list[i].Command = openflow.Delete
		}
	}
	err := o.Conn.Apply(ctx, list)
	var refused *openflow.BundleError
	if !errors.As(err, &refused) || len(refused.Failures) == 0 {
		return err
	}
	by := make(map[int]error, len(refused.Failures))
	for _, f := range refused.Failures {
		by[f.Index] = f.Err
	}
	return &RefusedError{Refused: by}
}

// ModEntries changes meters and groups in the order given and waits until the switch has. Those that the
// switch refuses keep no others from being changed.
func (o OpenFlow) ModEntries(ctx context.Context, mods []EntryMod) error {
	refused := map[int]error{}
	for from := 0; from < len(mods); {
		n := 1
		for from+n < len(mods) && (mods[from+n].Group == nil) == (mods[from].Group == nil) {
			n++
		}
		err := o.modAlike(ctx, mods[from:from+n])
		var some *openflow.ModError
		if err != nil && !errors.As(err, &some) {
			return err
		}
		if some != nil {
			for _, f := range some.Failures {
				refused[from+f.Index] = f.Err
			}
		}
		from += n
	}
	if len(refused) > 0 {
		return &RefusedError{Refused: refused}
	}
	return nil
}

// modAlike changes entries that are all meters or all groups.
func (o OpenFlow) modAlike(ctx context.Context, mods []EntryMod) error {
	if mods[0].Group == nil {
		list := make([]openflow.MeterMod, len(mods))
		for i, m := range mods {
			list[i] = openflow.MeterMod{Command: command(m.Verb), Meter: *m.Meter}
		}
		return o.Conn.ApplyMeters(ctx, list)
	}
	list := make([]openflow.GroupMod, len(mods))
	for i, m := range mods {
		list[i] = openflow.GroupMod{Command: command(m.Verb), Group: *m.Group}
	}
	return o.Conn.ApplyGroups(ctx, list)
}

func command(v Verb) openflow.Command {
	switch v {
	case Add:
		return openflow.Add
	case Modify:
		return openflow.Modify
	case Delete:
		return openflow.Delete
	}
	panic(fmt.Sprintf("reconcile: verb %d", v))
}
