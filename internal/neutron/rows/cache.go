package rows

import (
	"context"
	"log/slog"
	"maps"
	"sync"

	"github.com/dragonflow/dragonflow/internal/neutron/resource"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// Entry is a row and the database revision at which it was written.
type Entry struct {
	Row resource.Row
	Rev db.Revision
}

// indexKey is what rows of a kind are found by.
type indexKey struct{ kind, key string }

// cache is what this server knows of the rows. It is fed by a watch of their scope, so it is always the
// state of one moment, and ahead of that by this server's own writes. Rows that were written together are
// seen together.
type cache struct {
	types map[string]*resource.Type
	log   *slog.Logger
	note  func(db.Key) // told of every row that comes, changes or goes; nil if nobody asked

	mu     sync.RWMutex
	tables map[string]map[string]Entry
	index  map[indexKey]map[string]struct{}
	gone   map[db.Key]db.Revision      // deleted by this server, not yet seen deleted by the watch
	seen   db.Revision                 // what the watch has delivered
	live   bool                        // in sync and connected
	fresh  map[db.Key]Entry            // while a listing arrives: what it held so far; unreadable rows are empty
	before db.Revision                 // what had been seen when it began
	former map[string]map[string]Entry // what there was before the database went back in time
	hosts  map[string]int              // how many ports are bound to each
	hostsN int                         // grows when a host comes or goes
	wake   chan struct{}               // closed at the next change; nil if nobody waits
}

func newCache(types []*resource.Type, log *slog.Logger) *cache {
	c := &cache{
		types: map[string]*resource.Type{}, log: log, tables: map[string]map[string]Entry{},
		hosts: map[string]int{}, index: map[indexKey]map[string]struct{}{}, gone: map[db.Key]db.Revision{}, fresh: map[db.Key]Entry{},
	}
	for _, t := range types {
		c.types[t.Kind] = t
		c.tables[t.Kind] = map[string]Entry{}
	}
	return c
}

func (c *cache) get(kind, id string) (Entry, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	e, ok := c.tables[kind][id]
	return e, ok
}

// has reports whether a row of the kind has the index key, other than the one of that id.
func (c *cache) has(kind, key, except string) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	ids := c.index[indexKey{kind, key}]
	_, own := ids[except]
	return len(ids) > 1 || len(ids) == 1 && !own
}

// selectKind returns the entries of a kind that have an index key, or all if it is empty.
func (c *cache) selectKind(kind, key string) []Entry {
	c.mu.RLock()
	defer c.mu.RUnlock()
	table := c.tables[kind]
	if key == "" {
		out := make([]Entry, 0, len(table))
		for _, e := range table {
			out = append(out, e)
		}
		return out
	}
	ids := c.index[indexKey{kind, key}]
	out := make([]Entry, 0, len(ids))
	for id := range ids {
		out = append(out, table[id])
	}
	return out
}

func (c *cache) count(kind, key string) int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if key == "" {
		return len(c.tables[kind])
	}
	return len(c.index[indexKey{kind, key}])
}

