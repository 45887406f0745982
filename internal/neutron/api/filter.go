package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dragonflow/dragonflow/internal/neutron/resource"
)

// filter is one condition of a list.
type filter struct {
	name   string
	values []string
	match  func(resource.Row) bool
}

// parseFilter makes a filter of a query parameter. Unknown ones are refused, since ignoring them would
// show everything.
func (c *collection) parseFilter(name string, values []string) (filter, error) {
	f := filter{name: name, values: values}
	var err error
	switch {
	case name == "changed_since":
		f.match, err = changedSince(values)
	case c.taggable && tagFilter(name) != nil:
		f.match = tagFilter(name)(splitTags(values))
	case name == "fixed_ips" && c.typ.Attr(name) != nil:
		f.match, err = fixedIPFilter(values)
	case name == "security_groups" && c.typ.Attr(name) != nil:
		f.match = func(r resource.Row) bool {
			return slices.ContainsFunc(r.(*resource.Port).SecurityGroups, func(g string) bool {
				return slices.Contains(values, g)
			})
		}
	default:
		f.match, err = c.attrFilter(name, values)
	}
	return f, err
}

func (c *collection) attrFilter(name string, values []string) (func(resource.Row) bool, error) {
	a := c.typ.Attr(name)
	if a == nil || a.NoFilter {
		return nil, resource.BadRequest("['%.100s'] is invalid attribute for filtering", name)
	}
	sample := a.Get(c.typ.New())
	if _, ok := sample.(bool); ok {
		for i, v := range values {
			b, err := resource.Bool(v)
			if err != nil {
				return nil, resource.Invalid(name, err.Error())
			}
			values[i] = strconv.FormatBool(b)
		}
	}
	return func(r resource.Row) bool { return slices.Contains(values, toText(a.Get(r))) }, nil
}

// toText is how a filter names a value: nothing is the empty string.
func toText(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case bool, int:
		return fmt.Sprint(v)
	}
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	if s, err := strconv.Unquote(string(b)); err == nil {
		return s
	}
	return string(b)
}

func changedSince(values []string) (func(resource.Row) bool, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05"} {
		if t, err := time.Parse(layout, values[0]); err == nil {
			return func(r resource.Row) bool { return !r.Base().UpdatedAt.Truncate(time.Second).Before(t) }, nil
		}
	}
	return nil, resource.Refused("InvalidInput",
		"Invalid input for operation: The changed_since filter must be a time in ISO 8601, not '%.100s'.", values[0])
}

func splitTags(values []string) []string {
	var out []string
	for _, v := range values {
		out = append(out, strings.Split(v, ",")...)
	}
	return out
}

// tagFilter returns how a filter by tags judges a row, nil if the name is none of them.
func tagFilter(name string) func([]string) func(resource.Row) bool {
	all := func(tags []string) func(resource.Row) bool {
		return func(r resource.Row) bool { return r.Base().HasTags(tags...) }
	}
	any := func(tags []string) func(resource.Row) bool {
		return func(r resource.Row) bool {
			return slices.ContainsFunc(tags, func(t string) bool { return r.Base().HasTags(t) })
		}
	}
	not := func(f func([]string) func(resource.Row) bool) func([]string) func(resource.Row) bool {
		return func(tags []string) func(resource.Row) bool {
			match := f(tags)
			return func(r resource.Row) bool { return !match(r) }
		}
	}
	switch name {
	case "tags":
		return all
	case "tags-any":
		return any
	case "not-tags":
		return not(all)
	case "not-tags-any":
		return not(any)
	}
	return nil
}

// fixedIPFilter takes "ip_address=…", "subnet_id=…" and "ip_address_substr=…"; a port passes if for each
// of these keys that is named it has one of the values.
func fixedIPFilter(values []string) (func(resource.Row) bool, error) {
	wanted := map[string][]string{}
	for _, v := range values {
		key, value, ok := strings.Cut(v, "=")
		if !ok || !slices.Contains([]string{"ip_address", "subnet_id", "ip_address_substr"}, key) {
			return nil, resource.Invalid("fixed_ips", fmt.Sprintf("'%.100s' is not key=value", v))
		}
		if a, err := netip.ParseAddr(value); err == nil && key == "ip_address" {
			value = a.String()
		}
		wanted[key] = append(wanted[key], value)
	}
	has := func(p *resource.Port, match func(subnet, address string) bool) bool {
		for _, f := range p.FixedIPs {
			if match(f.SubnetID, f.IPAddress.String()) {
				return true
			}
		}
		return false
	}
	return func(r resource.Row) bool {
		p := r.(*resource.Port)
		for key, list := range wanted {
			if !has(p, func(subnet, address string) bool {
				switch key {
				case "subnet_id":
					return slices.Contains(list, subnet)
				case "ip_address":
					return slices.Contains(list, address)
				}
				return slices.ContainsFunc(list, func(s string) bool { return strings.Contains(address, s) })
			}) {
				return false
			}
		}
		return true
	}, nil
}

// filterValues returns the values of a filter.
func filterValues(filters []filter, name string) []string {
	for _, f := range filters {
		if f.name == name {
			return f.values
		}
	}
	return nil
}

// touchDefaultGroup makes the default group of the project whose groups are listed, as Neutron does.
func (s *Server) touchDefaultGroup(r *http.Request, filters []filter) error {
	p, err := project(r)
	if err != nil {
		return err
	}
	for _, name := range []string{"tenant_id", "project_id"} {
		if v := filterValues(filters, name); len(v) > 0 && v[0] != "" {
			p = v[0]
		}
	}
	return s.ensureDefaultGroup(r.Context(), p)
}
