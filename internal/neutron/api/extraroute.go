package api

import (
	"net/http"
	"slices"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/neutron/resource"
)

// routesAction changes a router's extra routes without its client knowing them all, so that clients that
// each care for some do not undo each other's.
func (s *Server) routesAction(change func(old, routes []model.Route) []model.Route) action {
	return func(w http.ResponseWriter, req *http.Request, id string) error {
		want, err := ifMatch(req)
		if err != nil {
			return err
		}
		body, err := readBody(w, req)
		if err != nil {
			return err
		}
		routes, err := s.readRoutes(body)
		if err != nil {
			return err
		}
		c := s.collectionOf(s.routers)
		row, err := c.change(req.Context(), id, want, func(old resource.Row) (resource.Row, resource.Given, error) {
			r := old.Clone().(*resource.Router)
			r.Routes = change(r.Routes, routes)
			if len(r.Routes) > resource.MaxRoutes {
				return nil, nil, resource.TooManyRoutes(id)
			}
			return r, resource.Given{"routes": true}, nil
		})
		if err != nil {
			return err
		}
		answer(w, http.StatusOK, map[string]any{s.routers.Singular: c.view(row, nil)})
		return nil
	}
}

// readRoutes parses a body that holds a router's routes and nothing else.
func (s *Server) readRoutes(body map[string]any) ([]model.Route, error) {
	list, _, err := items(s.routers, body, false)
	if err != nil {
		return nil, err
	}
	raw, ok := list[0]["routes"]
	if !ok || len(list[0]) != 1 {
		return nil, resource.BadRequest("Unable to find 'routes', and nothing else, in the router of the request body")
	}
	routes, err := resource.ParseRoutes(raw)
	if err != nil {
		return nil, resource.Invalid("routes", err.Error())
	}
	return routes, nil
}

func addRoutes(old, routes []model.Route) []model.Route {
	out := slices.Clone(old)
	for _, r := range routes {
		if !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	return out
}

func removeRoutes(old, routes []model.Route) []model.Route {
	var out []model.Route
	for _, r := range old {
		if !slices.Contains(routes, r) {
			out = append(out, r)
		}
	}
	return out
}

func (s *Server) collectionOf(typ *resource.Type) *collection {
	i := slices.IndexFunc(s.collections, func(c *collection) bool { return c.typ == typ })
	return s.collections[i]
}
