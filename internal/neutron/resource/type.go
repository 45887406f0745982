package resource

import (
	"errors"
	"slices"
	"strings"
)

// Access says in which requests a client may give an attribute.
type Access uint8

// The requests in which an attribute may be given; zero is read-only.
const (
	ReadOnly Access = 0
	OnPost   Access = 1
	OnPut    Access = 2
	Writable Access = OnPost | OnPut
)

// Attr is one attribute of a type of resource.
type Attr struct {
	Name   string
	Access Access
	// Required in POST.
	Required bool
	// Set converts a JSON value, checks it and stores it; its error is the reason shown to the client,
	// or an *Error that is shown as it is. Nil for read-only attributes.
	Set func(Row, any) error
	// Get returns the value as it is shown: nil, string, bool, int, or something json.Marshal takes.
	// Nil for attributes that are only taken.
	Get func(Row) any
	// NoSort says that the attribute is no sort key; NoFilter that a list cannot be filtered by it.
	NoSort, NoFilter bool
}

// Type is a type of resource: its names and its attributes, in the order in which they are shown.
type Type struct {
	// Kind is the kind of the rows in the database, such as "neutron.network".
	Kind string
	// Singular and Plural are the names in bodies ("security_group_rule"); Path is the collection in
	// URLs ("security-group-rules").
	Singular, Plural, Path string
	Attrs                  []Attr
	// New returns a row with the type's defaults.
	New func() Row

	notFoundType, notFoundText string
}

// Given is the set of attributes that a request named.
type Given map[string]bool

// Attr returns the attribute of that name, or nil.
func (t *Type) Attr(name string) *Attr {
	i := slices.IndexFunc(t.Attrs, func(a Attr) bool { return a.Name == name })
	if i < 0 {
		return nil
	}
	return &t.Attrs[i]
}

// Create makes a row of a POST body (the object below the singular name).
func (t *Type) Create(body map[string]any) (Row, Given, error) {
	row := t.New()
	given, err := t.apply(row, body, OnPost)
	return row, given, err
}

// Update returns a copy of a row with what a PUT body changes.
func (t *Type) Update(old Row, body map[string]any) (Row, Given, error) {
	row := old.Clone()
	given, err := t.apply(row, body, OnPut)
	return row, given, err
}

func (t *Type) apply(row Row, body map[string]any, access Access) (Given, error) {
	if err := t.checkNames(body, access); err != nil {
		return nil, err
	}
	given := Given{}
	for i := range t.Attrs {
		a := &t.Attrs[i]
		v, ok := body[a.Name]
		if !ok {
			continue
		}
		if err := a.Set(row, v); err != nil {
			if e := (*Error)(nil); errors.As(err, &e) {
				return nil, e
			}
			return nil, Invalid(a.Name, err.Error())
		}
		given[a.Name] = true
	}
	return given, nil
}

// checkNames refuses attributes that are unknown or not to be given here, and missing ones, in the order
// in which Neutron does.
func (t *Type) checkNames(body map[string]any, access Access) error {
	var unknown []string
	for name := range body {
		if t.Attr(name) == nil {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		return BadRequest("Unrecognized attribute(s) '%s'", strings.Join(unknown, ", "))
	}
	for i := range t.Attrs {
		a := &t.Attrs[i]
		_, ok := body[a.Name]
		switch {
		case !ok && a.Required && access == OnPost:
			return BadRequest("Failed to parse request. Required attribute '%s' not specified", a.Name)
		case ok && a.Access&access == 0 && access == OnPost:
			return BadRequest("Attribute '%s' not allowed in POST", a.Name)
		case ok && a.Access&access == 0:
			return BadRequest("Cannot update read-only attribute %s", a.Name)
		}
	}
	return checkProject(body)
}

func checkProject(body map[string]any) error {
	tenant, t := body["tenant_id"]
	project, p := body["project_id"]
	if t && p && tenant != project {
		return BadRequest("'project_id' and 'tenant_id' do not match")
	}
	return nil
}

// attr makes an attribute that a client may give, for rows of type T.
func attr[T Row](name string, access Access, set func(T, any) error, get func(T) any) Attr {
	a := Attr{Name: name, Access: access}
	if set != nil {
		a.Set = func(r Row, v any) error { return set(r.(T), v) }
	}
	if get != nil {
		a.Get = func(r Row) any { return get(r.(T)) }
	}
	return a
}

// shown makes a read-only attribute.
func shown[T Row](name string, get func(T) any) Attr { return attr(name, ReadOnly, nil, get) }

// field makes an attribute that is one field of the row, converted by parse.
func field[T Row, V any](name string, access Access, parse func(any) (V, error), at func(T) *V) Attr {
	return attr(name, access, func(r T, v any) error {
		x, err := parse(v)
		if err == nil {
			*at(r) = x
		}
		return err
	}, func(r T) any { return *at(r) })
}

func required(a Attr) Attr { a.Required = true; return a }
func unsorted(a Attr) Attr { a.NoSort = true; return a }
func unlisted(a Attr) Attr { a.NoSort, a.NoFilter = true, true; return a }

// standard returns the attributes that every resource has, those shown first and those shown last.
func standard(name Attr) (first, last []Attr) {
	base := func(get func(*Common) any) func(Row) any { return func(r Row) any { return get(r.Base()) } }
	project := func(name string) Attr {
		return field(name, OnPost, Text(255), func(r Row) *string { return &r.Base().ProjectID })
	}
	first = []Attr{
		shown("id", base(func(c *Common) any { return c.ID })), name, project("tenant_id"), project("project_id"),
	}
	last = []Attr{
		field("description", Writable, NullableText(255), func(r Row) *string { return &r.Base().Description }),
		shown("created_at", base(func(c *Common) any { return c.CreatedAt.UTC().Format(TimeFormat) })),
		shown("updated_at", base(func(c *Common) any { return c.UpdatedAt.UTC().Format(TimeFormat) })),
		shown("revision_number", base(func(c *Common) any { return int(c.Revision) })),
	}
	return first, last
}

func nameAttr(parse func(any) (string, error)) Attr {
	return field("name", Writable, parse, func(r Row) *string { return &r.Base().Name })
}

func tagsAttr() Attr {
	return unlisted(shown("tags", func(r Row) any { return orEmpty(r.Base().Tags) }))
}

// join lays out a table: the standard attributes around a type's own.
func join(first, own, last []Attr) []Attr { return slices.Concat(first, own, last) }

func orEmpty[E any](s []E) []E {
	if s == nil {
		return []E{}
	}
	return s
}
