package api

import "context"

// FinishAbandoned finishes the deletions that other servers have left.
func (s *Server) FinishAbandoned(ctx context.Context) { s.finishAbandoned(ctx) }
