package api

import (
	"net/http"
	"slices"

	"github.com/dragonflow/dragonflow/internal/neutron/resource"
)

// Limits on tags, Neutron's.
const (
	maxTag  = 255
	maxTags = 50
)

func (c *collection) resolveTags(prefix, id string, rest []string) (string, methods) {
	if len(rest) == 0 {
		return prefix, methods{
			http.MethodGet: c.one(id, c.showTags), http.MethodPut: c.one(id, c.replaceTags),
			http.MethodPost: c.one(id, c.addTags), http.MethodDelete: c.one(id, c.clearTags),
		}
	}
	tag := rest[0]
	return prefix + "/{tag}", methods{
		http.MethodGet:    func(w http.ResponseWriter, r *http.Request) error { return c.hasTag(w, r, id, tag) },
		http.MethodPut:    func(w http.ResponseWriter, r *http.Request) error { return c.addTag(w, r, id, tag) },
		http.MethodDelete: func(w http.ResponseWriter, r *http.Request) error { return c.removeTag(w, r, id, tag) },
	}
}

// tags writes the tags that edit makes of the old ones, and returns the row.
func (c *collection) tags(r *http.Request, id string, edit func([]string) ([]string, error)) (resource.Row, error) {
	want, err := ifMatch(r)
	if err != nil {
		return nil, err
	}
	return c.change(r.Context(), id, want, func(old resource.Row) (resource.Row, resource.Given, error) {
		tags, err := edit(slices.Clone(old.Base().Tags))
		if err != nil {
			return nil, nil, err
		}
		slices.Sort(tags)
		tags = slices.Compact(tags)
		if len(tags) > maxTags {
			return nil, nil, resource.BadRequest("At most %d tags are allowed", maxTags)
		}
		row := old.Clone()
		if !slices.Equal(tags, old.Base().Tags) {
			row.Base().Tags = tags
		}
		return row, resource.Given{}, nil
	})
}

func (c *collection) showTags(w http.ResponseWriter, r *http.Request, id string) error {
	row, err := c.server.store.Get(r.Context(), c.typ.Kind, id)
	if err != nil {
		return c.missing(err, id)
	}
	return answerTags(w, row)
}

func answerTags(w http.ResponseWriter, row resource.Row) error {
	tags := row.Base().Tags
	if tags == nil {
		tags = []string{}
	}
	answer(w, http.StatusOK, map[string]any{"tags": tags})
	return nil
}

func parseTags(w http.ResponseWriter, r *http.Request) ([]string, error) {
	body, err := readBody(w, r)
	if err != nil {
		return nil, err
	}
	raw, ok := body["tags"]
	if !ok || raw == nil || len(body) != 1 {
		return nil, resource.BadRequest("Unable to find 'tags' in request body")
	}
	tags, err := resource.List("tag", maxTags, parseTag)(raw)
	if err != nil {
		return nil, resource.Invalid("tags", err.Error())
	}
	return tags, nil
}

func parseTag(v any) (string, error) {
	s, err := resource.Text(maxTag)(v)
	if err == nil && s == "" {
		return "", resource.Invalid("tags", "a tag must not be empty")
	}
	return s, err
}

func (c *collection) replaceTags(w http.ResponseWriter, r *http.Request, id string) error {
	tags, err := parseTags(w, r)
	if err != nil {
		return err
	}
	row, err := c.tags(r, id, func([]string) ([]string, error) { return slices.Clone(tags), nil })
	if err != nil {
		return err
	}
	return answerTags(w, row)
}

func (c *collection) addTags(w http.ResponseWriter, r *http.Request, id string) error {
	tags, err := parseTags(w, r)
	if err != nil {
		return err
	}
	row, err := c.tags(r, id, func(old []string) ([]string, error) { return append(old, tags...), nil })
	if err != nil {
		return err
	}
	return answerTags(w, row)
}

func (c *collection) clearTags(w http.ResponseWriter, r *http.Request, id string) error {
	if _, err := c.tags(r, id, func([]string) ([]string, error) { return nil, nil }); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (c *collection) hasTag(w http.ResponseWriter, r *http.Request, id, tag string) error {
	row, err := c.server.store.Get(r.Context(), c.typ.Kind, id)
	if err != nil {
		return c.missing(err, id)
	}
	if !row.Base().HasTags(tag) {
		return tagNotFound(tag)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (c *collection) addTag(w http.ResponseWriter, r *http.Request, id, tag string) error {
	if _, err := parseTag(tag); err != nil {
		return resource.Invalid("tags", err.Error())
	}
	if _, err := c.tags(r, id, func(old []string) ([]string, error) { return append(old, tag), nil }); err != nil {
		return err
	}
	w.WriteHeader(http.StatusCreated)
	return nil
}

func (c *collection) removeTag(w http.ResponseWriter, r *http.Request, id, tag string) error {
	_, err := c.tags(r, id, func(old []string) ([]string, error) {
		i := slices.Index(old, tag)
		if i < 0 {
			return nil, tagNotFound(tag)
		}
		return slices.Delete(old, i, i+1), nil
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func tagNotFound(tag string) error {
	return &resource.Error{Status: http.StatusNotFound, Type: "TagNotFound",
		Message: "Tag " + tag + " could not be found."}
}
