package api

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/neutron/resource"
	"github.com/dragonflow/dragonflow/internal/neutron/rows"
)

type groupOps struct{ *Server }

func (o groupOps) create(t *rows.Txn, row resource.Row, _ resource.Given) error {
	g := row.(*resource.SecurityGroup)
	if _, err := o.defaultGroup(t, g.ProjectID); err != nil {
		return err
	}
	if err := o.checkQuota(t, o.groups, g.ProjectID); err != nil {
		return err
	}
	t.Create(o.groups, g)
	for _, e := range []model.EtherType{model.IPv4, model.IPv6} {
		o.addRule(t, g, model.Egress, e, "")
	}
	return nil
}

// addRule adds one of the rules that a group has from its beginning.
func (s *Server) addRule(t *rows.Txn, g *resource.SecurityGroup, d model.Direction, e model.EtherType, remote string) {
	r := &resource.SecurityGroupRule{
		Common:          resource.Common{ID: uuid.NewString(), ProjectID: g.ProjectID},
		SecurityGroupID: g.ID, Direction: d, EtherType: e, RemoteGroupID: remote,
	}
	s.stamp(r, 1)
	t.Create(s.rules, r)
}

// defaultGroup returns the id of the project's default group, which the batch makes if there is none.
func (s *Server) defaultGroup(t *rows.Txn, project string) (string, error) {
	row, err := t.Get(s.defaultGroups, project)
	if err == nil {
		return row.(*resource.DefaultGroup).GroupID, nil
	}
	if notGone(err) != nil {
		return "", err
	}
	g := &resource.SecurityGroup{
		Common: resource.Common{
			ID: uuid.NewString(), ProjectID: project, Name: resource.DefaultGroupName,
			Description: "Default security group",
		},
		Stateful: true, Default: true,
	}
	s.stamp(g, 1)
	t.Create(s.groups, g)
	for _, e := range []model.EtherType{model.IPv4, model.IPv6} {
		s.addRule(t, g, model.Egress, e, "")
		s.addRule(t, g, model.Ingress, e, g.ID)
	}
	d := &resource.DefaultGroup{Common: resource.Common{ID: project}, GroupID: g.ID}
	s.stamp(d, 1)
	t.Create(s.defaultGroups, d)
	return g.ID, nil
}

func (s *Server) ensureDefaultGroup(ctx context.Context, project string) error {
	if _, ok := s.store.Cached(s.defaultGroups.Kind, project); ok {
		return nil
	}
	return s.store.Update(ctx, func(t *rows.Txn) error {
		_, err := s.defaultGroup(t, project)
		return err
	})
}

func (o groupOps) update(t *rows.Txn, oldRow, row resource.Row, given resource.Given) error {
	old, g := oldRow.(*resource.SecurityGroup), row.(*resource.SecurityGroup)
	if old.Default && given["name"] && g.Name != old.Name {
		return resource.Conflict("SecurityGroupCannotUpdateDefault", "Updating default security group not allowed.")
	}
	if g.Stateful != old.Stateful {
		if err := o.groupInUse(old); err != nil {
			return err
		}
	}
	t.Update(o.groups, g)
	return nil
}

func (o groupOps) delete(ctx context.Context, id string, revision int64) error {
	row, err := o.store.Get(ctx, o.groups.Kind, id)
	if err == nil && row.(*resource.SecurityGroup).Default {
		return resource.Conflict("SecurityGroupCannotRemoveDefault",
			"Insufficient rights for removing default security group.")
	}
	return o.deleteInPhases(ctx, o.groups, id, revision)
}

// groupInUse refuses to delete a group, or to change its nature, while it has ports.
func (s *Server) groupInUse(row resource.Row) error {
	id := row.Base().ID
	if s.store.Count(s.ports.Kind, rows.ByMembership(id)) == 0 {
		return nil
	}
	return resource.Conflict("SecurityGroupInUse", "Security Group %s in use.", id)
}

// dropGroup removes a marked group without members, its rules, and the rules of other groups that name
// it: without members they allow nothing.
func (s *Server) dropGroup(ctx context.Context, row resource.Row) error {
	id := row.Base().ID
	return s.dropMarked(ctx, s.groups, id, func() []child {
		var out []child
		for _, key := range []string{rows.ByGroup(id), rows.ByRemoteGroup(id)} {
			for _, r := range s.store.Select(s.rules.Kind, key) {
				out = append(out, child{s.rules, r.Base().ID})
			}
		}
		for _, l := range s.store.Select(s.logs.Kind, rows.ByGroup(id)) {
			out = append(out, child{s.logs, l.Base().ID})
		}
		return out
	})
}

// decorateGroup fills in the rules.
func (s *Server) decorateGroup(row resource.Row) resource.Row {
	g := row.Clone().(*resource.SecurityGroup)
	for _, r := range s.store.Select(s.rules.Kind, rows.ByGroup(g.ID)) {
		g.Rules = append(g.Rules, r.(*resource.SecurityGroupRule))
	}
	return g
}

type ruleOps struct{ *Server }

func (o ruleOps) create(t *rows.Txn, row resource.Row, _ resource.Given) error {
	r := row.(*resource.SecurityGroupRule)
	if err := resource.CheckRule(r); err != nil {
		return err
	}
	g, err := t.Get(o.groups, r.SecurityGroupID)
	if err != nil {
		return err
	}
	if r.RemoteGroupID != "" {
		if _, err := t.Get(o.groups, r.RemoteGroupID); err != nil {
			return err
		}
	}
	if err := o.checkDuplicate(t, r); err != nil {
		return err
	}
	if err := o.checkQuota(t, o.rules, r.ProjectID); err != nil {
		return err
	}
	t.Create(o.rules, r)
	o.touchGroup(t, g)
	return nil
}

// touchGroup raises the revision of a group whose rules change, so that its row stands for them.
func (s *Server) touchGroup(t *rows.Txn, row resource.Row) {
	g := row.Clone()
	s.stamp(g, g.Base().Revision+1)
	t.Update(s.groups, g)
}

func (o ruleOps) checkDuplicate(t *rows.Txn, r *resource.SecurityGroupRule) error {
	key := resource.RuleKey(r)
	for _, pending := range t.Created(o.rules) {
		p := pending.(*resource.SecurityGroupRule)
		if p.SecurityGroupID == r.SecurityGroupID && resource.RuleKey(p) == key {
			return resource.Conflict("DuplicateSecurityGroupRuleInPost", "Duplicate Security Group Rule in POST.")
		}
	}
	for _, other := range o.store.Select(o.rules.Kind, rows.ByGroup(r.SecurityGroupID)) {
		if resource.RuleKey(other.(*resource.SecurityGroupRule)) == key {
			return resource.Conflict("SecurityGroupRuleExists",
				"Security group rule already exists. Rule id is %s.", other.Base().ID)
		}
	}
	return nil
}

func (o ruleOps) update(*rows.Txn, resource.Row, resource.Row, resource.Given) error {
	return errors.New("rules have nothing that can be changed")
}

func (o ruleOps) delete(ctx context.Context, id string, revision int64) error {
	return o.store.Update(ctx, func(t *rows.Txn) error {
		row, err := t.Get(o.rules, id)
		if err != nil {
			return err
		}
		if err := checkRevision(row, revision); err != nil {
			return err
		}
		g, err := t.Get(o.groups, row.(*resource.SecurityGroupRule).SecurityGroupID)
		if err != nil {
			return err
		}
		t.Delete(o.rules, id)
		o.touchGroup(t, g)
		return nil
	})
}
