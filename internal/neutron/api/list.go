package api

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/dragonflow/dragonflow/internal/neutron/resource"
	"github.com/dragonflow/dragonflow/internal/neutron/rows"
)

// query is a parsed list request.
type query struct {
	fields  map[string]bool
	filters []filter
	sorts   []sortKey
	limit   int
	marker  string
	reverse bool
}

type sortKey struct {
	attr *resource.Attr
	desc bool
}

// fields returns the attributes that a client wants to see; nil is all.
func fields(r *http.Request) map[string]bool {
	var out map[string]bool
	for _, f := range r.URL.Query()["fields"] {
		if f == "" {
			continue
		}
		if out == nil {
			out = map[string]bool{}
		}
		out[f] = true
	}
	return out
}

// reserved are the parameters of a list that are no filters.
var reserved = []string{"fields", "sort_key", "sort_dir", "limit", "marker", "page_reverse"}

func (c *collection) parseQuery(r *http.Request) (q query, err error) {
	values := r.URL.Query()
	q.fields = fields(r)
	q.marker = values.Get("marker")
	q.reverse = strings.EqualFold(values.Get("page_reverse"), "true")
	if l := values.Get("limit"); l != "" {
		if q.limit, err = strconv.Atoi(l); err != nil || q.limit < 0 {
			return q, resource.Refused("BadRequest",
				"Bad limit request: Limit must be an integer 0 or greater and not '%.100s'.", l)
		}
	}
	if q.sorts, err = c.parseSorts(values); err != nil {
		return q, err
	}
	for name, v := range values {
		if slices.Contains(reserved, name) {
			continue
		}
		f, err := c.parseFilter(name, v)
		if err != nil {
			return q, err
		}
		q.filters = append(q.filters, f)
	}
	return q, nil
}

func (c *collection) parseSorts(values url.Values) ([]sortKey, error) {
	notEmpty := func(s string) bool { return s == "" }
	keys := slices.DeleteFunc(slices.Clone(values["sort_key"]), notEmpty)
	dirs := slices.DeleteFunc(slices.Clone(values["sort_dir"]), notEmpty)
	if len(keys) != len(dirs) {
		return nil, resource.BadRequest("The number of sort_keys and sort_dirs must be same")
	}
	var out []sortKey
	for i, k := range keys {
		a := c.typ.Attr(k)
		if a == nil || a.NoSort {
			return nil, resource.BadRequest("['%.100s'] is invalid attribute for sort_keys", k)
		}
		if dirs[i] != "asc" && dirs[i] != "desc" {
			return nil, resource.BadRequest(
				"['%.100s'] is invalid value for sort_dirs, valid value is 'asc' and 'desc'", dirs[i])
		}
		out = append(out, sortKey{a, dirs[i] == "desc"})
	}
	return out, nil
}

func (c *collection) list(w http.ResponseWriter, r *http.Request) error {
	q, err := c.parseQuery(r)
	if err != nil {
		return err
	}
	if c.typ == c.server.groups {
		if err := c.server.touchDefaultGroup(r, q.filters); err != nil {
			return err
		}
	}
	found := c.find(&q)
	sortRows(found, q.sorts)
	page, err := c.page(found, &q)
	if err != nil {
		return err
	}
	shown := make([]resource.Object, len(page))
	for i, row := range page {
		shown[i] = c.view(row, q.fields)
	}
	body := map[string]any{c.typ.Plural: shown}
	if links := pageLinks(r, page, &q); len(links) > 0 {
		body[c.typ.Plural+"_links"] = links
	}
	answer(w, http.StatusOK, body)
	return nil
}

// find returns the rows that pass all filters, ordered by id. They are decorated only where that matters
// for the choice or the order.
func (c *collection) find(q *query) []resource.Row {
	decorated := []string{"status", "binding:vif_type"}
	computed := slices.ContainsFunc(q.sorts, func(k sortKey) bool { return slices.Contains(decorated, k.attr.Name) }) ||
		slices.ContainsFunc(q.filters, func(f filter) bool { return slices.Contains(decorated, f.name) })
	var out []resource.Row
	for _, row := range c.candidates(q.filters) {
		if computed && c.decorate != nil {
			row = c.decorate(row)
		}
		if !slices.ContainsFunc(q.filters, func(f filter) bool { return !f.match(row) }) {
			out = append(out, row)
		}
	}
	return out
}

