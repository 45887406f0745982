package controller

import (
	"fmt"
	"time"

	"github.com/dragonflow/dragonflow/internal/controller/snapshot"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// scopeState is what the loop knows of a scope that it follows.
type scopeState struct {
	// keys are the rows that the scope gave to the view.
	keys map[rowName]db.Revision
	// revision is the database's when the scope was last in sync.
	revision db.Revision
	// live says that the database has confirmed the scope since this process started; before, it may
	// be there from the snapshot.
	live bool
	// stale says that the database is away.
	stale bool
	// frozen says why the scope stays at its last view although the database shows another.
	frozen string
	// invalid are objects of the scope that cannot be used, and why.
	invalid map[string]string
	// tableless are stored objects of kinds that the view has no table for, as they were read: the snapshot has them.
	tableless map[rowName]snapshot.Object
}

func newScopeState() *scopeState {
	return &scopeState{keys: map[rowName]db.Revision{}, invalid: map[string]string{}, tableless: map[rowName]snapshot.Object{}}
}

// valid takes note that there is nothing wrong with an object.
func (st *scopeState) valid(k db.Key) {
	if len(st.invalid) > 0 {
		delete(st.invalid, k.String())
	}
}

type rowName struct {
	kind model.Kind
	key  string
}

// follow subscribes to a scope.
func (c *Controller) follow(scope string) {
	if c.scopes[scope] == nil {
		c.scopes[scope] = newScopeState()
	}
	c.feed.Subscribe(scope)
}

// followInterests makes the subscriptions what rules derived. What nobody needs any more is forgotten at
// the end of the step, if that is safe then.
func (c *Controller) followInterests(scopes []string) {
	for _, s := range scopes {
		if c.db.Has(view.Interests, s) {
			c.follow(s)
		} else {
			c.leftovers = true
		}
	}
}

// needed tells whether there is a reason to follow a scope.
func (c *Controller) needed(scope string) bool {
	return scope == model.ScopeGlobal || scope == model.ScopeChassis(c.o.Chassis) || c.db.Has(view.Interests, scope)
}

// informed reports whether the reasons for scopes are as the database and the switch have them now. As
// long as they are not, a scope that seems to be needed no more, since its port's interface is not there
// yet or has gone for a moment, may be needed again when nobody can tell what is in it.
func (c *Controller) informed() bool {
	for name, st := range c.scopes {
		if c.needed(name) && (!st.live || st.stale || !c.db.Synced(name)) {
			return false
		}
	}
	return c.db.Synced(view.ScopeOVSDB)
}

// forgetLeftovers forgets the scopes that nothing needs any more.
func (c *Controller) forgetLeftovers() {
	c.leftovers = false
	for name := range c.scopes {
		if !c.needed(name) {
			c.forget(name)
		}
	}
}

func (c *Controller) forget(scope string) {
	st := c.scopes[scope]
	if st == nil {
		return
	}
	c.feed.Unsubscribe(scope)
	delete(c.scopes, scope)
	c.db.SetSynced(scope, false)
	for r := range st.keys {
		c.db.DeleteAny(view.TableOf(r.kind), r.key)
	}
	c.held.drop(scope)
	c.journal.forget(scope)
}

// takeFeed brings what the database told into the view.
func (c *Controller) takeFeed() {
	for _, e := range c.feed.Take() {
		st := c.scopes[e.Scope]
		if st == nil {
			continue
		}
		c.takeScope(st, e)
	}
}

func (c *Controller) takeScope(st *scopeState, e northbound.ScopeEvent) {
	if model.Kind(e.Key.Kind) == model.KindChassisStatus {
		return // our own, for others
	}
	if e.Type == northbound.Changed || e.Type == northbound.Removed || e.Type == northbound.InSync && (!st.live || st.stale) {
		c.progress.read(e, time.Now())
	}
	switch e.Type {
	case northbound.Changed:
		st.valid(e.Key)
		c.place(st, e.Object, e.Revision)
		st.note(e.Key, e.Raw, e.Revision)
		c.journal.changed(e)
	case northbound.Removed:
		st.valid(e.Key)
		c.displace(st, model.Kind(e.Key.Kind), e.Scope, e.Key.ID)
		c.journal.removed(e)
		c.reappear(e.Key)
	case northbound.InSync:
		if !st.live { // from now on what was restored is not compared with any more
			c.held.drop(e.Scope)
		}
		if !st.live || !c.db.Synced(e.Scope) {
			c.journal.inSync(e)
		}
		st.live, st.stale, st.frozen, st.revision = true, false, "", e.Revision
		c.db.SetSynced(e.Scope, true)
	case northbound.Stale:
		st.stale = true
	case northbound.WentBack:
		st.frozen = e.Err.Error()
		c.log.Error("scope frozen on its last view", "scope", e.Scope, "err", e.Err)
	case northbound.Invalid:
		st.invalid[e.Key.String()] = fmt.Sprint(e.Err)
		c.log.Warn("database object not usable, the last good one stays", "object", e.Key.String(), "err", e.Err)
	}
}

// note keeps an object that the view has no table for.
func (st *scopeState) note(key db.Key, raw []byte, rev db.Revision) {
	if kind := model.Kind(key.Kind); view.TableOf(kind) == nil {
		st.tableless[rowName{kind, key.ID}] = snapshot.Object{Value: raw, Revision: int64(rev)}
	}
}

// reappear has the chassis put its row and its sign of life into the database again when somebody has taken them away: its
// guests are there, and others send to them by it.
func (c *Controller) reappear(gone db.Key) {
	kind := model.Kind(gone.Kind)
	if c.registration != nil && gone.ID == c.o.Chassis && (kind == model.KindChassis || kind == model.KindHeartbeat) {
		c.registration.Renew()
	}
}

func (c *Controller) place(st *scopeState, o model.Object, rev db.Revision) {
	if s, ok := o.(*model.PortStatus); ok {
		c.reporter.observed(s.ID, s)
		c.recall(s)
		if c.full {
			c.ports.review(c, []string{s.ID})
		}
		return
	}
	if claim, ok := o.(*model.AddressClaim); ok {
		c.recallClaim(st, claim)
		return
	}
	if key, held := c.db.Place(o); held {
		st.keys[rowName{o.Kind(), key}] = rev
	}
}

// displace takes a row out of the view. The key in the view is that of the object's scope and id.
func (c *Controller) displace(st *scopeState, kind model.Kind, scope, id string) {
	if kind == model.KindPortStatus {
		c.reporter.observed(id, nil)
	}
	if kind == model.KindAddressClaim {
		c.claims.observed(id, nil)
	}
	delete(st.tableless, rowName{kind, id})
	t := view.TableOf(kind)
	if t == nil {
		return
	}
	if kind == model.KindPort {
		c.endDeparture(scope, id)
	}
	key := view.KeyIn(kind, scope, id)
	delete(st.keys, rowName{kind, key})
	c.db.DeleteAny(t, key)
}

// lacking counts the scopes that the view needs and never had, and those that are there only from the
// snapshot, of all that it needs.
func (c *Controller) lacking() (missing, remembered, all int) {
	for s, st := range c.scopes {
		if !c.needed(s) {
			continue
		}
		all++
		switch {
		case !c.db.Synced(s):
			missing++
		case !st.live:
			remembered++
		}
	}
	return missing, remembered, all
}
