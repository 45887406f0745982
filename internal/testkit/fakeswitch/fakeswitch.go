// Package fakeswitch is an Open vSwitch without datapath inside the process: an OVSDB server and the
// management socket of one bridge, as far as a controller uses them. A thousand of them fit a machine, so
// that a fleet of controllers can be measured without their switches.
//
// It keeps flows, groups and meters exactly as they were sent, makes bundles atomically, answers dumps
// and barriers, and gives interfaces their numbers, as the real one does; a test holds it against that. It
// judges no flow: what a real switch would refuse, it takes. No packet ever comes from it.
package fakeswitch

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"sync"
)

// Config describes a fake switch.
type Config struct {
	// Dir is an existing directory with a short path, for the sockets.
	Dir string
	// Bridge is the integration bridge; it exists once a controller has made it. br-int if empty.
	Bridge string
	// Committed, if set, hears of every change of a flow that the switch has made: its table and match as on
	// the wire, and whether it is gone. It is called by several goroutines, with the switch locked.
	Committed func(table uint8, match string, gone bool)
}

// Switch is one fake switch at work. Its methods may be called from several goroutines at once.
type Switch struct {
	cfg  Config
	work sync.WaitGroup

	mu        sync.Mutex
	flows     map[flowKey]flowEntry
	groups    map[uint32]string
	meters    map[uint32]string
	rows      *database
	listeners []net.Listener
	conns     map[net.Conn]struct{}
	closed    bool
}

// Start makes the sockets and serves them until Close.
func Start(cfg Config) (*Switch, error) {
	if cfg.Bridge == "" {
		cfg.Bridge = "br-int"
	}
	s := &Switch{
		cfg: cfg, flows: map[flowKey]flowEntry{}, groups: map[uint32]string{}, meters: map[uint32]string{},
		rows: newDatabase(), conns: map[net.Conn]struct{}{},
	}
	for path, serve := range map[string]func(net.Conn) error{s.OVSDB(): s.serveOVSDB, s.Mgmt(): s.serveOpenFlow} {
		l, err := net.Listen("unix", path)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("fake switch: %w", err), s.Close())
		}
		s.listeners = append(s.listeners, l)
		s.work.Go(func() { s.accept(l, serve) })
	}
	return s, nil
}

// OVSDB is the path of the database's socket, without "unix:".
func (s *Switch) OVSDB() string { return filepath.Join(s.cfg.Dir, "db.sock") }

// Mgmt is the path of the bridge's OpenFlow management socket, without "unix:".
func (s *Switch) Mgmt() string { return filepath.Join(s.cfg.Dir, s.cfg.Bridge+".mgmt") }

// Close ends all connections and returns when nothing of the switch runs any more.
func (s *Switch) Close() error {
	s.mu.Lock()
	s.closed = true
	var failed error
	for _, l := range s.listeners {
		failed = errors.Join(failed, l.Close())
	}
	for c := range s.conns {
		_ = c.Close() // whoever reads from it notices
	}
	s.mu.Unlock()
	s.work.Wait()
	return failed
}

func (s *Switch) accept(l net.Listener, serve func(net.Conn) error) {
	for {
		c, err := l.Accept()
		if err != nil {
			return // closed
		}
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			_ = c.Close() // nobody has used it
			return
		}
		s.conns[c] = struct{}{}
		s.work.Go(func() {
			_ = serve(c) // it lasts until one of both sides ends it
			_ = c.Close()
			s.mu.Lock()
			defer s.mu.Unlock()
			delete(s.conns, c)
		})
		s.mu.Unlock()
	}
}

// Flows is the number of flows.
func (s *Switch) Flows() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.flows)
}
