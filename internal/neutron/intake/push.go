package intake

import (
	"context"
	"fmt"
	"net/http"

	"github.com/dragonflow/dragonflow/internal/neutron/api"
	"github.com/dragonflow/dragonflow/internal/neutron/resource"
)

// pushed is the body of a push.
type pushed struct {
	Changes []change `json:"changes"`
}

// change is one object, or its deletion.
type change struct {
	Kind       string         `json:"kind"`
	ID         string         `json:"id"`
	Revision   int64          `json:"revision"`
	Digest     string         `json:"digest"`
	Generation string         `json:"generation"`
	Deleted    bool           `json:"deleted"`
	Object     map[string]any `json:"object"`
}

// push takes changes. Those that cannot be understood are refused one by one, so that they do not hold up others.
func (s *Server) push(r *http.Request, body []byte) (any, error) {
	var in pushed
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	if len(in.Changes) > maxChanges {
		return nil, badRequest("%d changes are too many: at most %d", len(in.Changes), maxChanges)
	}
	if err := s.ready(); err != nil {
		return nil, err
	}
	results := make([]api.Result, len(in.Changes))
	var changes []api.Change
	var at []int
	for i, c := range in.Changes {
		understood, err := c.parse()
		if err != nil {
			results[i] = api.Result{Kind: clip(c.Kind), ID: clip(c.ID), Outcome: api.Refused, Message: err.Error()}
			continue
		}
		changes, at = append(changes, understood), append(at, i)
	}
	ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
	defer cancel()
	done, err := s.server.Push(ctx, changes)
	if err != nil {
		return nil, err
	}
	for i, result := range done {
		results[at[i]] = result
	}
	for _, result := range results {
		s.note(result)
	}
	return map[string]any{"instance": s.server.Instance(), "results": results}, nil
}

// note counts a result, and logs what will not be as Neutron has it.
func (s *Server) note(r api.Result) {
	if kind := r.Kind; s.opts.Pushed != nil {
		if parsers()[kind] == nil {
			kind = "other" // callers choose the word, and each would be a series of its own
		}
		s.opts.Pushed(kind, r.Outcome)
	}
	if r.Outcome == api.Refused {
		s.log.Warn("pushed object refused", "object", r.Kind+"/"+r.ID, "err", r.Message)
	}
}

// clip bounds what is repeated of a request.
func clip(s string) string { return fmt.Sprintf("%.64s", s) }

func (c change) parse() (api.Change, error) {
	out := api.Change{Kind: c.Kind, ID: c.ID, Revision: c.Revision, Generation: c.Generation}
	switch {
	case parsers()[c.Kind] == nil:
		return out, fmt.Errorf("kind %.50q is unknown", c.Kind)
	case !resource.IsUUID(c.ID):
		return out, fmt.Errorf("id %.50q is not a UUID", c.ID)
	case c.Revision < 0:
		return out, fmt.Errorf("revision %d is negative", c.Revision)
	case len(c.Digest) > maxDigest:
		return out, fmt.Errorf("digest has more than %d bytes", maxDigest)
	case c.Deleted:
		return out, nil
	case c.Object == nil:
		return out, fmt.Errorf("object is missing")
	}
	var err error
	out.Row, err = parse(c.Kind, c.ID, c.Revision, c.Digest, c.Object)
	return out, err
}
