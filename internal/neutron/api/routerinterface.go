package api

import (
	"errors"
	"maps"
	"net/http"
	"slices"

	"github.com/google/uuid"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/neutron/resource"
	"github.com/dragonflow/dragonflow/internal/neutron/rows"
)

// routerActions are what can be done with a router beyond changing its attributes.
func (s *Server) routerActions() map[string]action {
	return map[string]action{
		"add_router_interface":    s.interfaceAction(readAddition, s.addInterface),
		"remove_router_interface": s.interfaceAction(readInterface, s.removeInterface),
		"add_extraroutes":         s.routesAction(addRoutes),
		"remove_extraroutes":      s.routesAction(removeRoutes),
	}
}

// interfaceRequest says which interface is meant: by its port, its subnet, or both.
type interfaceRequest struct{ port, subnet string }

// interfaceAction changes the interfaces of a router. Change edits the router's row, which is a copy and
// written afterwards, and returns the port and subnets concerned.
func (s *Server) interfaceAction(
	read func(map[string]any) (interfaceRequest, error),
	change func(*rows.Txn, *resource.Router, interfaceRequest) (*resource.Port, []string, error),
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
		q, err := read(body)
		if err != nil {
			return err
		}
		var info interfaceInfo
		err = s.store.Update(req.Context(), func(t *rows.Txn) error {
			row, err := t.Get(s.routers, id)
			if err != nil {
				return err
			}
			if err := checkRevision(row, want); err != nil {
				return err
			}
			r := row.Clone().(*resource.Router)
			p, subnets, err := change(t, r, q)
			if err != nil {
				return err
			}
			s.stamp(r, r.Revision+1)
			t.Update(s.routers, r)
			t.After(s.board.poke)
			info = showInterface(r, p, subnets)
			return nil
		})
		if err != nil {
			return err
		}
		answer(w, http.StatusOK, info)
		return nil
	}
}

// readInterface parses the body of a change of interfaces.
func readInterface(body map[string]any) (q interfaceRequest, err error) {
	for _, k := range slices.Sorted(maps.Keys(body)) {
		var at *string
		switch k {
		case "port_id":
			at = &q.port
		case "subnet_id":
			at = &q.subnet
		default:
			return q, resource.BadRequest("Unrecognized attribute(s) '%.100s'", k)
		}
		if *at, err = resource.UUID(body[k]); err != nil {
			return q, badRouter("%s", err)
		}
	}
	if q.port == "" && q.subnet == "" {
		return q, badRouter("Either subnet_id or port_id must be specified")
	}
	return q, nil
}

func readAddition(body map[string]any) (interfaceRequest, error) {
	q, err := readInterface(body)
	if err == nil && q.port != "" && q.subnet != "" {
		err = badRouter("Cannot specify both subnet-id and port-id")
	}
	return q, err
}

// interfaceInfo is the answer to a change of interfaces.
type interfaceInfo struct {
	ID        string   `json:"id"`
	TenantID  string   `json:"tenant_id"`
	ProjectID string   `json:"project_id"`
	PortID    string   `json:"port_id"`
	NetworkID string   `json:"network_id"`
	SubnetID  string   `json:"subnet_id"`
	SubnetIDs []string `json:"subnet_ids"`
}

func showInterface(r *resource.Router, p *resource.Port, subnets []string) interfaceInfo {
	info := interfaceInfo{ID: r.ID, TenantID: p.ProjectID, ProjectID: p.ProjectID, PortID: p.ID, NetworkID: p.NetworkID,
		SubnetIDs: subnets}
	if len(subnets) > 0 {
		info.SubnetID = subnets[len(subnets)-1]
	}
	return info
}

func (s *Server) addInterface(t *rows.Txn, r *resource.Router, q interfaceRequest) (*resource.Port, []string, error) {
	attached, err := s.attached(t, r)
	if err != nil {
		return nil, nil, err
	}
	if q.port != "" {
		return s.addPort(t, r, attached, q.port)
	}
	p, err := s.addSubnet(t, r, attached, q.subnet)
	return p, []string{q.subnet}, err
}

