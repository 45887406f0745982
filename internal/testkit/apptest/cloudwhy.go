package apptest

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
	"github.com/dragonflow/dragonflow/internal/operate"
)

// explained asks dragonflow why about a frame that no port of any chassis received. It answers from the
// objects alone: where chassis have learned something by themselves, have not all been told the same yet, or the
// sender is not where it belongs, that is another cloud.
func (c *Cloud) explained(chassis string, from *model.Port, frame []byte) {
	c.t.Helper()
	learned := 0
	c.each(func(h *Hypervisor) { learned += h.DB.Len(view.Arrivals) + h.DB.Len(view.Departures) })
	objects, agreed := c.objects()
	elsewhere := slices.ContainsFunc(objects, func(o model.Object) bool {
		p, is := o.(*model.Port)
		return is && p.ID == from.ID && p.Host != chassis
	})
	if learned > 0 || !agreed || elsewhere {
		return
	}
	cloud := &operate.Cloud{Topology: topology(objects), Apps: c.apps()}
	ans, err := cloud.Why(c.t.Context(), operate.Question{Port: from.ID, Frame: fmt.Sprintf("%x", frame)})
	switch {
	case err != nil:
		c.t.Errorf("dragonflow why about %s: %v", short(frame), err)
	case ans.Passes || !strings.Contains(ans.Sentence, "dropped"):
		c.t.Errorf("nobody received %s from %s, but dragonflow why says %q", short(frame), from.ID, ans.Sentence)
	}
}

// topology is what the chassis of a cloud were told, as a database would have it.
type topology []model.Object

// List returns the objects of a scope.
func (t topology) List(_ context.Context, scope string) ([]northbound.Entry, db.Revision, error) {
	var out []northbound.Entry
	for _, o := range t {
		if o.Scope() == scope {
			out = append(out, northbound.Entry{Key: northbound.KeyOf(o), Object: o})
		}
	}
	return out, 0, nil
}

// Scopes lists those that have objects.
func (t topology) Scopes(context.Context) ([]db.Scope, error) {
	var out []db.Scope
	for _, o := range t {
		if s := db.Scope(o.Scope()); !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out, nil
}

// objects returns each object that a chassis was told once, and whether all were told the same of it.
func (c *Cloud) objects() (list []model.Object, agreed bool) {
	seen := map[db.Key]model.Object{}
	agreed = true
	c.each(func(h *Hypervisor) {
		for _, table := range []view.AnyTable{
			view.Networks, view.Subnets, view.Ports, view.Bindings, view.ChassisAll, view.Routers, view.RouterInterfaces,
			view.RouterGateways, view.GatewayDuties, view.FloatingIPs, view.ExternalPorts, view.SecurityGroups, view.Rules, view.Members,
		} {
			h.DB.Each(table, func(_ string, row any) {
				o := row.(model.Object)
				k := northbound.KeyOf(o)
				if other, told := seen[k]; told {
					agreed = agreed && reflect.DeepEqual(other, o)
					return
				}
				seen[k] = o
				list = append(list, o)
			})
		}
	})
	return list, agreed
}
