package flow

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Formatter writes values as ovs-ofctl does in OpenFlow 1.4, with names where a function is set that knows them:
// it returns "" for what has no name.
type Formatter struct {
	Table  func(table uint8) string
	Field  func(part SubField) string
	Port   func(port uint32) string
	Cookie func(cookie uint64) string
}

// String returns the flow in the syntax of ovs-ofctl dump-flows --no-stats.
func (f Flow) String() string { return Formatter{}.Flow(f) }

// String returns the match in the syntax of ovs-ofctl.
func (m Match) String() string { return Formatter{}.Match(m) }

// String returns what follows "actions=" in the syntax of ovs-ofctl.
func (i Instructions) String() string { return Formatter{}.Instructions(i) }

// String returns the action in the syntax of ovs-ofctl.
func (a Action) String() string { return Formatter{}.Action(a) }

// String returns the key in the syntax of ovs-ofctl.
func (k Key) String() string { return Formatter{}.Key(k) }

// Flow writes cookie, timeouts, key and actions.
func (x Formatter) Flow(f Flow) string {
	var b strings.Builder
	if name := x.cookieName(f.Cookie); name != "" {
		b.WriteString("cookie=" + name + ", ")
	} else if f.Cookie != 0 {
		fmt.Fprintf(&b, "cookie=%#x, ", f.Cookie)
	}
	if f.Table != 0 || x.Table != nil {
		b.WriteString("table=" + x.table(f.Table) + ", ")
	}
	if f.IdleTimeout != 0 {
		fmt.Fprintf(&b, "idle_timeout=%d, ", f.IdleTimeout)
	}
	if f.HardTimeout != 0 {
		fmt.Fprintf(&b, "hard_timeout=%d, ", f.HardTimeout)
	}
	if s := x.selector(f.Priority, f.Match); s != "" {
		b.WriteString(s + " ")
	}
	return b.String() + "actions=" + x.Instructions(f.Instructions)
}

// Key writes table, priority and match.
func (x Formatter) Key(k Key) string {
	return "table=" + x.table(k.Table) + ", " + x.selector(k.Priority, k.Match)
}

// DefaultPriority is the priority that ovs-ofctl leaves out.
const DefaultPriority = 0x8000

func (x Formatter) selector(priority uint16, m Match) string {
	var b []byte
	if priority != DefaultPriority {
		b = append(b, "priority="...)
		b = strconv.AppendUint(b, uint64(priority), 10)
		if !m.IsAll() {
			b = append(b, ',')
		}
	}
	return string(x.appendMatch(b, m))
}

func (x Formatter) cookieName(c uint64) string {
	if x.Cookie == nil {
		return ""
	}
	return x.Cookie(c)
}

func (x Formatter) table(t uint8) string {
	if x.Table != nil {
		if name := x.Table(t); name != "" {
			return name
		}
	}
	return strconv.Itoa(int(t))
}

// port writes a port number as OpenFlow 1.1 and later have it.
func (x Formatter) port(p uint32) string {
	switch p {
	case PortInPort:
		return "IN_PORT"
	case PortTable:
		return "TABLE"
	case PortNormal:
		return "NORMAL"
	case PortFlood:
		return "FLOOD"
	case PortAll:
		return "ALL"
	case PortController:
		return "CONTROLLER"
	case PortLocal:
		return "LOCAL"
	case PortAny:
		return "ANY"
	}
	if x.Port != nil {
		if name := x.Port(p); name != "" {
			return name
		}
	}
	return strconv.FormatUint(uint64(p), 10)
}

func (x Formatter) part(s SubField) string {
	if x.Field != nil {
		if name := x.Field(s); name != "" {
			return name
		}
	}
	return s.String()
}

func appendSubField(b []byte, s SubField) []byte {
	if !s.Field.Valid() {
		return append(b, "<unknown>"...)
	}
	b = append(b, fields[s.Field].nxm...)
	switch {
	case s.Ofs == 0 && int(s.Bits) == s.Field.Bits():
		return append(b, "[]"...)
	case s.Bits == 1:
		return fmt.Appendf(b, "[%d]", s.Ofs)
	}
	return fmt.Appendf(b, "[%d..%d]", s.Ofs, int(s.Ofs)+int(s.Bits)-1)
}

