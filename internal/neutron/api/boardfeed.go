package api

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// followChassis watches which chassis there are, and the reports of these and of every host to which
// ports are bound, until ctx ends.
func (s *Server) followChassis(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	changed := make(chan struct{}, 1)
	poke := func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	wg.Go(func() { s.followGlobal(ctx, poke) })
	wg.Go(func() { s.followHosts(ctx, poke) })
	watching := map[string]context.CancelFunc{}
	for {
		wanted, _ := s.store.Hosts()
		for _, name := range s.board.names() {
			wanted[name] = true
		}
		for name := range wanted {
			if watching[name] == nil {
				hostCtx, stop := context.WithCancel(ctx)
				watching[name] = stop
				wg.Go(func() { s.followReports(hostCtx, name) })
			}
		}
		maps.DeleteFunc(watching, func(name string, stop context.CancelFunc) bool {
			if !wanted[name] {
				stop()
			}
			return !wanted[name]
		})
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}

// followHosts pokes whenever ports are bound to another set of hosts.
func (s *Server) followHosts(ctx context.Context, poke func()) {
	for {
		_, generation := s.store.Hosts()
		poke()
		if s.store.WaitHosts(ctx, generation) != nil {
			return
		}
	}
}

// followGlobal keeps the list of chassis, and pokes whenever it is another.
func (s *Server) followGlobal(ctx context.Context, poke func()) {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		s.keepFollowing(ctx, model.ScopeGlobal, s.board.takeGlobal(&listing{fresh: map[db.Key]bool{}}))
	})
	for {
		seen := s.board.names()
		poke()
		if s.board.wait(ctx, func() bool { return !slices.Equal(seen, s.board.sorted()) }) != nil {
			return
		}
	}
}

func (s *Server) followReports(ctx context.Context, name string) {
	defer s.board.forget(name)
	s.keepFollowing(ctx, model.ScopeChassis(name), s.board.takeReport(name, &listing{fresh: map[db.Key]bool{}}))
}

// keepFollowing follows a scope until ctx ends; the database may refuse for a while.
func (s *Server) keepFollowing(ctx context.Context, scope string, take func(db.Event)) {
	for {
		err := s.board.follow(ctx, scope, take)
		if err == nil {
			return
		}
		s.log.Warn("cannot follow the chassis", "scope", scope, "err", err)
		if !rest(ctx, time.Second) {
			return
		}
	}
}

func rest(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
