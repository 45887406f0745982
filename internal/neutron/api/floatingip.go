package api

import (
	"context"
	"net/netip"
	"slices"

	"github.com/google/uuid"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/neutron/ipam"
	"github.com/dragonflow/dragonflow/internal/neutron/resource"
	"github.com/dragonflow/dragonflow/internal/neutron/rows"
)

type floatingOps struct{ *Server }

// badFloatingIP is Neutron's 400 for a request about a floating IP that makes no sense.
func badFloatingIP(format string, args ...any) *resource.Error {
	return resource.Refused("BadRequest", "Bad floatingip request: "+format+".", args...)
}

func (o floatingOps) create(t *rows.Txn, row resource.Row, _ resource.Given) error {
	f := row.(*resource.FloatingIP)
	n, err := o.network(t, f.NetworkID)
	if err != nil {
		return err
	}
	if !n.External {
		return badFloatingIP("Network %s is not a valid external network", n.ID)
	}
	if err := o.checkQuota(t, o.floatingIPs, f.ProjectID); err != nil {
		return err
	}
	if err := o.addFloatingPort(t, n, f); err != nil {
		return err
	}
	if err := o.associate(t, n, f); err != nil {
		return err
	}
	f.SubnetID = ""
	t.Create(o.floatingIPs, f)
	return nil
}

// addFloatingPort takes the address outside: that which is wanted, or one of the network's IPv4 subnets.
func (o floatingOps) addFloatingPort(t *rows.Txn, n *resource.Network, f *resource.FloatingIP) error {
	p := o.ports.New().(*resource.Port)
	p.ID, p.NetworkID = uuid.NewString(), n.ID // as in Neutron it belongs to no project
	p.DeviceID, p.DeviceOwner, p.PortSecurityEnabled = f.ID, model.FloatingIPOwner, false
	o.stamp(p, 1)
	subnets, err := o.ipv4SubnetsOf(t, n)
	if err != nil {
		return err
	}
	switch {
	case len(subnets) == 0:
		return badFloatingIP("Network %s does not contain any IPv4 subnet", n.ID)
	case f.FloatingIPAddress.Is6():
		return badFloatingIP("Cannot use %s as a floating IP, since that is not an IPv4 address", f.FloatingIPAddress)
	}
	if want := (model.FixedIP{SubnetID: f.SubnetID, IPAddress: f.FloatingIPAddress}); want != (model.FixedIP{}) {
		p.FixedIPs = []model.FixedIP{want}
	}
	if err := portOps(o).addOn(t, n, subnets, p); err != nil {
		return err
	}
	f.FloatingPortID, f.MACAddress, f.FloatingIPAddress = p.ID, p.MACAddress, p.FixedIPs[0].IPAddress
	return nil
}

// addOn adds a port that is a part of another resource, with the address that it names or one of these
// subnets of the network.
func (o portOps) addOn(t *rows.Txn, n *resource.Network, subnets []*resource.Subnet, p *resource.Port) error {
	if err := o.takeMAC(t, p); err != nil {
		return err
	}
	var err error
	p.FixedIPs, err = ipam.Allocate(&ipam.Request{
		NetworkID: n.ID, Subnets: subnets, MAC: p.MACAddress, Wanted: p.FixedIPs, Named: len(p.FixedIPs) > 0, From: o.hint,
		Take: o.taker(t, p),
	})
	if err != nil {
		return err
	}
	o.remember(p.FixedIPs)
	t.Create(o.ports, p)
	return nil
}

// ipv4SubnetsOf returns the IPv4 subnets of a network that the batch depends on, without those on one segment.
func (s *Server) ipv4SubnetsOf(t *rows.Txn, n *resource.Network) ([]*resource.Subnet, error) {
	subnets, err := s.subnetsOf(t, n)
	return slices.DeleteFunc(subnets, func(s *resource.Subnet) bool { return s.IPVersion != 4 || s.SegmentID != "" }), err
}

