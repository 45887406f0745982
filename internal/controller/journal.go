package controller

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"maps"
	"sync"
	"time"

	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/number"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/snapshot"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// journal is the snapshot at work: what the loop learns is noted here, and on disk before the switch is
// told.
type journal struct {
	log     *snapshot.Log
	records []snapshot.Record
	seq     uint64
	// zones are conntrack zones that were newly given out, and may hold connections of somebody else.
	zones []uint16
}

// behind reports whether the switch has more than the view ever knew: then the view deletes nothing.
func (j *journal) behind() bool { return errors.Is(j.log.Broken(), snapshot.ErrBehind) }

func (j *journal) changed(e northbound.ScopeEvent) {
	j.records = append(j.records, snapshot.Put{
		Scope: e.Scope, Kind: e.Key.Kind, ID: e.Key.ID, Value: e.Raw, Revision: int64(e.Revision),
	})
}

func (j *journal) removed(e northbound.ScopeEvent) {
	j.records = append(j.records, snapshot.Remove{Scope: e.Scope, Kind: e.Key.Kind, ID: e.Key.ID})
}

func (j *journal) inSync(e northbound.ScopeEvent) {
	j.records = append(j.records, snapshot.InSync{Scope: e.Scope, Revision: int64(e.Revision)})
}

func (j *journal) forget(scope string) {
	j.records = append(j.records, snapshot.Forget{Scope: scope})
}

func (j *journal) numbers(changes []number.Change) {
	for _, c := range changes {
		if c.Freed {
			j.records = append(j.records, snapshot.Release{Space: c.Space, Content: c.Content})
			continue
		}
		j.records = append(j.records, snapshot.Assign{Space: c.Space, Content: c.Content, Number: uint64(c.Number)})
		if c.Space == pipeline.Zones.Name {
			j.zones = append(j.zones, uint16(c.Number))
		}
	}
}

// remember writes what the step brought to disk. A disk that does not take it is trouble, and no reason
// to stop: the switch is then ahead of the snapshot, and the next process knows.
func (c *Controller) remember() {
	c.journal.numbers(c.numbers.TakeChanges())
	c.journal.records = append(c.journal.records, c.factRecords(maps.Keys(c.facts.changed))...)
	clear(c.facts.changed)
	if len(c.journal.records) == 0 {
		return
	}
	seq, err := c.journal.log.Append(c.journal.records...)
	c.journal.seq, c.journal.records = seq, c.journal.records[:0]
	if err != nil {
		err = fmt.Errorf("the snapshot in %s does not follow, a restart without the database would miss changes: %w", c.o.StateDir, err)
	}
	c.trouble("snapshot", err)
}

// mend writes the whole snapshot anew if a part of it could not be written.
func (c *Controller) mend() {
	if c.journal.log.Broken() == nil || c.journal.behind() && !c.full {
		return // one that is behind is whole again when the view is
	}
	err := c.journal.log.Rewrite(c.records())
	if err != nil {
		err = fmt.Errorf("write the snapshot in %s: %w", c.o.StateDir, err)
	}
	c.trouble("snapshot", err)
}

// records yields what makes the whole view.
func (c *Controller) records() iter.Seq[snapshot.Record] {
	return func(yield func(snapshot.Record) bool) {
		for name, st := range c.scopes {
			for r, rev := range st.keys {
				if rec, ok := c.record(name, r, rev); ok && !yield(rec) {
					return
				}
			}
			for r, o := range st.tableless {
				if !yield(snapshot.Put{Scope: name, Kind: string(r.kind), ID: r.key, Value: o.Value, Revision: o.Revision}) {
					return
				}
			}
			if c.db.Synced(name) && !yield(snapshot.InSync{Scope: name, Revision: int64(st.revision)}) {
				return
			}
		}
		for _, r := range c.factRecords(maps.Keys(c.facts.ends)) {
			if !yield(r) {
				return
			}
		}
		for _, e := range c.numbers.Entries() {
			if !yield(snapshot.Assign{Space: e.Space, Content: e.Content, Number: uint64(e.Number)}) {
				return
			}
		}
	}
}