// addPort makes a port that nobody uses an interface.
func (s *Server) addPort(t *rows.Txn, r *resource.Router, attached attachments, id string) (*resource.Port, []string, error) {
	row, err := t.Get(s.ports, id)
	if err != nil {
		return nil, nil, err
	}
	p := row.Clone().(*resource.Port)
	if p.DeviceID != "" || p.HostID != "" || len(p.Inactive) > 0 || p.TrunkID != "" {
		return nil, nil, portInUse(p)
	}
	p.DeviceID, p.DeviceOwner = r.ID, model.RouterInterfaceOwner
	for _, f := range p.FixedIPs { // one whose addresses hosts derive could be deleted at the same time
		if _, err := t.Get(s.subnets, f.SubnetID); err != nil {
			return nil, nil, err
		}
	}
	more, err := s.attachmentsOf(t, p)
	if err != nil {
		return nil, nil, err
	}
	if err := attached.checkPort(more); err != nil {
		return nil, nil, err
	}
	s.stamp(p, p.Revision+1)
	t.Update(s.ports, p)
	r.Interfaces = append(slices.Clone(r.Interfaces), p.ID)
	return p, more.subnets(), nil
}

func portInUse(p *resource.Port) error {
	device := p.DeviceID
	if device == "" {
		device = "on host " + p.HostID
	}
	return resource.Conflict("PortInUse", "Unable to complete operation on port %s for network %s. Port already has an "+
		"attached device %s.", p.ID, p.NetworkID, device)
}

func (l attachments) subnets() []string {
	var out []string
	for _, a := range l {
		out = append(out, a.subnet.ID)
	}
	return out
}

// addSubnet gives the router the subnet's gateway address: on a port of its own, or for a further IPv6
// prefix of a network on the port that the router has there.
func (s *Server) addSubnet(t *rows.Txn, r *resource.Router, attached attachments, id string) (*resource.Port, error) {
	row, err := t.Get(s.subnets, id)
	if err != nil {
		return nil, err
	}
	subnet := row.(*resource.Subnet)
	if !subnet.GatewayIP.IsValid() {
		return nil, badRouter("Subnet for router interface must have a gateway IP")
	}
	if err := checkRAs(subnet); err != nil {
		return nil, err
	}
	if err := attached.check(attachments{{subnet: subnet}}); err != nil {
		return nil, err
	}
	gateway := model.FixedIP{SubnetID: subnet.ID, IPAddress: subnet.GatewayIP}
	if there := attached.v6Port(subnet.NetworkID); there != nil && subnet.IPVersion == 6 {
		return s.changeAddresses(t, there.ID, append(slices.Clone(there.FixedIPs), gateway))
	}
	p := s.ports.New().(*resource.Port)
	p.ID, p.ProjectID, p.NetworkID = uuid.NewString(), r.ProjectID, subnet.NetworkID
	p.DeviceID, p.DeviceOwner = r.ID, model.RouterInterfaceOwner
	p.FixedIPs = []model.FixedIP{gateway}
	s.stamp(p, 1)
	r.Interfaces = append(slices.Clone(r.Interfaces), p.ID)
	return p, portOps{s}.add(t, p, resource.Given{"fixed_ips": true})
}

// changeAddresses gives a router's port other addresses.
func (s *Server) changeAddresses(t *rows.Txn, id string, ips []model.FixedIP) (*resource.Port, error) {
	row, err := t.Get(s.ports, id)
	if err != nil {
		return nil, err
	}
	old, p := row.(*resource.Port), row.Clone().(*resource.Port)
	n, err := s.network(t, p.NetworkID)
	if err != nil {
		return nil, err
	}
	p.FixedIPs = ips
	if err := (portOps{s}).takeAddresses(t, n, old, p, true); err != nil {
		return nil, err
	}
	s.stamp(p, p.Revision+1)
	t.Update(s.ports, p)
	return p, nil
}

