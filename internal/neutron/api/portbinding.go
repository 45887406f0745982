package api

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/neutron/resource"
	"github.com/dragonflow/dragonflow/internal/neutron/rows"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// resolveBindings serves the extension "binding-extended": a port may have, beside the binding by which it
// is served, inactive ones to hosts that prepare for it. Live migration makes one for its target, activates
// it when the guest runs there, and deletes that of the source.
func (s *Server) resolveBindings(prefix, port string, parts []string) (string, methods) {
	b := bindings{s, port}
	switch {
	case len(parts) == 0:
		return prefix, methods{http.MethodGet: b.list, http.MethodPost: b.create}
	case len(parts) == 1:
		host := parts[0]
		return prefix + "/{host}", methods{
			http.MethodGet:    func(w http.ResponseWriter, r *http.Request) error { return b.show(w, r, host) },
			http.MethodPut:    func(w http.ResponseWriter, r *http.Request) error { return b.update(w, r, host) },
			http.MethodDelete: func(w http.ResponseWriter, r *http.Request) error { return b.delete(w, r, host) },
		}
	case len(parts) == 2 && parts[1] == "activate":
		host := parts[0]
		return prefix + "/{host}/activate", methods{
			http.MethodPut: func(w http.ResponseWriter, r *http.Request) error { return b.activate(w, r, host) },
		}
	}
	return "other", nil
}

// bindings serves the bindings of one port.
type bindings struct {
	*Server
	portID string
}

func (b bindings) notFound(host string) error {
	return &resource.Error{Status: http.StatusNotFound, Type: "PortBindingNotFound",
		Message: "Binding for port " + b.portID + " for host " + host + " could not be found."}
}

// rows are the port's bindings, the active one first.
func (b bindings) rows(p *resource.Port) []resource.Row {
	row := func(x resource.PortBinding, status model.BindingStatus) resource.Row {
		return &resource.Binding{Common: resource.Common{ID: x.HostID}, PortBinding: x, Status: string(status),
			VIF: b.vif(p, x.HostID)}
	}
	out := []resource.Row{}
	if p.HostID != "" {
		out = append(out, row(p.Active(), model.BindingActive))
	}
	for _, x := range p.Inactive {
		out = append(out, row(x, model.BindingInactive))
	}
	return out
}

func (b bindings) list(w http.ResponseWriter, r *http.Request) error {
	p, err := b.port(r)
	if err != nil {
		return err
	}
	c := &collection{server: b.Server, typ: b.portBindings, rows: func() []resource.Row { return b.rows(p) }}
	return c.list(w, r)
}

func (b bindings) show(w http.ResponseWriter, r *http.Request, host string) error {
	p, err := b.port(r)
	if err != nil {
		return err
	}
	return b.answer(w, http.StatusOK, p, host, fields(r))
}

func (b bindings) answer(w http.ResponseWriter, status int, p *resource.Port, host string, fields map[string]bool) error {
	for _, row := range b.rows(p) {
		if row.Base().ID == host {
			answer(w, status, map[string]any{b.portBindings.Singular: b.portBindings.Show(row, fields)})
			return nil
		}
	}
	return b.notFound(host)
}

func (b bindings) port(r *http.Request) (*resource.Port, error) {
	row, err := b.store.Get(r.Context(), b.ports.Kind, b.portID)
	if errors.Is(err, db.ErrNotFound) {
		return nil, b.ports.NotFound(b.portID)
	}
	if err != nil {
		return nil, err
	}
	return row.(*resource.Port), nil
}

