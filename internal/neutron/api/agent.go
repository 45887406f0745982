package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/neutron/resource"
	"github.com/dragonflow/dragonflow/internal/neutron/rows"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// agentID is the id of a chassis' agent: Neutron's are UUIDs, a chassis has a name.
func agentID(chassis string) string {
	return uuid.NewSHA1(uuid.NameSpaceDNS, []byte(chassis+".chassis.dragonflow")).String()
}

// resolveAgents serves the extension "agent": one for each chassis.
func (s *Server) resolveAgents(prefix string, parts []string) (string, methods) {
	switch len(parts) {
	case 0:
		return prefix, methods{http.MethodGet: s.listAgents}
	case 1:
		id := parts[0]
		of := func(h func(http.ResponseWriter, *http.Request, *resource.Agent) error) handler {
			return func(w http.ResponseWriter, r *http.Request) error {
				a, err := s.agent(r.Context(), id)
				if err != nil {
					return err
				}
				return h(w, r, a)
			}
		}
		return prefix + "/{id}", methods{
			http.MethodGet: of(s.showAgent), http.MethodPut: of(s.updateAgent), http.MethodDelete: of(s.deleteAgent),
		}
	}
	return "other", nil
}

// allAgents describes every chassis, by name; it waits shortly for reports that have not been read yet.
func (s *Server) allAgents(ctx context.Context) ([]resource.Row, error) {
	ctx, cancel := context.WithTimeout(ctx, s.opts.RequestTimeout/5)
	defer cancel()
	var out []resource.Row
	err := s.board.wait(ctx, func() bool {
		out = nil
		for _, name := range s.board.sorted() {
			r := s.board.reports[name]
			if r == nil || !r.inSync {
				return false
			}
			out = append(out, s.describe(s.board.chassis[name], r))
		}
		return s.board.inSync
	})
	if err != nil {
		return nil, fmt.Errorf("read the chassis' reports: %w", rows.ErrBehind)
	}
	for _, row := range out {
		if stored, ok := s.store.Cached(s.agents.Kind, row.Base().ID); ok {
			row.Base().Description = stored.Base().Description
		}
	}
	return out, nil
}

// describe makes an agent of what a chassis says of itself. The board is locked.
func (s *Server) describe(c *model.Chassis, r *report) *resource.Agent {
	a := &resource.Agent{
		Common: resource.Common{ID: agentID(c.ID)}, Host: c.ID, Alive: r.beat != nil, Registered: time.UnixMicro(c.Revision),
		Configurations: map[string]any{
			"integration_bridge": c.Bridge, "tunnel_types": c.TunnelTypes, "devices": s.store.Count(s.ports.Kind, rows.ByHost(c.ID)),
			"dragonflow_version": c.Version,
		},
	}
	a.AvailabilityZones = c.AvailabilityZones
	if c.TunnelIP.IsValid() {
		a.Configurations["tunneling_ip"] = c.TunnelIP.String()
	}
	if c.TunnelTypes == nil {
		a.Configurations["tunnel_types"] = []string{}
	}
	a.Seen = a.Registered
	started := ""
	if r.status != nil {
		started = r.status.Started
		a.Configurations["revision_received"], a.Configurations["revision_realised"] = r.status.Received, r.status.Realised
		if r.status.BehindSince != "" {
			a.Configurations["behind_since"] = r.status.BehindSince
		}
		if at, err := time.Parse(time.RFC3339, r.status.Reported); err == nil && at.After(a.Seen) {
			a.Seen = at
		}
	}
	if lost := s.board.lost[c.ID]; lost.After(a.Seen) {
		a.Seen = lost
	}
	if a.Alive {
		started, a.Seen = r.beat.Started, s.now()
	}
	a.Started, _ = time.Parse(time.RFC3339, started) // zero if it is not known
	return a
}