func (s *Server) removeInterface(t *rows.Txn, r *resource.Router, q interfaceRequest) (*resource.Port, []string, error) {
	attached, err := s.interfaces(t, r)
	if err != nil {
		return nil, nil, err
	}
	gone, err := s.toRemove(t, r, attached, q)
	if err != nil {
		return nil, nil, err
	}
	for _, a := range gone {
		if err := errors.Join(checkUnrouted(r, a.subnet), s.behindInterface(r, a.subnet)); err != nil {
			return nil, nil, err
		}
	}
	p := gone[0].port
	if len(gone) < len(p.FixedIPs) {
		p, err = s.changeAddresses(t, p.ID, slices.DeleteFunc(slices.Clone(p.FixedIPs), func(f model.FixedIP) bool {
			return gone.has(f.SubnetID)
		}))
		return p, gone.subnets(), err
	}
	if _, err := t.Get(s.ports, p.ID); err != nil {
		return nil, nil, err
	}
	portOps{s}.drop(t, p)
	r.Interfaces = slices.DeleteFunc(slices.Clone(r.Interfaces), func(id string) bool { return id == p.ID })
	return p, gone.subnets(), nil
}

// toRemove finds the attachments that a request means: those of a port, or the one to a subnet.
func (s *Server) toRemove(t *rows.Txn, r *resource.Router, attached attachments, q interfaceRequest) (attachments, error) {
	if q.port == "" {
		if _, err := t.Peek(s.subnets, q.subnet); err != nil {
			return nil, err
		}
		for _, a := range attached {
			if a.subnet.ID == q.subnet {
				return attachments{a}, nil
			}
		}
		return nil, notAttached("RouterInterfaceNotFoundForSubnet", "Router %s has no interface on subnet %s", r.ID, q.subnet)
	}
	var out attachments
	for _, a := range attached {
		if a.port.ID == q.port {
			out = append(out, a)
		}
	}
	if len(out) == 0 {
		return nil, notAttached("RouterInterfaceNotFound", "Router %s does not have an interface with id %s", r.ID, q.port)
	}
	if q.subnet != "" && !out.has(q.subnet) {
		return nil, resource.Refused("SubnetMismatchForPort", "Subnet on port %s does not match the requested subnet %s.",
			q.port, q.subnet)
	}
	return out, nil
}

// checkUnrouted refuses to leave a subnet on which next hops lie.
func checkUnrouted(r *resource.Router, s *resource.Subnet) error {
	for _, route := range r.Routes {
		if s.CIDR.Contains(route.NextHop) {
			return resource.Conflict("RouterInterfaceInUseByRoute", "Router interface for subnet %s on router %s cannot be "+
				"deleted, as it is required by one or more routes.", s.ID, r.ID)
		}
	}
	return nil
}

// reattach checks the new addresses of a port that is a router's interface, and writes the router with it.
func (s *Server) reattach(t *rows.Txn, p *resource.Port) error {
	floating, err := s.ownFloatingIP(t, p)
	if err != nil {
		return err
	}
	if floating || p.DeviceOwner == model.ChassisAddressOwner {
		return resource.InvalidInput("port %s holds an address of a %s, which cannot change", p.ID, p.DeviceOwner)
	}
	r, err := s.ownGateway(t, p)
	if err != nil {
		return err
	}
	if r != nil {
		return s.reattachGateway(t, r, p)
	}
	if r, err = s.ownedRouter(t, p); err != nil || r == nil {
		return err
	}
	attached, err := s.attached(t, r)
	if err != nil {
		return err
	}
	others := attached.without(p.ID)
	more, err := s.attachmentsOf(t, p)
	if err != nil {
		return err
	}
	if err := others.checkPort(more); err != nil {
		return err
	}
	if err := append(others, more...).checkRoutes(r); err != nil {
		return err
	}
	r = r.Clone().(*resource.Router)
	s.stamp(r, r.Revision+1)
	t.Update(s.routers, r)
	return nil
}

func notAttached(typ, format string, args ...any) error {
	e := resource.Conflict(typ, format, args...)
	e.Status = http.StatusNotFound
	return e
}
