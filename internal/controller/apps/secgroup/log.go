package secgroup

import (
	"cmp"
	"slices"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
)

// Packets of a port that are logged in a second, and at once, where no setting says otherwise: as Neutron's network_log.
const (
	logRate  = 100
	logBurst = 25
)

const (
	// above is how much higher the flow of a logged port is than the one whose place it takes. Nothing of the same stage
	// that a packet can meet as well lies between.
	above = 10
	// loggedBytes of a packet hold the headers that a line tells of.
	loggedBytes = 256
)

const newConnection = "a rule allows what the port's log asks for: a new connection, or a packet of stateless groups"

// logsOf returns the logs that are about a port, by id, in order.
func logsOf(r *view.Reader, p *model.Port) []*model.SecurityGroupLog {
	if !p.PortSecurityEnabled {
		return nil
	}
	var list []*model.SecurityGroupLog
	find := func(subject string, is func(*model.SecurityGroupLog) bool) {
		found, _ := view.Find(r, view.SecurityGroupLogsBySubject, subject)
		for _, l := range found {
			if is(l) && l.Enabled && !slices.Contains(list, l) {
				list = append(list, l)
			}
		}
	}
	find(p.ID, func(l *model.SecurityGroupLog) bool {
		return l.PortID == p.ID && (l.SecurityGroupID == "" || slices.Contains(p.SecurityGroups, l.SecurityGroupID))
	})
	for _, id := range p.SecurityGroups {
		find(id, func(l *model.SecurityGroupLog) bool { return l.PortID == "" && l.SecurityGroupID == id })
		if g, found := view.Get(r, view.SecurityGroups, id); found == view.Present && g.ProjectID != "" {
			find(g.ProjectID, func(l *model.SecurityGroupLog) bool {
				return l.PortID == "" && l.SecurityGroupID == "" && l.ProjectID == g.ProjectID
			})
		}
	}
	slices.SortFunc(list, func(a, b *model.SecurityGroupLog) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

func wanted(logs []*model.SecurityGroupLog, e model.LogEvent) bool {
	return slices.ContainsFunc(logs, func(l *model.SecurityGroupLog) bool { return l.Logs(e) })
}

// logged sends copies of what is logged of a port to the controller. Each flow is one that everybody has, for this
// port alone and with a copy made before: so a packet's fate is the same. A copy that exceeds the meter is not made.
func logged(r *view.Reader, p view.LocalPort, out *app.Output) {
	logs := logsOf(r, p.Port)
	if len(logs) == 0 {
		return
	}
	self, _ := view.Get(r, view.Self, "self")
	meter := r.Number(pipeline.MeterNumbers, "secgroup/"+p.Port.ID)
	out.Meter(flow.NewMeter(meter, flow.PacketsPerSecond, cmp.Or(self.LogRate, logRate), cmp.Or(self.LogBurst, logBurst)))
	for _, d := range directions() {
		c := copies{d, d.port.Is(uint64(p.Key)), p.Port.ID, meter, out}
		if wanted(logs, model.LogDrop) {
			c.drops()
		}
		if wanted(logs, model.LogAccept) {
			c.accepts()
		}
	}
}

// copies makes the flows of a logged port in one direction.
type copies struct {
	direction
	of    flow.Constraint
	port  string
	meter uint32
	out   *app.Output
}

// instead is a flow of the stage, with a copy made of the packet.
func (c copies) instead(stage pipeline.Stage, priority uint16, m flow.Match, do flow.Instructions, e model.LogEvent, reason string) {
	copied := flow.Controller(flow.Punt{
		ID: pipeline.ControllerID, MaxLen: loggedBytes, Meter: c.meter,
		Userdata: app.Userdata(pipeline.LoggingApp, append([]byte{e[0], c.name[0]}, c.port...)...),
	})
	then := flow.Do(slices.Insert(slices.Collect(do.Actions()), 0, copied)...)
	if next, on := do.Next(); on {
		then = then.Goto(next)
	}
	c.out.Flow(stage, priority+above, m.And(c.of), then, reason)
}

// drops has copies made where the groups drop.
func (c copies) drops() {
	var all app.Output
	states(c.direction, &all)
	refuse(c.direction, &all)
	if c.name == model.Egress {
		noServer(&all)
	}
	for _, f := range all.Flows {
		if f.Do.IsDrop() || f.Key.Table == c.refuse.Table() { // whence nothing goes on
			c.instead(pipeline.Stage(f.Key.Table), f.Key.Priority, f.Key.Match, f.Do, model.LogDrop, f.Reason)
		}
	}
	for _, s := range []pipeline.Stage{c.track, c.state, c.refuse, c.whole} {
		_, reason := s.Miss()
		c.instead(s, pipeline.Miss, flow.Match{}, flow.Drop(), model.LogDrop, reason)
	}
}

// accepts has copies made where the groups let a new connection pass. Later fragments of its first datagram are none.
func (c copies) accepts() {
	var all app.Output
	commit(c.direction, &all)
	first := []flow.Constraint{flow.CTStateIs(flow.CTTrk|flow.CTNew, 0), flow.IPFrag.Masked(0, flow.FragLater)}
	for _, f := range all.Flows {
		m := f.Key.Match
		switch f.Key.Priority {
		case pipeline.Override:
		case pipeline.Normal:
			if f.Key.Table != c.commit.Table() {
				continue
			}
			m = m.And(first...)
		default:
			continue
		}
		c.instead(c.commit, f.Key.Priority, m, f.Do, model.LogAccept, newConnection)
	}
}
