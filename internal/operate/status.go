package operate

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dragonflow/dragonflow/internal/controller"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/telemetry"
)

// Status says how a chassis is: what it follows, what it has done of it, and what is in its way.
type Status struct {
	controller.Status
	Served []Port `json:"served"`
	// Waiting are owners of flows that keep their old ones until a scope is in sync.
	Waiting []Concern `json:"waiting"`
	// Problems are owners that failed, complain, or lost a contested flow.
	Problems []Concern `json:"problems"`
	// Numbers is how many chassis-local numbers of each space are in use.
	Numbers    map[string]int        `json:"numbers"`
	Conditions []telemetry.Condition `json:"conditions"`
	// Metadata says that guests' requests for metadata are taken to Nova.
	Metadata bool `json:"metadata"`
}

// Port is a port that the chassis serves.
type Port struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Network   string `json:"network"`
	Interface string `json:"interface"`
	OFPort    uint32 `json:"ofport"`
	// Revision is the port's, of which the flows are derived; Settled says that all of them are.
	Revision int64 `json:"revision"`
	Settled  bool  `json:"settled"`
}

// Concern is something about an object that an operator should see.
type Concern struct {
	// Object names it in Neutron's words; Owner is the rule and the row.
	Object string `json:"object"`
	Owner  string `json:"owner"`
	// Scopes are those it waits for, or Text says what is wrong.
	Scopes []string `json:"scopes,omitempty"`
	Text   string   `json:"text,omitempty"`
}

// StatusOf gathers the status of a chassis.
func StatusOf(w World, s controller.Status, conditions []telemetry.Condition) *Status {
	st := &Status{Status: s, Conditions: conditions, Numbers: map[string]int{}, Served: []Port{}, Waiting: []Concern{}, Problems: []Concern{}}
	for _, p := range w.Engine.Problems() {
		name, _ := w.object(p.Owner)
		c := Concern{Object: name, Owner: p.Owner.String(), Scopes: p.Waiting, Text: p.Text}
		if len(p.Waiting) > 0 {
			st.Waiting = append(st.Waiting, c)
		} else {
			st.Problems = append(st.Problems, c)
		}
	}
	st.Problems = append(st.Problems, w.crowded()...)
	for _, e := range w.Numbers.Entries() {
		st.Numbers[e.Space]++
	}
	_, st.Metadata = w.View.Row(view.MetadataPorts, view.MetadataPortKey)
	w.View.Each(view.LocalPorts, func(_ string, row any) {
		p := row.(view.LocalPort)
		shown := Port{ID: p.Port.ID, Name: p.Port.Name, Network: named(w.network(p.Port).Name, p.Port.NetworkID), OFPort: p.OFPort,
			Revision: p.Port.Revision, Settled: w.Engine.Settled(view.LocalPorts, p.Port.ID)}
		if list := find(w, view.InterfacesByPort, cmp.Or(p.Parent, p.Port.ID)); len(list) > 0 {
			shown.Interface = list[0].Name
		}
		if p.VLAN != 0 {
			shown.Interface += fmt.Sprintf(", VLAN %d", p.VLAN)
		}
		st.Served = append(st.Served, shown)
	})
	return st
}

// Write writes the status for people; ports adds a table of the served ports.
func (s *Status) Write(w io.Writer, ports bool) error {
	t := newTable(w)
	t.pair("chassis", s.Chassis)
	t.pair("up since", fmt.Sprintf("%s ago", s.Uptime.Round(time.Second)))
	t.pair("bridge", fmt.Sprintf("%s, %s", s.Bridge, s.progress()))
	t.pair("database", s.realised())
	t.pair("ports", fmt.Sprintf("%d served", s.Ports))
	t.pair("metadata", map[bool]string{true: "served", false: "not served: no metadata-nova-url"}[s.Metadata])
	t.pair("flows", fmt.Sprintf("%d wanted", s.Flows))
	t.pair("drift", s.drift())
	t.pair("scopes", s.scopes())
	t.pair("numbers", s.numbers())
	if err := t.end(""); err != nil {
		return err
	}
	if err := s.writeTrouble(w); err != nil || !ports {
		return err
	}
	_, err := fmt.Fprintln(w)
	p := newTable(w, "PORT", "ID", "NETWORK", "INTERFACE", "OFPORT", "REVISION", "FLOWS")
	for _, port := range s.Served {
		flows := "in force"
		if !port.Settled {
			flows = "waiting"
		}
		p.row(named(port.Name, "-"), port.ID, port.Network, port.Interface, fmt.Sprint(port.OFPort), fmt.Sprint(port.Revision), flows)
	}
	return cmp.Or(err, p.end("no ports"))
}