func (c *Controller) record(scope string, r rowName, rev db.Revision) (snapshot.Record, bool) {
	row, ok := c.db.Row(view.TableOf(r.kind), r.key)
	if !ok {
		return nil, false
	}
	o := row.(model.Object)
	value, err := northbound.Encode(o)
	if err != nil {
		c.log.Error("an object of the view cannot be encoded", "object", r.key, "err", err)
		return nil, false
	}
	return snapshot.Put{Scope: scope, Kind: string(r.kind), ID: o.Metadata().ID, Value: value, Revision: int64(rev)}, true
}

// restore brings the snapshot of the process before into the view, and returns what a subscriber compares
// the database with.
func (c *Controller) restore() (*held, error) {
	log, state, err := snapshot.Open(c.o.StateDir)
	if err != nil {
		return nil, fmt.Errorf("open the snapshot; --state-dir names another folder: %w", err)
	}
	c.journal = journal{log: log, seq: state.Seq}
	if state.Dropped > 0 {
		c.log.Warn("the end of the snapshot was damaged and left out", "bytes", state.Dropped)
	}
	var entries []number.Entry
	for space, numbers := range state.Numbers {
		for content, n := range numbers {
			entries = append(entries, number.Entry{Space: space, Content: content, Number: uint32(n)})
		}
	}
	c.numbers.Restore(entries)
	h := &held{state: state, objects: map[string]map[snapshot.Name]int64{}}
	for name, sc := range state.Scopes {
		h.objects[name] = c.restoreScope(name, sc)
		c.leftovers = true
	}
	c.restoreFacts(state.Facts, time.Now())
	return h, nil
}

// restoreScope brings one scope into the view. One with an object that this version cannot use, though that which wrote
// the snapshot could, does not count as in sync until the database has spoken: what follows from the object is on the
// switch, and stays there. It returns the objects' revisions.
func (c *Controller) restoreScope(name string, sc *snapshot.Scope) map[snapshot.Name]int64 {
	revisions := make(map[snapshot.Name]int64, len(sc.Objects))
	st := newScopeState()
	st.revision = db.Revision(sc.Revision)
	c.scopes[name] = st
	for n, o := range sc.Objects {
		key := db.Key{Scope: db.Scope(name), Kind: n.Kind, ID: n.ID}
		obj, err := northbound.Decode(key, o.Value)
		if err == nil {
			err = obj.Validate()
		}
		if err != nil {
			st.invalid[key.String()] = err.Error()
			c.log.Warn("object of the snapshot not usable, what follows from it stays", "object", key.String(), "err", err)
			continue
		}
		c.place(st, obj, db.Revision(o.Revision))
		st.note(key, o.Value, db.Revision(o.Revision))
		revisions[n] = obj.Metadata().Revision
	}
	c.db.SetSynced(name, sc.Synced && len(st.invalid) == 0)
	return revisions
}

// held is what the subscriber may compare the database with; a scope that was forgotten is not held.
type held struct {
	mu    sync.Mutex
	state *snapshot.State
	// objects are the revisions of the state's objects, by scope.
	objects map[string]map[snapshot.Name]int64
}

func (h *held) of(scope string) ([]northbound.HeldItem, db.Revision) {
	h.mu.Lock()
	defer h.mu.Unlock()
	list, rev := h.state.Held(scope)
	items := make([]northbound.HeldItem, len(list))
	for i, it := range list {
		items[i] = northbound.HeldItem{Item: it, Object: h.objects[scope][snapshot.Name{Kind: it.Key.Kind, ID: it.Key.ID}]}
	}
	return items, rev
}

func (h *held) drop(scope string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.state.Scopes, scope)
	delete(h.objects, scope)
}

// marker is the flow that says which batch of the snapshot the switch has.
func marker(seq uint64) *flow.Flow {
	return &flow.Flow{
		Table: pipeline.Marker.Table(), Priority: pipeline.Override, Cookie: pipeline.Cookie(pipeline.MarkerApp, 0),
		Instructions: flow.Do(flow.Note(binary.BigEndian.AppendUint64(nil, seq))),
	}
}

// markerSeq reads it.
func markerSeq(f flow.Flow) (uint64, bool) {
	if app, ours := pipeline.CookieApp(f.Cookie); !ours || app != pipeline.MarkerApp {
		return 0, false
	}
	for a := range f.Instructions.Actions() {
		if n, ok := a.Decode().(flow.NoteAction); ok && len(n.Data) >= 8 {
			return binary.BigEndian.Uint64([]byte(n.Data)), true
		}
	}
	return 0, false
}
