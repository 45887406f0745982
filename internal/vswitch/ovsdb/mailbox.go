package ovsdb

import (
	"context"
	"sync"
)

// State says whether what a consumer knows is what the database has.
type State int

const (
	// Disconnected: the database may have changed since the last event.
	Disconnected State = iota
	// InSync: with the event's changes, the consumer knows what the database had
	// a moment ago, and will be told what changes.
	InSync
)

// String names the state as logs and status show it.
func (s State) String() string {
	if s == InSync {
		return "in-sync"
	}
	return "disconnected"
}

// Event is what a consumer has not been told yet: the state of the connection
// and the net changes of rows since the event before. A slow consumer gets
// fewer and larger events, never more memory than the database itself needs.
type Event struct {
	State State
	// Session counts the syncs: another number than in the event before says that
	// the connection was lost in between, even if it is there again.
	Session int
	// Err says why the client is disconnected.
	Err error
	// Changes has each row at most once; tables in the order of their constants.
	Changes []Change
}

// mailbox collects events for a consumer that may be slow. Its lock is held for
// no longer than a batch takes to be merged.
type mailbox struct {
	ready chan struct{} // holds a token while there is something to tell

	mu      sync.Mutex
	event   Event // all but Changes
	news    bool
	pending map[rowKey]int // into changes
	changes []Change
}

type rowKey struct {
	table Table
	id    UUID
}

func newMailbox() *mailbox {
	return &mailbox{ready: make(chan struct{}, 1), pending: map[rowKey]int{}}
}

// put merges changes and a new state into what is not told yet.
func (m *mailbox) put(changes []Change, state State, session int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if state != m.event.State || session != m.event.Session || err != nil {
		m.news = true
	}
	m.event = Event{State: state, Session: session, Err: err}
	for _, c := range changes {
		m.merge(c)
	}
	if m.news || len(m.pending) > 0 {
		select {
		case m.ready <- struct{}{}:
		default:
		}
	}
}

func (m *mailbox) merge(c Change) {
	key := rowKey{c.Row().Table(), c.Row().ID()}
	at, ok := m.pending[key]
	if !ok {
		m.pending[key] = len(m.changes)
		m.changes = append(m.changes, c)
		return
	}
	// Old stays what the consumer knows. Came and went: nothing to tell.
	m.changes[at].New = c.New
	if m.changes[at].Old == nil && c.New == nil {
		delete(m.pending, key) // the empty change is left out by take
	}
}

// take returns the event to tell now; false if there is nothing after all.
func (m *mailbox) take() (Event, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	ev := m.event
	byTable := [tableCount][]Change{}
	for _, c := range m.changes {
		if c.Old != nil || c.New != nil {
			t := c.Row().Table()
			byTable[t] = append(byTable[t], c)
		}
	}
	for _, c := range byTable {
		ev.Changes = append(ev.Changes, c...)
	}
	news := m.news || len(ev.Changes) > 0
	m.news, m.changes = false, nil
	clear(m.pending)
	return ev, news
}

// deliver tells the consumer until the context ends.
func (m *mailbox) deliver(ctx context.Context, to chan<- Event) {
	for {
		select {
		case <-m.ready:
		case <-ctx.Done():
			return
		}
		ev, ok := m.take()
		if !ok {
			continue
		}
		select {
		case to <- ev:
		case <-ctx.Done():
			return
		}
	}
}
