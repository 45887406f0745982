package operate

import (
	"cmp"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/dragonflow/dragonflow/internal/controller/engine"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/model"
)

// Connection is what the connection tracker is assumed to know of a packet's connection. The zero
// Connection is a new one.
type Connection struct {
	// Marks are the ct_mark values by zone; in other zones the connection is new.
	Marks map[uint16]flow.Value
	// Sources are the source addresses of those who began the connection, by zone, if they were translated.
	Sources map[uint16]flow.Value
	// Reply says that the packet goes in the other direction than the one that began the connection.
	Reply bool
}

// Trace is the way of a packet.
type Trace struct {
	Steps    []Step    `json:"steps"`
	Outcomes []Outcome `json:"outcomes"`
	// Truncated says that the way was too long to be followed to its end.
	Truncated bool `json:"truncated,omitempty"`
	// Ways is the largest number of ways of equal cost among which the switch chose, zero if it did not.
	Ways int `json:"ways,omitempty"`
	// States are what the connection tracker was assumed to say, each time that the packet came to it.
	States []string `json:"states,omitempty"`
	// Redirected says that the connection tracker has translated the destination, of which Open vSwitch's own trace
	// knows nothing.
	Redirected bool `json:"redirected,omitempty"`
	// marks and sources are the connections after the packet.
	marks, sources map[uint16]flow.Value
}

// Connection is what the tracker knows after the packet, for the next one of the same connection.
func (t *Trace) Connection(reply bool) Connection {
	return Connection{Marks: t.marks, Sources: t.sources, Reply: reply}
}

// Step is a flow that the packet met.
type Step struct {
	// Depth is the number of resubmissions and copies on the way here.
	Depth int    `json:"depth"`
	Stage string `json:"stage"`
	// Flow is its key and actions as text, with the names of stages and registers.
	Flow string `json:"flow"`
	// Owners, Reason and Source say why the flow exists; see [Trace.Explain].
	Owners []string `json:"owners,omitempty"`
	Reason string   `json:"reason,omitempty"`
	Source string   `json:"source,omitempty"`
	// Rivals are flows of the same priority that the packet would meet, too, and that do something
	// else. There should be none.
	Rivals []string `json:"rivals,omitempty"`

	key    flow.Key
	packet Packet
	missed bool
}

// OutcomeKind says what became of a copy of the packet.
type OutcomeKind string

// The kinds of outcome.
const (
	Delivered  OutcomeKind = "delivered"
	Answered   OutcomeKind = "answered"   // the switch sends an answer back to the sender
	Controlled OutcomeKind = "controller" // an app of the controller gets it
	Tunnelled  OutcomeKind = "tunnelled"  // it goes to another chassis
	Dropped    OutcomeKind = "dropped"
)

// Outcome is the end of one copy of the packet.
type Outcome struct {
	Kind OutcomeKind `json:"kind"`
	// OFPort is where it goes out.
	OFPort uint32 `json:"ofport,omitempty"`
	// Port is the name of the port behind it, if [Trace.Explain] knows it.
	Port string `json:"port,omitempty"`
	// Chassis and Tunnel are where it goes through a tunnel.
	Chassis string            `json:"chassis,omitempty"`
	Tunnel  model.NetworkType `json:"tunnel,omitempty"`
	// Reason is why it was dropped or not followed, or what the controller does with it.
	Reason string `json:"reason,omitempty"`
	// Step is the index of the step at which it ended.
	Step int `json:"step"`

	packet Packet
	// userdata says which app of the controller gets the packet.
	userdata []byte
	// source and target are the tunnel's addresses, and followed says that a further leg begins there.
	source, target netip.Addr
	followed       bool
	// port is the guest's port behind OFPort, and at the port at which the packet was last seen; nil if
	// there is none.
	port, at *model.Port
	// serves says that OFPort is the one behind which the chassis serves metadata.
	serves bool
	// wire says that it went into a physical network.
	wire bool
}

// Explain fills in why the flows exist.
func (t *Trace) Explain(e *engine.Engine) {
	for i := range t.Steps {
		s := &t.Steps[i]
		x, ok := e.Explain(s.key)
		if !ok {
			continue
		}
		s.Reason, s.Source = x.Reason, x.Source
		for _, o := range x.Owners {
			s.Owners = append(s.Owners, o.String())
		}
	}
	for i := range t.Outcomes {
		o := &t.Outcomes[i]
		if o.Kind == Dropped && o.Reason == "" {
			o.Reason = t.Steps[o.Step].Reason
		}
	}
}

// Write writes the way, a line for each flow and its reason, for people.
func (t *Trace) Write(w io.Writer) error {
	var b strings.Builder
	for i, s := range t.Steps {
		indent := strings.Repeat("  ", s.Depth)
		fmt.Fprintf(&b, "%s%s: %s\n", indent, s.Stage, s.Flow)
		if s.Reason != "" {
			fmt.Fprintf(&b, "%s    # %s: %s\n", indent, strings.Join(s.Owners, ", "), s.Reason)
		}
		for _, r := range s.Rivals {
			fmt.Fprintf(&b, "%s    # the switch may take this flow of the same priority instead: %s\n", indent, r)
		}
		for _, o := range t.Outcomes {
			if o.Step == i {
				fmt.Fprintf(&b, "%s    => %s\n", indent, o)
			}
		}
	}
	if t.Truncated {
		b.WriteString("… the way is longer than is shown\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// String says what became of the packet in a few words.
func (o Outcome) String() string {
	where := fmt.Sprintf("OpenFlow port %d", o.OFPort)
	if o.Port != "" {
		where = fmt.Sprintf("%s (OpenFlow port %d)", o.Port, o.OFPort)
	}
	switch o.Kind {
	case Delivered:
		return "delivered to " + where
	case Answered:
		return "answered by the switch at " + where
	case Controlled:
		if o.Reason != "" {
			return "sent to the controller: " + o.Reason
		}
		return "sent to the controller"
	case Tunnelled:
		text := fmt.Sprintf("sent to %s through the %s tunnel to %s", cmp.Or(o.Chassis, "another chassis"), o.Tunnel, o.target)
		if o.Reason != "" {
			text += "; " + o.Reason
		}
		return text
	}
	return "dropped: " + o.Reason
}

// text renders a flow for people.
func text(f flow.Flow) string {
	f.Cookie = 0
	_, t, _ := strings.Cut(pipeline.Text().Flow(f), ", ")
	return t
}

// Arrived is the packet as it came.
func (t *Trace) Arrived() Packet { return t.Steps[0].packet.clone() }

// Keys lists the flows that the packet met, in order.
func (t *Trace) Keys() []flow.Key {
	var keys []flow.Key
	for _, s := range t.Steps {
		if !s.missed {
			keys = append(keys, s.key)
		}
	}
	return keys
}
