package controller

import (
	"time"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
)

// How many facts are kept: of one owner, so that no guest crowds out the others, and in all.
const (
	factsOfOwner = 32
	factsInAll   = 16384
)

// facts keeps what the chassis learned by itself: rows of tables of the view, each until its time has come.
// The engine has no clock; to it a fact is a row that comes and goes. Ages are kept to the next tick of the
// loop's timer.
type facts struct {
	ends   map[factName]factEnd
	owners map[string]int
}

type factName struct {
	table view.AnyTable
	key   string
}

type factEnd struct {
	at    time.Time
	owner string
}

func newFacts() facts { return facts{ends: map[factName]factEnd{}, owners: map[string]int{}} }

// learn puts a fact into the view, or prolongs it. It reports false if the owner, or all of them, have too many.
func (f *facts) learn(db *view.DB, fact app.Fact, now time.Time) bool {
	n := factName{fact.Table, view.KeyOfRow(fact.Table, fact.Row)}
	owner := fact.Table.Name() + "/" + fact.Owner
	old, known := f.ends[n]
	if known && old.owner != owner {
		f.forget(db, fact.Table, n.key)
		known = false
	}
	if !known {
		if f.owners[owner] >= factsOfOwner || len(f.ends) >= factsInAll {
			return false
		}
		f.owners[owner]++
	}
	f.ends[n] = factEnd{now.Add(fact.Age), owner}
	db.SetAny(fact.Table, fact.Row)
	return true
}

// forget takes a fact out of the view.
func (f *facts) forget(db *view.DB, t view.AnyTable, key string) {
	n := factName{t, key}
	end, known := f.ends[n]
	if !known {
		return
	}
	delete(f.ends, n)
	if f.owners[end.owner]--; f.owners[end.owner] == 0 {
		delete(f.owners, end.owner)
	}
	db.DeleteAny(t, key)
}

// expire forgets what has reached its age.
func (f *facts) expire(db *view.DB, now time.Time) {
	for n, end := range f.ends {
		if now.After(end.at) {
			f.forget(db, n.table, n.key)
		}
	}
}

// How long a guest that was heard counts as here while the API does not know: as long as it is served, since it
// would be cut off at the end; and after a restart, by the chassis' own report, until it is served.
const (
	arrivedFor = 24 * time.Hour
	recallFor  = time.Minute
)

func arrival(port string, age time.Duration) app.Fact {
	return app.Fact{Table: view.Arrivals, Row: view.Arrival{PortID: port}, Owner: port, Age: age}
}

// forwardFor is how long a chassis sends on what still arrives for a port that has left: until all others
// have heard where it is.
const forwardFor = 30 * time.Second

// notePresence notes, of served ports that changed, which have left although they still exist, and forgets
// arrivals that the database knows of by now.
func (c *Controller) notePresence(ports []string) {
	for _, id := range ports {
		row, served := c.db.Row(view.LocalPorts, id)
		p, _ := row.(view.LocalPort)
		if served && !p.Prepared {
			c.here[id] = p.Port.NetworkID
			c.facts.forget(c.db, view.Departures, id)
			switch {
			case p.Port.Host == c.o.Chassis:
				c.facts.forget(c.db, view.Arrivals, id)
			case c.db.Has(view.Arrivals, id):
				c.facts.learn(c.db, arrival(id, arrivedFor), time.Now())
			}
			continue
		}
		network, was := c.here[id]
		if !served && was && c.db.Has(view.Arrivals, id) && c.db.Has(view.Bindings, id) {
			// The interface is away, as while Open vSwitch starts again. Nobody else has the guest.
			delete(c.here, id)
			c.facts.learn(c.db, arrival(id, recallFor), time.Now())
			continue
		}
		if !served {
			c.facts.forget(c.db, view.Arrivals, id)
		}
		if was {
			c.noteDeparture(id, network)
		}
	}
}

// noteMoves notes, of ports whose bindings changed, which have left after their interfaces: a hypervisor may end
// the guest before the database tells that it is elsewhere.
func (c *Controller) noteMoves(bindings []string) {
	for _, id := range bindings {
		if network, was := c.here[id]; was && !c.db.Has(view.LocalPorts, id) {
			c.noteDeparture(id, network)
		}
	}
}

// noteDeparture notes that a port has left, unless it has nowhere gone: the port was deleted, or its interface
// unplugged. From the latter it may leave later.
func (c *Controller) noteDeparture(id, network string) {
	row, exists := c.db.Row(view.Ports, view.Within(network, id))
	p, _ := row.(*model.Port)
	// A binding that goes, or is active no more, may be told before the port's new place.
	if exists && p.Host == c.o.Chassis && c.boundHere(id) {
		return
	}
	delete(c.here, id)
	if !exists || p.Host == "" {
		return
	}
	c.facts.learn(c.db, app.Fact{
		Table: view.Departures, Row: view.Departure{PortID: id, NetworkID: network}, Owner: id, Age: forwardFor,
	}, time.Now())
}

// endDeparture forgets that a port has left, since it was deleted: its binding may have gone before it.
func (c *Controller) endDeparture(scope, port string) {
	row, left := c.db.Row(view.Departures, port)
	if left && model.ScopeNetworkPorts(row.(view.Departure).NetworkID) == scope {
		c.facts.forget(c.db, view.Departures, port)
	}
}

// boundHere tells whether the database has a port's active binding on this chassis.
func (c *Controller) boundHere(port string) bool {
	row, bound := c.db.Row(view.Bindings, port)
	return bound && row.(*model.Binding).Status == model.BindingActive
}

// recall takes from this chassis' own report that a guest has arrived, which a restart would forget.
func (c *Controller) recall(s *model.PortStatus) {
	if s.Activated && s.Host == c.o.Chassis && !c.db.Has(view.LocalPorts, s.ID) {
		c.facts.learn(c.db, arrival(s.ID, recallFor), time.Now())
	}
}
