package flow

import "cmp"

// Flow is a row of a switch's flow tables.
type Flow struct {
	Table        uint8
	Priority     uint16
	Match        Match
	Instructions Instructions
	Cookie       uint64
	IdleTimeout  uint16 // seconds without a packet after which the switch forgets the flow, 0: never
	HardTimeout  uint16 // seconds after which the switch forgets it in any case, 0: never
}

// Key is what identifies a flow within a switch.
type Key struct {
	Table    uint8
	Priority uint16
	Match    Match
}

// Key returns the flow's key.
func (f Flow) Key() Key { return Key{f.Table, f.Priority, f.Match} }

// Compare orders keys: table ascending, priority descending, then in a stable way that means nothing.
func (k Key) Compare(o Key) int {
	return cmp.Or(cmp.Compare(k.Table, o.Table), cmp.Compare(o.Priority, k.Priority), k.Match.Compare(o.Match))
}
