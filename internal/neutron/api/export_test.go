package api

import (
	"context"

	"github.com/dragonflow/dragonflow/internal/neutron/rows"
)

// FinishAbandoned finishes the deletions that other servers have left.
func (s *Server) FinishAbandoned(ctx context.Context) { s.finishAbandoned(ctx) }

// JoinedWithPort lists the ports that are joined again when a port has changed.
func (s *Server) JoinedWithPort(id string) (out []string) {
	for _, c := range s.concerned(rows.RowKey(s.ports, id)) {
		if c.typ == s.ports {
			out = append(out, c.id)
		}
	}
	return out
}