func (s *Server) agent(ctx context.Context, id string) (*resource.Agent, error) {
	all, err := s.allAgents(ctx)
	if err != nil {
		return nil, err
	}
	for _, row := range all {
		if row.Base().ID == id {
			return row.(*resource.Agent), nil
		}
	}
	return nil, s.agents.NotFound(id)
}

func (s *Server) listAgents(w http.ResponseWriter, r *http.Request) error {
	all, err := s.allAgents(r.Context())
	if err != nil {
		return err
	}
	c := &collection{server: s, typ: s.agents, rows: func() []resource.Row { return all }}
	return c.list(w, r)
}

func (s *Server) showAgent(w http.ResponseWriter, r *http.Request, a *resource.Agent) error {
	answer(w, http.StatusOK, map[string]any{s.agents.Singular: s.agents.Show(a, fields(r))})
	return nil
}

// updateAgent changes the description, the only thing about an agent that is not its own to say.
func (s *Server) updateAgent(w http.ResponseWriter, r *http.Request, a *resource.Agent) error {
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	list, _, err := items(s.agents, body, false)
	if err != nil {
		return err
	}
	row, _, err := s.agents.Update(a, list[0])
	if err != nil {
		return err
	}
	stored := &resource.Agent{Common: resource.Common{ID: a.ID, Description: row.Base().Description}}
	err = s.store.Update(r.Context(), func(t *rows.Txn) error {
		_, err := t.Get(s.agents, a.ID)
		switch {
		case err == nil:
			t.Update(s.agents, stored)
		case notGone(err) == nil:
			t.Create(s.agents, stored)
		default:
			return err
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.showAgent(w, r, row.(*resource.Agent))
}

// deleteAgent removes a chassis whose controller does not live, so that others send nothing there any more.
// Bindings to it stay, for a controller of that name that may come back.
func (s *Server) deleteAgent(w http.ResponseWriter, r *http.Request, a *resource.Agent) error {
	ctx := r.Context()
	inUse := resource.Conflict("AgentInUse", "Agent %s lives: end the controller on %s first, and wait until its lease "+
		"has ended.", a.ID, a.Host)
	if a.Alive {
		return inUse
	}
	store := northbound.NewStore(s.opts.DB)
	c, _, err := northbound.Get[model.Chassis](ctx, store, model.ScopeGlobal, a.Host)
	if errors.Is(err, db.ErrNotFound) {
		return s.agents.NotFound(a.ID)
	}
	if err != nil {
		return err
	}
	beat := northbound.KeyOf(&model.Heartbeat{Meta: model.Meta{ID: a.Host}})
	_, err = store.Txn().Op(db.Op{Verb: db.Check, Key: beat}).Delete(northbound.KeyOf(c), c.Revision).Commit(ctx)
	var conflict *db.ConflictError
	var outdated *northbound.OutdatedError
	if errors.As(err, &conflict) || errors.As(err, &outdated) { // it has come back
		return inUse
	}
	if err != nil {
		return err
	}
	if err := errors.Join(s.forgetReports(ctx, a.Host), s.forgetAgent(ctx, a.ID)); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// forgetReports removes what a chassis that is gone has said of itself and of its ports.
func (s *Server) forgetReports(ctx context.Context, host string) error {
	items, _, err := s.opts.DB.List(ctx, db.Scope(model.ScopeChassis(host)))
	if err != nil {
		return err
	}
	txn := northbound.NewStore(s.opts.DB).Txn()
	for _, it := range items {
		switch model.Kind(it.Key.Kind) {
		case model.KindPortStatus, model.KindChassisStatus:
			txn.Op(db.Op{Verb: db.Delete, Key: it.Key, If: db.AnyRevision})
		}
	}
	_, err = txn.Commit(ctx)
	return err
}

func (s *Server) forgetAgent(ctx context.Context, id string) error {
	return s.store.Update(ctx, func(t *rows.Txn) error {
		if _, err := t.Get(s.agents, id); err != nil {
			return notGone(err)
		}
		t.Delete(s.agents, id)
		return nil
	})
}
