package api

import (
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/dragonflow/dragonflow/internal/neutron/resource"
	"github.com/dragonflow/dragonflow/internal/neutron/rows"
)

// defaultLimits are Neutron's; -1 is no limit.
var defaultLimits = map[string]int{
	"network": 100, "subnet": 100, "port": 500, "security_group": 10, "security_group_rule": 100,
	"router": 10, "floatingip": 50, "subnetpool": -1, "trunk": -1,
	// Neutron has none for logs: but every chassis reads all of them.
	"log": 1000,
}

// limits returns what a project may have of each resource.
func (s *Server) limits(own map[string]int) map[string]int {
	out := maps.Clone(defaultLimits)
	for _, more := range []map[string]int{s.opts.Quotas, own} {
		for k, v := range more {
			if _, known := out[k]; known {
				out[k] = v
			}
		}
	}
	return out
}

func (s *Server) projectLimits(project string) map[string]int {
	if row, ok := s.store.Cached(s.quotas.Kind, project); ok {
		return s.limits(row.(*resource.Quota).Limits)
	}
	return s.limits(nil)
}

// quotaMargin is how near to a limit a project must be for its requests to be counted one after the
// other: more than what servers have under way that the others do not see yet.
const quotaMargin = 64

// checkQuota refuses one more resource than a project may have.
func (s *Server) checkQuota(t *rows.Txn, typ *resource.Type, project string) error {
	limit := s.projectLimits(project)[typ.Singular]
	if limit < 0 || limit-s.used(t, typ, project) > quotaMargin {
		return nil
	}
	guard, err := t.Get(s.quotaGuards, project)
	if notGone(err) != nil {
		return err
	}
	if s.used(t, typ, project) >= limit { // counted again: now it is at least as new as the guard
		return resource.Conflict("OverQuota", "Quota exceeded for resources: ['%s'].", typ.Singular)
	}
	if guard == nil {
		t.Create(s.quotaGuards, &resource.QuotaGuard{Common: resource.Common{ID: project}})
	} else {
		t.Update(s.quotaGuards, guard.Clone())
	}
	return nil
}

// used counts what a project has, with what the batch adds.
func (s *Server) used(t *rows.Txn, typ *resource.Type, project string) int {
	n := s.store.Count(typ.Kind, rows.ByProject(project))
	for _, r := range t.Created(typ) {
		if r.Base().ProjectID == project {
			n++
		}
	}
	return n
}

func (s *Server) resolveQuotas(prefix string, parts []string) (string, methods) {
	switch {
	case len(parts) == 0:
		return prefix, methods{http.MethodGet: s.listQuotas}
	case len(parts) == 1 && (parts[0] == "tenant" || parts[0] == "project"):
		return prefix + "/" + parts[0], methods{http.MethodGet: s.showCaller}
	case len(parts) == 1:
		p := parts[0]
		return prefix + "/{id}", methods{
			http.MethodGet: s.ofProject(p, s.showQuota), http.MethodPut: s.ofProject(p, s.setQuota),
			http.MethodDelete: s.ofProject(p, s.resetQuota),
		}
	case len(parts) == 2 && parts[1] == "default":
		return prefix + "/{id}/default", methods{http.MethodGet: s.ofProject(parts[0], s.showDefaultQuota)}
	case len(parts) == 2 && parts[1] == "details":
		return prefix + "/{id}/details", methods{http.MethodGet: s.ofProject(parts[0], s.showQuotaDetails)}
	}
	return "other", nil
}

func (s *Server) ofProject(p string, h func(http.ResponseWriter, *http.Request, string) error) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if len(p) > 255 {
			return resource.BadRequest("project id exceeds maximum length of 255")
		}
		return h(w, r, p)
	}
}

