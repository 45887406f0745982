package flow

import (
	"fmt"
	"strconv"
	"strings"
)

// Instructions writes what follows "actions=".
func (x Formatter) Instructions(i Instructions) string {
	if i.IsDrop() {
		return "drop"
	}
	var parts []string
	for s := range i.Steps() {
		parts = append(parts, x.step(s))
	}
	return strings.Join(parts, ",")
}

func (x Formatter) step(s Step) string {
	switch {
	case s.Meter != 0:
		return "meter:" + strconv.FormatUint(uint64(s.Meter), 10)
	case s.Goto != nil:
		return "goto_table:" + x.table(*s.Goto)
	case s.WriteMetadata != nil:
		text := fmt.Sprintf("write_metadata:%v", s.WriteMetadata.Value)
		if s.WriteMetadata.Mask != ones(64) {
			text += fmt.Sprintf("/%v", s.WriteMetadata.Mask)
		}
		return text
	case s.Clear:
		return "clear_actions"
	case s.Action.wire == "":
		return "write_actions(" + x.actions(s.Write) + ")"
	}
	return x.Action(s.Action)
}

func (x Formatter) actions(list []Action) string {
	if len(list) == 0 {
		return "drop"
	}
	parts := make([]string, len(list))
	for i, a := range list {
		parts[i] = x.Action(a)
	}
	return strings.Join(parts, ",")
}

// Action writes an action.
func (x Formatter) Action(a Action) string {
	if list := collect(a.wire); len(list) > 1 {
		return x.actions(list)
	}
	switch d := a.Decode().(type) {
	case OutputAction:
		return x.output(d)
	case GroupAction:
		return "group:" + strconv.FormatUint(uint64(d.ID), 10)
	case SetFieldAction:
		return "set_field:" + string(x.appendForm(nil, d.Constraint)) + "->" + d.Field.String()
	case LoadAction:
		return "load:" + Uint(d.Value).String() + "->" + x.part(d.Dst)
	case MoveAction:
		return "move:" + x.part(d.Src) + "->" + x.part(d.Dst)
	case ResubmitAction:
		return "resubmit(" + x.resubmitPort(d.Port) + "," + x.table(d.Table) + ")"
	case ConnTrack:
		return x.connTrack(d)
	case NAT:
		return natText(d)
	case Punt:
		return puntText(d)
	case LearnFlow:
		return x.learn(d)
	case RawAction:
		return fmt.Sprintf("raw(%x)", d.Wire)
	default:
		return x.plain(d)
	}
}

// plain writes the actions that have little to say.
func (x Formatter) plain(action any) string {
	switch d := action.(type) {
	case SetQueueAction:
		return "set_queue:" + strconv.FormatUint(uint64(d.ID), 10)
	case PopQueueAction:
		return "pop_queue"
	case DecTTLAction:
		return "dec_ttl"
	case PushVLANAction:
		return fmt.Sprintf("push_vlan:0x%04x", d.EthType)
	case PopVLANAction:
		return "pop_vlan"
	case CTClearAction:
		return "ct_clear"
	case ExitAction:
		return "exit"
	case CloneAction:
		return "clone(" + x.actions(d.Actions) + ")"
	case NoteAction:
		return "note:" + dotted(d.Data)
	case ConjunctionAction:
		return fmt.Sprintf("conjunction(%d,%d/%d)", d.ID, d.N, d.K)
	case PushAction:
		return "push:" + x.part(d.Src)
	case PopAction:
		return "pop:" + x.part(d.Dst)
	case CheckPktLargerAction:
		return fmt.Sprintf("check_pkt_larger(%d)->%s", d.Size, x.part(d.Dst))
	case MultipathAction:
		return fmt.Sprintf("multipath(%v,%d,%v,%d,0,%s)", d.What, d.Basis, d.How, d.Links, x.part(d.Dst))
	}
	return fmt.Sprintf("%T", action)
}

func (x Formatter) output(d OutputAction) string {
	switch d.Port {
	case PortInPort, PortLocal, PortTable, PortNormal, PortFlood, PortAll:
		return x.port(d.Port)
	}
	return "output:" + x.port(d.Port)
}

func (x Formatter) resubmitPort(p uint16) string {
	if p == 0 {
		return ""
	}
	return x.port(uint32(p))
}

func (x Formatter) connTrack(c ConnTrack) string {
	var parts []string
	add := func(set bool, text string) {
		if set {
			parts = append(parts, text)
		}
	}
	add(c.Commit, "commit")
	add(c.Force, "force")
	if c.HasTable {
		add(true, "table="+x.table(c.Table))
	}
	if c.ZoneFrom.Field.Valid() {
		add(true, "zone="+x.part(c.ZoneFrom))
	}
	add(c.Zone != 0, "zone="+strconv.Itoa(int(c.Zone)))
	if c.NAT != nil {
		add(true, natText(*c.NAT))
	}
	add(len(c.Exec) > 0, "exec("+x.actions(c.Exec)+")")
	switch c.ALG {
	case 0:
	case 21:
		add(true, "alg=ftp")
	case 69:
		add(true, "alg=tftp")
	default:
		add(true, "alg="+strconv.Itoa(int(c.ALG)))
	}
	return "ct(" + strings.Join(parts, ",") + ")"
}

