package metadata

import (
	"context"
	"sync"
)

// share divides a number of places among guests. None has more than each; once half of all are taken, none gets
// a second one.
type share struct {
	each, all int

	mu    sync.Mutex
	taken map[string]int
	total int
	// freed is closed when a place becomes free.
	freed chan struct{}
}

func newShare(each, all int) *share {
	return &share{each: each, all: all, taken: map[string]int{}, freed: make(chan struct{})}
}

// try takes a place for a guest, if there is one.
func (s *share) try(guest string) bool {
	ok, _ := s.take(guest)
	return ok
}

func (s *share) take(guest string) (ok bool, freed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	limit := s.each
	if s.total >= s.all/2 {
		limit = 1
	}
	if s.total >= s.all || s.taken[guest] >= limit {
		return false, s.freed
	}
	s.taken[guest]++
	s.total++
	return true, nil
}

// wait takes a place for a guest, when there is one; it reports false if ctx ends before.
func (s *share) wait(ctx context.Context, guest string) bool {
	for {
		ok, freed := s.take(guest)
		if ok {
			return true
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return false
		}
	}
}

// leave gives a place back.
func (s *share) leave(guest string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total--
	if s.taken[guest]--; s.taken[guest] == 0 {
		delete(s.taken, guest)
	}
	close(s.freed)
	s.freed = make(chan struct{})
}