func (s *Server) listQuotas(w http.ResponseWriter, r *http.Request) error {
	list := []map[string]any{}
	for _, row := range s.store.Select(s.quotas.Kind, "") {
		q := map[string]any{"project_id": row.Base().ID, "tenant_id": row.Base().ID}
		for k, v := range s.limits(row.(*resource.Quota).Limits) {
			q[k] = v
		}
		list = append(list, q)
	}
	answer(w, http.StatusOK, map[string]any{"quotas": list})
	return nil
}

func (s *Server) showCaller(w http.ResponseWriter, r *http.Request) error {
	p, err := project(r)
	if err != nil {
		return err
	}
	answer(w, http.StatusOK, map[string]any{"tenant": map[string]string{"tenant_id": p, "project_id": p}})
	return nil
}

func (s *Server) showQuota(w http.ResponseWriter, _ *http.Request, project string) error {
	answer(w, http.StatusOK, map[string]any{"quota": s.projectLimits(project)})
	return nil
}

func (s *Server) showDefaultQuota(w http.ResponseWriter, _ *http.Request, _ string) error {
	answer(w, http.StatusOK, map[string]any{"quota": s.limits(nil)})
	return nil
}

func (s *Server) showQuotaDetails(w http.ResponseWriter, _ *http.Request, project string) error {
	type detail struct {
		Limit    int `json:"limit"`
		Used     int `json:"used"`
		Reserved int `json:"reserved"`
	}
	out := map[string]detail{}
	limits := s.projectLimits(project)
	for _, c := range s.collections {
		name := c.typ.Singular
		limit, limited := limits[name]
		if !limited {
			continue
		}
		out[name] = detail{Limit: limit, Used: s.store.Count(c.typ.Kind, rows.ByProject(project))}
	}
	answer(w, http.StatusOK, map[string]any{"quota": out})
	return nil
}

func (s *Server) setQuota(w http.ResponseWriter, r *http.Request, project string) error {
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	limits, err := parseQuota(body)
	if err != nil {
		return err
	}
	err = s.store.Update(r.Context(), func(t *rows.Txn) error {
		row, err := t.Get(s.quotas, project)
		if notGone(err) != nil {
			return err
		}
		if err != nil {
			q := &resource.Quota{Common: resource.Common{ID: project}, Limits: limits}
			s.stamp(q, 1)
			t.Create(s.quotas, q)
			return nil
		}
		q := row.Clone().(*resource.Quota)
		q.Limits = maps.Clone(q.Limits)
		maps.Copy(q.Limits, limits)
		s.stamp(q, q.Revision+1)
		t.Update(s.quotas, q)
		return nil
	})
	if err != nil {
		return err
	}
	return s.showQuota(w, r, project)
}

func parseQuota(body map[string]any) (map[string]int, error) {
	m, ok := body["quota"].(map[string]any)
	if !ok || len(body) != 1 {
		return nil, resource.BadRequest("Unable to find 'quota' in request body")
	}
	out := map[string]int{}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if k == "tenant_id" || k == "project_id" {
			continue
		}
		if _, known := defaultLimits[k]; !known {
			return nil, resource.BadRequest("Unrecognized attribute(s) '%.100s'", k)
		}
		n, err := resource.IntIn(-1)(m[k])
		if err == nil && n > 1<<31-1 {
			err = fmt.Errorf("'%d' is too large", n)
		}
		if err != nil {
			return nil, resource.Invalid(k, err.Error())
		}
		out[k] = n
	}
	return out, nil
}

func (s *Server) resetQuota(w http.ResponseWriter, r *http.Request, project string) error {
	err := s.store.Update(r.Context(), func(t *rows.Txn) error {
		if _, err := t.Get(s.quotas, project); err != nil {
			return err
		}
		t.Delete(s.quotas, project)
		return nil
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// showForeignQuota is for the openstack client, which asks the compute and volume services for their
// limits before ours; without authentication all have the same address. There are none.
func showForeignQuota(w http.ResponseWriter, _ *http.Request) error {
	answer(w, http.StatusOK, map[string]any{"quota_set": map[string]any{}})
	return nil
}
