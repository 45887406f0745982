// Package model is the logical topology: one plain struct for each kind, with validation, references by
// id and the scope in which the object is stored. It is what the northbound database holds and what a
// chassis computes its flows from.
//
// Names are Neutron's. Objects are immutable once shared: who changes one copies it first. The package
// imports only the standard library.
package model

import (
	"encoding/json"
	"errors"
	"fmt"
)

// SchemaVersion is written with every stored object. It grows when a stored field changes its meaning;
// a new field does not change it.
const SchemaVersion = 1

// Kind is the type of an object, as it appears in database keys and on the command line.
type Kind string

// Meta is what every object carries.
type Meta struct {
	ID string `json:"id"`
	// Revision is Neutron's revision_number where the object comes from Neutron, else our own counter.
	Revision  int64  `json:"revision"`
	ProjectID string `json:"project_id,omitzero"`
	// Schema is the SchemaVersion of the writer.
	Schema int `json:"schema,omitzero"`
	// Unknown keeps the fields that a newer version wrote, so that a read-modify-write by this version
	// does not lose them.
	Unknown map[string]json.RawMessage `json:",embed"`
}

// Metadata returns the object's common part.
func (m *Meta) Metadata() *Meta { return m }

// Object is a member of the logical topology: a pointer to one of this package's kind structs.
type Object interface {
	// Metadata returns the common part; never nil.
	Metadata() *Meta
	// Kind returns the object's kind.
	Kind() Kind
	// Scope returns the one scope in which the object lies.
	Scope() string
	// Validate reports everything that is wrong with the object itself, naming the field. It does not
	// look at other objects: references may dangle.
	Validate() error
}

// The scopes of the topology. Every object lies in exactly one.

// ScopeGlobal holds the chassis, the epoch and the logs of security groups.
const ScopeGlobal = "global"

// ScopeChassis holds what one chassis serves: its port bindings, and what it reports about them.
func ScopeChassis(name string) string { return "chassis/" + name }

// ScopeNetwork holds a network and its subnets.
func ScopeNetwork(id string) string { return "network/" + id }

// ScopeNetworkPorts holds the ports of a network.
func ScopeNetworkPorts(id string) string { return "network/" + id + "/ports" }

// ScopeRouter holds a router and its interfaces.
func ScopeRouter(id string) string { return "router/" + id }

// ScopeSecurityGroup holds a security group and its rules.
func ScopeSecurityGroup(id string) string { return "secgroup/" + id }

// ScopeSecurityGroupMembers holds the members of a security group, one object per port.
func ScopeSecurityGroupMembers(id string) string { return "secgroup/" + id + "/members" }

// ScopeQoSPolicy holds a QoS policy with its rules.
func ScopeQoSPolicy(id string) string { return "qos/" + id }

// problems collects what is wrong with an object.
type problems struct{ errs []error }

func (p *problems) check(ok bool, field, format string, args ...any) {
	if !ok {
		p.errs = append(p.errs, fmt.Errorf("%s: %s", field, fmt.Sprintf(format, args...)))
	}
}

func (p *problems) meta(m *Meta) {
	p.check(m.ID != "", "id", "must not be empty")
	p.check(m.Revision >= 0, "revision", "must not be negative, is %d", m.Revision)
}

func (p *problems) result(o Object) error {
	if len(p.errs) == 0 {
		return nil
	}
	return fmt.Errorf("%s %q: %w", o.Kind(), o.Metadata().ID, errors.Join(p.errs...))
}