// edit changes the bindings of the port in one batch, and returns the port as it was written.
func (b bindings) edit(r *http.Request, change func(p *resource.Port) error) (edited *resource.Port, err error) {
	err = b.store.Update(r.Context(), func(t *rows.Txn) error {
		row, err := t.Get(b.ports, b.portID)
		if err != nil {
			return err
		}
		p := row.Clone().(*resource.Port)
		if !strings.HasPrefix(p.DeviceOwner, "compute:") {
			return resource.Refused("BadRequest",
				"Bad port request: Invalid port %s. Operation only valid on compute ports.", p.ID)
		}
		p.Inactive = slices.Clone(p.Inactive)
		if err := change(p); err != nil {
			return err
		}
		if err := b.checkHosts(t, row.(*resource.Port), p); err != nil {
			return err
		}
		b.stamp(p, p.Revision+1)
		t.Update(b.ports, p)
		edited = p
		return b.followPort(t, row.(*resource.Port), p)
	})
	return edited, err
}

// checkHosts refuses hosts that do not reach the port's network, where they are others than they were.
func (b bindings) checkHosts(t *rows.Txn, old, p *resource.Port) error {
	hosts := []string{p.HostID}
	for _, x := range p.Inactive {
		hosts = append(hosts, x.HostID)
	}
	for _, host := range hosts {
		if host == "" || host == old.HostID || host != p.HostID && inactive(old, host) >= 0 {
			continue
		}
		n, err := b.network(t, p.NetworkID)
		if err != nil {
			return err
		}
		if err := b.checkHost(t, n, p, host); err != nil {
			return err
		}
		if at, ok, err := b.placeOf(t.Context(), host); err != nil || ok && !at.carries(n) {
			if err != nil {
				return err
			}
			return resource.Refused("PortBindingError", "Binding for port %s on host %s could not be created or updated: "+
				"the host reaches no segment of network %s.", p.ID, host, p.NetworkID)
		}
	}
	return nil
}

// inactive is where the port's inactive binding to a host is, -1 if it has none.
func inactive(p *resource.Port, host string) int {
	return slices.IndexFunc(p.Inactive, func(x resource.PortBinding) bool { return x.HostID == host })
}

func (b bindings) create(w http.ResponseWriter, r *http.Request) error {
	item, err := b.body(w, r)
	if err != nil {
		return err
	}
	row, _, err := b.portBindings.Create(item)
	if err != nil {
		return err
	}
	wanted := row.(*resource.Binding).PortBinding
	if err := b.requireChassis(r, wanted.HostID); err != nil {
		return err
	}
	p, err := b.edit(r, func(p *resource.Port) error {
		if p.HostID == wanted.HostID || inactive(p, wanted.HostID) >= 0 {
			return resource.Conflict("PortBindingAlreadyExists",
				"Binding for port %s on host %s already exists.", p.ID, wanted.HostID)
		}
		if len(p.Inactive) >= resource.MaxInactiveBindings {
			return resource.InvalidInput("Exceeded maximum amount of bindings per port")
		}
		p.Inactive = append(p.Inactive, wanted)
		return nil
	})
	if err != nil {
		return err
	}
	return b.answer(w, http.StatusCreated, p, wanted.HostID, nil)
}

func (b bindings) body(w http.ResponseWriter, r *http.Request) (map[string]any, error) {
	body, err := readBody(w, r)
	if err != nil {
		return nil, err
	}
	list, _, err := items(b.portBindings, body, false)
	if err != nil {
		return nil, err
	}
	return list[0], nil
}

// requireChassis refuses a host without controller: nothing would ever be prepared there.
func (b bindings) requireChassis(r *http.Request, host string) error {
	if c, _ := b.board.find(host); c != nil {
		return nil
	}
	_, _, err := northbound.Get[model.Chassis](r.Context(), northbound.NewStore(b.opts.DB), model.ScopeGlobal, host)
	if errors.Is(err, db.ErrNotFound) || errors.Is(err, db.ErrInvalidKey) {
		return resource.Refused("PortBindingError",
			"Binding for port %s on host %s could not be created or updated: no controller has ever run there.", b.portID, host)
	}
	return err
}

