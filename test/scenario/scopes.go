package scenario

import (
	"context"

	"github.com/dragonflow/dragonflow/internal/lab/cloud"
)

// addressing are the statements about address scopes. A network of one has a subnet pool for each of its prefixes.
func addressing() map[string]statement {
	return map[string]statement{
		"scope":   {"scope NAME: an address scope of each IP version", parseScope},
		"rescope": {"rescope NETWORK SCOPE|none", parseRescope},
	}
}

// version is the IP version of a subnet.
func (s *subnet) version() int {
	if s.prefix.Addr().Is6() {
		return 6
	}
	return 4
}

// scopeKey names what the API has for a scope and an IP version.
type scopeKey struct {
	name    string
	version int
}

func parseScope(w *words) action {
	name := w.declare(aScope)
	return func(ctx context.Context, r *Run) error {
		for _, version := range []int{4, 6} {
			made, err := r.platform.API().Create(ctx, "address_scope", cloud.Object{"name": name, "ip_version": version, "shared": true})
			if err != nil {
				return err
			}
			r.scopes[scopeKey{name, version}] = made.ID()
		}
		return nil
	}
}

// pool makes a subnet's pool in the address scope of its network.
func (r *Run) pool(ctx context.Context, api *cloud.Client, n *network, s *subnet) error {
	made, err := api.Create(ctx, "subnetpool", cloud.Object{"name": n.name, "prefixes": []string{s.prefix.String()},
		"min_prefixlen": s.prefix.Bits(), "default_prefixlen": s.prefix.Bits(), "address_scope_id": r.scopes[scopeKey{n.scope, s.version()}]})
	s.pool = made.ID()
	return err
}

func parseRescope(w *words) action {
	network := w.name(aNetwork)
	to := ""
	if !w.accept("none") {
		to = w.name(aScope)
	}
	return func(ctx context.Context, r *Run) error {
		n := r.networks[network]
		for _, s := range n.subnets {
			fields := cloud.Object{"address_scope_id": nil}
			if to != "" {
				fields["address_scope_id"] = r.scopes[scopeKey{to, s.version()}]
			}
			if _, err := r.platform.API().As(n.project).Update(ctx, "subnetpool", s.pool, fields); err != nil {
				return err
			}
		}
		return nil
	}
}
