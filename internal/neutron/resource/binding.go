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
		field("binding:host_id", Writable, nullableHost, func(p *Port) *string { return &p.HostID }),
		field("binding:vnic_type", Writable, vnicType, func(p *Port) *string { return &p.VNICType }),
		unlisted(attr("binding:profile", Writable, func(p *Port, v any) (err error) {
			p.Profile, err = profile(v)
			return err
		}, func(p *Port) any { return showProfile(p.Profile) })),
		shown("binding:vif_type", func(p *Port) any { return p.VIF.Type }),
		unlisted(shown("binding:vif_details", func(p *Port) any { return p.VIF.details() })),
	}
}

// hostName accepts what can be the name of a chassis, and with that a part of a scope.
func hostName(v any) (string, error) {
	s, err := Text(255)(v)
	if err == nil && (s == "" || strings.ContainsAny(s, "/\x00")) {
		err = fmt.Errorf("a host name must not be empty or contain '/' or NUL")
	}
	return s, err
}

func nullableHost(v any) (string, error) {
	if v == nil || v == "" {
		return "", nil
	}
	return hostName(v)
}

func vnicType(v any) (string, error) { return OneOf("normal")(v) }

// profile takes the object as it is: it belongs to who plugs the port.
func profile(v any) (json.RawMessage, error) {
	if v == nil {
		v = map[string]any{}
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("'%s' is not a dictionary", show(v))
	}
	b, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	if len(b) > maxProfile {
		return nil, InvalidInput("binding:profile value too large")
	}
	return b, nil
}

func showProfile(p json.RawMessage) any {
	if len(p) == 0 {
		return struct{}{}
	}
	return p
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