func (o floatingOps) update(t *rows.Txn, oldRow, row resource.Row, given resource.Given) error {
	old, f := oldRow.(*resource.FloatingIP), row.(*resource.FloatingIP)
	if given["port_id"] || given["fixed_ip_address"] {
		if !given["fixed_ip_address"] {
			f.FixedIPAddress = netip.Addr{} // that of another port
		}
		if given["port_id"] && f.PortID == old.PortID && !given["fixed_ip_address"] {
			f.FixedIPAddress = old.FixedIPAddress
		}
		n, err := t.Peek(o.networks, f.NetworkID)
		if err != nil {
			return err
		}
		if err := o.associate(t, n.(*resource.Network), f); err != nil {
			return err
		}
	}
	t.Update(o.floatingIPs, f)
	return nil
}

func (o floatingOps) delete(ctx context.Context, id string, revision int64) error {
	if err := o.dropForwardings(ctx, rows.ByFloatingIP(id)); err != nil {
		return err
	}
	return o.store.Update(ctx, func(t *rows.Txn) error {
		row, err := t.Get(o.floatingIPs, id)
		if err != nil {
			return err
		}
		if err := checkRevision(row, revision); err != nil {
			return err
		}
		port, err := t.Get(o.ports, row.(*resource.FloatingIP).FloatingPortID)
		if notGone(err) != nil {
			return err
		}
		if err == nil {
			portOps(o).drop(t, port.(*resource.Port))
		}
		for _, row := range o.store.Select(o.forwardings.Kind, rows.ByFloatingIP(id)) { // that came since
			if _, err := t.Get(o.forwardings, row.Base().ID); err == nil {
				t.Delete(o.forwardings, row.Base().ID)
			} else if notGone(err) != nil {
				return err
			}
		}
		t.Delete(o.floatingIPs, id)
		return nil
	})
}

// associate makes a floating IP stand for the port and address that it names, or for none. Both the port and
// the router between are written with it, unchanged, so that whoever changes them at the same time sees the
// floating IP.
func (o floatingOps) associate(t *rows.Txn, n *resource.Network, f *resource.FloatingIP) error {
	forwards := o.store.Count(o.forwardings.Kind, rows.ByFloatingIP(f.ID)) > 0
	if f.PortID == "" {
		if f.FixedIPAddress.IsValid() {
			return badFloatingIP("fixed_ip_address cannot be specified without a port_id")
		}
		if !forwards {
			disassociate(f)
		}
		return nil
	}
	if forwards {
		return resource.Conflict("FipInUseByPortForwarding", "Floating IP %s in use by Port Forwarding resources.", f.ID)
	}
	row, err := t.Get(o.ports, f.PortID)
	if err != nil {
		return err
	}
	p := row.(*resource.Port)
	fixed, err := internalAddress(p, f.FixedIPAddress)
	if err != nil {
		return err
	}
	for _, row := range o.store.Select(o.forwardings.Kind, rows.ByPort(p.ID)) {
		if row.(*resource.PortForwarding).InternalAddress == fixed.IPAddress {
			return resource.Conflict("PortHasPortForwarding", "Cannot associate floating IP %s (%s) with port %s using fixed IP %s, as that "+
				"port already has a Port Forwarding resource.", f.FloatingIPAddress, f.ID, p.ID, fixed.IPAddress)
		}
	}
	for _, row := range o.store.Select(o.floatingIPs.Kind, rows.ByPort(p.ID)) {
		if x := row.(*resource.FloatingIP); x.ID != f.ID && x.FixedIPAddress == fixed.IPAddress && x.NetworkID == f.NetworkID {
			return resource.Conflict("FloatingIPPortAlreadyAssociated", "Cannot associate floating IP %s (%s) with port %s using "+
				"fixed IP %s, as that fixed IP already has a floating IP on external network %s.", f.FloatingIPAddress, f.ID, p.ID,
				fixed.IPAddress, f.NetworkID)
		}
	}
	r, err := o.routerFor(t, f, p, fixed)
	if err != nil {
		return err
	}
	f.FixedIPAddress, f.PortNetworkID, f.RouterID = fixed.IPAddress, p.NetworkID, r.ID
	f.Hosts = o.servers(f, p, r, n, o.board.placesByName())
	t.Update(o.ports, p.Clone())
	t.Update(o.routers, r.Clone())
	return nil
}

func disassociate(f *resource.FloatingIP) {
	f.PortID, f.PortNetworkID, f.RouterID, f.FixedIPAddress, f.Hosts = "", "", "", netip.Addr{}, nil
}