// indexed are the filters that an index serves.
var indexed = map[string]func(string) string{
	"network_id": rows.ByNetwork, "device_id": rows.ByDevice, "binding:host_id": rows.ByHost,
	"security_group_id": rows.ByGroup, "remote_group_id": rows.ByRemoteGroup, "name": rows.ByName,
	"port_id": rows.ByPort, "router_id": rows.ByRouter,
}

// candidates returns the rows among which those that pass lie.
func (c *collection) candidates(filters []filter) []resource.Row {
	if c.rows != nil {
		return c.rows()
	}
	for _, f := range filters {
		if f.name == "id" {
			return c.byID(f.values)
		}
	}
	for _, f := range filters {
		if index := indexed[f.name]; index != nil && len(f.values) == 1 && f.values[0] != "" {
			return c.server.store.Select(c.typ.Kind, index(f.values[0]))
		}
	}
	return c.server.store.Select(c.typ.Kind, "")
}

func (c *collection) byID(ids []string) []resource.Row {
	var out []resource.Row
	for _, id := range slices.Compact(slices.Sorted(slices.Values(ids))) {
		if row, ok := c.server.store.Cached(c.typ.Kind, id); ok {
			out = append(out, row)
		}
	}
	return out
}

func sortRows(found []resource.Row, sorts []sortKey) {
	if len(sorts) == 0 {
		return
	}
	slices.SortStableFunc(found, func(a, b resource.Row) int {
		for _, k := range sorts {
			n := compareValues(k.attr.Get(a), k.attr.Get(b))
			if k.desc {
				n = -n
			}
			if n != 0 {
				return n
			}
		}
		return 0
	})
}

// compareValues orders what an attribute shows: nothing first, then numbers by size and words by letter.
func compareValues(a, b any) int {
	n, isInt := number(a)
	m, bothInt := number(b)
	if isInt && bothInt {
		return cmp.Compare(n, m)
	}
	return strings.Compare(toText(a), toText(b))
}

func number(v any) (int, bool) {
	switch v := v.(type) {
	case int:
		return v, true
	case resource.Numeral:
		return int(v), true
	}
	return 0, false
}

// page cuts out what follows the marker, or with page_reverse what precedes it, up to the limit.
func (c *collection) page(found []resource.Row, q *query) ([]resource.Row, error) {
	if q.limit == 0 {
		return found, nil
	}
	at := -1
	if q.marker != "" {
		at = slices.IndexFunc(found, func(r resource.Row) bool { return r.Base().ID == q.marker })
		if at < 0 {
			return nil, c.typ.NotFound(q.marker)
		}
	}
	if q.reverse {
		if at < 0 {
			at = len(found)
		}
		return found[max(0, at-q.limit):at], nil
	}
	rest := found[at+1:]
	return rest[:min(q.limit, len(rest))], nil
}

type link struct {
	Rel  string `json:"rel"`
	Href string `json:"href"`
}

// pageLinks points to the pages around: a page that is not full is the last one in its direction.
func pageLinks(r *http.Request, page []resource.Row, q *query) []link {
	if q.limit == 0 {
		return nil
	}
	href := func(edge int, reverse bool) string {
		v := r.URL.Query()
		v.Del("marker")
		v.Del("page_reverse")
		if len(page) > 0 {
			v.Set("marker", page[edge].Base().ID)
		}
		if reverse {
			v.Set("page_reverse", "True")
		}
		return baseURL(r) + r.URL.Path + "?" + v.Encode()
	}
	var out []link
	if len(page) == q.limit || q.reverse {
		out = append(out, link{"next", href(len(page)-1, false)})
	}
	if len(page) == q.limit || !q.reverse {
		out = append(out, link{"previous", href(0, true)})
	}
	return out
}

// baseURL is how the client calls this server.
func baseURL(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}
