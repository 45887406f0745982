package api

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"slices"

	"github.com/google/uuid"

	"github.com/dragonflow/dragonflow/internal/neutron/resource"
	"github.com/dragonflow/dragonflow/internal/neutron/rows"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// resolveQoS serves the extension "qos".
func (s *Server) resolveQoS(prefix string, parts []string) (string, methods) {
	switch {
	case len(parts) == 0:
		return "other", nil
	case parts[0] == "rule-types":
		return s.resolveRuleTypes(prefix+"/rule-types", parts[1:])
	case parts[0] != "policies":
		return "other", nil
	}
	prefix += "/policies"
	if len(parts) >= 3 && len(parts) <= 4 {
		for _, typ := range s.qosRules {
			if parts[2] == typ.Plural {
				return qosRules{s, typ, parts[1]}.resolve(prefix+"/{id}/"+typ.Plural, parts[3:])
			}
		}
	}
	for _, c := range s.collections {
		if c.typ == s.qosPolicies {
			return c.resolve(prefix, parts[1:])
		}
	}
	return "other", nil
}

// resolveRuleTypes tells which types of rules chassis carry out.
func (s *Server) resolveRuleTypes(prefix string, parts []string) (string, methods) {
	show := func(v any) methods {
		return methods{http.MethodGet: func(w http.ResponseWriter, _ *http.Request) error {
			answer(w, http.StatusOK, v)
			return nil
		}}
	}
	types := []string{resource.BandwidthLimit, resource.DSCPMarking, resource.MinimumBandwidth, resource.PacketRateLimit}
	switch {
	case len(parts) == 0:
		list := []any{}
		for _, t := range types {
			list = append(list, map[string]any{"type": t})
		}
		return prefix, show(map[string]any{"rule_types": list})
	case len(parts) == 1 && slices.Contains(types, parts[0]):
		return prefix + "/{type}", show(map[string]any{"rule_type": map[string]any{
			"type": parts[0], "drivers": []any{map[string]any{"name": "dragonflow", "supported_parameters": s.parametersOf(parts[0])}},
		}})
	}
	return "other", nil
}

// parametersOf lists what rules of a type may be given.
func (s *Server) parametersOf(ruleType string) []any {
	out := []any{}
	for _, t := range s.qosRules {
		for _, a := range t.Attrs {
			if t.Singular != ruleType+"_rule" || a.Access == resource.ReadOnly {
				continue
			}
			values := map[string]any{"parameter_name": a.Name, "parameter_type": "range", "parameter_values": map[string]any{"start": 0, "end": 1<<31 - 1}}
			switch {
			case a.Name == "direction" && ruleType == resource.MinimumBandwidth:
				values["parameter_type"], values["parameter_values"] = "choices", []string{"egress"}
			case a.Name == "direction":
				values["parameter_type"], values["parameter_values"] = "choices", []string{"ingress", "egress"}
			case a.Name == "dscp_mark":
				values["parameter_type"], values["parameter_values"] = "choices", resource.DSCPMarks()
			}
			out = append(out, values)
		}
	}
	return out
}

// qosRules are the rules of one type of a policy. They are a part of the policy's row, whose revision grows with each
// change of them.
type qosRules struct {
	*Server
	typ    *resource.Type
	policy string
}

func (q qosRules) resolve(prefix string, parts []string) (string, methods) {
	if len(parts) == 0 {
		return prefix, methods{http.MethodGet: q.list, http.MethodPost: q.create}
	}
	id := parts[0]
	return prefix + "/{id}", methods{
		http.MethodGet:    func(w http.ResponseWriter, r *http.Request) error { return q.show(w, r, id) },
		http.MethodPut:    func(w http.ResponseWriter, r *http.Request) error { return q.update(w, r, id) },
		http.MethodDelete: func(w http.ResponseWriter, r *http.Request) error { return q.delete(w, r, id) },
	}
}

// read returns the policy as the cache has it.
func (q qosRules) read(ctx context.Context) (*resource.QoSPolicy, error) {
	row, err := q.store.Get(ctx, q.qosPolicies.Kind, q.policy)
	if errors.Is(err, db.ErrNotFound) {
		return nil, q.qosPolicies.NotFound(q.policy)
	}
	if err != nil {
		return nil, err
	}
	return row.(*resource.QoSPolicy), nil
}

func (q qosRules) isOfType(r *resource.QoSRule) bool { return r.Type+"_rule" == q.typ.Singular }

func (q qosRules) list(w http.ResponseWriter, r *http.Request) error {
	p, err := q.read(r.Context())
	if err != nil {
		return err
	}
	c := &collection{server: q.Server, typ: q.typ, rows: func() []resource.Row {
		out := []resource.Row{}
		for _, rule := range p.Rules {
			if q.isOfType(rule) {
				out = append(out, rule)
			}
		}
		return out
	}}
	return c.list(w, r)
}

