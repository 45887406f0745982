package fakeswitch

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// flowKey is what makes two flows the same.
type flowKey struct {
	table    uint8
	priority uint16
	match    string
}

type flowEntry struct {
	cookie     uint64
	idle, hard uint16
	actions    string
}

// flowMod is one change that was read.
type flowMod struct {
	command uint8
	key     flowKey
	entry   flowEntry
}

// Commands of a flow-mod: OpenFlow 1.4 §7.3.4.1. Those that are not strict are not understood.
const (
	flowAdd          = 0
	flowModifyStrict = 2
	flowDeleteStrict = 4
)

// readFlowMod reads an OFPT_FLOW_MOD.
func readFlowMod(msg []byte) (flowMod, error) {
	var m flowMod
	if len(msg) < 56 {
		return m, badLength
	}
	size := int(binary.BigEndian.Uint16(msg[50:])) // of the match, without padding
	padded := (size + 7) &^ 7
	if size < 4 || 48+padded > len(msg) {
		return m, badLength
	}
	m.command = msg[25]
	if m.command != flowAdd && m.command != flowModifyStrict && m.command != flowDeleteStrict {
		return m, badCommand
	}
	m.key = flowKey{table: msg[24], priority: binary.BigEndian.Uint16(msg[30:]), match: string(msg[52 : 48+size])}
	m.entry = flowEntry{
		cookie: binary.BigEndian.Uint64(msg[8:]), idle: binary.BigEndian.Uint16(msg[26:]), hard: binary.BigEndian.Uint16(msg[28:]),
		actions: string(msg[48+padded:]),
	}
	return m, nil
}

// commit makes all changes at once.
func (s *Switch) commit(mods []flowMod) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range mods {
		old, had := s.flows[m.key]
		switch {
		case m.command == flowDeleteStrict:
			delete(s.flows, m.key)
		case m.command == flowModifyStrict && !had:
			continue // no error, and no flow
		case m.command == flowModifyStrict:
			old.actions = m.entry.actions
			s.flows[m.key] = old
		default:
			s.flows[m.key] = m.entry
		}
		if s.cfg.Committed != nil {
			s.cfg.Committed(m.key.table, m.key.match, m.command == flowDeleteStrict)
		}
	}
}

// groupMod makes a change of the group table: OpenFlow 1.4 §7.3.4.2.
func (s *Switch) groupMod(msg []byte) error {
	if len(msg) < 16 {
		return badLength
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id := binary.BigEndian.Uint32(msg[12:])
	value := string(msg[10:]) // type, number and buckets as a description has them
	return change(s.groups, binary.BigEndian.Uint16(msg[8:]), id, value, [3]ofError{groupExists, unknownGroup, badGroupMod})
}

// meterMod makes a change of the meter table: OpenFlow 1.4 §7.3.4.5.
func (s *Switch) meterMod(msg []byte) error {
	if len(msg) < 16 {
		return badLength
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id := binary.BigEndian.Uint32(msg[12:])
	return change(s.meters, binary.BigEndian.Uint16(msg[8:]), id, string(msg[10:]), [3]ofError{meterExists, unknownMeter, badMeterMod})
}

// change adds, modifies or deletes an entry; errors are for one that exists, one that does not, and an
// unknown command.
func change(to map[uint32]string, command uint16, id uint32, value string, wrong [3]ofError) error {
	_, had := to[id]
	switch {
	case command == 0 && had:
		return wrong[0]
	case command == 1 && !had:
		return wrong[1]
	case command <= 1:
		to[id] = value
	case command == 2:
		delete(to, id)
	default:
		return wrong[2]
	}
	return nil
}

// The multipart messages that are understood: OpenFlow 1.4 §7.3.5.
const (
	mpFlow        = 1
	mpGroupDesc   = 7
	mpMeterConfig = 10
	mpPortDesc    = 13
	mpMore        = 1
	// mpChunk is about how many bytes of records one reply has.
	mpChunk = 32 << 10
)

func (x *session) multipart(xid uint32, msg []byte) error {
	if len(msg) < 16 {
		return badLength
	}
	var records [][]byte
	kind := binary.BigEndian.Uint16(msg[8:])
	switch kind {
	case mpFlow:
		if len(msg) < 48 {
			return badLength
		}
		records = x.s.dumpFlows(msg[16], binary.BigEndian.Uint64(msg[32:]), binary.BigEndian.Uint64(msg[40:]))
	case mpGroupDesc:
		records = x.s.dump(func() map[uint32]string { return x.s.groups })
	case mpMeterConfig:
		records = x.s.dump(func() map[uint32]string { return x.s.meters })
	case mpPortDesc:
		records = x.s.dumpPorts()
	default:
		return badMultipart
	}
	for {
		body := append(binary.BigEndian.AppendUint16(nil, kind), 0, 0, 0, 0, 0, 0)
		for len(records) > 0 && len(body) < mpChunk {
			body, records = append(body, records[0]...), records[1:]
		}
		if len(records) > 0 {
			body[3] = mpMore
		}
		x.send(typeMultipartRep, xid, body)
		if len(records) == 0 {
			return nil
		}
	}
}

// dumpFlows returns the flows of a table, or all (0xff), whose cookie has the given bits.
func (s *Switch) dumpFlows(table uint8, cookie, mask uint64) [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list [][]byte
	for k, e := range s.flows {
		if (table != 0xff && k.table != table) || e.cookie&mask != cookie&mask {
			continue
		}
		b := make([]byte, 48, 56+len(k.match)+8+len(e.actions))
		b[2] = k.table
		binary.BigEndian.PutUint16(b[12:], k.priority)
		binary.BigEndian.PutUint16(b[14:], e.idle)
		binary.BigEndian.PutUint16(b[16:], e.hard)
		binary.BigEndian.PutUint64(b[24:], e.cookie)
		b = append(b, 0, 1)
		b = binary.BigEndian.AppendUint16(b, uint16(4+len(k.match)))
		b = append(b, k.match...)
		for len(b)%8 != 0 {
			b = append(b, 0)
		}
		b = append(b, e.actions...)
		binary.BigEndian.PutUint16(b, uint16(len(b)))
		list = append(list, b)
	}
	return list
}

// dump returns the entries of the group or meter table in order.
func (s *Switch) dump(table func() map[uint32]string) [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list [][]byte
	for _, v := range table() {
		b := binary.BigEndian.AppendUint16(nil, uint16(2+len(v)))
		list = append(list, append(b, v...))
	}
	slices.SortFunc(list, func(a, b []byte) int {
		return cmp.Compare(binary.BigEndian.Uint32(a[4:]), binary.BigEndian.Uint32(b[4:]))
	})
	return list
}

// dumpPorts describes the ports: OpenFlow 1.4 §7.2.1.
func (s *Switch) dumpPorts() [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list [][]byte
	for name, number := range s.rows.ports() {
		b := binary.BigEndian.AppendUint32(nil, number)
		b = append(b, 0, 40, 0, 0)
		b = append(b, make([]byte, 32)...)
		copy(b[16:31], name)
		list = append(list, b)
	}
	return list
}
