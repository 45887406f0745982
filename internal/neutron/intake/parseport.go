package intake

import (
	"errors"
	"fmt"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/neutron/resource"
)

func parsePort(f *fields) resource.Row {
	p := &resource.Port{
		NetworkID: f.needUUID("network_id"), AdminStateUp: f.boolean("admin_state_up", true), MACAddress: f.mac("mac_address"),
		FixedIPs: list(f, "fixed_ips", nested(parseFixedIP)), DeviceID: f.text("device_id"), DeviceOwner: f.text("device_owner"),
		PortSecurityEnabled: f.boolean("port_security_enabled", true), SecurityGroups: list(f, "security_groups", resource.UUID),
		ExtraDHCPOpts: list(f, "extra_dhcp_opts", nested(parseDHCPOption)), DNSName: f.text("dns_name"), QoSPolicyID: f.uuid("qos_policy_id"),
	}
	p.AllowedAddressPairs = list(f, "allowed_address_pairs", nested(func(f *fields) resource.AddressPair {
		a := resource.AddressPair{IPAddress: required(f, "ip_address", resource.Prefix), MAC: read(f, "mac_address", resource.MAC)}
		if a.MAC == p.MACAddress {
			a.MAC = model.MAC{} // as the API stores it: it follows the port's
		}
		return a
	}))
	active := binding{host: read(f, "binding:host_id", host), vnic: f.text("binding:vnic_type"), vif: f.text("binding:vif_type"),
		profile: read(f, "binding:profile", object)}
	bindings := list(f, "bindings", nested(func(f *fields) binding {
		return binding{host: read(f, "host", host), vnic: f.text("vnic_type"), vif: f.text("vif_type"), profile: read(f, "profile", object),
			status: model.BindingStatus(f.text("status"))}
	}))
	if len(bindings) > resource.MaxInactiveBindings+1 {
		f.fail("bindings", fmt.Errorf("%d are too many", len(bindings)))
		return p
	}
	for _, b := range bindings {
		if b.status == model.BindingInactive && b.ours() && b.host != active.host {
			p.Inactive = append(p.Inactive, b.row())
		}
	}
	p.VNICType = active.vnic
	if active.ours() {
		p.SetActive(active.row())
	}
	return p
}

// binding is one of a port's bindings as Neutron shows it.
type binding struct {
	host, vnic, vif string
	profile         []byte
	status          model.BindingStatus
}

func (b binding) row() resource.PortBinding {
	vnic := b.vnic
	if vnic == "" {
		vnic = normalVNIC
	}
	return resource.PortBinding{HostID: b.host, VNICType: vnic, Profile: b.profile}
}

const normalVNIC = "normal"

// ours reports whether the port is plugged into Open vSwitch there, or may be soon: Neutron binds a port after it has
// made it, and its chassis can be ready by then.
func (b binding) ours() bool {
	switch b.vif {
	case resource.VIFOVS, "vhostuser", resource.VIFDistributed:
		return true
	case "", resource.VIFUnbound:
		return b.vnic == "" || b.vnic == normalVNIC
	}
	return false
}

func parseFixedIP(f *fields) model.FixedIP {
	return model.FixedIP{SubnetID: f.needUUID("subnet_id"), IPAddress: required(f, "ip_address", resource.IP)}
}

func parseDHCPOption(f *fields) model.DHCPOption {
	o := model.DHCPOption{Name: required(f, "opt_name", resource.Text(longest)), Value: f.text("opt_value"), IPVersion: f.integer("ip_version")}
	switch o.IPVersion {
	case 0:
		o.IPVersion = 4
	case 4, 6:
	default:
		f.fail("ip_version", errors.New("is neither 4 nor 6"))
	}
	return o
}
