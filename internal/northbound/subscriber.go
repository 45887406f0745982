package northbound

import (
	"context"
	"hash/maphash"
	"sync"
	"sync/atomic"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// EventType says what a [ScopeEvent] reports.
type EventType uint8

// The types of a [ScopeEvent].
const (
	// Changed carries an object that is new or different.
	Changed EventType = iota
	// Removed carries the key of an object that is gone.
	Removed
	// InSync says that the consumer now has the scope as the database had it at Revision.
	InSync
	// Stale says that the database is away: the scope may be old until the next InSync.
	Stale
	// Invalid says in Err that what is stored under Key cannot be used; the consumer keeps what it had.
	// Without kind and id in the Key the whole scope cannot be followed.
	Invalid
	// WentBack says in Err that the database shows an older state than the consumer has seen. The scope
	// is frozen: nothing but Stale comes until the database is newer again or the epoch is raised; then
	// come the differences and InSync.
	WentBack
)

// String names the type for messages.
func (t EventType) String() string {
	return [...]string{"changed", "removed", "in-sync", "stale", "invalid", "went-back"}[t]
}

// ScopeEvent is one step of what happens to a scope.
type ScopeEvent struct {
	Type  EventType
	Scope string
	// Key is set for Changed, Removed and Invalid.
	Key db.Key
	// Object is valid and set for Changed only; it is shared and must not be changed.
	Object model.Object
	// Raw is the stored value of Changed, for the snapshot.
	Raw      []byte
	Revision db.Revision
	Err      error
}

// maxBacklog bounds how many events wait for the consumer; beyond it the drivers are left to wait, and
// to start scopes again if need be.
const maxBacklog = 1 << 16

// Held tells a Subscriber what its consumer has of a scope from before, such as from a snapshot: the
// items and the revision of the last in-sync mark. Only the differences to it will be reported.
type Held func(scope string) ([]HeldItem, db.Revision)

// HeldItem is an item that the consumer has, with the revision of the object in it, zero if it has none. The
// consumer has decoded it already: at a restart with thousands of objects it is not done again.
type HeldItem struct {
	db.Item
	Object int64
}

// Subscriber follows the scopes that its consumer names and hands over what changed in them. The
// consumer never sees a lossy stream: whatever the database's watch goes through comes out as the
// differences to what was handed over before.
//
// It is safe for concurrent use. It holds a goroutine for each scope and about a hundred bytes for each
// object.
type Subscriber struct {
	conn  *db.Connection
	held  Held
	seed  maphash.Seed
	ctx   context.Context
	stop  context.CancelFunc
	work  sync.WaitGroup
	ready chan struct{}
	// epoch is the highest number seen in the global scope.
	epoch atomic.Int64

	mu        sync.Mutex
	space     *sync.Cond
	followers map[string]*follower
	queue     []delivery
	backlog   int
}

type delivery struct {
	from   *follower
	events []ScopeEvent
}

// NewSubscriber returns a Subscriber that follows nothing yet and ends with ctx or Close. held may be
// nil.
func NewSubscriber(ctx context.Context, conn *db.Connection, held Held) *Subscriber {
	s := &Subscriber{conn: conn, held: held, seed: maphash.MakeSeed(), ready: make(chan struct{}, 1),
		followers: map[string]*follower{}}
	s.space = sync.NewCond(&s.mu)
	s.ctx, s.stop = context.WithCancel(ctx)
	if held != nil { // the epoch of what the consumer has must be known before any scope is compared
		items, _ := held(model.ScopeGlobal)
		for _, it := range items {
			s.seeEpoch(it.Item)
		}
	}
	s.work.Go(func() { // wakes those that wait for space
		<-s.ctx.Done()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.space.Broadcast()
	})
	return s
}

// Subscribe begins to follow a scope; if it is followed already, nothing happens. It does not wait.
func (s *Subscriber) Subscribe(scope string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.followers[scope] != nil || s.ctx.Err() != nil {
		return
	}
	ctx, stop := context.WithCancel(s.ctx)
	f := &follower{sub: s, scope: scope, ctx: ctx, stop: stop, epochRaised: make(chan struct{}, 1)}
	s.followers[scope] = f
	s.work.Go(f.run)
}

// Unsubscribe stops following a scope. It does not wait, and Take returns no event of the scope from
// before any more, so that the consumer can forget it at once and subscribe to it again.
func (s *Subscriber) Unsubscribe(scope string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.followers[scope]; f != nil {
		delete(s.followers, scope)
		f.stop()
		s.space.Broadcast()
	}
}

// Ready has a value when Take may have something to return.
func (s *Subscriber) Ready() <-chan struct{} { return s.ready }

// Take returns everything that is ready as one batch, without waiting; each scope's events are in order.
func (s *Subscriber) Take() []ScopeEvent {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		return nil
	}
	out := make([]ScopeEvent, 0, s.backlog)
	for _, d := range s.queue {
		if s.followers[d.from.scope] == d.from {
			out = append(out, d.events...)
		}
	}
	s.queue, s.backlog = nil, 0
	s.space.Broadcast()
	return out
}

// Close stops following and waits until everything has ended.
func (s *Subscriber) Close() {
	s.stop()
	s.work.Wait()
}

// push hands events of a follower to the consumer, once there is room.
func (s *Subscriber) push(f *follower, events []ScopeEvent) {
	if len(events) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.backlog > maxBacklog && f.ctx.Err() == nil {
		s.space.Wait()
	}
	if f.ctx.Err() != nil {
		return
	}
	s.queue = append(s.queue, delivery{f, events})
	s.backlog += len(events)
	select {
	case s.ready <- struct{}{}:
	default:
	}
}

// seeEpoch looks whether an item of the global scope is the epoch.
func (s *Subscriber) seeEpoch(it db.Item) {
	if it.Key.Kind != string(model.KindEpoch) {
		return
	}
	if o, err := Decode(it.Key, it.Value); err == nil && o.Validate() == nil {
		s.raise(o.(*model.Epoch).Number)
	}
}

// raise notes an epoch that was seen in the global scope and tells every follower of a new one.
func (s *Subscriber) raise(number int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if number <= s.epoch.Load() {
		return
	}
	s.epoch.Store(number)
	for _, f := range s.followers {
		select {
		case f.epochRaised <- struct{}{}:
		default:
		}
	}
}
