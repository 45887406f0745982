package etcd

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// errLost says that a watch cannot go on from where it was: etcd has compacted that away, or the
// consumer was too slow.
var errLost = errors.New("watch lost its place")

// grace is how long a new watch waits for the connection before it says that it is stale.
const grace = time.Second

// watch follows one scope.
type watch struct {
	d          *driver
	scope      db.Scope
	begin, end string
	feed       *db.Feed
	// rev is the last revision seen; count, how many keys etcd has in the scope by what was seen.
	rev, count int64
	// began says that content was sent; lost, that it must be sent again; stale, that the consumer was
	// told so.
	began, lost, stale bool
}

// Watch implements [db.Driver].
func (d *driver) Watch(ctx context.Context, scope db.Scope) (<-chan []db.Event, error) {
	if err := scope.Check(); err != nil {
		return nil, fmt.Errorf("watch: %w", err)
	}
	w := &watch{d: d, scope: scope, feed: db.NewFeed()}
	w.begin, w.end = d.span(scope)
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(d.ctx, cancel)
	out := make(chan []db.Event)
	ok := d.spawn(func() {
		w.feed.Run(ctx, out)
	}, func() {
		defer cancel()
		defer stop()
		w.run(ctx)
	})
	if !ok {
		cancel()
		return nil, fmt.Errorf("watch %s: %w", scope, db.ErrClosed)
	}
	return out, nil
}

func (w *watch) run(ctx context.Context) {
	for ctx.Err() == nil {
		session := w.session(ctx)
		if session == nil {
			return
		}
		err := w.once(ctx, session)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, errLost):
			w.lost = true
			if w.feed.Drain(ctx) != nil {
				return
			}
		default:
			w.sayStale()
			if session.Err() == nil { // the cluster answers, but not as it should
				pause(ctx, 100*time.Millisecond+rand.N(time.Second))
			}
		}
	}
}

// session waits for the connection, after a moment of grace not without saying so.
func (w *watch) session(ctx context.Context) context.Context {
	short, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	if w.stale {
		return w.d.link.wait(ctx)
	}
	if session := w.d.link.wait(short); session != nil {
		return session
	}
	if ctx.Err() != nil {
		return nil
	}
	w.sayStale()
	return w.d.link.wait(ctx)
}

func (w *watch) sayStale() {
	if !w.stale {
		w.stale = true
		w.push(db.Event{Type: db.Stale, Item: db.Item{Key: db.Key{Scope: w.scope}}})
	}
}

// once brings the consumer up to date and follows until something ends that.
func (w *watch) once(ctx, session context.Context) error {
	// etcd's watch ends when either does.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(session, cancel)()
	gap, err := w.catchUp(ctx)
	if err != nil {
		return err
	}
	return w.follow(ctx, gap)
}

// gap is what a watch that resumes must see before it is in sync.
type gap struct {
	open bool
	// at is the revision at which the database was read; last, the latest of the keys that changed;
	// count, how many keys there were.
	at, last, count int64
}

// closed reports whether everything up to the revision at has been seen: something later was, or the
// last change was and the number of keys is right. (Deletions leave no key that tells of them. What is
// deleted in the gap either lowers the count until it is seen or was created in it, which is the same
// state as never having been.)
func (g *gap) closed(w *watch) bool {
	return w.rev > g.at || w.rev >= g.last && w.count == g.count
}

// catchUp sends the content, or finds out what a watch from the last revision must bring.
func (w *watch) catchUp(ctx context.Context) (gap, error) {
	select {
	case w.d.syncs <- struct{}{}:
		defer func() { <-w.d.syncs }()
	case <-ctx.Done():
		return gap{}, ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if !w.began || w.lost {
		return gap{}, w.load(ctx)
	}
	resp, err := w.d.client.Get(ctx, w.begin, clientv3.WithRange(w.end), clientv3.WithKeysOnly(), clientv3.WithMinModRev(w.rev+1))
	if err != nil {
		return gap{}, err
	}
	if resp.Header.Revision < w.rev { // the database went back in time
		w.lost = true
		return gap{}, w.load(ctx)
	}
	g := gap{open: true, at: resp.Header.Revision, count: resp.Count}
	for _, kv := range resp.Kvs {
		g.last = max(g.last, kv.ModRevision)
	}
	return g, nil
}

func (w *watch) load(ctx context.Context) error {
	items, rev, count, err := w.d.content(ctx, w.scope)
	if err != nil {
		return err
	}
	mark := db.Item{Key: db.Key{Scope: w.scope}, Revision: rev}
	events := make([]db.Event, 0, len(items)+2)
	if w.began {
		events = append(events, db.Event{Type: db.Restart, Item: mark})
	}
	for _, it := range items {
		events = append(events, db.Event{Type: db.Changed, Item: it})
	}
	if !w.push(append(events, db.Event{Type: db.InSync, Item: mark})...) {
		return errLost
	}
	w.rev, w.count = int64(rev), count
	w.began, w.lost, w.stale = true, false, false
	return nil
}

func (w *watch) push(events ...db.Event) bool {
	if !w.feed.Push(events...) {
		w.lost = true
		return false
	}
	return true
}

// follow passes changes on until etcd ends the watch, the session ends or the consumer is too slow.
func (w *watch) follow(ctx context.Context, g gap) error {
	changes := w.d.client.Watch(clientv3.WithRequireLeader(ctx), w.begin, clientv3.WithRange(w.end),
		clientv3.WithRev(w.rev+1), clientv3.WithProgressNotify())
	if err := w.close(&g); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case resp, ok := <-changes:
			if !ok {
				return errors.New("the watch ended")
			}
			if resp.CompactRevision != 0 {
				return errLost
			}
			if err := resp.Err(); err != nil {
				return err
			}
			if !w.push(w.events(resp)...) {
				return errLost
			}
			if resp.IsProgressNotify() { // everything up to the header's revision was sent
				w.rev = max(w.rev, resp.Header.Revision)
			}
			if err := w.close(&g); err != nil {
				return err
			}
		}
	}
}

// close says that the consumer is in sync again once the gap is closed.
func (w *watch) close(g *gap) error {
	if !g.open || !g.closed(w) {
		return nil
	}
	g.open, w.stale = false, false
	if !w.push(db.Event{Type: db.InSync, Item: db.Item{Key: db.Key{Scope: w.scope}, Revision: db.Revision(w.rev)}}) {
		return errLost
	}
	return nil
}

func (w *watch) events(resp clientv3.WatchResponse) []db.Event {
	out := make([]db.Event, 0, len(resp.Events))
	for _, ev := range resp.Events {
		w.rev = max(w.rev, ev.Kv.ModRevision)
		typ := db.Changed
		switch {
		case ev.Type == clientv3.EventTypeDelete:
			typ, w.count = db.Removed, w.count-1
		case ev.IsCreate():
			w.count++
		}
		if it, ok := item(ev.Kv, w.scope, len(w.begin)); ok {
			out = append(out, db.Event{Type: typ, Item: it})
		}
	}
	return out
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