// appendForm writes value and mask of a field the way that both matches and actions do.
func (x Formatter) appendForm(b []byte, c Constraint) []byte {
	masked := c.Mask != c.Field.mask()
	switch fields[c.Field].form {
	case formMAC:
		b = appendMAC(b, c.Value.MAC())
		if masked {
			b = appendMAC(append(b, '/'), c.Mask.MAC())
		}
		return b
	case formIPv4:
		return appendIP(b, c, 32)
	case formIPv6:
		return appendIP(b, c, 128)
	case formPort:
		return append(b, x.port(uint32(c.Value.Lo))...)
	case formFrag:
		return append(b, fragText(c)...)
	case formCTState:
		return appendFlags(b, c, ctStateNames[:])
	case formTCPFlags:
		return appendFlags(b, c, tcpFlagNames[:])
	case formDecimal:
		b = strconv.AppendUint(b, c.Value.Lo, 10)
	default:
		b = appendHex(b, c.Value)
	}
	if masked {
		b = appendHex(append(b, '/'), c.Mask)
	}
	return b
}

func appendMAC(b []byte, m [6]byte) []byte {
	return fmt.Appendf(b, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5])
}

// appendIP writes an address with a prefix length or, for a mask with holes, a mask.
func appendIP(b []byte, c Constraint, bits int) []byte {
	addr := Value.IPv4
	if bits == 128 {
		addr = Value.IPv6
	}
	b = appendAddr(b, addr(c.Value))
	if c.Mask == ones(bits) {
		return b
	}
	b = append(b, '/')
	for n := range bits {
		if c.Mask == ones(bits).AndNot(ones(bits-n)) {
			return strconv.AppendInt(b, int64(n), 10)
		}
	}
	return appendAddr(b, addr(c.Mask))
}

// appendAddr writes an address as C's inet_ntop does, which has two more cases of embedded IPv4 than netip.
func appendAddr(b []byte, a netip.Addr) []byte {
	if a.Is6() {
		w := a.As16()
		if number(w[:12]).IsZero() && be16(w[12:]) != 0 {
			return append(append(b, "::"...), netip.AddrFrom4([4]byte(w[12:])).String()...)
		}
	}
	return a.AppendTo(b)
}

func fragText(c Constraint) string {
	any, later := c.Value.Lo&FragAny != 0, c.Value.Lo&FragLater != 0
	switch c.Mask.Lo {
	case FragAny:
		if any {
			return "yes"
		}
		return "no"
	case FragLater:
		if later {
			return "later"
		}
		return "not_later"
	}
	switch {
	case any && later:
		return "later"
	case any:
		return "first"
	case later:
		return "<error>"
	}
	return "no"
}

var ctStateNames = [...]string{"new", "est", "rel", "rpl", "inv", "trk", "snat", "dnat"}

var tcpFlagNames = [...]string{"fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr", "ns", "[200]", "[400]", "[800]"}

// appendFlags writes +set-clear, or set|set where every flag is given.
func appendFlags(b []byte, c Constraint, names []string) []byte {
	if c.Mask == c.Field.mask() {
		return appendSet(b, c, names)
	}
	for i, name := range names {
		if bit := uint64(1) << i; c.Mask.Lo&bit != 0 {
			sign := byte('-')
			if c.Value.Lo&bit != 0 {
				sign = '+'
			}
			b = append(append(b, sign), name...)
		}
	}
	return b
}

func appendSet(b []byte, c Constraint, names []string) []byte {
	if c.Value.IsZero() {
		return append(b, '0')
	}
	first := true
	for i, name := range names {
		if c.Value.Lo&(1<<i) != 0 {
			if !first {
				b = append(b, '|')
			}
			b, first = append(b, name...), false
		}
	}
	return b
}
