package dbtest

import (
	"context"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// replay consumes a watch, keeps the view that it leads to, and checks the order of what comes.
type replay struct {
	t      testing.TB
	scope  db.Scope
	events <-chan []db.Event
	// view and revs are what the consumer has; loading collects the content after a Restart.
	view    map[string]string
	revs    map[string]db.Revision
	loading bool
	sent    map[string]bool
	synced  bool
	last    db.Revision
	// counts of event types, the marks in order, and the slices as they came.
	counts [5]int
	slices [][]db.Event
}

func (c *client) watch(scope string) *replay {
	c.t.Helper()
	return c.watchUntil(c.ctx, scope)
}

func (c *client) watchUntil(ctx context.Context, scope string) *replay {
	c.t.Helper()
	events, err := c.Watch(ctx, db.Scope(scope))
	if err != nil {
		c.t.Fatalf("watch %q: %v", scope, err)
	}
	return &replay{t: c.t, scope: db.Scope(scope), events: events, view: map[string]string{},
		revs: map[string]db.Revision{}, loading: true, sent: map[string]bool{}}
}

// until consumes until the condition holds.
func (r *replay) until(what string, cond func() bool) {
	r.t.Helper()
	deadline := time.After(patience)
	for !cond() {
		select {
		case batch, ok := <-r.events:
			if !ok {
				r.t.Fatalf("%s: the watch of %q ended", what, r.scope)
			}
			r.take(batch)
		case <-deadline:
			r.t.Fatalf("%s: not within %s; %d items, synced %t, counts %v", what, patience, len(r.view), r.synced, r.counts)
		}
	}
}

func (r *replay) inSync(what string) {
	r.t.Helper()
	r.until(what, func() bool { return r.synced })
}

func (r *replay) equals(what string, want map[string]string) {
	r.t.Helper()
	r.until(what, func() bool { return r.synced && maps.Equal(r.view, want) })
}

// resumed waits for in-sync after an outage, at which everything from before it must be there.
func (r *replay) resumed(what string, want map[string]string) {
	r.t.Helper()
	r.inSync(what)
	if !maps.Equal(r.view, want) {
		r.t.Errorf("%s: in sync with %v, want %v", what, r.view, want)
	}
}

func (r *replay) take(batch []db.Event) {
	r.t.Helper()
	if len(batch) == 0 {
		r.t.Error("an empty slice of events")
	}
	r.slices = append(r.slices, slices.Clone(batch))
	for _, ev := range batch {
		r.counts[ev.Type]++
		if ev.Item.Key.Scope != r.scope {
			r.t.Errorf("the watch of %q got an event of %q", r.scope, ev.Item.Key)
		}
		r.step(ev)
	}
}

// local names a key within its scope: by its id alone if its kind is the tests' usual one.
func local(k db.Key) string {
	if k.Kind == "Thing" {
		return k.ID
	}
	return k.Kind + "\x00" + k.ID
}

func (r *replay) step(ev db.Event) {
	r.t.Helper()
	id := local(ev.Item.Key)
	switch ev.Type {
	case db.Changed:
		r.inOrder(ev)
		r.view[id], r.revs[id], r.sent[id] = string(ev.Item.Value), ev.Item.Revision, true
	case db.Removed:
		r.inOrder(ev)
		if _, had := r.view[id]; !had {
			r.t.Errorf("removed what was not there: %q", id)
		}
		delete(r.view, id)
		delete(r.revs, id)
	case db.Restart:
		r.loading, r.synced, r.sent = true, false, map[string]bool{}
	case db.InSync:
		if r.loading {
			maps.DeleteFunc(r.view, func(id, _ string) bool { return !r.sent[id] })
			maps.DeleteFunc(r.revs, func(id string, _ db.Revision) bool { return !r.sent[id] })
		}
		if ev.Item.Revision < r.last {
			r.t.Errorf("in sync at revision %d after an event at %d", ev.Item.Revision, r.last)
		}
		r.loading, r.synced, r.last = false, true, max(r.last, ev.Item.Revision)
	case db.Stale:
		r.synced = false
	}
}

// inOrder checks that outside a load, revisions never fall, and that no key's does.
func (r *replay) inOrder(ev db.Event) {
	r.t.Helper()
	if rev := r.revs[local(ev.Item.Key)]; ev.Item.Revision < rev || !r.loading && ev.Item.Revision == rev {
		r.t.Errorf("%q: revision %d after %d", ev.Item.Key, ev.Item.Revision, rev)
	}
	if ev.Item.Revision <= 0 {
		r.t.Errorf("%q: revision %d", ev.Item.Key, ev.Item.Revision)
	}
	if r.loading {
		return
	}
	if ev.Item.Revision < r.last {
		r.t.Errorf("%q: revision %d after %d", ev.Item.Key, ev.Item.Revision, r.last)
	}
	r.last = ev.Item.Revision
}
