// Package app is the contract of a network service: an app declares rules, and a rule is a pure function
// from one object of the view to the flows, groups, meters and derived rows that this object needs.
//
// There are no handlers for add, update or delete. The engine runs a rule for every row of its table,
// notes what it read, runs it again when any of that changes, and makes the switch differ by the
// difference of the two outputs. An app does no I/O, has no clock and keeps no state.
//
// Apps import this package, flow, pipeline, view, model, number and packet; never each other.
package app

import (
	"net/netip"
	"time"

	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
)

// App is a network service.
type App struct {
	// Name is a short word; it appears in dumps, metrics and on the command line.
	Name string
	// ID is the app's number in cookies and packet-ins. It never changes, whatever the order of apps.
	ID uint8
	// Rules are evaluated in order: a rule may read what rules before it derived, in its own app or in
	// an earlier one.
	Rules []Rule
	// PacketIn, if set, answers packets that the app's flows sent to the controller.
	PacketIn func(*view.Reader, PacketIn) (Reply, error)
	// Tickers send packets by themselves, such as router advertisements.
	Tickers []Ticker
	// Announcer, if set, sends packets when a row changes.
	Announcer *Announcer
}

// Ticker sends packets at intervals.
type Ticker struct {
	// Every is how often Send is called.
	Every time.Duration
	// Send returns the packets to send now.
	Send func(r *view.Reader) []PacketOut
}

// Announcer sends packets when what they tell changes.
type Announcer struct {
	// Table is one that the app derives.
	Table view.AnyTable
	// Send is called with the key of a row that appeared, changed or went, once the chassis works: what
	// is there at the start is not announced. It returns the packets to send.
	Send func(r *view.Reader, key string) []PacketOut
	// Again, if set, is called with the key once more after each of these pauses, for what may have been lost: it
	// returns the packets to send then.
	Again  func(r *view.Reader, key string) []PacketOut
	Pauses []time.Duration
}

// Rule is evaluated once for each row of Table or, if Index is set, once for each key that rows have in it.
type Rule struct {
	// Name is unique among all rules; with the row's key, or the index', it names the owner of the output.
	Name  string
	Table view.AnyTable
	Index view.AnyIndex
	// Eval returns what the owner needs, by filling out. It must depend on nothing but what it reads through
	// r and the row, which is nil for an index' key, and the rows of that key.
	Eval func(r *view.Reader, key string, row any, out *Output)
}

// Kind is that of the rule's owners.
func (r *Rule) Kind() string {
	if r.Index != nil {
		return r.Index.Name()
	}
	return r.Table.Name()
}

// For makes a rule for a table's row type.
func For[R any](name string, t *view.Table[R], eval func(*view.Reader, R, *Output)) Rule {
	return Rule{Name: name, Table: t, Eval: func(r *view.Reader, _ string, row any, out *Output) { eval(r, row.(R), out) }}
}

// ForEach makes a rule for what rows have in common: it is evaluated once for each key of an index, for all rows
// that have the key, whatever their number; in order of the rows' keys.
func ForEach[R any](name string, ix *view.Index[R], eval func(r *view.Reader, key string, having []R, out *Output)) Rule {
	return Rule{Name: name, Table: ix.Of(), Index: ix, Eval: func(r *view.Reader, key string, _ any, out *Output) {
		eval(r, key, view.Having(r, ix, key), out)
	}}
}

// ForPrefixes makes a rule that is evaluated once for each prefix that rows have in a group of an index.
func ForPrefixes[R any](name string, ix *view.PrefixIndex[R], eval func(r *view.Reader, group string, p netip.Prefix, out *Output)) Rule {
	return Rule{Name: name, Table: ix.Of(), Index: ix, Eval: func(r *view.Reader, key string, _ any, out *Output) {
		group, p := view.SplitPrefixKey(key)
		eval(r, group, p, out)
	}}
}

// Output collects what one evaluation wants. A zero Output is ready for use.
type Output struct {
	Flows    []OwnedFlow
	Groups   []flow.GroupEntry
	Meters   []flow.MeterEntry
	Rows     []OwnedRow
	Problems []string
}

