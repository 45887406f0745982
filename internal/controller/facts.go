package controller

import (
	"encoding/json"
	"iter"
	"slices"
	"time"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/snapshot"
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
	// changed are those of which the snapshot has something else.
	changed map[factName]struct{}
}

type factName struct {
	table view.AnyTable
	key   string
}

type factEnd struct {
	at    time.Time
	owner string
}

func newFacts() facts {
	return facts{ends: map[factName]factEnd{}, owners: map[string]int{}, changed: map[factName]struct{}{}}
}

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
		if f.owners[owner] >= max(factsOfOwner, fact.Cap) || len(f.ends) >= factsInAll {
			return false
		}
		f.owners[owner]++
	}
	f.ends[n] = factEnd{now.Add(fact.Age), owner}
	f.changed[n] = struct{}{}
	db.SetAny(fact.Table, fact.Row)
	return true
}

// amend changes the row of a fact that there is, which ends when it would have ended.
func (f *facts) amend(db *view.DB, t view.AnyTable, row any) {
	n := factName{t, view.KeyOfRow(t, row)}
	if _, known := f.ends[n]; known {
		f.changed[n] = struct{}{}
		db.SetAny(t, row)
	}
}

// prolong has a fact that there is end after an age, counted from now.
func (f *facts) prolong(t view.AnyTable, key string, age time.Duration, now time.Time) {
	n := factName{t, key}
	if end, known := f.ends[n]; known {
		f.changed[n] = struct{}{}
		f.ends[n] = factEnd{now.Add(age), end.owner}
	}
}

// forget takes a fact out of the view.
func (f *facts) forget(db *view.DB, t view.AnyTable, key string) {
	n := factName{t, key}
	end, known := f.ends[n]
	if !known {
		return
	}
	delete(f.ends, n)
	f.changed[n] = struct{}{}
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
			if p.Port.Host == c.o.Chassis {
				c.facts.forget(c.db, view.Arrivals, id)
			} else {
				c.facts.prolong(view.Arrivals, id, arrivedFor, time.Now())
			}
			continue
		}
		network, was := c.here[id]
		if !served && was && c.arrived(id, network) {
			// The interface is away, as while Open vSwitch starts again. Nobody else has the guest.
			delete(c.here, id)
			c.facts.prolong(view.Arrivals, id, recallFor, time.Now())
			continue
		}
		// What is only prepared although its guest was heard has moved on.
		c.facts.forget(c.db, view.Arrivals, id)
		if was {
			c.noteDeparture(id, network)
		}
		if row, left := c.db.Row(view.Departures, id); left && !served {
			d := row.(view.Departure)
			d.Gone = true
			c.facts.amend(c.db, view.Departures, d)
		}
	}
}

// arrived tells whether a port's guest was heard here and the API does not know of anything newer.
func (c *Controller) arrived(id, network string) bool {
	a, heard := c.db.Row(view.Arrivals, id)
	b, bound := c.db.Row(view.Bindings, id)
	p, exists := c.db.Row(view.Ports, view.Within(network, id))
	return heard && bound && exists && a.(view.Arrival).Holds(b.(*model.Binding), p.(*model.Port))
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
		Table: view.Departures, Row: view.Departure{PortID: id, NetworkID: network, Gone: !c.db.Has(view.LocalPorts, id)},
		Owner: id, Age: forwardFor,
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

// recall takes from this chassis' own report that a guest has arrived, which a chassis without its snapshot does not
// know. Whether it still holds the view says.
func (c *Controller) recall(s *model.PortStatus) {
	if s.Activated && s.Host == c.o.Chassis && !c.db.Has(view.LocalPorts, s.ID) && !c.db.Has(view.Arrivals, s.ID) {
		c.facts.learn(c.db, app.Fact{
			Table: view.Arrivals, Row: view.Arrival{PortID: s.ID, From: s.From, Revision: s.Realised}, Owner: s.ID, Age: recallFor,
		}, time.Now())
	}
}

// factKinds are the tables of facts that outlive a restart, with how long one is believed at most and how its row is read.
func factKinds() []factKind {
	return []factKind{
		{view.Arrivals, arrivedFor, readFact[view.Arrival]},
		{view.Departures, forwardFor, readFact[view.Departure]},
		{view.Announcements, announcedFor, readFact[view.Announcement]},
	}
}

type factKind struct {
	table view.AnyTable
	most  time.Duration
	read  func([]byte) (any, error)
}

func readFact[T any](b []byte) (any, error) {
	var row T
	err := json.Unmarshal(b, &row)
	return row, err
}

// restoreFacts learns what the process before had learned and has not ended since.
func (c *Controller) restoreFacts(held map[snapshot.Name]snapshot.Fact, now time.Time) {
	for _, k := range factKinds() {
		for n, h := range held {
			if n.Kind != k.table.Name() {
				continue
			}
			row, err := k.read(h.Value)
			age := min(time.UnixMilli(h.Until).Sub(now), k.most) // the clock may have gone back
			if err != nil || age <= 0 || view.KeyOfRow(k.table, row) != n.ID {
				c.facts.changed[factName{k.table, n.ID}] = struct{}{} // it goes from the snapshot, too
				continue
			}
			c.facts.learn(c.db, app.Fact{Table: k.table, Row: row, Owner: n.ID, Age: age}, now)
		}
	}
}

// factRecords are those of facts for the snapshot.
func (c *Controller) factRecords(names iter.Seq[factName]) (records []snapshot.Record) {
	for n := range names {
		if !slices.ContainsFunc(factKinds(), func(k factKind) bool { return k.table == n.table }) {
			continue
		}
		row, known := c.db.Row(n.table, n.key)
		value, err := json.Marshal(row)
		if !known || err != nil {
			records = append(records, snapshot.Unlearn{Table: n.table.Name(), Key: n.key})
			continue
		}
		records = append(records, snapshot.Learn{Table: n.table.Name(), Key: n.key, Value: value, Until: c.facts.ends[n].at.UnixMilli()})
	}
	return records
}
