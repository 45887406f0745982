package db

import (
	"context"
	"sync"
)

// maxFeed bounds, in events, what a Feed keeps for a consumer that does not read.
const maxFeed = 1 << 16

// Feed is the queue between a driver that follows a scope and the consumer of its Watch, which may be
// slow. It is for drivers. Pushing never waits; what is pushed in one call stays together.
type Feed struct {
	mu    sync.Mutex
	queue []Event
	ready chan struct{}
	drawn chan struct{}
}

// NewFeed returns an empty feed.
func NewFeed() *Feed {
	return &Feed{ready: make(chan struct{}, 1), drawn: make(chan struct{}, 1)}
}

// Push queues events and reports whether there was room. If not, they are lost: the driver must wait
// with Drain and then send Restart. An empty feed has room for any number.
func (f *Feed) Push(events ...Event) bool {
	if len(events) == 0 {
		return true
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.queue) > 0 && len(f.queue)+len(events) > maxFeed {
		return false
	}
	f.queue = append(f.queue, events...)
	signal(f.ready)
	return true
}

// Drain waits until the consumer has taken everything, or ctx ends.
func (f *Feed) Drain(ctx context.Context) error {
	for {
		f.mu.Lock()
		empty := len(f.queue) == 0
		f.mu.Unlock()
		if empty {
			return nil
		}
		select {
		case <-f.drawn:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Run sends what is ready to the consumer until ctx ends, and then closes out.
func (f *Feed) Run(ctx context.Context, out chan<- []Event) {
	defer close(out)
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.ready:
		}
		f.mu.Lock()
		events := f.queue
		f.queue = nil
		f.mu.Unlock()
		signal(f.drawn)
		if len(events) == 0 {
			continue
		}
		select {
		case out <- events:
		case <-ctx.Done():
			return
		}
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
