package northbound

import (
	"cmp"
	"context"
	"fmt"
	"hash/maphash"
	"slices"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// follower follows one scope. Everything in it belongs to its goroutine.
type follower struct {
	sub         *Subscriber
	scope       string
	ctx         context.Context
	stop        context.CancelFunc
	epochRaised chan struct{}

	// held is what the consumer has, as of rev and under epoch.
	held  map[name]version
	rev   db.Revision
	epoch int64
	// live says that the consumer's view is the database's.
	live bool
	// loading is the content that a Restart, or the first answer if something is held, brings; nil
	// otherwise.
	loading map[name]db.Item
	// frozen says that the database went back in time; shadow is what it has instead.
	frozen bool
	shadow map[name]db.Item
}

type name struct{ kind, id string }

// version is what is remembered of an object that the consumer has.
type version struct {
	object int64
	hash   uint64
}

func nameOf(k db.Key) name { return name{k.Kind, k.ID} }

func (f *follower) run() {
	f.held = map[name]version{}
	if f.sub.held != nil {
		f.recall()
	}
	events, err := f.sub.conn.Watch(f.ctx, db.Scope(f.scope))
	if err != nil {
		f.sub.push(f, []ScopeEvent{{Type: Invalid, Scope: f.scope, Key: db.Key{Scope: db.Scope(f.scope)}, Err: err}})
		return
	}
	for {
		var out []ScopeEvent
		select {
		case <-f.ctx.Done():
			return
		case <-f.epochRaised:
			out = f.onEpoch(nil)
		case batch, ok := <-events:
			if !ok {
				f.sub.push(f, []ScopeEvent{f.event(Stale, 0)})
				return
			}
			for _, ev := range batch {
				out = f.step(out, ev)
			}
		}
		f.sub.push(f, out)
	}
}

// recall takes what the consumer has from before as the state to compare with.
func (f *follower) recall() {
	items, rev := f.sub.held(f.scope)
	f.rev = rev
	for _, it := range items {
		f.held[nameOf(it.Key)] = version{object: it.Object, hash: f.hash(it.Item)}
		f.rev = max(f.rev, it.Revision)
	}
	f.epoch = f.sub.epoch.Load()
	if len(items) > 0 || rev > 0 {
		f.loading = map[name]db.Item{}
	}
}

// step appends to out what one event of the driver means to the consumer.
func (f *follower) step(out []ScopeEvent, ev db.Event) []ScopeEvent {
	switch ev.Type {
	case db.Stale:
		f.live = false
		return append(out, f.event(Stale, f.rev))
	case db.Restart:
		f.live = false
		f.loading = map[name]db.Item{}
		return out
	case db.InSync:
		return f.onInSync(out, ev.Item.Revision)
	case db.Changed, db.Removed:
		switch {
		case f.loading != nil:
			record(f.loading, ev)
		case f.frozen:
			record(f.shadow, ev)
			f.seeEpoch(ev.Item)
		default:
			return f.pass(out, ev)
		}
	}
	return out
}

func record(into map[name]db.Item, ev db.Event) {
	if ev.Type == db.Removed {
		delete(into, nameOf(ev.Item.Key))
	} else {
		into[nameOf(ev.Item.Key)] = ev.Item
	}
}

// pass hands one change on.
func (f *follower) pass(out []ScopeEvent, ev db.Event) []ScopeEvent {
	f.rev = max(f.rev, ev.Item.Revision)
	if ev.Type == db.Removed {
		delete(f.held, nameOf(ev.Item.Key))
		return append(out, ScopeEvent{Type: Removed, Scope: f.scope, Key: ev.Item.Key, Revision: ev.Item.Revision})
	}
	return append(out, f.accept(ev.Item))
}

func (f *follower) accept(it db.Item) ScopeEvent {
	ev := f.decode(it)
	f.remember(it, ev.Object)
	f.seeEpoch(it)
	return ev
}

func (f *follower) remember(it db.Item, o model.Object) {
	v, n := version{hash: f.hash(it)}, nameOf(it.Key)
	if o != nil {
		// The object's own strings, since those of the key are parts of a longer one.
		v.object, n = o.Metadata().Revision, name{string(o.Kind()), o.Metadata().ID}
	}
	f.held[n] = v
}

func (f *follower) hash(it db.Item) uint64 { return maphash.Bytes(f.sub.seed, it.Value) }

// decode returns Changed with the object, or Invalid with the reason.
func (f *follower) decode(it db.Item) ScopeEvent {
	ev := ScopeEvent{Type: Changed, Scope: f.scope, Key: it.Key, Raw: it.Value, Revision: it.Revision}
	o, err := Decode(it.Key, it.Value)
	if err == nil {
		err = o.Validate()
	}
	if err != nil {
		ev.Type, ev.Raw, ev.Err = Invalid, nil, err
		return ev
	}
	ev.Object = o
	return ev
}

// onInSync ends a load, if there is one, by comparing it with what the consumer has.
func (f *follower) onInSync(out []ScopeEvent, rev db.Revision) []ScopeEvent {
	if f.loading == nil {
		if f.frozen {
			return out
		}
		f.live, f.rev, f.epoch = true, max(f.rev, rev), f.sub.epoch.Load()
		return append(out, f.event(InSync, rev))
	}
	loaded := f.loading
	f.loading = nil
	for _, it := range loaded {
		f.seeEpoch(it)
	}
	err := f.wentBack(loaded, rev)
	if err == nil || f.sub.epoch.Load() > f.epoch {
		return f.adopt(out, loaded, rev)
	}
	again := f.frozen
	f.frozen, f.shadow = true, loaded
	if again {
		return out
	}
	ev := f.event(WentBack, rev)
	ev.Err = err
	return append(out, ev)
}

// wentBack says why a loaded content cannot be later than what the consumer has: the database counts
// revisions that it had counted before, or an object has a lower revision than it had. A scope of which
// the consumer has nothing loses nothing.
func (f *follower) wentBack(loaded map[name]db.Item, rev db.Revision) error {
	if len(f.held) == 0 {
		return nil
	}
	if rev < f.rev {
		return fmt.Errorf("scope %s: the database went back from revision %d to %d", f.scope, f.rev, rev)
	}
	for n, it := range loaded {
		old, ok := f.held[n]
		if !ok || bornHere(n.kind) || old.hash == f.hash(it) {
			continue
		}
		if o, err := Decode(it.Key, it.Value); err == nil && o.Metadata().Revision < old.object {
			return fmt.Errorf("scope %s: the database went back: %s %s was at revision %d and is at %d",
				f.scope, n.kind, n.id, old.object, o.Metadata().Revision)
		}
	}
	return nil
}

// bornHere tells kinds whose revision is counted by a chassis, which may start again.
func bornHere(kind string) bool {
	return kind == string(model.KindChassis) || kind == string(model.KindPortStatus) || kind == string(model.KindAddressClaim)
}

// adopt makes loaded what the consumer has, by the differences, in key order.
func (f *follower) adopt(out []ScopeEvent, loaded map[name]db.Item, rev db.Revision) []ScopeEvent {
	var gone []name
	for n := range f.held {
		if _, ok := loaded[n]; !ok {
			gone = append(gone, n)
		}
	}
	slices.SortFunc(gone, compareNames)
	for _, n := range gone {
		delete(f.held, n)
		out = append(out, ScopeEvent{Type: Removed, Scope: f.scope, Revision: rev,
			Key: db.Key{Scope: db.Scope(f.scope), Kind: n.kind, ID: n.id}})
	}
	var changed []name
	for n, it := range loaded {
		if old, ok := f.held[n]; !ok || old.hash != f.hash(it) {
			changed = append(changed, n)
		}
	}
	slices.SortFunc(changed, compareNames)
	for _, n := range changed {
		out = append(out, f.accept(loaded[n]))
	}
	f.frozen, f.shadow, f.live = false, nil, true
	f.rev, f.epoch = rev, f.sub.epoch.Load()
	return append(out, f.event(InSync, rev))
}

func compareNames(a, b name) int { return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.id, b.id)) }

// seeEpoch looks whether an item is the epoch.
func (f *follower) seeEpoch(it db.Item) {
	if f.scope == model.ScopeGlobal {
		f.sub.seeEpoch(it)
	}
}

// onEpoch follows again if frozen. A view that is in sync belongs to the new epoch; one that is stale
// belongs to the old one until it has been compared.
func (f *follower) onEpoch(out []ScopeEvent) []ScopeEvent {
	number := f.sub.epoch.Load()
	if f.frozen && f.loading == nil && number > f.epoch {
		return f.adopt(out, f.shadow, f.shadowRevision())
	}
	if f.live && !f.frozen {
		f.epoch = number
	}
	return out
}

// shadowRevision is the latest revision that the shadow is known to have.
func (f *follower) shadowRevision() db.Revision {
	var rev db.Revision
	for _, it := range f.shadow {
		rev = max(rev, it.Revision)
	}
	return rev
}

func (f *follower) event(t EventType, rev db.Revision) ScopeEvent {
	return ScopeEvent{Type: t, Scope: f.scope, Revision: rev}
}