func natText(n NAT) string {
	if !n.Src && !n.Dst {
		return "nat"
	}
	text := "dst"
	if n.Src {
		text = "src"
	}
	if n.Min.IsValid() {
		text += "=" + natRange(n)
		for _, o := range []struct {
			set  bool
			name string
		}{{n.Persistent, ",persistent"}, {n.Hash, ",hash"}, {n.Random, ",random"}} {
			if o.set {
				text += o.name
			}
		}
	}
	return "nat(" + text + ")"
}

func natRange(n NAT) string {
	addr := func(b []byte, i int) []byte {
		a := n.Min
		if i == 1 {
			a = n.Max
		}
		if a.Is6() && n.MinPort != 0 {
			b = append(appendAddr(append(b, '['), a), ']')
			return b
		}
		return appendAddr(b, a)
	}
	b := addr(nil, 0)
	if n.Max.IsValid() && n.Max != n.Min {
		b = addr(append(b, '-'), 1)
	}
	if n.MinPort != 0 {
		b = strconv.AppendUint(append(b, ':'), uint64(n.MinPort), 10)
		if n.MaxPort != 0 && n.MaxPort != n.MinPort {
			b = strconv.AppendUint(append(b, '-'), uint64(n.MaxPort), 10)
		}
	}
	return string(b)
}

func puntText(p Punt) string {
	size := p.MaxLen
	if size == 0 {
		size = 0xffff
	}
	if p.ID == 0 && len(p.Userdata) == 0 && !p.Pause && p.Meter == 0 {
		return fmt.Sprintf("CONTROLLER:%d", size)
	}
	var parts []string
	if size != 0xffff {
		parts = append(parts, fmt.Sprintf("max_len=%d", size))
	}
	if p.ID != 0 {
		parts = append(parts, fmt.Sprintf("id=%d", p.ID))
	}
	if len(p.Userdata) > 0 {
		parts = append(parts, "userdata="+dotted(string(p.Userdata)))
	}
	if p.Pause {
		parts = append(parts, "pause")
	}
	if p.Meter != 0 {
		parts = append(parts, fmt.Sprintf("meter_id=%d", p.Meter))
	}
	return "controller(" + strings.Join(parts, ",") + ")"
}

func dotted(data string) string {
	parts := make([]string, len(data))
	for i := range len(data) {
		parts[i] = fmt.Sprintf("%02x", data[i])
	}
	return strings.Join(parts, ".")
}

func (x Formatter) learn(l LearnFlow) string {
	parts := []string{"table=" + x.table(l.Table)}
	number := func(name string, v, unless int) {
		if v != unless {
			parts = append(parts, name+"="+strconv.Itoa(v))
		}
	}
	number("idle_timeout", int(l.IdleTimeout), 0)
	number("hard_timeout", int(l.HardTimeout), 0)
	number("priority", int(l.Priority), DefaultPriority)
	if l.DeleteLearned {
		parts = append(parts, "delete_learned")
	}
	if l.Cookie != 0 {
		parts = append(parts, fmt.Sprintf("cookie=%#x", l.Cookie))
	}
	number("limit", int(l.Limit), 0)
	for _, s := range l.Specs {
		parts = append(parts, x.learnSpec(s))
	}
	return "learn(" + strings.Join(parts, ",") + ")"
}

func (x Formatter) learnSpec(s LearnSpec) string {
	switch s.kind {
	case learnMatch | learnImmediate:
		if s.dst == s.dst.Field.All() {
			return s.dst.Field.String() + "=" + string(x.appendForm(nil, Constraint{s.dst.Field, s.imm, s.dst.Field.mask()}))
		}
		return x.part(s.dst) + "=" + s.imm.String()
	case learnMatch:
		if s.dst == s.src {
			return x.part(s.dst)
		}
		return x.part(s.dst) + "=" + x.part(s.src)
	case learnLoad | learnImmediate:
		return "load:" + s.imm.String() + "->" + x.part(s.dst)
	case learnLoad:
		return "load:" + x.part(s.src) + "->" + x.part(s.dst)
	}
	return "output:" + x.part(s.src)
}

// String returns the word of ovs-ofctl.
func (h HashFields) String() string {
	names := [...]string{"eth_src", "symmetric_l4", "symmetric_l3l4", "symmetric_l3l4+udp", "nw_src", "nw_dst", "symmetric_l3"}
	if int(h) < len(names) {
		return names[h]
	}
	return "<unknown>"
}

// String returns the word of ovs-ofctl.
func (a HashAlgorithm) String() string {
	names := [...]string{"modulo_n", "hash_threshold", "hrw", "iter_hash"}
	if int(a) < len(names) {
		return names[a]
	}
	return "<unknown>"
}
