package api

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/neutron/resource"
	"github.com/dragonflow/dragonflow/internal/neutron/rows"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// resolveForwardings serves the extension "floating-ip-port-forwarding": ports of a floating IP that go to
// ports of guests.
func (s *Server) resolveForwardings(prefix, floatingIP string, parts []string) (string, methods) {
	o := forwardingOps{s, floatingIP}
	c := &collection{server: s, typ: s.forwardings, ops: o,
		rows: func() []resource.Row { return s.store.Select(s.forwardings.Kind, rows.ByFloatingIP(floatingIP)) }}
	switch len(parts) {
	case 0:
		return prefix, methods{http.MethodGet: o.within("", c.list), http.MethodPost: o.within("", c.create)}
	case 1:
		id := parts[0]
		return prefix + "/{id}", methods{
			http.MethodGet: o.within(id, c.one(id, c.show)), http.MethodPut: o.within(id, c.one(id, c.update)),
			http.MethodDelete: o.within(id, c.one(id, c.delete)),
		}
	}
	return "other", nil
}

type forwardingOps struct {
	*Server
	floatingIP string
}

// within has a request answered if the floating IP is there, and the port forwarding, if one is named, is
// one of it.
func (o forwardingOps) within(id string, h handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		_, err := o.store.Get(r.Context(), o.floatingIPs.Kind, o.floatingIP)
		if errors.Is(err, db.ErrNotFound) {
			return o.floatingIPs.NotFound(o.floatingIP)
		}
		if err == nil && id != "" {
			row, found := o.store.Get(r.Context(), o.forwardings.Kind, id)
			if errors.Is(found, db.ErrNotFound) || found == nil && row.(*resource.PortForwarding).FloatingIPID != o.floatingIP {
				return o.forwardings.NotFound(id)
			}
			err = found
		}
		if err != nil {
			return err
		}
		return h(w, r)
	}
}

// badForwarding is Neutron's 400 for a request about a port forwarding that makes no sense.
func badForwarding(format string, args ...any) *resource.Error {
	return resource.Refused("BadRequest", "Bad port_forwarding request: "+format+".", args...)
}

func (o forwardingOps) create(t *rows.Txn, row resource.Row, _ resource.Given) error {
	f := row.(*resource.PortForwarding)
	if err := o.point(t, f); err != nil {
		return err
	}
	t.Create(o.forwardings, f)
	return nil
}

func (o forwardingOps) update(t *rows.Txn, oldRow, row resource.Row, given resource.Given) error {
	old, f := oldRow.(*resource.PortForwarding), row.(*resource.PortForwarding)
	if f.InternalPortID != old.InternalPortID && !given["internal_ip_address"] {
		return badForwarding("internal_ip_address must be given with another internal_port_id")
	}
	if err := o.point(t, f); err != nil {
		return err
	}
	t.Update(o.forwardings, f)
	return nil
}

// point checks and completes a port forwarding. The floating IP, the port inside and the router between are
// written with it, so that whoever changes them at the same time sees it.
func (o forwardingOps) point(t *rows.Txn, f *resource.PortForwarding) error {
	if err := checkPorts(f); err != nil {
		return err
	}
	row, err := t.Get(o.floatingIPs, o.floatingIP)
	if err != nil {
		return err
	}
	outside := row.(*resource.FloatingIP)
	if outside.PortID != "" {
		return badForwarding("floating IP %s stands for port %s, and cannot have port forwardings", outside.ID, outside.PortID)
	}
	if row, err = t.Get(o.ports, f.InternalPortID); err != nil {
		return err
	}
	p := row.(*resource.Port)
	fixed, err := internalAddress(p, f.InternalAddress)
	if err != nil {
		return badForwarding("The internal IP does not correspond to an IPv4 address on the internal port %s", p.ID)
	}
	if err := o.checkAlone(t, f, outside, p, fixed); err != nil {
		return err
	}
	r, err := o.routerFor(t, outside, p, fixed)
	if err != nil {
		return err
	}
	if outside.RouterID != "" && outside.RouterID != r.ID && o.store.Count(o.forwardings.Kind, rows.ByFloatingIP(outside.ID)) > 0 {
		return badForwarding("floating IP %s has port forwardings behind router %s, port %s is behind router %s", outside.ID, outside.RouterID, p.ID, r.ID)
	}
	f.FloatingIPID, f.ProjectID = outside.ID, outside.ProjectID
	f.ExternalAddress, f.NetworkID, f.MACAddress = outside.FloatingIPAddress, outside.NetworkID, outside.MACAddress
	f.InternalAddress, f.PortNetworkID, f.RouterID, f.Hosts = fixed.IPAddress, p.NetworkID, r.ID, forwardingHosts(r, p)
	touched := outside.Clone().(*resource.FloatingIP)
	touched.RouterID = r.ID
	t.Update(o.floatingIPs, touched)
	t.Update(o.ports, p.Clone())
	t.Update(o.routers, r.Clone())
	return nil
}

