package reconcile

import (
	"context"
	"errors"
	"fmt"

	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/vswitch/openflow"
)

<<<<<<< HEAD
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
=======
// OpenFlow makes a connection to a switch a Switch.
func OpenFlow(c *openflow.Conn) Switch { return openFlow{c} }

type openFlow struct{ conn *openflow.Conn }

func (s openFlow) DumpFlows(ctx context.Context, f func(flow.Flow)) error {
	for st, err := range s.conn.Flows(ctx, openflow.Filter{}) {
		if err != nil {
			return err
		}
		if len(st.Opaque) == 0 { // what we cannot express is not ours
			f(st.Flow)
>>>>>>> 02f0522 (controller: one chassis at work, from database and OVSDB to the switch)
		}
	}
	return nil
}

<<<<<<< HEAD
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
=======
func (s openFlow) DumpMeters(ctx context.Context) ([]flow.MeterEntry, error) { return s.conn.Meters(ctx) }
func (s openFlow) DumpGroups(ctx context.Context) ([]flow.GroupEntry, error) { return s.conn.Groups(ctx) }

func (s openFlow) ModFlows(ctx context.Context, mods []FlowMod) error {
	list := make([]openflow.FlowMod, len(mods))
	for i, m := range mods {
		list[i] = openflow.FlowMod{Command: openflow.Add, Flow: m.Flow}
>>>>>>> 02f0522 (controller: one chassis at work, from database and OVSDB to the switch)
		if m.Delete {
			list[i].Command = openflow.Delete
		}
	}
<<<<<<< HEAD
	err := o.Conn.Apply(ctx, list)
=======
	err := s.conn.Apply(ctx, list)
>>>>>>> 02f0522 (controller: one chassis at work, from database and OVSDB to the switch)
	var refused *openflow.BundleError
	if !errors.As(err, &refused) || len(refused.Failures) == 0 {
		return err
	}
<<<<<<< HEAD
	by := make(map[int]error, len(refused.Failures))
	for _, f := range refused.Failures {
		by[f.Index] = f.Err
	}
	return &RefusedError{Refused: by}
}

// ModEntries changes meters and groups in the order given and waits until the switch has.
func (o OpenFlow) ModEntries(ctx context.Context, mods []EntryMod) error {
	for len(mods) > 0 {
		n := 1
		for n < len(mods) && (mods[n].Group == nil) == (mods[0].Group == nil) {
			n++
		}
		if err := o.modAlike(ctx, mods[:n]); err != nil {
			return err
		}
		mods = mods[n:]
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
=======
	r := &RefusedError{Refused: map[int]error{}}
	for _, f := range refused.Failures {
		r.Refused[f.Index] = f.Err
	}
	return r
}

// ModEntries sends meters before groups, whose buckets may use them, except that what goes, goes the
// other way round.
func (s openFlow) ModEntries(ctx context.Context, mods []EntryMod) error {
	var meters []openflow.MeterMod
	var groups []openflow.GroupMod
	command := map[Verb]openflow.Command{Add: openflow.Add, Modify: openflow.Modify, Delete: openflow.Delete}
	gone := false
	for _, m := range mods {
		gone = gone || m.Verb == Delete
		if m.Meter != nil {
			meters = append(meters, openflow.MeterMod{Command: command[m.Verb], Meter: *m.Meter})
		} else {
			groups = append(groups, openflow.GroupMod{Command: command[m.Verb], Group: *m.Group})
		}
	}
	if gone {
		if err := s.conn.ApplyGroups(ctx, groups); err != nil {
			return fmt.Errorf("groups: %w", err)
		}
		groups = nil
	}
	if err := s.conn.ApplyMeters(ctx, meters); err != nil {
		return fmt.Errorf("meters: %w", err)
	}
	if err := s.conn.ApplyGroups(ctx, groups); err != nil {
		return fmt.Errorf("groups: %w", err)
	}
	return nil
}
>>>>>>> 02f0522 (controller: one chassis at work, from database and OVSDB to the switch)
