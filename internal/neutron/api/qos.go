package api

import (
	"context"

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

// usesQoS checks that the policy is there that somebody shall have. The batch depends on it.
func (s *Server) usesQoS(t *rows.Txn, policy string) error {
	if policy == "" {
		return nil
	}
	_, err := t.Get(s.qosPolicies, policy)
	return err
}

// defaultQoSOf returns the id of a project's default policy, empty if it has none.
func (s *Server) defaultQoSOf(t *rows.Txn, project string) (string, error) {
	row, err := t.Get(s.defaultQoS, project)
	if err != nil {
		return "", notGone(err)
	}
	return row.(*resource.DefaultQoSPolicy).PolicyID, nil
}