// OwnedFlow is a flow with the sentence that says why it exists.
type OwnedFlow struct {
	Key    flow.Key
	Do     flow.Instructions
	Reason string
	// PC is the place in the code that asked for it.
	PC uintptr
}

// OwnedRow is a derived row.
type OwnedRow struct {
	Table view.AnyTable
	Key   string
	Row   any
}

// Flow asks for a flow. The reason is a short constant sentence, without names: the owner adds those.
func (o *Output) Flow(stage pipeline.Stage, priority uint16, m flow.Match, do flow.Instructions, reason string) {
	o.Flows = append(o.Flows, OwnedFlow{
		Key: flow.Key{Table: stage.Table(), Priority: priority, Match: m}, Do: do, Reason: reason, PC: callerPC(),
	})
}

// Group asks for a group.
func (o *Output) Group(g flow.GroupEntry) { o.Groups = append(o.Groups, g) }

// Meter asks for a meter.
func (o *Output) Meter(m flow.MeterEntry) { o.Meters = append(o.Meters, m) }

// Problem reports something about the owner that an operator should see in status, while the rest of
// the output stands. The text names the field and the remedy.
func (o *Output) Problem(text string) { o.Problems = append(o.Problems, text) }

// Emit asks for a derived row.
func Emit[R any](o *Output, t *view.Table[R], row R) {
	o.Rows = append(o.Rows, OwnedRow{Table: t, Key: t.Key(row), Row: row})
}

// PacketIn is a packet that one of the app's flows sent to the controller. Its bytes come from a guest
// and are hostile.
type PacketIn struct {
	// Userdata is what the flow carried, without the app's ID.
	Userdata []byte
	// InPort is the OpenFlow port where the packet came in.
	InPort uint32
	// SourcePort and Network are the registers of these names; Router, CameBy and Refusal are, too, for
	// what a router refuses.
	SourcePort, Network     uint32
	Router, CameBy, Refusal uint32
	Data                    []byte
	// At is when the controller took the packet.
	At time.Time
}

// Userdata is what a flow that sends packets to the controller must carry, so that they reach the app.
func Userdata(app uint8, rest ...byte) []byte { return append([]byte{app}, rest...) }

// Reply is what an app wants done about a packet.
type Reply struct {
	Packets []PacketOut
	// Facts are what the packet told.
	Facts []Fact
	// Lines are what the log of security groups gets.
	Lines []LogLine
	// Event, if not empty, is a word for the counter of what happened, such as "ack" or "nak".
	Event string
}

// Fact is something learned on this chassis: a row of a table that is not derived. It is forgotten when its
// age is reached without its being learned again, at a restart, and when nobody here has anything to do with
// it any more.
type Fact struct {
	Table view.AnyTable
	Row   any
	// Owner is who told, such as a port: one owner's facts are limited in number, so that none can fill the
	// memory of the chassis.
	Owner string
	// Age is how long it holds.
	Age time.Duration
	// Cap is how many facts of the owner are kept, if more than as usual.
	Cap int
}

// PacketOut is a packet to send out of an OpenFlow port, or to bring into the pipeline.
type PacketOut struct {
	OFPort uint32
	// VLAN is the tag that the packet gets on its way out; zero is none.
	VLAN uint16
	Data []byte
	// Through, if not empty, is what is done with the packet in place of sending it out of OFPort: what a stage expects
	// is loaded, and the packet resubmitted to it.
	Through []flow.Action
}

// Actions returns what the switch does with the packet.
func (p PacketOut) Actions() []flow.Action {
	if len(p.Through) > 0 {
		return p.Through
	}
	if p.VLAN != 0 {
		return []flow.Action{flow.PushVLAN(), flow.SetVLAN(p.VLAN), flow.Output(p.OFPort)}
	}
	return []flow.Action{flow.Output(p.OFPort)}
}

// To is a packet for a port that this chassis serves.
func To(p view.LocalPort, frame []byte) PacketOut {
	return PacketOut{OFPort: p.OFPort, VLAN: p.VLAN, Data: frame}
}
