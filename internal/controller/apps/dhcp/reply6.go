package dhcp

import (
	"net/netip"
	"slices"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"

	"github.com/dragonflow/dragonflow/internal/packet"
)

// allServers6 is All_DHCP_Relay_Agents_and_Servers (RFC 8415 section 7.1). Clients talk to nobody else:
// we never send the Server Unicast option.
func allServers6() netip.Addr {
	return netip.AddrFrom16([16]byte{0: 0xff, 1: 0x02, 13: 0x01, 15: 0x02})
}

// request6 is a DHCPv6 message of the port.
type request6 struct {
	cfg *Config
	datagram
	msg *dhcpv6.Message
}

// ReplyV6 answers a DHCPv6 frame that the port sent, as RFC 8415 section 18.3 says for a server that knows
// every client's addresses beforehand. An error says why the frame gets no answer and is no fault of ours.
func ReplyV6(cfg *Config, frame []byte) (Reply, error) {
	r, err := read6(cfg, frame)
	if err != nil {
		return Reply{}, err
	}
	answer, reason := r.decide()
	reply := Reply{Request: r.msg.MessageType.String(), Reason: reason}
	if answer != nil {
		reply.Answer = answer.MessageType.String()
		reply.Frame = r.build(answer)
	}
	return reply, nil
}

func read6(cfg *Config, frame []byte) (*request6, error) {
	if cfg.V6 == nil {
		return nil, ErrNotServed
	}
	d, err := readUDP(frame, packet.EtherTypeIPv6, serverPort6)
	if err != nil {
		return nil, err
	}
	switch {
	case d.dst != allServers6():
		return nil, ErrOtherServer
	case !d.src.IsLinkLocalUnicast():
		return nil, ErrNotOnNetwork
	case d.eth.Src != cfg.MAC:
		return nil, ErrOtherClient
	case len(d.payload) > 0 && d.payload[0] == byte(dhcpv6.MessageTypeRelayForward):
		return nil, ErrRelay
	}
	msg, err := dhcpv6.MessageFromBytes(d.payload)
	if err != nil {
		return nil, ErrFormat
	}
	r := &request6{cfg: cfg, datagram: d, msg: msg}
	return r, r.validate()
}

// validate checks the identifiers as RFC 8415 section 16 has them.
func (r *request6) validate() error {
	client, server := r.msg.Options.ClientID(), r.msg.Options.ServerID()
	switch r.msg.MessageType {
	case dhcpv6.MessageTypeSolicit, dhcpv6.MessageTypeConfirm, dhcpv6.MessageTypeRebind:
		if server != nil {
			return ErrServerID
		}
	case dhcpv6.MessageTypeRequest, dhcpv6.MessageTypeRenew, dhcpv6.MessageTypeRelease, dhcpv6.MessageTypeDecline:
		if server == nil || !server.Equal(r.cfg.duid()) {
			return ErrOtherServer
		}
	case dhcpv6.MessageTypeInformationRequest:
		if server != nil && !server.Equal(r.cfg.duid()) {
			return ErrOtherServer
		}
		if len(r.msg.Options.IANA()) > 0 || len(r.msg.Options.IATA()) > 0 || len(r.msg.Options.IAPD()) > 0 {
			return ErrFormat
		}
		return nil // the client identifier may be missing
	default:
		return ErrNotRequest
	}
	if client == nil {
		return ErrNoClientID
	}
	return nil
}

// duid is the server's identity (RFC 8415 section 11.4).
func (c *Config) duid() dhcpv6.DUID {
	return &dhcpv6.DUIDLL{HWType: iana.HWTypeEthernet, LinkLayerAddr: c.ServerMAC[:]}
}

