package api

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// statusBoard is what the chassis report about their ports. It is watched, not stored: a port's status is
// what its own chassis said last.
type statusBoard struct {
	conn *db.Connection
	log  *slog.Logger

	mu    sync.RWMutex
	hosts map[string]map[string]bool // host → port → up
}

func newStatusBoard(conn *db.Connection, log *slog.Logger) *statusBoard {
	return &statusBoard{conn: conn, log: log, hosts: map[string]map[string]bool{}}
}

func (b *statusBoard) up(port, host string) bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.hosts[host][port]
}

// follow keeps one host's reports until ctx ends.
func (b *statusBoard) follow(ctx context.Context, host string) error {
	events, err := b.conn.Watch(ctx, db.Scope(model.ScopeChassis(host)))
	if err != nil {
		return err
	}
	fresh := map[string]bool{}
	for batch := range events {
		b.mu.Lock()
		for _, ev := range batch {
			fresh = b.take(host, fresh, ev)
		}
		b.mu.Unlock()
	}
	return nil
}

// take notes one event. While a listing is repeated, fresh holds the ports that it has named so far.
func (b *statusBoard) take(host string, fresh map[string]bool, ev db.Event) map[string]bool {
	if b.hosts[host] == nil {
		b.hosts[host] = map[string]bool{}
	}
	isStatus := model.Kind(ev.Item.Key.Kind) == model.KindPortStatus
	switch {
	case ev.Type == db.Restart:
		return map[string]bool{}
	case ev.Type == db.InSync && fresh != nil:
		for id := range b.hosts[host] {
			if !fresh[id] {
				delete(b.hosts[host], id)
			}
		}
		return nil
	case ev.Type == db.Changed && isStatus:
		o, err := northbound.Decode(ev.Item.Key, ev.Item.Value)
		if err != nil {
			b.log.Warn("unreadable port status", "object", ev.Item.Key.String(), "err", err)
			return fresh
		}
		b.hosts[host][ev.Item.Key.ID] = o.(*model.PortStatus).Up
		if fresh != nil {
			fresh[ev.Item.Key.ID] = true
		}
	case ev.Type == db.Removed && isStatus:
		delete(b.hosts[host], ev.Item.Key.ID)
	}
	return fresh
}

// forget drops a host to which nothing is bound any more.
func (b *statusBoard) forget(host string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.hosts, host)
}

// followStatus watches the chassis to which ports are bound, until ctx ends.
func (s *Server) followStatus(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	watching := map[string]context.CancelFunc{}
	for {
		hosts, generation := s.store.Hosts()
		for host := range hosts {
			if watching[host] == nil {
				hostCtx, stop := context.WithCancel(ctx)
				watching[host] = stop
				wg.Go(func() { s.followHost(hostCtx, host) })
			}
		}
		for host, stop := range watching {
			if !hosts[host] {
				stop()
				delete(watching, host)
			}
		}
		if s.store.WaitHosts(ctx, generation) != nil {
			return nil
		}
	}
}

func (s *Server) followHost(ctx context.Context, host string) {
	defer s.status.forget(host)
	for {
		err := s.status.follow(ctx, host)
		if err == nil {
			return
		}
		s.log.Warn("cannot follow the chassis", "chassis", host, "err", err)
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
