package api

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/dragonflow/dragonflow/internal/neutron/resource"
	"github.com/dragonflow/dragonflow/internal/neutron/rows"
	"github.com/dragonflow/dragonflow/internal/northbound"
)

// Version is what an audit compares of an object.
type Version struct {
	ID, Name   string
	Revision   int64
	Digest     string
	Generation string
}

// Instance names this server's life, in which cursors and generations of listings are of use.
func (s *Server) Instance() string { return s.status.instance }

// Versions returns what this server knows of a kind's objects whose ids lie behind after, and not behind until if that
// is not empty, in the order of their ids.
func (s *Server) Versions(kind, after, until string) []Version {
	entries := s.store.Versions(s.pushed[kind].Kind, after, until)
	out := make([]Version, len(entries))
	for i, e := range entries {
		out[i] = versionOf(e)
	}
	return out
}

// Version returns what this server knows of one object.
func (s *Server) Version(kind, id string) (Version, bool) {
	e, ok := s.store.Entry(s.pushed[kind].Kind, id)
	if !ok {
		return Version{}, false
	}
	return versionOf(e), true
}

func versionOf(e rows.Entry) Version {
	base := e.Row.Base()
	return Version{ID: base.ID, Name: base.Name, Revision: base.Revision, Digest: base.Digest, Generation: generation(e)}
}

// Counts is how many objects of each kind this server knows.
func (s *Server) Counts() map[string]int {
	out := map[string]int{}
	for kind, typ := range s.pushed {
		out[kind] = s.store.Count(typ.Kind, "")
	}
	return out
}

// AskAudit tells Neutron, as a part of the status, that an audit is wanted, or with nil that it is not any more.
func (s *Server) AskAudit(id string, request any) { s.status.set(statusKey{statusAudit, id}, request) }

// Unregistered lists the hosts to which ports are bound, or which were gateways of routers before the database was
// lost, and where no controller has registered, in order.
func (s *Server) Unregistered() []string {
	hosts, _ := s.store.Hosts()
	for _, row := range s.store.Select(s.routers.Kind, "") {
		if r := row.(*resource.Router); r.Gateway != nil {
			for _, c := range s.formerChassis(r) {
				hosts[c.Name] = true
			}
		}
	}
	for _, name := range s.board.names() {
		delete(hosts, name)
	}
	return slices.Sorted(maps.Keys(hosts))
}

// Accept says, when everything has been pushed, that the database is to be believed by chassis that have seen newer
// things in it: after it was lost and has been made again. It first sees to it that what was pushed is joined.
func (s *Server) Accept(ctx context.Context, reason string) (epoch int64, err error) {
	if err := s.store.Sync(ctx); err != nil {
		return 0, err
	}
	if err := s.settlePushed(ctx); err != nil {
		return 0, fmt.Errorf("join what was pushed: %w", err)
	}
	s.store.Forget()
	return northbound.NewStore(s.opts.DB).RaiseEpoch(ctx, reason)
}
