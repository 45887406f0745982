package redis

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// grace is how long a new watch waits for the subscription before it says that it is stale.
const grace = time.Second

// maxInbox bounds, in bytes, what waits for a watch.
const maxInbox = 32 << 20

// noteKind says what the hub tells a watch.
type noteKind uint8

const (
	linkUp    noteKind = iota // the subscription is in place
	linkDown                  // it is lost
	distrust                  // the server is another one, or has restarted
	published                 // a message
	audited                   // the scope's revision
	overrun                   // messages were dropped
)

type note struct {
	kind    noteKind
	payload string
	rev     db.Revision
}

// inbox is a queue that never blocks the hub.
type inbox struct {
	mu    sync.Mutex
	notes []note
	size  int
	ready chan struct{}
}

func (q *inbox) add(n note) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.size += len(n.payload) + 64
	if n.kind == published && q.size > maxInbox {
		n = note{kind: overrun}
		if len(q.notes) > 0 && q.notes[len(q.notes)-1].kind == overrun {
			return
		}
	}
	q.notes = append(q.notes, n)
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

func (q *inbox) take() []note {
	q.mu.Lock()
	defer q.mu.Unlock()
	notes := q.notes
	q.notes, q.size = nil, 0
	return notes
}

// watch follows one scope.
type watch struct {
	d       *driver
	scope   db.Scope
	channel string
	inbox   inbox
	feed    *db.Feed
	// rev is the scope's revision that the consumer has.
	rev db.Revision
	// up says that the subscription is in place; synced, that the consumer was brought up to date since;
	// began, that content was sent; lost, that it must be sent again; stale, that the consumer was told.
	up, synced, began, lost, stale bool
	// suspect is a revision that an audit saw and no message told of yet.
	suspect db.Revision
}

// Watch implements [db.Driver].
func (d *driver) Watch(ctx context.Context, scope db.Scope) (<-chan []db.Event, error) {
	if err := scope.Check(); err != nil {
		return nil, fmt.Errorf("watch: %w", err)
	}
	w := &watch{d: d, scope: scope, channel: d.base(scope), feed: db.NewFeed()}
	w.inbox.ready = make(chan struct{}, 1)
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(d.ctx, cancel)
	out := make(chan []db.Event)
	ok := d.spawn(func() {
		w.feed.Run(ctx, out)
	}, func() {
		defer cancel()
		defer stop()
		d.hub.join(w)
		defer d.hub.leave(w)
		w.run(ctx)
	})
	if !ok {
		cancel()
		return nil, fmt.Errorf("watch %s: %w", scope, db.ErrClosed)
	}
	return out, nil
}

func (w *watch) run(ctx context.Context) {
	patience := time.NewTimer(grace)
	defer patience.Stop()
	var retry <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.inbox.ready:
			for _, n := range w.inbox.take() {
				w.hear(n)
			}
		case <-patience.C:
			if !w.began {
				w.sayStale()
			}
		case <-retry:
		}
		retry = nil
		if w.up && (!w.synced || w.lost) && w.catchUp(ctx) != nil {
			w.sayStale()
			retry = time.After(100*time.Millisecond + rand.N(time.Second))
		}
	}
}

// hear changes what the watch knows by one note.
func (w *watch) hear(n note) {
	switch n.kind {
	case linkUp:
		w.up, w.synced = true, false
	case linkDown:
		w.up, w.synced = false, false
		if w.began {
			w.sayStale()
		}
	case distrust, overrun:
		w.lost = w.lost || w.began
	case published:
		w.onMessage(n.payload)
	case audited:
		w.onAudit(n.rev)
	}
}

// onMessage passes changes on if they follow what was passed before.
func (w *watch) onMessage(payload string) {
	if !w.synced || w.lost {
		return // what is read next has it
	}
	m, err := parseMessage(w.scope, payload)
	switch {
	case err != nil:
		w.lost = true
	case m.rev <= w.rev: // was read already
	case m.prev != w.rev:
		w.lost = true
	case !w.feed.Push(m.events...):
		w.lost = true
	default:
		w.rev = m.rev
	}
}

// onAudit compares the scope's revision with what was heard. A higher one may still be on its way; by
// the next audit it is not.
func (w *watch) onAudit(rev db.Revision) {
	if !w.synced {
		return
	}
	if rev < w.rev || w.suspect > w.rev {
		w.lost = true
	}
	w.suspect = rev
}

func (w *watch) sayStale() {
	if !w.stale {
		w.stale = true
		w.feed.Push(db.Event{Type: db.Stale, Item: w.mark()})
	}
}

func (w *watch) mark() db.Item {
	return db.Item{Key: db.Key{Scope: w.scope}, Revision: w.rev}
}

// catchUp says that the consumer is in sync if nothing has changed since it was, and otherwise sends the
// content.
func (w *watch) catchUp(ctx context.Context) error {
	if w.lost {
		if err := w.feed.Drain(ctx); err != nil {
			return err
		}
	}
	select {
	case w.d.syncs <- struct{}{}:
		defer func() { <-w.d.syncs }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if w.began && !w.lost {
		same, err := w.unchanged(ctx)
		if err != nil {
			return err
		}
		if same {
			if w.stale && !w.feed.Push(db.Event{Type: db.InSync, Item: w.mark()}) {
				w.lost = true
				return nil
			}
			w.synced, w.stale = true, false
			return nil
		}
	}
	return w.load(ctx)
}

func (w *watch) unchanged(ctx context.Context) (bool, error) {
	var last *redis.StringCmd
	err := w.d.await(ctx, func(ctx context.Context) error {
		last = w.d.client.Get(ctx, w.channel+":r")
		return last.Err()
	})
	if err != nil {
		return false, err
	}
	rev, _ := strconv.ParseInt(last.Val(), 10, 64)
	return db.Revision(rev) == w.rev, nil
}

func (w *watch) load(ctx context.Context) error {
	items, rev, err := w.d.content(ctx, w.scope)
	if err != nil {
		return err
	}
	w.rev = rev
	events := make([]db.Event, 0, len(items)+2)
	if w.began {
		events = append(events, db.Event{Type: db.Restart, Item: w.mark()})
	}
	for _, it := range items {
		events = append(events, db.Event{Type: db.Changed, Item: it})
	}
	if !w.feed.Push(append(events, db.Event{Type: db.InSync, Item: w.mark()})...) {
		w.lost = true
		return nil
	}
	w.began, w.synced, w.lost, w.stale, w.suspect = true, true, false, false, 0
	return nil
}
