package api

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"strconv"

	"github.com/dragonflow/dragonflow/internal/neutron/ipam"
	"github.com/dragonflow/dragonflow/internal/neutron/resource"
	"github.com/dragonflow/dragonflow/internal/neutron/rows"
)

type poolOps struct{ *Server }

func (o poolOps) create(t *rows.Txn, row resource.Row, given resource.Given) error {
	p := row.(*resource.SubnetPool)
	if err := p.CheckPrefixes(); err != nil {
		return err
	}
	p.Prefixes = ipam.Compact(p.Prefixes)
	p.Complete(given)
	if err := p.CheckBounds(); err != nil {
		return err
	}
	if err := o.checkQuota(t, o.subnetPools, p.ProjectID); err != nil {
		return err
	}
	if p.IsDefault {
		if err := o.becomeDefault(t, p); err != nil {
			return err
		}
	}
	if err := o.joinScope(t, p); err != nil {
		return err
	}
	t.Create(o.subnetPools, p)
	return nil
}

func (o poolOps) update(t *rows.Txn, oldRow, row resource.Row, given resource.Given) error {
	old, p := oldRow.(*resource.SubnetPool), row.(*resource.SubnetPool)
	if given["prefixes"] {
		if err := p.CheckPrefixes(); err != nil {
			return err
		}
		p.Prefixes = ipam.Compact(p.Prefixes)
		if p.IPVersion != old.IPVersion || len(ipam.Free(old.Prefixes, p.Prefixes)) > 0 {
			return illegalPrefixes("Existing prefixes must be a subset of the new prefixes")
		}
	}
	if err := p.CheckBounds(); err != nil {
		return err
	}
	if p.IsDefault != old.IsDefault {
		change := o.becomeDefault
		if old.IsDefault {
			change = o.resignAsDefault
		}
		if err := change(t, p); err != nil {
			return err
		}
	}
	if p.AddressScopeID != old.AddressScopeID {
		if err := o.checkAffinity(p); err != nil {
			return err
		}
	}
	if err := o.joinScope(t, p); err != nil {
		return err
	}
	t.Update(o.subnetPools, p)
	return nil
}

func illegalPrefixes(reason string) error {
	return resource.Refused("IllegalSubnetPoolPrefixUpdate", "Illegal update to prefixes: %s.", reason)
}

func (o poolOps) delete(ctx context.Context, id string, revision int64) error {
	return o.store.Update(ctx, func(t *rows.Txn) error {
		row, err := t.Get(o.subnetPools, id)
		if err != nil {
			return err
		}
		if err := checkRevision(row, revision); err != nil {
			return err
		}
		p := row.(*resource.SubnetPool)
		if o.store.Count(o.subnets.Kind, rows.BySubnetPool(id)) > 0 {
			return resource.Refused("SubnetPoolDeleteError",
				"Unable to delete subnet pool: Subnet pool has existing allocations.")
		}
		if p.IsDefault {
			if err := o.resignAsDefault(t, p); err != nil {
				return err
			}
		}
		t.Delete(o.subnetPools, id)
		return nil
	})
}

func (s *Server) becomeDefault(t *rows.Txn, p *resource.SubnetPool) error {
	id := strconv.Itoa(p.IPVersion)
	_, err := t.Get(s.defaultPools, id)
	if err == nil {
		return resource.InvalidInput("A default subnetpool for this IP family has already been set. Only one default " +
			"may exist per IP family")
	}
	if notGone(err) != nil {
		return err
	}
	d := &resource.DefaultPool{Common: resource.Common{ID: id}, SubnetPoolID: p.ID}
	s.stamp(d, 1)
	t.Create(s.defaultPools, d)
	return nil
}

func (s *Server) resignAsDefault(t *rows.Txn, p *resource.SubnetPool) error {
	id := strconv.Itoa(p.IPVersion)
	row, err := t.Get(s.defaultPools, id)
	if err == nil && row.(*resource.DefaultPool).SubnetPoolID == p.ID {
		t.Delete(s.defaultPools, id)
	}
	return notGone(err)
}

