package api

import (
	"net/http"
	"slices"
	"strings"
)

// handler answers a request whose path has been understood; its error is shown to the client.
type handler func(w http.ResponseWriter, r *http.Request) error

// methods are the handlers of one path.
type methods map[string]handler

// route finds the handler by path, then by method.
func (s *Server) route(w http.ResponseWriter, r *http.Request) {
	route, handlers := s.resolve(strings.TrimSuffix(r.URL.Path, ".json"))
	if rec, ok := w.(*recorder); ok {
		rec.route = route
	}
	if handlers == nil {
		s.fail(w, r, errNoRoute)
		return
	}
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	h := handlers[method]
	if h == nil {
		w.Header().Set("Allow", allowed(handlers))
		s.fail(w, r, errMethod)
		return
	}
	var err error
	if strings.HasPrefix(route, "/v2.0/") && !strings.HasPrefix(route, "/v2.0/extensions") {
		err = s.fresh(r.Context())
	}
	if err == nil {
		err = h(w, r)
	}
	if err != nil {
		s.fail(w, r, err)
	}
}

func allowed(handlers methods) string {
	var names []string
	for m := range handlers {
		names = append(names, m)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// resolve returns the handlers of a path, nil if there is none, and the path with its ids left out.
func (s *Server) resolve(path string) (string, methods) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	switch {
	case parts[0] == "":
		return "/", methods{http.MethodGet: s.showVersions}
	case parts[0] == "v3" && len(parts) > 1 && parts[1] == "projects":
		return s.resolveProjects(parts[1:])
	case parts[0] == "projects":
		return s.resolveProjects(parts)
	case parts[0] == "os-quota-sets" && len(parts) <= 3:
		return "/os-quota-sets", methods{http.MethodGet: showForeignQuota}
	case parts[0] != "v2.0":
		return "other", nil
	case len(parts) == 1:
		return "/v2.0", methods{http.MethodGet: s.showResources}
	}
	return s.resolveV2(parts[1:])
}

func (s *Server) resolveV2(parts []string) (string, methods) {
	prefix := "/v2.0/" + parts[0]
	switch parts[0] {
	case "extensions":
		return s.resolveExtensions(prefix, parts[1:])
	case "agents":
		return s.resolveAgents(prefix, parts[1:])
	case "availability_zones":
		return s.resolveZones(prefix, parts[1:])
	case "qos":
		return s.resolveQoS(prefix, parts[1:])
	case "log":
		return s.resolveLog(prefix, parts[1:])
	case "segments":
		return s.resolveSegments(prefix, parts[1:])
	case "quotas":
		return s.resolveQuotas(prefix, parts[1:])
	case "network-ip-availabilities":
		return s.resolveAvailability(prefix, parts[1:])
	}
	for _, c := range s.collections {
		if c.typ.Path == parts[0] {
			return c.resolve(prefix, parts[1:])
		}
	}
	return "other", nil
}

func (c *collection) resolve(prefix string, parts []string) (string, methods) {
	switch {
	case len(parts) == 0:
		return prefix, methods{http.MethodGet: c.list, http.MethodPost: c.create}
	case len(parts) == 1:
		id := parts[0]
		return prefix + "/{id}", methods{
			http.MethodGet: c.one(id, c.show), http.MethodPut: c.one(id, c.update), http.MethodDelete: c.one(id, c.delete),
		}
	case parts[1] == "tags" && c.taggable && len(parts) <= 3:
		return c.resolveTags(prefix+"/{id}/tags", parts[0], parts[2:])
	case len(parts) == 2 && c.actions[parts[1]] != nil:
		return prefix + "/{id}/" + parts[1], methods{http.MethodPut: c.one(parts[0], c.actions[parts[1]])}
	case len(parts) == 2 && parts[1] == "get_subports" && c.typ == c.server.trunks:
		return prefix + "/{id}/get_subports", methods{http.MethodGet: c.one(parts[0], c.server.showSubPorts)}
	case parts[1] == "bindings" && c.typ == c.server.ports:
		return c.server.resolveBindings(prefix+"/{id}/bindings", parts[0], parts[2:])
	case parts[1] == "port_forwardings" && c.typ == c.server.floatingIPs:
		return c.server.resolveForwardings(prefix+"/{id}/port_forwardings", parts[0], parts[2:])
	}
	return "other", nil
}

// one gives a handler the id of its path.
func (c *collection) one(id string, h func(http.ResponseWriter, *http.Request, string) error) handler {
	return func(w http.ResponseWriter, r *http.Request) error { return h(w, r, id) }
}
