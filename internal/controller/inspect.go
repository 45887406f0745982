package controller

import (
	"context"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"time"

	"github.com/dragonflow/dragonflow/internal/controller/engine"
	"github.com/dragonflow/dragonflow/internal/controller/number"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/vswitch/openflow"
)

// call is a closure to run inside the loop.
type call struct {
	run  func(*Controller)
	done chan struct{}
}

// Inside is what a closure run by Inspect may look at. It must not keep anything of it.
type Inside struct {
	View    *view.DB
	Engine  *engine.Engine
	Numbers *number.Allocator
	Status  Status
	// Settings lists where the switch's database is not as the chassis needs it.
	Settings func() []Drift
}

// Status says how a chassis is.
type Status struct {
	Chassis string        `json:"chassis"`
	Bridge  string        `json:"bridge"`
	Uptime  time.Duration `json:"uptime_ns"`
	// Phase is how far the controller is with its switch: down, waiting, busy or idle.
	Phase string `json:"phase"`
	// Synced says that the switch was made equal to what is desired since it was connected; Complete
	// that nothing was left out because the view was old or incomplete.
	Synced   bool `json:"synced"`
	Complete bool `json:"complete"`
	// Received is the newest revision of the database that was read, and Realised that up to which the
	// switch has confirmed what follows; BehindSince, in RFC 3339, is since when they differ.
	Received    int64         `json:"received"`
	Realised    int64         `json:"realised"`
	BehindSince string        `json:"behind_since,omitempty"`
	Scopes      []ScopeStatus `json:"scopes"`
	Ports       int           `json:"ports"`
	Flows       int           `json:"flows"`
	// Drift counts the differences that audits found and repaired, by layer.
	Drift    map[Layer]uint64  `json:"drift"`
	Troubles map[string]string `json:"troubles,omitempty"`
	// Invalid lists database objects that cannot be used, and Refused flows that the switch does not
	// take, each with the reason.
	Invalid map[string]string `json:"invalid,omitempty"`
	Refused map[string]string `json:"refused,omitempty"`
}

// ScopeStatus says how the view of one scope is.
type ScopeStatus struct {
	Scope  string `json:"scope"`
	InSync bool   `json:"in_sync"`
	// Live says that the database confirmed it since the controller started.
	Live   bool   `json:"live"`
	Stale  bool   `json:"stale,omitempty"`
	Frozen string `json:"frozen,omitempty"`
	Rows   int    `json:"rows"`
}

// Inspect runs f inside the loop, between two batches, and waits for it.
func (c *Controller) Inspect(ctx context.Context, f func(Inside)) error {
	var failed error
	q := call{done: make(chan struct{}), run: func(c *Controller) {
		failed = guarded(func() error {
			f(Inside{View: c.db, Engine: c.engine, Numbers: c.numbers, Status: c.status(), Settings: c.compareSettings})
			return nil
		})
	}}
	select {
	case c.calls <- q:
	case <-ctx.Done():
		return fmt.Errorf("ask the controller: %w", ctx.Err())
	}
	<-q.done // the loop runs what it took
	return failed
}

// guarded runs an operator's question: one that fails must not take the controller with it.
func guarded(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the question failed: %v\n%s", p, debug.Stack())
		}
	}()
	return f()
}

// Ask runs f with the flow connection, between two jobs, for dumps with counters.
func (c *Controller) Ask(ctx context.Context, f func(context.Context, *openflow.Conn) error) error {
	q := query{done: make(chan error, 1), ask: func(ctx context.Context, conn *openflow.Conn) error {
		return guarded(func() error { return f(ctx, conn) })
	}}
	select {
	case c.link.queries <- q:
	case <-ctx.Done():
		return fmt.Errorf("ask the switch: %w", ctx.Err())
	}
	select {
	case err := <-q.done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("ask the switch: %w", ctx.Err())
	}
}

// WaitSynced waits until the switch has been made equal to what is desired for the first time, and
// reports false if ctx ends before.
func (c *Controller) WaitSynced(ctx context.Context) bool {
	select {
	case <-c.first:
		return true
	case <-ctx.Done():
		return false
	}
}

// post has the loop run f later; if ctx ends first it never does.
func (c *Controller) post(ctx context.Context, f func(*Controller)) {
	select {
	case c.posts <- f:
	case <-ctx.Done():
	}
}

func (c *Controller) status() Status {
	s := Status{
		Chassis: c.o.Chassis, Bridge: c.o.Bridge, Uptime: time.Since(c.started), Phase: c.phase.String(),
		Synced: c.synced, Complete: c.full, Ports: c.db.Len(view.LocalPorts), Flows: c.engine.FlowCount(), Drift: maps.Clone(c.drift),
		Troubles: maps.Clone(c.troubles), Invalid: map[string]string{}, Refused: maps.Clone(c.refused),
	}
	how := c.progress.status()
	s.Received, s.Realised, s.BehindSince = how.Received, how.Realised, how.BehindSince
	for _, name := range slices.Sorted(maps.Keys(c.scopes)) {
		st := c.scopes[name]
		maps.Copy(s.Invalid, st.invalid)
		s.Scopes = append(s.Scopes, ScopeStatus{
			Scope: name, InSync: c.db.Synced(name), Live: st.live, Stale: st.stale, Frozen: st.frozen, Rows: len(st.keys),
		})
	}
	return s
}

// chassis is how this chassis shows itself to others.
func (c *Controller) chassis() model.Chassis {
	return model.Chassis{
		Meta: model.Meta{ID: c.o.Chassis}, Version: c.o.Version, Bridge: c.o.Bridge, TunnelIP: c.o.TunnelIP, TunnelTypes: c.o.TunnelTypes,
		PhysicalNetworks: slices.Sorted(maps.Keys(c.o.BridgeMappings)), Gateway: c.o.Gateway,
		AvailabilityZones: slices.Sorted(slices.Values(c.o.AvailabilityZones)), Bandwidths: c.guaranteed,
	}
}