// wait returns when cond holds; cond is called with the lock held for reading.
func (c *cache) wait(ctx context.Context, cond func() bool) error {
	for {
		c.mu.Lock()
		if cond() {
			c.mu.Unlock()
			return nil
		}
		if c.wake == nil {
			c.wake = make(chan struct{})
		}
		wake := c.wake
		c.mu.Unlock()
		select {
		case <-wake:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (c *cache) wakeAll() {
	if c.wake != nil {
		close(c.wake)
		c.wake = nil
	}
}

// feed takes what the watch delivered together.
func (c *cache) feed(events []db.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.wakeAll()
	for _, ev := range events {
		switch ev.Type {
		case db.Changed:
			c.changed(ev.Item)
		case db.Removed:
			c.removed(ev.Item.Key, ev.Item.Revision)
		case db.Restart:
			c.fresh, c.before = map[db.Key]Entry{}, c.seen
			c.live = false
		case db.Stale:
			c.live = false
		case db.InSync:
			c.inSync(ev.Item.Revision)
		}
	}
	c.forgetDeleted()
}

func (c *cache) changed(it db.Item) {
	c.seen = max(c.seen, it.Revision)
	if c.fresh != nil {
		c.fresh[it.Key] = Entry{}
	}
	t := c.types[it.Key.Kind]
	old := t == nil || it.Revision <= c.gone[it.Key] || it.Revision <= c.tables[t.Kind][it.Key.ID].Rev
	if t == nil || old && c.fresh == nil {
		return
	}
	row, err := t.Load(it.Value)
	if err == nil && row.Base().ID != it.Key.ID {
		err = errWrongID
	}
	if err != nil {
		c.log.Error("unreadable row in the database", "object", it.Key.String(), "err", err)
		return
	}
	if c.fresh != nil {
		c.fresh[it.Key] = Entry{row, it.Revision}
	}
	if !old {
		c.set(it.Key, Entry{row, it.Revision})
	}
}

func (c *cache) removed(key db.Key, rev db.Revision) {
	c.seen = max(c.seen, rev)
	if e, ok := c.tables[key.Kind][key.ID]; ok && e.Rev < rev {
		c.drop(key)
	}
}

// inSync ends a listing: what it did not hold is gone, unless this server has written it since.
func (c *cache) inSync(rev db.Revision) {
	c.seen = max(c.seen, rev)
	c.live = true
	if c.fresh != nil && rev < c.before {
		c.goBack(rev)
	}
	for key, e := range c.fresh { // it went back, and was written again since, up to where it had been
		if old := c.tables[key.Kind][key.ID].Rev; e.Row != nil && old > e.Rev && old <= rev {
			c.set(key, e)
		}
	}
	if c.fresh != nil {
		for kind, rows := range c.tables {
			for id, e := range rows {
				key := db.Key{Scope: Scope, Kind: kind, ID: id}
				if _, ok := c.fresh[key]; !ok && e.Rev <= rev {
					c.drop(key)
				}
			}
		}
		c.fresh = nil
	}
}

// goBack makes the cache what a listing holds, since the database counts revisions again that it had counted: it was
// lost and has been made anew, or restored. What this server had written into the former one means nothing.
func (c *cache) goBack(rev db.Revision) {
	c.log.Warn("the database went back in time", "from", c.before, "revision", rev)
	if c.former == nil { // else it is still being made anew
		c.former = map[string]map[string]Entry{}
		for kind, rows := range c.tables {
			c.former[kind] = maps.Clone(rows)
		}
	}
	for kind, rows := range c.tables {
		for id := range rows {
			c.drop(db.Key{Scope: Scope, Kind: kind, ID: id})
		}
	}
	for key, e := range c.fresh {
		if e.Row != nil {
			c.set(key, e)
		}
	}
	c.seen = rev
	clear(c.gone)
}

// forgetDeleted ends the memory of own deletions that the watch has passed.
func (c *cache) forgetDeleted() {
	for key, r := range c.gone {
		if r <= c.seen {
			delete(c.gone, key)
		}
	}
}

// written takes a batch that this server has committed.
func (c *cache) written(writes []write) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.wakeAll()
	for _, w := range writes {
		switch {
		case w.row == nil:
			if e := c.tables[w.key.Kind][w.key.ID]; e.Rev < w.rev {
				c.drop(w.key)
			}
			if w.rev > c.seen {
				c.gone[w.key] = w.rev
			}
		case w.rev > c.tables[w.key.Kind][w.key.ID].Rev && w.rev > c.gone[w.key]:
			c.set(w.key, Entry{w.row, w.rev})
		}
	}
}

func (c *cache) set(key db.Key, e Entry) {
	c.drop(key)
	c.tables[key.Kind][key.ID] = e
	c.tell(key)
	c.countHost(e.Row, 1)
	for _, k := range indexKeys(e.Row) {
		at := indexKey{key.Kind, k}
		if c.index[at] == nil {
			c.index[at] = map[string]struct{}{}
		}
		c.index[at][key.ID] = struct{}{}
	}
}

func (c *cache) drop(key db.Key) {
	e, ok := c.tables[key.Kind][key.ID]
	if !ok {
		return
	}
	for _, k := range indexKeys(e.Row) {
		at := indexKey{key.Kind, k}
		delete(c.index[at], key.ID)
		if len(c.index[at]) == 0 {
			delete(c.index, at)
		}
	}
	delete(c.tables[key.Kind], key.ID)
	c.tell(key)
	c.countHost(e.Row, -1)
}

func (c *cache) tell(key db.Key) {
	if c.note != nil {
		c.note(key)
	}
}

func (c *cache) countHost(row resource.Row, n int) {
	p, ok := row.(*resource.Port)
	if !ok || p.HostID == "" {
		return
	}
	before := c.hosts[p.HostID]
	c.hosts[p.HostID] = before + n
	if before+n == 0 {
		delete(c.hosts, p.HostID)
	}
	if before == 0 || before+n == 0 {
		c.hostsN++
	}
}