func (s *Status) writeTrouble(w io.Writer) error {
	t := newTable(w, "WHAT", "OBJECT", "TROUBLE")
	for _, c := range s.Conditions {
		t.row(c.Severity.String(), orDash(c.Object), strings.TrimSuffix(c.Title, ".")+": "+strings.TrimSuffix(c.Detail, ".")+". "+c.Remedy)
	}
	for _, topic := range slices.Sorted(maps.Keys(s.Troubles)) {
		isShown := func(c telemetry.Condition) bool { return c.Object == topic && c.Detail == s.Troubles[topic] }
		if slices.ContainsFunc(s.Conditions, isShown) {
			continue
		}
		t.row("trouble", topic, s.Troubles[topic])
	}
	for _, sc := range s.Scopes {
		if sc.Frozen != "" {
			t.row("frozen", sc.Scope, sc.Frozen)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Invalid)) {
		t.row("invalid", name, s.Invalid[name])
	}
	for _, f := range slices.Sorted(maps.Keys(s.Refused)) {
		t.row("refused", f, s.Refused[f])
	}
	for _, c := range s.Problems {
		t.row("problem", c.Object, c.Text)
	}
	for _, c := range s.Waiting {
		t.row("waiting", c.Object, "keeps its old flows until "+strings.Join(c.Scopes, ", ")+" is in sync")
	}
	if t.rows > 0 {
		if _, err := fmt.Fprintln(w); err != nil {
			return err
		}
	}
	return t.end("")
}

// progress says how far the switch is.
func (s *Status) progress() string {
	switch {
	case s.Phase == "down":
		return "no connection: the switch goes on with what it has"
	case !s.Synced:
		return "connected, nothing touched yet: the view is not complete"
	case !s.Complete:
		return "has what is known; nothing is removed until the view is complete"
	case s.Phase == "busy":
		return "changing"
	}
	return "has all that is wanted"
}

// realised says how much of what was read of the database the switch has.
func (s *Status) realised() string {
	if s.Realised < s.Received {
		return fmt.Sprintf("read up to revision %d, realised up to %d; behind since %s", s.Received, s.Realised, orDash(s.BehindSince))
	}
	return fmt.Sprintf("read up to revision %d, all of it realised", s.Received)
}

func (s *Status) scopes() string {
	synced, stale := 0, 0
	for _, sc := range s.Scopes {
		if sc.InSync {
			synced++
		}
		if sc.Stale || !sc.Live {
			stale++
		}
	}
	text := fmt.Sprintf("%d of %d in sync", synced, len(s.Scopes))
	if stale > 0 {
		text += fmt.Sprintf(", %d as they were when the database was last seen", stale)
	}
	return text
}

// drift says what audits found.
func (s *Status) drift() string {
	var list []string
	for _, layer := range slices.Sorted(maps.Keys(s.Drift)) {
		if n := s.Drift[layer]; n > 0 {
			list = append(list, fmt.Sprintf("%d repaired in the %s", n, layer))
		}
	}
	return cmp.Or(strings.Join(list, ", "), "audits found none")
}

func (s *Status) numbers() string {
	var list []string
	for _, space := range slices.Sorted(maps.Keys(s.Numbers)) {
		list = append(list, fmt.Sprintf("%d %s", s.Numbers[space], space))
	}
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

func orDash(s string) string { return cmp.Or(s, "-") }
