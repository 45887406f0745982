// Package resource is the north side of Neutron's API v2.0: the types of resources, how they are read
// from a request and shown in an answer, their defaults, and the checks that need nothing but the
// resource itself.
//
// Each type of resource is one table of attributes ([Type]); parsing, showing, filtering and sorting all
// read that table, so an attribute that is not in it is unknown to the API. Rows are what the database
// keeps; they are immutable once shared, who changes one clones it first. The package does no I/O.
package resource

import (
	"encoding/json"
	"slices"
	"time"
)

// Row is the stored form of one resource: a pointer to one of this package's structs.
type Row interface {
	// Base returns the part that all rows have.
	Base() *Common
	// Clone returns a copy whose top-level fields may be replaced. Slices are shared: replace them,
	// never write into them.
	Clone() Row
}

// Common is what every row carries; most of it is Neutron's standard attributes.
type Common struct {
	ID          string    `json:"id"`
	ProjectID   string    `json:"project_id,omitzero"`
	Name        string    `json:"name,omitzero"`
	Description string    `json:"description,omitzero"`
	Tags        []string  `json:"tags,omitzero"`
	CreatedAt   time.Time `json:"created_at,omitzero"`
	UpdatedAt   time.Time `json:"updated_at,omitzero"`
	// Revision is Neutron's revision_number.
	Revision int64 `json:"revision_number"`
	// Deleting is set while a deletion looks for users of the resource: no new user may appear.
	Deleting time.Time `json:"deleting,omitzero"`
	// Write names the request that wrote the row, so that a server whose write had an unknown outcome
	// can tell afterwards whether it was carried out.
	Write string `json:"write,omitzero"`
	// Pushed says that a Neutron has pushed the row.
	Pushed bool `json:"pushed,omitzero"`
	// Digest is, where a Neutron pushed the row, what it told of the content beside the revision; it is opaque.
	Digest string `json:"digest,omitzero"`
	// Schema is the version of the writer's stored form.
	Schema int `json:"schema,omitzero"`
	// Unknown keeps the fields that a newer version wrote; see [Type.Load] and [Store].
	Unknown map[string]json.RawMessage `json:"-"`
}

// Base returns the common part.
func (c *Common) Base() *Common { return c }

// HasTags reports whether the row carries all of the tags.
func (c *Common) HasTags(tags ...string) bool {
	return !slices.ContainsFunc(tags, func(t string) bool { return !slices.Contains(c.Tags, t) })
}

// SchemaVersion is written with every row. It grows when a stored field changes its meaning.
const SchemaVersion = 1

// TimeFormat is how Neutron shows created_at and updated_at.
const TimeFormat = "2006-01-02T15:04:05Z"
