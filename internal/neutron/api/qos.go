package api

import (
	"context"
	"slices"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/neutron/resource"
	"github.com/dragonflow/dragonflow/internal/neutron/rows"
)

type qosOps struct{ *Server }

func (o qosOps) create(t *rows.Txn, row resource.Row, _ resource.Given) error {
	q := row.(*resource.QoSPolicy)
	if q.Default {
		if err := o.makeDefaultQoS(t, q); err != nil {
			return err
		}
	}
	t.Create(o.qosPolicies, q)
	return nil
}

func (o qosOps) update(t *rows.Txn, oldRow, row resource.Row, _ resource.Given) error {
	old, q := oldRow.(*resource.QoSPolicy), row.(*resource.QoSPolicy)
	if q.Default != old.Default {
		change := o.makeDefaultQoS
		if old.Default {
			change = o.dropDefaultQoS
		}
		if err := change(t, q); err != nil {
			return err
		}
	}
	t.Update(o.qosPolicies, q)
	return nil
}

func (o qosOps) delete(ctx context.Context, id string, revision int64) error {
	return o.deleteInPhases(ctx, o.qosPolicies, id, revision)
}

// qosInUse refuses to delete a policy that somebody has.
func (s *Server) qosInUse(row resource.Row) error {
	id := row.Base().ID
	for _, typ := range []*resource.Type{s.networks, s.ports} {
		for _, user := range s.store.Select(typ.Kind, rows.ByQoSPolicy(id)) {
			return resource.Conflict("QosPolicyInUse", "QoS Policy %s is used by %s %s.", id, typ.Singular, user.Base().ID)
		}
	}
	return nil
}

// dropQoS removes a marked policy, and with it the default that it may be.
func (s *Server) dropQoS(ctx context.Context, row resource.Row) error {
	q := row.(*resource.QoSPolicy)
	return s.dropMarked(ctx, s.qosPolicies, q.ID, func() []child {
		if d, ok := s.store.Cached(s.defaultQoS.Kind, q.ProjectID); ok && d.(*resource.DefaultQoSPolicy).PolicyID == q.ID {
			return []child{{s.defaultQoS, q.ProjectID}}
		}
		return nil
	})
}

func (s *Server) makeDefaultQoS(t *rows.Txn, q *resource.QoSPolicy) error {
	_, err := t.Get(s.defaultQoS, q.ProjectID)
	if err == nil {
		return resource.Conflict("QoSPolicyDefaultAlreadyExists", "A default QoS policy exists for project %s.", q.ProjectID)
	}
	if notGone(err) != nil {
		return err
	}
	d := &resource.DefaultQoSPolicy{Common: resource.Common{ID: q.ProjectID}, PolicyID: q.ID}
	s.stamp(d, 1)
	t.Create(s.defaultQoS, d)
	return nil
}

func (s *Server) dropDefaultQoS(t *rows.Txn, q *resource.QoSPolicy) error {
	row, err := t.Get(s.defaultQoS, q.ProjectID)
	if err == nil && row.(*resource.DefaultQoSPolicy).PolicyID == q.ID {
		t.Delete(s.defaultQoS, q.ProjectID)
	}
	return notGone(err)
}

// networkUsesQoS checks that the policy of a network is there, and can be carried out on it. The batch depends on it.
func (s *Server) networkUsesQoS(t *rows.Txn, n *resource.Network) error {
	q, err := s.policyOf(t, n.QoSPolicyID)
	if err != nil || q == nil || !unguaranteed(q, n) {
		return err
	}
	return notOnNetwork(n)
}

// portUsesQoS is the same for a port.
func (s *Server) portUsesQoS(t *rows.Txn, p *resource.Port) error {
	q, err := s.policyOf(t, p.QoSPolicyID)
	if err != nil || q == nil || q.Guaranteed() == 0 {
		return err
	}
	n, err := t.Get(s.networks, p.NetworkID)
	if err != nil || !unguaranteed(q, n.(*resource.Network)) {
		return err
	}
	return notOnPort(p)
}

// policyOf returns a policy, nil if none is named.
func (s *Server) policyOf(t *rows.Txn, id string) (*resource.QoSPolicy, error) {
	if id == "" {
		return nil, nil
	}
	row, err := t.Get(s.qosPolicies, id)
	if err != nil {
		return nil, err
	}
	return row.(*resource.QoSPolicy), nil
}

// usersHave checks that who has a policy can have it with its rules.
func (s *Server) usersHave(q *resource.QoSPolicy) error {
	for _, row := range s.store.Select(s.networks.Kind, rows.ByQoSPolicy(q.ID)) {
		if n := row.(*resource.Network); unguaranteed(q, n) {
			return notOnNetwork(n)
		}
	}
	for _, row := range s.store.Select(s.ports.Kind, rows.ByQoSPolicy(q.ID)) {
		p := row.(*resource.Port)
		if n, ok := s.store.Cached(s.networks.Kind, p.NetworkID); ok && unguaranteed(q, n.(*resource.Network)) {
			return notOnPort(p)
		}
	}
	return nil
}

// unguaranteed reports whether a policy guarantees what nothing on the network can: only on the way to a physical
// network there is one who gives some more than others.
func unguaranteed(q *resource.QoSPolicy, n *resource.Network) bool {
	return q.Guaranteed() > 0 && !slices.ContainsFunc(n.Segments, model.Segment.IsProvider)
}

func notOnNetwork(n *resource.Network) error {
	return resource.Conflict("QosRuleNotSupportedByNetwork", "Rule %s is not supported by network %s", resource.MinimumBandwidth, n.ID)
}

func notOnPort(p *resource.Port) error {
	return resource.Conflict("QosRuleNotSupported", "Rule %s is not supported by port %s", resource.MinimumBandwidth, p.ID)
}

// defaultQoSOf returns the id of a project's default policy, empty if it has none.
func (s *Server) defaultQoSOf(t *rows.Txn, project string) (string, error) {
	row, err := t.Get(s.defaultQoS, project)
	if err != nil {
		return "", notGone(err)
	}
	return row.(*resource.DefaultQoSPolicy).PolicyID, nil
}
