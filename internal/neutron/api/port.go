package api

import (
	"context"
	"crypto/rand"
	"errors"
	"net/netip"
	"slices"
	"strings"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/neutron/ipam"
	"github.com/dragonflow/dragonflow/internal/neutron/resource"
	"github.com/dragonflow/dragonflow/internal/neutron/rows"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

type portOps struct{ *Server }

// addressHints remember for each subnet where to look for a free address next, so that a search does not
// begin at the first one each time.
type addressHints map[string]netip.Addr

// maxHints bounds what is remembered of subnets that may be gone.
const maxHints = 100_000

func (o portOps) create(t *rows.Txn, row resource.Row, given resource.Given) error {
	p := row.(*resource.Port)
	if p.RouterID() != "" {
		return errHandMade
	}
	if p.DeviceOwner == model.ChassisAddressOwner {
		return errServersOwn
	}
	return o.add(t, p, given)
}

// add adds a port to the batch, whoever owns it.
func (o portOps) add(t *rows.Txn, p *resource.Port, given resource.Given) error {
	n, err := o.network(t, p.NetworkID)
	if err != nil {
		return err
	}
	if !given["port_security_enabled"] {
		p.PortSecurityEnabled = n.PortSecurityEnabled
	}
	if strings.HasPrefix(p.DeviceOwner, "network:") {
		p.PortSecurityEnabled = false
	}
	if err := checkPort(p); err != nil {
		return err
	}
	if p.ProjectID != "" { // else it is a part of another resource
		if err := o.checkQuota(t, o.ports, p.ProjectID); err != nil {
			return err
		}
	}
	if err := o.takeMAC(t, p); err != nil {
		return err
	}
	if err := o.takeAddresses(t, n, nil, p, given["fixed_ips"]); err != nil {
		return err
	}
	if given["fixed_ips"] && len(p.FixedIPs) == 0 {
		p.IPAllocation = resource.IPNone
	}
	if err := o.joinGroups(t, p, given); err != nil {
		return err
	}
	if err := o.portUsesQoS(t, p); err != nil {
		return err
	}
	t.Create(o.ports, p)
	if len(p.AllowedAddressPairs) > 0 || p.HostID != "" && o.followsDistribution(p.NetworkID) {
		t.After(o.board.poke) // floating IPs of shared addresses follow, and addresses of chassis
	}
	return nil
}

// checkPort reports what does not fit together in a port.
func checkPort(p *resource.Port) error {
	if !p.PortSecurityEnabled && len(p.AllowedAddressPairs) > 0 {
		return resource.Conflict("AddressPairAndPortSecurityRequired",
			"Port Security must be enabled in order to have allowed address pairs on a port.")
	}
	if strings.ContainsAny(p.HostID, "/\x00") {
		return resource.Invalid("binding:host_id", "a host name must not contain '/' or NUL")
	}
	return nil
}

func isRouterPort(p *resource.Port) bool {
	return strings.HasPrefix(p.DeviceOwner, "network:router") || p.DeviceOwner == "network:ha_router_replicated_interface"
}

// joinGroups checks the port's security groups and gives it the default one if the client named none.
func (o portOps) joinGroups(t *rows.Txn, p *resource.Port, given resource.Given) error {
	if !p.PortSecurityEnabled {
		if len(p.SecurityGroups) > 0 {
			return resource.Refused("PortSecurityAndIPRequiredForSecurityGroups", "Port security must be enabled and "+
				"port must have an IP address in order to use security groups.")
		}
		return nil
	}
	if !given["security_groups"] {
		id, err := o.defaultGroup(t, p.ProjectID)
		if err != nil {
			return err
		}
		p.SecurityGroups = []string{id}
	}
	for _, id := range p.SecurityGroups {
		if _, err := t.Get(o.groups, id); err != nil {
			return err
		}
	}
	return nil
}

// takeMAC reserves the port's MAC address, or one of its own making.
func (o portOps) takeMAC(t *rows.Txn, p *resource.Port) error {
	take := func() bool {
		return !o.store.Has(o.ports.Kind, rows.ByMAC(p.NetworkID, p.MACAddress), p.ID) &&
			t.Reserve(ipam.MACKey(p.NetworkID, p.MACAddress), ipam.Reservation{Port: p.ID}.Encode())
	}
	if p.MACAddress != (model.MAC{}) {
		if !take() {
			return resource.Conflict("MacAddressInUse", "Unable to complete operation for network %s. "+
				"The mac address %s is in use.", p.NetworkID, p.MACAddress)
		}
		return nil
	}
	for range 16 {
		p.MACAddress = randomMAC()
		if take() {
			return nil
		}
	}
	return &resource.Error{Status: 503, Type: "MacAddressGenerationFailure",
		Message: "Unable to generate unique mac on network " + p.NetworkID + "."}
}

// randomMAC returns an address of the range that OpenStack uses.
func randomMAC() model.MAC {
	m := model.MAC{0xfa, 0x16, 0x3e}
	_, _ = rand.Read(m[3:]) // never fails
	return m
}

// takeAddresses gives the port the addresses that it asks for and releases those of old that it has no
// more. One that asks for none gets any, as soon as it is known on which segment it will be.
func (o portOps) takeAddresses(t *rows.Txn, n *resource.Network, old, p *resource.Port, named bool) error {
	subnets, err := o.subnetsOf(t, n)
	if err != nil {
		return err
	}
	if routed(subnets) && p.HostID == "" && !named && !isRouterPort(p) {
		p.IPAllocation = resource.IPDeferred
		return nil
	}
	if subnets, err = o.within(t, n, subnets, p); err != nil {
		return err
	}
	var had []model.FixedIP
	if old != nil {
		had = old.FixedIPs
	}
	request := &ipam.Request{
		NetworkID: n.ID, Subnets: subnets, MAC: p.MACAddress, Wanted: p.FixedIPs, Named: named, Kept: had,
		Router: isRouterPort(p),
		Take:   o.taker(t, p), From: o.hint,
	}
	p.FixedIPs, err = ipam.Allocate(request)
	if err != nil {
		return err
	}
	for _, f := range had {
		if !slices.Contains(p.FixedIPs, f) {
			t.Release(ipam.AddressKey(n.ID, f.IPAddress))
		}
	}
	o.remember(p.FixedIPs)
	return nil
}

// taker returns how addresses are reserved for a port.
func (o portOps) taker(t *rows.Txn, p *resource.Port) func(subnet string, a netip.Addr) bool {
	return func(subnet string, a netip.Addr) bool {
		return !o.store.Has(o.ports.Kind, rows.ByAddress(p.NetworkID, a), p.ID) &&
			t.Reserve(ipam.AddressKey(p.NetworkID, a), ipam.Reservation{Port: p.ID, Subnet: subnet}.Encode())
	}
}

func (s *Server) hint(subnet string) netip.Addr {
	s.hintsMu.Lock()
	defer s.hintsMu.Unlock()
	return s.hints[subnet]
}

func (s *Server) remember(ips []model.FixedIP) {
	s.hintsMu.Lock()
	defer s.hintsMu.Unlock()
	if len(s.hints) > maxHints {
		clear(s.hints)
	}
	for _, f := range ips {
		s.hints[f.SubnetID] = f.IPAddress
	}
}

func (o portOps) delete(ctx context.Context, id string, revision int64) error {
	err := o.deleteOnce(ctx, id, revision)
	if errors.Is(err, db.ErrBatchTooLarge) { // many ports of floating IPs go there, or many logs are of it
		if err := errors.Join(o.dropForwardings(ctx, rows.ByPort(id)), o.dropLogs(ctx, rows.ByPort(id))); err != nil {
			return err
		}
		err = o.deleteOnce(ctx, id, revision)
	}
	return err
}

func (o portOps) deleteOnce(ctx context.Context, id string, revision int64) error {
	return o.store.Update(ctx, func(t *rows.Txn) error {
		row, err := t.Get(o.ports, id)
		if err != nil {
			return err
		}
		if err := checkRevision(row, revision); err != nil {
			return err
		}
		p := row.(*resource.Port)
		if err := o.checkDeletable(t, p); err != nil {
			return err
		}
		if err := errors.Join(o.leavePort(t, p), o.dropLogsOf(t, p.ID)); err != nil {
			return err
		}
		o.drop(t, p)
		return nil
	})
}

// drop removes a port that the batch depends on, with its reservations.
func (o portOps) drop(t *rows.Txn, p *resource.Port) {
	t.Release(ipam.MACKey(p.NetworkID, p.MACAddress))
	for _, f := range p.FixedIPs {
		t.Release(ipam.AddressKey(p.NetworkID, f.IPAddress))
	}
	t.Delete(o.ports, p.ID)
}

// decoratePort fills in the status and the DNS suffix.
func (s *Server) decoratePort(row resource.Row) resource.Row {
	p := row.Clone().(*resource.Port)
	p.Status = "DOWN"
	if p.HostID != "" && p.AdminStateUp && s.board.up(p.ID, p.HostID) {
		p.Status = "ACTIVE"
	}
	p.VIF = s.vif(p, p.HostID)
	if p.RouterID() != "" { // it is on every chassis, as long as it is wanted
		p.VIF.Type = resource.VIFDistributed
		if p.AdminStateUp {
			p.Status = "ACTIVE"
		}
	}
	if p.DeviceOwner == model.RouterGatewayOwner && p.AdminStateUp && s.store.Count(s.routers.Kind, rows.ByGateway(p.ID)) > 0 {
		p.Status = "ACTIVE"
	}
	if p.DeviceOwner == model.FloatingIPOwner || p.DeviceOwner == model.ChassisAddressOwner {
		p.Status = "N/A" // as in Neutron: nothing is plugged
	}
	p.TrunkDetails = s.trunkDetails(p)
	p.DNSSuffix = s.opts.DNSDomain
	if n, ok := s.store.Cached(s.networks.Kind, p.NetworkID); ok {
		if d := n.(*resource.Network).DNSDomain; d != "" {
			p.DNSSuffix = d
		}
		p.NetworkQoSPolicyID = n.(*resource.Network).QoSPolicyID
	}
	return p
}