// answer shows a rule.
func (q qosRules) answer(w http.ResponseWriter, r *http.Request, status int, id string) error {
	p, err := q.read(r.Context())
	if err != nil {
		return err
	}
	rule := p.Rule(id)
	if rule == nil || !q.isOfType(rule) {
		return resource.QoSRuleNotFound(q.policy, id)
	}
	answer(w, status, map[string]any{q.typ.Singular: q.typ.Show(rule, fields(r))})
	return nil
}

func (q qosRules) show(w http.ResponseWriter, r *http.Request, id string) error {
	return q.answer(w, r, http.StatusOK, id)
}

func (q qosRules) body(w http.ResponseWriter, r *http.Request) (map[string]any, error) {
	body, err := readBody(w, r)
	if err != nil {
		return nil, err
	}
	list, _, err := items(q.typ, body, false)
	if err != nil {
		return nil, err
	}
	return list[0], nil
}

// change writes the policy with other rules.
func (q qosRules) change(ctx context.Context, edit func(rules []*resource.QoSRule) ([]*resource.QoSRule, error)) error {
	return q.store.Update(ctx, func(t *rows.Txn) error {
		row, err := t.Get(q.qosPolicies, q.policy)
		if err != nil {
			return err
		}
		p := row.Clone().(*resource.QoSPolicy)
		if p.Rules, err = edit(slices.Clone(p.Rules)); err != nil || reflect.DeepEqual(p, row) {
			return err
		}
		if err := q.usersHave(p); err != nil {
			return err
		}
		q.stamp(p, p.Revision+1)
		t.Update(q.qosPolicies, p)
		return nil
	})
}

func (q qosRules) create(w http.ResponseWriter, r *http.Request) error {
	item, err := q.body(w, r)
	if err != nil {
		return err
	}
	row, _, err := q.typ.Create(item)
	if err != nil {
		return err
	}
	rule := row.(*resource.QoSRule)
	rule.ID, rule.PolicyID = uuid.NewString(), q.policy
	err = q.change(r.Context(), func(rules []*resource.QoSRule) ([]*resource.QoSRule, error) {
		return append(rules, rule), q.checkBeside(rules, rule)
	})
	if err != nil {
		return err
	}
	return q.answer(w, r, http.StatusCreated, rule.ID)
}

// checkBeside refuses a second rule for the same, and a guarantee of more than the limit.
func (q qosRules) checkBeside(rules []*resource.QoSRule, rule *resource.QoSRule) error {
	for _, other := range rules {
		if err := q.checkRates(other, rule); err != nil {
			return err
		}
		if other.ID != rule.ID && other.Type == rule.Type && other.Direction == rule.Direction {
			return resource.Conflict("QoSRulesConflict", "Rule %s conflicts with rule %s which already exists in QoS Policy %s.",
				rule.Type, other.ID, q.policy)
		}
	}
	return nil
}

// checkRates refuses a guarantee of more than the limit in the same direction, whichever of the two rules is new.
func (q qosRules) checkRates(other, rule *resource.QoSRule) error {
	conflict := func(value, existing int) error {
		return resource.Conflict("QoSRuleParameterConflict",
			"Unable to add the rule with value %d to the policy %s as the existing rule of type %s has value %d.", value, q.policy, other.Type, existing)
	}
	switch {
	case other.Direction != rule.Direction:
	case rule.Type == resource.MinimumBandwidth && other.Type == resource.BandwidthLimit && rule.Min > other.Max:
		return conflict(rule.Min, other.Max)
	case rule.Type == resource.BandwidthLimit && other.Type == resource.MinimumBandwidth && rule.Max < other.Min:
		return conflict(rule.Max, other.Min)
	}
	return nil
}

func (q qosRules) update(w http.ResponseWriter, r *http.Request, id string) error {
	item, err := q.body(w, r)
	if err != nil {
		return err
	}
	err = q.change(r.Context(), func(rules []*resource.QoSRule) ([]*resource.QoSRule, error) {
		i, err := q.find(rules, id)
		if err != nil {
			return nil, err
		}
		row, _, err := q.typ.Update(rules[i], item)
		if err != nil {
			return nil, err
		}
		rules[i] = row.(*resource.QoSRule)
		return rules, q.checkBeside(rules, rules[i])
	})
	if err != nil {
		return err
	}
	return q.answer(w, r, http.StatusOK, id)
}

func (q qosRules) delete(w http.ResponseWriter, r *http.Request, id string) error {
	err := q.change(r.Context(), func(rules []*resource.QoSRule) ([]*resource.QoSRule, error) {
		i, err := q.find(rules, id)
		if err != nil {
			return nil, err
		}
		return slices.Delete(rules, i, i+1), nil
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (q qosRules) find(rules []*resource.QoSRule, id string) (int, error) {
	i := slices.IndexFunc(rules, func(r *resource.QoSRule) bool { return r.ID == id && q.isOfType(r) })
	if i < 0 {
		return 0, resource.QoSRuleNotFound(q.policy, id)
	}
	return i, nil
}