// internalAddress is the address of a port for which a floating IP stands.
func internalAddress(p *resource.Port, wanted netip.Addr) (model.FixedIP, error) {
	var v4 []model.FixedIP
	for _, x := range p.FixedIPs {
		if x.IPAddress.Is4() {
			v4 = append(v4, x)
		}
	}
	switch {
	case wanted.Is6():
		return model.FixedIP{}, badFloatingIP("Cannot process floating IP association with %s, since that is not an IPv4 address", wanted)
	case wanted.IsValid():
		for _, x := range v4 {
			if x.IPAddress == wanted {
				return x, nil
			}
		}
		return model.FixedIP{}, badFloatingIP("Port %s does not have fixed ip %s", p.ID, wanted)
	case len(v4) == 0:
		return model.FixedIP{}, badFloatingIP("Cannot add floating IP to port %s that has no fixed IPv4 addresses", p.ID)
	case len(v4) > 1:
		return model.FixedIP{}, badFloatingIP("Port %s has multiple fixed IPv4 addresses.  Must provide a specific IPv4 address when "+
			"assigning a floating IP", p.ID)
	}
	return v4[0], nil
}

// routerFor finds the router between an address inside and the external network: that which has the gateway
// address of the subnet, else another one.
func (s *Server) routerFor(t *rows.Txn, f *resource.FloatingIP, p *resource.Port, fixed model.FixedIP) (*resource.Router, error) {
	row, err := t.Peek(s.subnets, fixed.SubnetID)
	if err != nil {
		return nil, err
	}
	subnet := row.(*resource.Subnet)
	found := ""
	for _, row := range s.store.Select(s.ports.Kind, rows.ByRouterOn(p.NetworkID)) {
		i := row.(*resource.Port)
		at := slices.IndexFunc(i.FixedIPs, func(x model.FixedIP) bool { return x.SubnetID == subnet.ID })
		r, ok := s.store.Cached(s.routers.Kind, i.RouterID())
		if at < 0 || !ok || r.(*resource.Router).Gateway == nil || r.(*resource.Router).Gateway.NetworkID != f.NetworkID {
			continue
		}
		if found == "" || i.FixedIPs[at].IPAddress == subnet.GatewayIP {
			found = i.RouterID()
		}
	}
	if found != "" {
		row, err = t.Get(s.routers, found)
		if err != nil {
			return nil, err
		}
		if r := row.(*resource.Router); r.Gateway != nil && r.Gateway.NetworkID == f.NetworkID {
			return r, nil
		}
	}
	e := resource.Conflict("ExternalGatewayForFloatingIPNotFound", "External network %s is not reachable from subnet %s.  "+
		"Therefore, cannot associate Port %s with a Floating IP.", f.NetworkID, subnet.ID, p.ID)
	e.Status = 404
	return nil, e
}

// decorateFloatingIP fills in what is shown of the port inside. A floating IP is active when the chassis that
// serves its port has said that the port is up.
func (s *Server) decorateFloatingIP(row resource.Row) resource.Row {
	f := row.Clone().(*resource.FloatingIP)
	f.Status = "DOWN"
	f.Forwardings = []resource.ForwardingShown{}
	for _, row := range s.store.Select(s.forwardings.Kind, rows.ByFloatingIP(f.ID)) {
		x := row.(*resource.PortForwarding)
		f.Forwardings = append(f.Forwardings, x.InFloatingIP())
		if len(x.Hosts) > 0 {
			f.Status = "ACTIVE"
		}
	}
	stored, ok := s.store.Cached(s.ports.Kind, f.PortID)
	if f.PortID == "" || !ok {
		return f
	}
	p := s.decoratePort(stored).(*resource.Port)
	f.PortDetails = &resource.PortDetails{Name: p.Name, NetworkID: p.NetworkID, MACAddress: p.MACAddress.String(),
		AdminStateUp: p.AdminStateUp, Status: p.Status, DeviceID: p.DeviceID, DeviceOwner: p.DeviceOwner}
	if len(f.Hosts) > 0 && (p.Status == "ACTIVE" || p.HostID == "") {
		f.Status = "ACTIVE"
	}
	return f
}
