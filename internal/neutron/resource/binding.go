package resource

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"

	"github.com/dragonflow/dragonflow/internal/model"
)

// bindingAttrs is the extension "binding": where a port is plugged. Only virtual interfaces on Open
// vSwitch can be bound.
func bindingAttrs() []Attr {
	return []Attr{
		field("binding:host_id", Writable, NullableText(255), func(p *Port) *string { return &p.HostID }),
		field("binding:vnic_type", Writable, OneOf("normal"), func(p *Port) *string { return &p.VNICType }),
		unlisted(attr("binding:profile", Writable, setProfile, showProfile)),
		shown("binding:vif_type", func(p *Port) any {
			if p.HostID == "" {
				return "unbound"
			}
			return "ovs"
		}),
		unlisted(shown("binding:vif_details", showVIFDetails)),
	}
}

// setProfile stores the object as it is: it belongs to who plugs the port.
func setProfile(p *Port, v any) error {
	if v == nil {
		v = map[string]any{}
	}
	m, ok := v.(map[string]any)
	if !ok {
		return fmt.Errorf("'%s' is not a dictionary", show(v))
	}
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if len(b) > maxProfile {
		return InvalidInput("binding:profile value too large")
	}
	p.Profile = b
	return nil
}

func showProfile(p *Port) any {
	if len(p.Profile) == 0 {
		return struct{}{}
	}
	return p.Profile
}

func showVIFDetails(p *Port) any {
	if p.HostID == "" {
		return struct{}{}
	}
	return map[string]any{"port_filter": true, "connectivity": "l2", "bridge_name": "br-int"}
}

// DefaultHostName is what a port without dns_name is called, by its address.
func DefaultHostName(a netip.Addr) string {
	return "host-" + strings.NewReplacer(".", "-", ":", "-").Replace(a.String())
}

type dhcpPatch struct {
	name    string
	version int
	value   *string
}

// setDHCPOpts merges: an option given replaces the one of that name and IP version, one whose value is
// null is removed, others stay.
func setDHCPOpts(p *Port, v any) error {
	patches, err := listOf("extra DHCP option", maxDHCPOpts, v, dhcpOption)
	if err != nil {
		return err
	}
	seen := map[dhcpPatch]bool{}
	var out []model.DHCPOption
	for _, q := range patches {
		key := dhcpPatch{name: q.name, version: q.version}
		if seen[key] {
			return InvalidInput("duplicate extra DHCP option '%s'", show(q.name))
		}
		seen[key] = true
	}
	for _, o := range p.ExtraDHCPOpts {
		if !seen[dhcpPatch{name: o.Name, version: o.IPVersion}] {
			out = append(out, o)
		}
	}
	for _, q := range patches {
		if q.value != nil {
			out = append(out, model.DHCPOption{Name: q.name, Value: *q.value, IPVersion: q.version})
		}
	}
	if len(out) > maxDHCPOpts {
		return fmt.Errorf("more than %d extra DHCP options", maxDHCPOpts)
	}
	p.ExtraDHCPOpts = out
	return nil
}

func dhcpOption(v any) (q dhcpPatch, err error) {
	m, err := object(v, "opt_name", "opt_value", "ip_version")
	if err != nil {
		return q, err
	}
	if q.name, err = Text(64)(m["opt_name"]); err != nil {
		return q, err
	}
	if strings.TrimSpace(q.name) == "" {
		return q, fmt.Errorf("opt_name must not be blank")
	}
	q.version = 4
	if ver, ok := m["ip_version"]; ok {
		if q.version, err = ipVersion(ver); err != nil {
			return q, err
		}
	}
	value, ok := m["opt_value"]
	if !ok {
		return q, fmt.Errorf("opt_value is missing")
	}
	if value == nil {
		return q, nil
	}
	s, err := Text(255)(value)
	q.value = &s
	return q, err
}

func showDHCPOpts(p *Port) any { return orEmpty(p.ExtraDHCPOpts) }
