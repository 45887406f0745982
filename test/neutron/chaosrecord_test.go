//go:build neutron

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"

	"github.com/dragonflow/dragonflow/internal/lab/cloud"
)

// certainty is what a client knows of the existence of an object.
type certainty int

const (
	// alive and gone were acknowledged, unsure was not: an answer was lost, or something else took the object along.
	alive certainty = iota
	gone
	unsure
)

// record is what a client knows of one object.
type record struct {
	kind, id string
	// parent is the object in whose path it is shown, as a port forwarding in that of its floating IP.
	parent *record
	// want are the fields as they were acknowledged last, without those whose last change has no answer.
	want  cloud.Object
	state certainty
}

func (r *record) path() string {
	if r.parent != nil {
		return r.parent.path() + "/" + r.kind + "s/" + r.id
	}
	return cloud.Path(r.kind, r.id)
}

// book is what one client has done.
type book struct {
	records []*record
	// counts are by what became of requests.
	counts map[string]int
	// lost are requests whose answer did not come or was an error of the server, the first of them.
	lost []string
}

// acknowledged, refused and unknown are what can become of a request.
const (
	acknowledged = "acknowledged"
	refused      = "refused"
	unknown      = "unknown"
)

// outcome tells what an error of a request means. What is refused has changed nothing.
func (b *book) outcome(err error) string {
	what := unknown
	var status *cloud.StatusError
	switch {
	case err == nil:
		what = acknowledged
	case errors.As(err, &status) && status.Status < http.StatusInternalServerError:
		what = refused
	default:
		const most = 20
		if len(b.lost) < most {
			b.lost = append(b.lost, fmt.Sprintf("%.300s", err.Error()))
		}
	}
	b.counts[what]++
	return what
}

// of are the records of a kind that are alive.
func (b *book) of(kind string) (list []*record) {
	for _, r := range b.records {
		if r.kind == kind && r.state == alive {
			list = append(list, r)
		}
	}
	return list
}

// carried notes what goes with an object, or is cleared, when that is deleted.
func (b *book) carried(deleted *record) {
	for _, r := range b.records {
		switch {
		case r.parent == deleted && r.state == alive,
			r.kind == "subnet" && r.want["network_id"] == deleted.id,
			r.kind == "security_group_rule" && (r.want["security_group_id"] == deleted.id || r.want["remote_group_id"] == deleted.id),
			r.kind == "port_forwarding" && r.want["internal_port_id"] == deleted.id:
			if r.state == alive {
				r.state = unsure
			}
		case r.kind == "floatingip" && r.want["port_id"] == deleted.id:
			delete(r.want, "port_id")
		}
	}
}

// shown is what Neutron shows of everything, by kind and id.
type shown map[string]map[string]cloud.Object

// kinds are those that clients make, in an order in which they can be pushed.
func kinds() []string {
	return []string{
		"network", "subnet", "security_group", "address_group", "security_group_rule", "router", "port", "floatingip", "port_forwarding",
	}
}

// read lists everything that Neutron has.
func read(ctx context.Context, api *cloud.Client) (shown, error) {
	all := shown{}
	for _, kind := range kinds() {
		all[kind] = map[string]cloud.Object{}
		paths := map[string]cloud.Object{cloud.Path(kind, ""): {}}
		if kind == "port_forwarding" { // listed for each floating IP, and without telling which
			paths = map[string]cloud.Object{}
			for id := range all["floatingip"] {
				paths[cloud.Path("floatingip", id)+"/port_forwardings"] = cloud.Object{"floatingip_id": id}
			}
		}
		for path, also := range paths {
			var answer map[string][]cloud.Object
			if err := api.Get(ctx, path, &answer); err != nil {
				return nil, err
			}
			for _, list := range answer {
				for _, o := range list {
					maps.Copy(o, also)
					all[kind][o.ID()] = o
				}
			}
		}
	}
	return all, readSegments(ctx, api, all["network"])
}

// readSegments adds to networks what Neutron shows of them elsewhere: their links.
func readSegments(ctx context.Context, api *cloud.Client, networks map[string]cloud.Object) error {
	var answer struct{ Segments []cloud.Object }
	if err := api.Get(ctx, cloud.Path("segment", ""), &answer); err != nil {
		return err
	}
	for _, one := range answer.Segments {
		link := cloud.Object{"id": one.ID()}
		for _, field := range []string{"network_type", "physical_network", "segmentation_id"} {
			if one[field] != nil {
				link["provider:"+field] = one[field]
			}
		}
		if n := networks[one.Text("network_id")]; n != nil {
			list, _ := n["segments"].([]cloud.Object)
			n["segments"] = append(list, link)
		}
	}
	return nil
}

// missed lists what was acknowledged and is not so.
func (b *book) missed(all shown) (out []string) {
	for _, r := range b.records {
		kind := r.kind
		if kind == "interface" {
			kind = "port"
		}
		has, there := all[kind][r.id]
		switch {
		case r.state == gone && there:
			out = append(out, fmt.Sprintf("%s %s was deleted, and is there", r.kind, r.id))
		case r.state == alive && !there:
			out = append(out, fmt.Sprintf("%s %s was made, and is not there", r.kind, r.id))
		case r.state == alive:
			for _, field := range slices.Sorted(maps.Keys(r.want)) {
				if !reflect.DeepEqual(canonical(has[field]), canonical(r.want[field])) {
					out = append(out, fmt.Sprintf("%s %s: %s was acknowledged as %v, and is %v", r.kind, r.id, field, r.want[field], has[field]))
				}
			}
		}
	}
	return out
}

// canonical puts a list, whose order means nothing, into one order.
func canonical(v any) any {
	list, ok := v.([]any)
	if !ok {
		return v
	}
	return slices.Sorted(func(yield func(string) bool) {
		for _, one := range list {
			if !yield(fmt.Sprint(one)) {
				return
			}
		}
	})
}
