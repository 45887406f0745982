package dhcp

import (
	"net/netip"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/iana"

	"github.com/dragonflow/dragonflow/internal/packet"
)

// request4 is a DHCPv4 message of the port.
type request4 struct {
	cfg *Config
	datagram
	msg  *dhcpv4.DHCPv4
	kind dhcpv4.MessageType
	// wanted is the address that the client names, in ciaddr or in its options; invalid if none.
	wanted netip.Addr
}

// ReplyV4 answers a DHCPv4 frame that the port sent, as RFC 2131 section 4.3 says for a server that knows
// every client's address beforehand. An error says why the frame gets no answer and is no fault of ours.
func ReplyV4(cfg *Config, frame []byte) (Reply, error) {
	r, err := read4(cfg, frame)
	if err != nil {
		return Reply{}, err
	}
	reply := Reply{Request: r.kind.String()}
	answer, reason, err := r.decide()
	if err != nil {
		return Reply{}, err
	}
	reply.Reason = reason
	if answer != dhcpv4.MessageTypeNone {
		reply.Answer = answer.String()
		reply.Frame = r.build(answer, reason)
	}
	return reply, nil
}

func read4(cfg *Config, frame []byte) (*request4, error) {
	if cfg.V4 == nil {
		return nil, ErrNotServed
	}
	d, err := readUDP(frame, packet.EtherTypeIPv4, serverPort4)
	if err != nil {
		return nil, err
	}
	msg, err := dhcpv4.FromBytes(d.payload)
	if err != nil {
		return nil, ErrFormat
	}
	r := &request4{cfg: cfg, datagram: d, msg: msg, kind: msg.MessageType()}
	r.wanted = addr4(msg.ClientIPAddr)
	if !r.wanted.IsValid() {
		r.wanted = addr4(msg.Options.Get(dhcpv4.OptionRequestedIPAddress))
	}
	return r, r.validate()
}

// validate refuses what no client on this port has a reason to send.
func (r *request4) validate() error {
	broadcast := netip.AddrFrom4([4]byte{255, 255, 255, 255})
	switch {
	case r.msg.OpCode != dhcpv4.OpcodeBootRequest:
		return ErrNotRequest
	case r.msg.HWType != iana.HWTypeEthernet || len(r.msg.ClientHWAddr) != 6 || packet.MAC(r.msg.ClientHWAddr) != r.cfg.MAC:
		return ErrOtherClient
	case addr4(r.msg.GatewayIPAddr).IsValid():
		return ErrRelay
	case r.kind == dhcpv4.MessageTypeNone:
		return ErrBOOTP
	case r.dst != broadcast && r.dst != r.cfg.V4.ServerID():
		return ErrOtherServer
	}
	return nil
}

// addr4 returns an address of 4 bytes, invalid if it is 0.0.0.0 or no address.
func addr4(b []byte) netip.Addr {
	a, ok := netip.AddrFromSlice(b)
	if !ok || !a.Is4() || a.IsUnspecified() {
		return netip.Addr{}
	}
	return a
}

// decide returns the message to answer with, or MessageTypeNone, and why.
func (r *request4) decide() (dhcpv4.MessageType, string, error) {
	switch r.kind {
	case dhcpv4.MessageTypeDiscover:
		if r.msg.Options.Has(dhcpv4.OptionRapidCommit) { // RFC 4039
			return dhcpv4.MessageTypeAck, "rapid commit", nil
		}
		return dhcpv4.MessageTypeOffer, "the port's address", nil
	case dhcpv4.MessageTypeRequest:
		return r.decideRequest()
	case dhcpv4.MessageTypeInform:
		if !addr4(r.msg.ClientIPAddr).IsValid() {
			return 0, "", ErrNoAddress
		}
		return dhcpv4.MessageTypeAck, "configuration without a lease", nil
	case dhcpv4.MessageTypeDecline:
		if r.serverID() != r.cfg.V4.ServerID() {
			return 0, "for another server", nil
		}
		return 0, "the client found its address in use by somebody else", nil
	case dhcpv4.MessageTypeRelease:
		return 0, "nothing to release: the address stays the port's", nil
	}
	return 0, "", ErrNotRequest
}

// decideRequest tells the client's states apart as RFC 2131 section 4.3.2 does.
func (r *request4) decideRequest() (dhcpv4.MessageType, string, error) {
	server, renewing := r.serverID(), addr4(r.msg.ClientIPAddr).IsValid()
	switch {
	case server.IsValid() && server != r.cfg.V4.ServerID():
		return 0, "the client chose another server", nil
	case !r.wanted.IsValid():
		return 0, "", ErrNoAddress
	case r.wanted != r.cfg.V4.Address:
		return dhcpv4.MessageTypeNak, "the address is not the port's", nil
	case server.IsValid():
		return dhcpv4.MessageTypeAck, "selected", nil
	case renewing:
		return dhcpv4.MessageTypeAck, "renewed", nil
	}
	return dhcpv4.MessageTypeAck, "rebooted", nil
}

func (r *request4) serverID() netip.Addr {
	return addr4(r.msg.Options.Get(dhcpv4.OptionServerIdentifier))
}

// build makes the answer's frame (RFC 2131 section 4.3.1 table 3, section 4.1 for the destination).
func (r *request4) build(answer dhcpv4.MessageType, reason string) []byte {
	v4 := r.cfg.V4
	m := &dhcpv4.DHCPv4{
		OpCode:        dhcpv4.OpcodeBootReply,
		HWType:        iana.HWTypeEthernet,
		TransactionID: r.msg.TransactionID,
		Flags:         r.msg.Flags,
		ClientHWAddr:  r.msg.ClientHWAddr,
	}
	dst, to := v4.Address, r.cfg.MAC
	if a := addr4(r.msg.ClientIPAddr); a.IsValid() {
		dst = a
	} else if r.msg.IsBroadcast() {
		dst, to = netip.AddrFrom4([4]byte{255, 255, 255, 255}), packet.Broadcast()
	}
	if answer == dhcpv4.MessageTypeNak {
		m.Options = r.nakOptions(reason)
		dst, to = netip.AddrFrom4([4]byte{255, 255, 255, 255}), packet.Broadcast()
	} else {
		m.ClientIPAddr = r.msg.ClientIPAddr
		if r.kind != dhcpv4.MessageTypeInform {
			m.YourIPAddr = v4.Address.AsSlice()
		}
		r.fill(m, answer)
	}
	return buildUDP(to, r.cfg.ServerMAC, netip.AddrPortFrom(v4.ServerID(), serverPort4),
		netip.AddrPortFrom(dst, clientPort4), m.ToBytes())
}

func (r *request4) nakOptions(reason string) dhcpv4.Options {
	o := dhcpv4.Options{
		uint8(dhcpv4.OptionDHCPMessageType):  {byte(dhcpv4.MessageTypeNak)},
		uint8(dhcpv4.OptionServerIdentifier): r.cfg.V4.ServerID().AsSlice(),
		uint8(dhcpv4.OptionMessage):          []byte(reason),
	}
	r.echoClientID(o)
	return o
}

// echoClientID returns the client's identifier to it (RFC 6842).
func (r *request4) echoClientID(o dhcpv4.Options) {
	if id, ok := r.msg.Options[uint8(dhcpv4.OptionClientIdentifier)]; ok {
		o[uint8(dhcpv4.OptionClientIdentifier)] = id
	}
}
