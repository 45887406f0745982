package dhcp

import (
	"bytes"
	"net/netip"
	"slices"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"
	"github.com/insomniacslk/dhcp/rfc1035label"
)

// assign answers each identity association and adds the configuration. The first IA_NA of the client gets
// all addresses of the port, others get none: a port's addresses cannot be had twice.
func (r *request6) assign(m *dhcpv6.Message) *dhcpv6.Message {
	for i, ia := range r.msg.Options.IANA() {
		if i > 0 || len(r.cfg.V6.Addresses) == 0 {
			m.AddOption(identity(ia.IaId, 0, 0, r.refusal(), r.withdrawn(ia)...))
			continue
		}
		m.AddOption(r.bind(ia))
	}
	for _, ia := range r.msg.Options.IATA() {
		m.AddOption(&dhcpv6.OptIATA{IaId: ia.IaId, Options: dhcpv6.IdentityOptions{Options: dhcpv6.Options{
			status(iana.StatusNoAddrsAvail, "no temporary addresses here")}}})
	}
	for _, ia := range r.msg.Options.IAPD() {
		m.AddOption(&dhcpv6.OptIAPD{IaId: ia.IaId, Options: dhcpv6.PDOptions{Options: dhcpv6.Options{
			status(iana.StatusNoPrefixAvail, "no prefix delegation here")}}})
	}
	r.configure(m)
	return m
}

// refusal is the status of an IA_NA that gets nothing (RFC 8415 sections 18.3.2, 18.3.4, 18.3.9).
func (r *request6) refusal() dhcpv6.Option {
	switch r.msg.MessageType {
	case dhcpv6.MessageTypeRenew, dhcpv6.MessageTypeRebind:
		return status(iana.StatusNoBinding, "the port has no address for this association")
	}
	return status(iana.StatusNoAddrsAvail, "the port has no address for this association")
}

// bind gives the port's addresses, and takes back those that the client has and the port has not.
func (r *request6) bind(ia *dhcpv6.OptIANA) dhcpv6.Option {
	valid := seconds(r.cfg.Lease)
	list := r.withdrawn(ia)
	for _, a := range r.cfg.V6.Addresses {
		list = append(list, address6(a, valid))
	}
	return identity(ia.IaId, part(valid, 1, 2), part(valid, 4, 5), nil, list...)
}

// withdrawn returns the client's addresses that are not the port's, with lifetime 0, when it asks to
// prolong them (RFC 8415 sections 18.3.4 and 18.3.5).
func (r *request6) withdrawn(ia *dhcpv6.OptIANA) []dhcpv6.Option {
	var list []dhcpv6.Option
	if t := r.msg.MessageType; t != dhcpv6.MessageTypeRenew && t != dhcpv6.MessageTypeRebind {
		return nil
	}
	for _, a := range ia.Options.Addresses() {
		addr, ok := netip.AddrFromSlice(a.IPv6Addr)
		if ok && !slices.Contains(r.cfg.V6.Addresses, addr) {
			list = append(list, address6(addr, 0))
		}
	}
	return list
}

func address6(a netip.Addr, lifetime uint32) dhcpv6.Option {
	d := time.Duration(lifetime) * time.Second
	return &dhcpv6.OptIAAddress{IPv6Addr: a.AsSlice(), PreferredLifetime: d, ValidLifetime: d}
}

// identity is an IA_NA; times are in seconds, the status may be nil.
func identity(id [4]byte, t1, t2 uint32, st dhcpv6.Option, list ...dhcpv6.Option) dhcpv6.Option {
	if st != nil {
		list = append(list, st)
	}
	return &dhcpv6.OptIANA{
		IaId:    id,
		T1:      time.Duration(t1) * time.Second,
		T2:      time.Duration(t2) * time.Second,
		Options: dhcpv6.IdentityOptions{Options: list},
	}
}

// configure adds DNS servers and search list always, since clients forget to ask, and of the port's own
// options those that the client asked for.
func (r *request6) configure(m *dhcpv6.Message) {
	values := map[uint16][]byte{}
	if dns := addressBytes(onlyIPv6(r.cfg.V6.DNS)); len(dns) > 0 {
		values[uint16(dhcpv6.OptionDNSRecursiveNameServer)] = dns
	}
	if r.cfg.Domain != "" {
		if search, err := encodeDomains([]string{r.cfg.Domain}); err == nil {
			values[uint16(dhcpv6.OptionDomainSearchList)] = search
		}
	}
	ipxe := r.isIPXE()
	for _, e := range r.cfg.V6.Extra.list {
		if e.when.holds(ipxe) {
			values[e.code] = e.data
		}
	}
	asked := r.msg.Options.RequestedOptions()
	for _, code := range sortedCodes(values) {
		if necessary6(code) || asked.Contains(dhcpv6.OptionCode(code)) {
			m.UpdateOption(&dhcpv6.OptionGeneric{OptionCode: dhcpv6.OptionCode(code), OptionData: values[code]})
		}
	}
	r.addFQDN(m)
}

func sortedCodes(values map[uint16][]byte) []uint16 {
	codes := make([]uint16, 0, len(values))
	for code := range values {
		codes = append(codes, code)
	}
	slices.Sort(codes)
	return codes
}

func necessary6(code uint16) bool {
	switch dhcpv6.OptionCode(code) {
	case dhcpv6.OptionDNSRecursiveNameServer, dhcpv6.OptionDomainSearchList,
		dhcpv6.OptionPreference, dhcpv6.OptionInformationRefreshTime:
		return true
	}
	return false
}

func onlyIPv6(list []netip.Addr) []netip.Addr {
	return slices.DeleteFunc(slices.Clone(list), func(a netip.Addr) bool { return !a.Is6() })
}

// isIPXE reports whether the client is iPXE: it says so in its user class (RFC 8415 section 21.15).
func (r *request6) isIPXE() bool {
	return slices.ContainsFunc(r.msg.Options.UserClasses(), func(c []byte) bool { return bytes.Equal(c, []byte("iPXE")) })
}

// addFQDN tells a client that sent its name, or asked for it, which name it has (RFC 4704). We update no
// DNS: the N bit says so.
func (r *request6) addFQDN(m *dhcpv6.Message) {
	asked := r.msg.Options.RequestedOptions().Contains(dhcpv6.OptionFQDN)
	sent := r.msg.Options.FQDN()
	if r.cfg.HostName == "" || !asked && sent == nil {
		return
	}
	const noUpdate, override, clientWantsUpdate = 0x04, 0x02, 0x01
	flags := uint8(noUpdate)
	if sent != nil && sent.Flags&clientWantsUpdate != 0 {
		flags |= override
	}
	name := r.cfg.HostName
	if r.cfg.Domain != "" {
		name += "." + r.cfg.Domain
	}
	if _, err := encodeDomains([]string{name}); err != nil {
		return
	}
	m.AddOption(&dhcpv6.OptFQDN{Flags: flags, DomainName: &rfc1035label.Labels{Labels: []string{name}}})
}