// touchPool makes the batch conflict with others that depend on what is in use of a pool.
func (s *Server) touchPool(t *rows.Txn, id string) (*resource.SubnetPool, error) {
	row, err := t.Get(s.subnetPools, id)
	if err != nil {
		return nil, err
	}
	t.Update(s.subnetPools, row.Clone())
	return row.(*resource.SubnetPool), nil
}

// cut returns the subnets of a pool that the batch depends on, with those that the batch makes.
func (s *Server) cut(t *rows.Txn, pool string) []*resource.Subnet {
	var out []*resource.Subnet
	for _, row := range slices.Concat(s.store.Select(s.subnets.Kind, rows.BySubnetPool(pool)), t.Created(s.subnets)) {
		if n := row.(*resource.Subnet); n.SubnetPoolID == pool {
			out = append(out, n)
		}
	}
	return out
}

func cidrs(subnets []*resource.Subnet) []netip.Prefix {
	out := make([]netip.Prefix, len(subnets))
	for i, s := range subnets {
		out[i] = s.CIDR
	}
	return out
}

// poolActions are what can be done with a pool beyond changing its attributes.
func (s *Server) poolActions() map[string]action {
	return map[string]action{
		"add_prefixes":    s.prefixesAction(s.addPrefixes),
		"remove_prefixes": s.prefixesAction(s.removePrefixes),
	}
}

// prefixesAction changes a pool's prefixes without its client knowing them all.
func (s *Server) prefixesAction(
	change func(p *resource.SubnetPool, prefixes []netip.Prefix) ([]netip.Prefix, error),
) action {
	return func(w http.ResponseWriter, req *http.Request, id string) error {
		want, err := ifMatch(req)
		if err != nil {
			return err
		}
		body, err := readBody(w, req)
		if err != nil {
			return err
		}
		raw, ok := body["prefixes"].([]any)
		if !ok || len(body) != 1 || len(raw) == 0 {
			return resource.BadRequest("Request body contains invalid data")
		}
		prefixes, err := resource.ParsePrefixes(raw)
		if err != nil {
			return resource.Invalid("prefixes", err.Error())
		}
		row, err := s.collectionOf(s.subnetPools).change(req.Context(), id, want,
			func(old resource.Row) (resource.Row, resource.Given, error) {
				p := old.Clone().(*resource.SubnetPool)
				var err error
				p.Prefixes, err = change(p, prefixes)
				return p, resource.Given{}, err
			})
		if err != nil {
			return err
		}
		answer(w, http.StatusOK, map[string]any{"prefixes": row.(*resource.SubnetPool).Prefixes})
		return nil
	}
}

func (s *Server) addPrefixes(p *resource.SubnetPool, prefixes []netip.Prefix) ([]netip.Prefix, error) {
	more := &resource.SubnetPool{Prefixes: slices.Concat(p.Prefixes, prefixes)}
	if err := more.CheckPrefixes(); err != nil {
		return nil, err
	}
	return ipam.Compact(more.Prefixes), nil
}

func (s *Server) removePrefixes(p *resource.SubnetPool, prefixes []netip.Prefix) ([]netip.Prefix, error) {
	for _, row := range s.store.Select(s.subnets.Kind, rows.BySubnetPool(p.ID)) {
		for _, x := range prefixes {
			if x.Overlaps(row.(*resource.Subnet).CIDR) {
				return nil, illegalPrefixes("One or more the prefixes to be removed is in use by a subnet")
			}
		}
	}
	left := ipam.Free(p.Prefixes, prefixes)
	if len(left) == 0 {
		return nil, resource.Refused("EmptySubnetPoolPrefixList", "Empty subnet pool prefix list.")
	}
	return left, nil
}
