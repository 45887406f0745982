package controller

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dragonflow/dragonflow/internal/controller/engine"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// Layer is a place where two sides that should agree can differ.
type Layer string

// The layers, in the order of the data.
const (
	// LayerView is between the northbound database and the view.
	LayerView Layer = "view"
	// LayerDerivation is between the view and the desired state.
	LayerDerivation Layer = "derivation"
	// LayerSwitch is between the desired state and the switch.
	LayerSwitch Layer = "switch"
	// LayerSettings is between the configuration and the switch's database. Differences are corrected as
	// soon as that tells of them, and counted nowhere.
	LayerSettings Layer = "ovsdb"
)

func layers() []Layer { return []Layer{LayerView, LayerDerivation, LayerSwitch} }

// Drift is a difference that no part of the controller knows a reason for.
type Drift struct {
	Layer Layer
	// Scope, Kind and ID name an object of the database, in the layer of the view.
	Scope string
	Kind  model.Kind
	ID    string
	// Owner is whose derivation it is, in the layer of the derivation.
	Owner engine.Owner
	// What is wrong, and both sides as far as they can be shown.
	What, Want, Have string

	object   model.Object
	raw      []byte
	revision db.Revision
	row      any
}

// confirmAfter is how long the view may be behind the database before that is drift: what is on its way
// has come by then.
const confirmAfter = 2 * time.Second

