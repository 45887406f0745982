package memory

import (
	"context"

	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// maxQueue bounds what a watch keeps for a consumer that does not read, in events; beyond it the watch
// starts again from the scope's content.
const maxQueue = 1 << 16

// watch is one consumer's queue; everything in it is guarded by store.mu.
type watch struct {
	link  *Link
	scope db.Scope
	ready chan struct{}
	queue []db.Event
	// restart says that the content comes before the queue; first, that nothing was ever sent.
	restart, first bool
	// gone says that Stale is due, back that InSync is.
	gone, back bool
}

func (w *watch) wake() {
	select {
	case w.ready <- struct{}{}:
	default:
	}
}

func (w *watch) push(evs []db.Event) {
	if w.restart {
		return // the content will have it
	}
	if len(w.queue)+len(evs) > maxQueue {
		w.overflow()
	} else {
		w.queue = append(w.queue, evs...)
	}
	w.wake()
}

func (w *watch) overflow() { w.queue, w.restart = nil, true }

func (w *watch) stale() {
	w.gone = true
	w.wake()
}

func (w *watch) resume() {
	w.back = true
	w.wake()
}

// run sends what is ready until the consumer or the link ends.
func (w *watch) run(ctx context.Context, out chan<- []db.Event) {
	defer close(out)
	defer w.leave()
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.link.ctx.Done():
			return
		case <-w.ready:
		}
		evs := w.take()
		if len(evs) == 0 {
			continue
		}
		select {
		case out <- evs:
		case <-ctx.Done():
			return
		case <-w.link.ctx.Done():
			return
		}
	}
}

func (w *watch) leave() {
	w.link.store.mu.Lock()
	defer w.link.store.mu.Unlock()
	delete(w.link.store.scope(w.scope).watches, w)
	w.link.store.release(w.scope)
}

// take returns what can be sent now. While the link is cut that is at most Stale; what happens
// meanwhile waits in the queue.
func (w *watch) take() []db.Event {
	s := w.link.store
	s.mu.Lock()
	defer s.mu.Unlock()
	mark := db.Item{Key: db.Key{Scope: w.scope}}
	var evs []db.Event
	if w.gone {
		w.gone = false
		evs = append(evs, db.Event{Type: db.Stale, Item: mark})
	}
	if w.link.cut {
		return evs
	}
	mark.Revision = s.rev
	if w.restart {
		evs = w.content(evs, mark)
	} else {
		evs = append(evs, w.queue...)
		if w.back {
			evs = append(evs, db.Event{Type: db.InSync, Item: mark})
		}
	}
	w.queue, w.restart, w.first, w.back = nil, false, false, false
	return evs
}

func (w *watch) content(evs []db.Event, mark db.Item) []db.Event {
	if !w.first {
		evs = append(evs, db.Event{Type: db.Restart, Item: mark})
	}
	for _, it := range w.link.store.list(w.scope) {
		evs = append(evs, db.Event{Type: db.Changed, Item: it})
	}
	return append(evs, db.Event{Type: db.InSync, Item: mark})
}