func (b bindings) update(w http.ResponseWriter, r *http.Request, host string) error {
	item, err := b.body(w, r)
	if err != nil {
		return err
	}
	p, err := b.edit(r, func(p *resource.Port) error {
		at := inactive(p, host)
		old := &resource.Binding{PortBinding: p.Active()}
		if at >= 0 {
			old.PortBinding = p.Inactive[at]
		} else if host == "" || p.HostID != host {
			return b.notFound(host)
		}
		row, _, err := b.portBindings.Update(old, item)
		if err != nil {
			return err
		}
		if now := row.(*resource.Binding).PortBinding; at >= 0 {
			p.Inactive[at] = now
		} else {
			p.SetActive(now)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return b.answer(w, http.StatusOK, p, host, nil)
}

// activate moves the port: what was its active binding becomes inactive in the same batch.
func (b bindings) activate(w http.ResponseWriter, r *http.Request, host string) error {
	p, err := b.edit(r, func(p *resource.Port) error {
		if p.HostID == host {
			return resource.Conflict("PortBindingAlreadyActive",
				"Binding for port %s on host %s is already active.", p.ID, host)
		}
		at := inactive(p, host)
		if at < 0 {
			return b.notFound(host)
		}
		swapBindings(p, at)
		return nil
	})
	if err != nil {
		return err
	}
	for _, row := range b.rows(p) { // as Neutron, without the resource's name around it
		if row.Base().ID == host {
			answer(w, http.StatusOK, b.portBindings.Show(row, nil))
		}
	}
	return nil
}

// swapBindings makes an inactive binding the active one, and that which was active inactive. The row is a
// copy, and so is its list.
func swapBindings(p *resource.Port, at int) {
	was := p.Active()
	p.SetActive(p.Inactive[at])
	if was.HostID == "" {
		p.Inactive = slices.Delete(p.Inactive, at, at+1)
	} else {
		p.Inactive[at] = was
	}
}

func (b bindings) delete(w http.ResponseWriter, r *http.Request, host string) error {
	_, err := b.edit(r, func(p *resource.Port) error {
		at := inactive(p, host)
		switch {
		case at >= 0:
			p.Inactive = slices.Delete(p.Inactive, at, at+1)
		case host != "" && p.HostID == host:
			p.HostID = ""
		default:
			return b.notFound(host)
		}
		return nil
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// guaranteedOn reports whether a chassis guarantees a port what its QoS policy does.
func (s *Server) guaranteedOn(c *model.Chassis, p *resource.Port, n *resource.Network) bool {
	q, ok := s.store.Cached(s.qosPolicies.Kind, cmp.Or(p.QoSPolicyID, n.QoSPolicyID))
	return !ok || q.(*resource.QoSPolicy).Guaranteed() == 0 ||
		slices.ContainsFunc(n.Segments, func(segment model.Segment) bool {
			return segment.IsProvider() && c.Bandwidths[segment.PhysicalNetwork] > 0
		})
}

// vif says how a port is plugged on a host: by Open vSwitch if a controller has ever run there. That it
// does not run now is no obstacle, since its guests' packets go on, and it finds the binding when it is back.
func (s *Server) vif(p *resource.Port, host string) resource.VIF {
	if host == "" {
		return resource.VIF{Type: resource.VIFUnbound}
	}
	c, known := s.board.find(host)
	n, stored := s.store.Cached(s.networks.Kind, p.NetworkID)
	if c != nil && stored && (!(place{physical: c.PhysicalNetworks}).carries(n.(*resource.Network)) || !s.guaranteedOn(c, p, n.(*resource.Network))) {
		return resource.VIF{Type: resource.VIFBindingFailed}
	}
	switch {
	case c != nil && c.Bridge != "":
		return resource.VIF{Type: resource.VIFOVS, Bridge: c.Bridge}
	case c != nil || !known:
		return resource.VIF{Type: resource.VIFOVS, Bridge: "br-int"}
	}
	return resource.VIF{Type: resource.VIFBindingFailed}
}