// forwardingHosts are the chassis that are told of a port forwarding, in order of their names: those that may be the
// router's gateway, which serve it, and that of the guest's port, which has to bring them what answers it.
func forwardingHosts(r *resource.Router, p *resource.Port) []string {
	out := gatewayHosts(r)
	if p.HostID != "" && r.Gateway != nil {
		out = append(out, p.HostID)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// gatewayHosts are the chassis that may be a router's gateway, in order of their names.
func gatewayHosts(r *resource.Router) []string {
	if r.Gateway == nil {
		return nil
	}
	var out []string
	for _, c := range r.Gateway.Chassis {
		out = append(out, c.Name)
	}
	slices.Sort(out)
	return out
}

func checkPorts(f *resource.PortForwarding) error {
	e, i := f.ExternalPorts, f.InternalPorts
	switch {
	case e.First == 0:
		return badForwarding("external_port or external_port_range must be given")
	case i.First == 0:
		return badForwarding("internal_port or internal_port_range must be given")
	case i.First != i.Last && i.Last-i.First != e.Last-e.First:
		return badForwarding("internal_port_range and external_port_range must be of the same length, or the former one port")
	}
	return nil
}

func share(a, b model.PortRange) bool { return a.First <= b.Last && b.First <= a.Last }

// checkAlone refuses what other port forwardings and floating IPs have taken.
func (o forwardingOps) checkAlone(t *rows.Txn, f *resource.PortForwarding, outside *resource.FloatingIP, p *resource.Port, fixed model.FixedIP) error {
	for _, row := range o.store.Select(o.floatingIPs.Kind, rows.ByPort(p.ID)) {
		if row.(*resource.FloatingIP).FixedIPAddress == fixed.IPAddress {
			return resource.Conflict("PortHasBindingFloatingIP", "Cannot create port forwarding to floating IP %s (%s) with port %s using "+
				"fixed IP %s, as that port already has a binding floating IP.", outside.FloatingIPAddress, outside.ID, p.ID, fixed.IPAddress)
		}
	}
	duplicate := badForwarding("A duplicate port forwarding entry with same attributes already exists")
	for _, row := range slices.Concat(t.Created(o.forwardings), o.store.Select(o.forwardings.Kind, rows.ByFloatingIP(outside.ID)),
		o.store.Select(o.forwardings.Kind, rows.ByPort(p.ID))) {
		x := row.(*resource.PortForwarding)
		if x.ID == f.ID || x.Protocol != f.Protocol {
			continue
		}
		if x.FloatingIPID == outside.ID && share(x.ExternalPorts, f.ExternalPorts) ||
			x.InternalPortID == p.ID && x.InternalAddress == fixed.IPAddress && share(x.InternalPorts, f.InternalPorts) {
			return duplicate
		}
	}
	return nil
}

func (o forwardingOps) delete(ctx context.Context, id string, revision int64) error {
	return o.store.Update(ctx, func(t *rows.Txn) error {
		row, err := t.Get(o.forwardings, id)
		if err != nil {
			return err
		}
		if err := checkRevision(row, revision); err != nil {
			return err
		}
		return o.dropForwarding(t, row.(*resource.PortForwarding), 1)
	})
}

// dropForwarding removes a port forwarding that the batch depends on, the nth of its floating IP in the
// batch; with its last one, a floating IP is behind no router any more.
func (s *Server) dropForwarding(t *rows.Txn, f *resource.PortForwarding, nth int) error {
	row, err := t.Get(s.floatingIPs, f.FloatingIPID)
	if notGone(err) != nil {
		return err
	}
	if err == nil {
		outside := row.Clone().(*resource.FloatingIP)
		if outside.PortID == "" && s.store.Count(s.forwardings.Kind, rows.ByFloatingIP(f.FloatingIPID)) <= nth {
			outside.RouterID = ""
		}
		t.Update(s.floatingIPs, outside)
	}
	t.Delete(s.forwardings, f.ID)
	return nil
}

// maxDropped is how many port forwardings are removed with their port in one batch.
const maxDropped = 12

// leaveForwardings removes the port forwardings to addresses that a port no longer has, in the batch in which
// it is written.
func (s *Server) leaveForwardings(t *rows.Txn, p *resource.Port) error {
	dropped := map[string]int{}
	for i, row := range s.store.Select(s.forwardings.Kind, rows.ByPort(p.ID)) {
		if i >= maxDropped {
			return db.ErrBatchTooLarge
		}
		row, err := t.Get(s.forwardings, row.Base().ID)
		if notGone(err) != nil {
			return err
		}
		if err != nil || hasAddress(p, row.(*resource.PortForwarding).InternalAddress) {
			continue
		}
		f := row.(*resource.PortForwarding)
		dropped[f.FloatingIPID]++
		if err := s.dropForwarding(t, f, dropped[f.FloatingIPID]); err != nil {
			return err
		}
	}
	return nil
}

// dropForwardings removes, one by one, the port forwardings with an index key.
func (s *Server) dropForwardings(ctx context.Context, key string) error {
	for _, row := range s.store.Select(s.forwardings.Kind, key) {
		err := forwardingOps{s, row.(*resource.PortForwarding).FloatingIPID}.delete(ctx, row.Base().ID, -1)
		if notGone(err) != nil {
			return err
		}
	}
	return nil
}

// settleForwardings lets the chassis know of port forwardings that should now.
func (s *Server) settleForwardings(ctx context.Context) error {
	var failed error
	for _, row := range s.store.Select(s.forwardings.Kind, "") {
		f := row.(*resource.PortForwarding)
		r, ok := s.store.Cached(s.routers.Kind, f.RouterID)
		p, isPort := s.store.Cached(s.ports.Kind, f.InternalPortID)
		if !ok || !isPort || slices.Equal(forwardingHosts(r.(*resource.Router), p.(*resource.Port)), f.Hosts) {
			continue
		}
		limited, cancel := context.WithTimeout(ctx, s.opts.RequestTimeout)
		failed = errors.Join(failed, s.store.Update(limited, func(t *rows.Txn) error { return s.moveForwarding(t, f.ID) }))
		cancel()
	}
	return failed
}

func (s *Server) moveForwarding(t *rows.Txn, id string) error {
	row, err := t.Get(s.forwardings, id)
	if err != nil {
		return notGone(err)
	}
	f := row.Clone().(*resource.PortForwarding)
	router, err := t.Get(s.routers, f.RouterID)
	if err != nil {
		return notGone(err)
	}
	port, err := t.Get(s.ports, f.InternalPortID)
	if err != nil {
		return notGone(err)
	}
	if f.Hosts = forwardingHosts(router.(*resource.Router), port.(*resource.Port)); slices.Equal(f.Hosts, row.(*resource.PortForwarding).Hosts) {
		return nil
	}
	s.stamp(f, f.Revision+1)
	t.Update(s.forwardings, f)
	return nil
}