// decide returns the answer, or nil, and why.
func (r *request6) decide() (*dhcpv6.Message, string) {
	switch r.msg.MessageType {
	case dhcpv6.MessageTypeSolicit:
		if r.msg.Options.GetOne(dhcpv6.OptionRapidCommit) != nil {
			m := r.answer(dhcpv6.MessageTypeReply)
			m.AddOption(&dhcpv6.OptionGeneric{OptionCode: dhcpv6.OptionRapidCommit})
			return r.assign(m), "rapid commit"
		}
		return r.assign(r.answer(dhcpv6.MessageTypeAdvertise)), "the port's addresses"
	case dhcpv6.MessageTypeRequest:
		return r.assign(r.answer(dhcpv6.MessageTypeReply)), "selected"
	case dhcpv6.MessageTypeRenew, dhcpv6.MessageTypeRebind:
		return r.assign(r.answer(dhcpv6.MessageTypeReply)), "renewed"
	case dhcpv6.MessageTypeConfirm:
		return r.confirm()
	case dhcpv6.MessageTypeRelease:
		return r.release(), "nothing to release: the addresses stay the port's"
	case dhcpv6.MessageTypeDecline:
		return r.release(), "the client found its address in use by somebody else"
	}
	m := r.answer(dhcpv6.MessageTypeReply)
	m.AddOption(&dhcpv6.OptionGeneric{OptionCode: dhcpv6.OptionInformationRefreshTime, OptionData: be32(seconds(r.cfg.Lease))})
	r.configure(m)
	return m, "configuration without addresses"
}

// answer returns a message with the identifiers that every answer has.
func (r *request6) answer(t dhcpv6.MessageType) *dhcpv6.Message {
	m := &dhcpv6.Message{MessageType: t, TransactionID: r.msg.TransactionID}
	if client := r.msg.Options.ClientID(); client != nil {
		m.AddOption(dhcpv6.OptClientID(client))
	}
	m.AddOption(dhcpv6.OptServerID(r.cfg.duid()))
	return m
}

// confirm says whether the client's addresses fit the network that it is on (RFC 8415 section 18.3.3);
// without an address there is nothing to say.
func (r *request6) confirm() (*dhcpv6.Message, string) {
	any6, fit := false, true
	for _, ia := range r.msg.Options.IANA() {
		for _, a := range ia.Options.Addresses() {
			addr, ok := netip.AddrFromSlice(a.IPv6Addr)
			any6 = true
			fit = fit && ok && slices.ContainsFunc(r.cfg.V6.OnLink, func(p netip.Prefix) bool { return p.Contains(addr) })
		}
	}
	m := r.answer(dhcpv6.MessageTypeReply)
	switch {
	case !any6:
		return nil, "names no address to confirm"
	case fit:
		m.AddOption(status(iana.StatusSuccess, "all addresses are on this network"))
		return m, "on this network"
	}
	m.AddOption(status(iana.StatusNotOnLink, "an address is not on this network"))
	return m, "not on this network"
}

// release answers RELEASE and DECLINE (RFC 8415 sections 18.3.7 and 18.3.8).
func (r *request6) release() *dhcpv6.Message {
	m := r.answer(dhcpv6.MessageTypeReply)
	m.AddOption(status(iana.StatusSuccess, ""))
	if len(r.cfg.V6.Addresses) == 0 {
		for _, ia := range r.msg.Options.IANA() {
			m.AddOption(identity(ia.IaId, 0, 0, status(iana.StatusNoBinding, "the port has no address from here")))
		}
	}
	return m
}

func status(code iana.StatusCode, text string) dhcpv6.Option {
	return &dhcpv6.OptStatusCode{StatusCode: code, StatusMessage: text}
}

// build wraps an answer into a frame. It comes from the server's link-local address.
func (r *request6) build(m *dhcpv6.Message) []byte {
	src := packet.LinkLocal(r.cfg.ServerMAC)
	return buildUDP(r.cfg.MAC, r.cfg.ServerMAC, netip.AddrPortFrom(src, serverPort6),
		netip.AddrPortFrom(r.src, clientPort6), m.ToBytes())
}