// CompareView reads scopes that the chassis follows, or with none all of them, anew from the database and
// compares the view with them. Scopes of which the status says that they are not in sync are left out.
func (c *Controller) CompareView(ctx context.Context, scopes ...string) ([]Drift, error) {
	if len(scopes) == 0 {
		err := c.Inspect(ctx, func(in Inside) {
			for _, s := range in.Status.Scopes {
				scopes = append(scopes, s.Scope)
			}
		})
		if err != nil {
			return nil, err
		}
	}
	first, err := c.compareScopes(ctx, scopes)
	if err != nil || len(first) == 0 {
		return nil, err
	}
	select {
	case <-time.After(confirmAfter):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	suspects := map[string]bool{}
	for _, d := range first {
		suspects[d.Scope] = true
	}
	again, err := c.compareScopes(ctx, slices.DeleteFunc(scopes, func(s string) bool { return !suspects[s] }))
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(again, func(d Drift) bool {
		return !slices.ContainsFunc(first, func(f Drift) bool { return f.same(d) })
	}), nil
}

// same reports whether two comparisons found the same: neither side has changed.
func (d Drift) same(o Drift) bool {
	return d.Scope == o.Scope && d.Kind == o.Kind && d.ID == o.ID && d.row == o.row && bytes.Equal(d.raw, o.raw)
}

func (c *Controller) compareScopes(ctx context.Context, scopes []string) ([]Drift, error) {
	var out []Drift
	for _, scope := range scopes {
		entries, _, err := c.store.List(ctx, scope)
		if err != nil {
			return nil, fmt.Errorf("read scope %s: %w", scope, err)
		}
		var rows map[rowName]any
		if err := c.Inspect(ctx, func(Inside) { rows = c.rowsOf(scope) }); err != nil {
			return nil, err
		}
		if rows != nil {
			out = append(out, compareScope(scope, entries, rows)...)
		}
	}
	return out, nil
}

// rowsOf lists the rows that the view should have of a scope and those that it has; nil if it is known
// not to follow the scope now.
func (c *Controller) rowsOf(scope string) map[rowName]any {
	st := c.scopes[scope]
	if st == nil || !st.live || st.stale || st.frozen != "" || !c.db.Synced(scope) {
		return nil
	}
	rows := make(map[rowName]any, len(st.keys))
	for name := range st.keys {
		if row, there := c.db.Row(view.TableOf(name.kind), name.key); there {
			rows[name] = row
		}
	}
	return rows
}

// compareScope compares what the database has with what the view has.
func compareScope(scope string, entries []northbound.Entry, rows map[rowName]any) []Drift {
	var out []Drift
	seen := map[rowName]bool{}
	for _, e := range entries {
		kind := model.Kind(e.Key.Kind)
		if view.TableOf(kind) == nil {
			continue
		}
		name := rowName{kind, view.KeyIn(kind, scope, e.Key.ID)}
		seen[name] = true
		if e.Err != nil || e.Object == nil || e.Object.Validate() != nil {
			continue // the last good one stays, and the status says so
		}
		d := Drift{Layer: LayerView, Scope: scope, Kind: kind, ID: e.Key.ID, object: e.Object, raw: e.Raw, revision: e.Revision, row: rows[name]}
		if d.judge() {
			out = append(out, d)
		}
	}
	for name, row := range rows {
		if !seen[name] {
			_, id, within := strings.Cut(name.key, "/")
			if !within {
				id = name.key
			}
			out = append(out, Drift{Layer: LayerView, Scope: scope, Kind: name.kind, ID: id, row: row,
				What: "in the view, and not in the database", Have: shownObject(row.(model.Object))})
		}
	}
	return out
}

// judge fills in what is wrong with an object of the database, and reports whether anything is.
func (d *Drift) judge() bool {
	d.Want = shownObject(d.object)
	if d.row == nil {
		d.What = "in the database, and not in the view"
		return true
	}
	have := d.row.(model.Object)
	d.Have = shownObject(have)
	mine, err := northbound.Encode(have)
	theirs, errTheirs := northbound.Encode(d.object)
	switch {
	case err != nil || errTheirs != nil || bytes.Equal(mine, theirs):
		return false
	case have.Metadata().Revision < d.object.Metadata().Revision:
		d.What = "older in the view than in the database"
	case have.Metadata().Revision > d.object.Metadata().Revision:
		d.What = "newer in the view than in the database"
	default:
		d.What = "of the same revision, with another content"
	}
	return true
}

func shownObject(o model.Object) string { return fmt.Sprintf("revision %d", o.Metadata().Revision) }

// CompareDerivation evaluates everything anew, outside of the loop, and compares the desired state with it.
func (c *Controller) CompareDerivation(ctx context.Context) ([]Drift, error) {
	const piece = 2048
	var r *engine.Recomputation
	defer func() {
		if r != nil {
			r.End()
		}
	}()
	for done := false; !done; {
		err := c.Inspect(ctx, func(in Inside) {
			if r == nil {
				r = in.Engine.BeginRecomputation()
			}
			done = r.Continue(piece)
		})
		if err != nil {
			return nil, err
		}
	}
	list, err := r.Differences()
	if err != nil || len(list) == 0 {
		return nil, err
	}
	var out []Drift
	err = c.Inspect(ctx, func(in Inside) {
		for _, diff := range list {
			out = append(out, derivationDrift(in.Engine, diff))
		}
	})
	return out, err
}

func derivationDrift(e *engine.Engine, diff engine.Difference) Drift {
	d := Drift{Layer: LayerDerivation, Owner: diff.Owner, What: "not what the objects ask for"}
	names := pipeline.Text()
	if diff.Want != nil {
		d.Want = names.Flow(*diff.Want)
	}
	if diff.Have != nil {
		d.Have = names.Flow(*diff.Have)
		if diff.Want == nil {
			d.Owner, _ = e.OwnerOf(diff.Have.Cookie)
		}
	}
	if diff.Text != "" {
		d.What = diff.Text
	}
	return d
}

// Repair ends drift: of the view by taking what the database has and following the scope anew, of the
// derivation by evaluating the owners again, of the switch by comparing it with everything that is desired.
func (c *Controller) Repair(ctx context.Context, list []Drift) error {
	var incomplete error
	err := c.Inspect(ctx, func(in Inside) {
		again := map[string]bool{}
		for _, d := range list {
			switch d.Layer {
			case LayerView:
				c.correct(d)
				again[d.Scope] = true
			case LayerDerivation:
				in.Engine.Redo(d.Owner)
			case LayerSettings:
				c.ensureBridge(ctx)
			case LayerSwitch:
				if c.auditDue = true; !c.full {
					incomplete = errIncomplete
				}
			}
		}
		for scope := range again {
			if c.scopes[scope] != nil { // its watch missed something, so it is not to be trusted
				c.feed.Unsubscribe(scope)
				c.feed.Subscribe(scope)
			}
		}
	})
	if err := cmp.Or(err, incomplete); err != nil {
		return err
	}
	return c.settled(ctx)
}

// errIncomplete says why the switch is not compared.
var errIncomplete = errors.New("the view is not complete, or the switch is away: nothing is removed from it until then")

// correct brings what the database has of an object into the view.
func (c *Controller) correct(d Drift) {
	st := c.scopes[d.Scope]
	if st == nil {
		return
	}
	key := db.Key{Scope: db.Scope(d.Scope), Kind: string(d.Kind), ID: d.ID}
	event := northbound.ScopeEvent{Scope: d.Scope, Key: key, Object: d.object, Raw: d.raw, Revision: d.revision}
	if d.object == nil {
		c.displace(st, d.Kind, d.Scope, d.ID)
		c.journal.removed(event)
		return
	}
	c.place(st, d.object, d.revision)
	c.journal.changed(event)
}

// settled waits until the switch has what is desired, an audit that is due included. A switch that is
// away is not waited for: it gets everything when it comes.
func (c *Controller) settled(ctx context.Context) error {
	const look = 20 * time.Millisecond
	for {
		var quiet bool
		err := c.Inspect(ctx, func(Inside) {
			quiet = !c.bridged.inFlight && (c.phase == down || c.phase == idle && !c.auditDue && !c.engine.Pending() && c.pend.empty())
		})
		if err != nil || quiet {
			return err
		}
		select {
		case <-time.After(look):
		case <-ctx.Done():
			return fmt.Errorf("wait for the switch: %w", ctx.Err())
		}
	}
}
