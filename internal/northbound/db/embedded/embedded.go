// Package embedded is the northbound database in this process: etcd's own server with one member and its
// data in a directory, each write synced to disk before it is acknowledged. It needs nothing beside the
// program, and moves to an etcd cluster by backup and restore.
//
// Nothing listens on the network. A second process that opens the same directory, such as an operator's
// command, is connected to the first through a socket in the directory, which only its owner may enter.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"

	"github.com/dragonflow/dragonflow/internal/northbound/db"
	"github.com/dragonflow/dragonflow/internal/northbound/db/etcd"
)

// Config says where the data is.
type Config struct {
	// Dir is the data directory; it is made with mode 0700 if need be.
	Dir string
	// Prefix begins every key.
	Prefix string
	// Log takes what the server has to say; nil is nowhere.
	Log *slog.Logger
}

const (
	// startTimeout is for replaying a large log after a crash.
	startTimeout = 60 * time.Second
	// maxSocket is what fits into a sockaddr_un with its final NUL.
	maxSocket = 107
)

// Open starts the server, or connects to the one that has the directory open, and returns a connection
// to it. Closing it stops the server.
func Open(ctx context.Context, cfg Config) (*db.Connection, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("open embedded database %s: %w", cfg.Dir, err)
	}
	cfg.Dir = dir
	c, err := open(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("open embedded database %s: %w", dir, err)
	}
	return c, nil
}

func open(ctx context.Context, cfg Config) (*db.Connection, error) {
	socket := filepath.Join(cfg.Dir, "etcd.sock")
	if len(socket) > maxSocket {
		return nil, fmt.Errorf("%s is longer than the %d bytes that a socket's path may have", socket, maxSocket)
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(cfg.Dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return etcd.Open(etcd.Config{Endpoints: []string{"unix:" + socket}, Prefix: cfg.Prefix,
				Name: "embedded", Durability: db.SingleFsync})
		}
		return nil, err
	}
	s := &server{dir: cfg.Dir, lock: lock, log: cfg.Log}
	s.failed, s.fail = context.WithCancelCause(context.Background())
	c, err := s.start(ctx, cfg, socket)
	if err != nil {
		lock.Close()
		return nil, err
	}
	return c, nil
}

// server is etcd in this process.
type server struct {
	dir  string
	lock *os.File
	log  *slog.Logger
	// ending says that etcd is stopped by us.
	ending atomic.Bool
	etcd   *embed.Etcd
	once   sync.Once
	// failed ends when etcd cannot go on, such as when its disk is full; its cause says why.
	failed context.Context
	fail   context.CancelCauseFunc
}

// start starts etcd and waits until it serves.
func (s *server) start(ctx context.Context, cfg Config, socket string) (*db.Connection, error) {
	if err := s.room(); err != nil {
		return nil, err
	}
	var err error
	if s.etcd, err = s.startEtcd(socket); err != nil {
		return nil, err
	}
	select {
	case <-s.etcd.Server.ReadyNotify():
	case err = <-s.etcd.Err():
	case <-s.failed.Done():
		err = s.cause()
	case <-ctx.Done():
		err = ctx.Err()
	case <-time.After(startTimeout):
		err = fmt.Errorf("not ready within %s", startTimeout)
	}
	if err != nil {
		return nil, errors.Join(err, s.stop())
	}
	c := s.connect(cfg.Prefix)
	closeClient := c.Close
	c.Close = func() error {
		var err error
		s.once.Do(func() {
			err = errors.Join(closeClient(), s.stop(), s.lock.Close())
		})
		return err
	}
	return c, nil
}

// connect returns a connection whose Close leaves the server alone.
func (s *server) connect(prefix string) *db.Connection {
	c := etcd.Wrap(v3client.New(s.etcd.Server), "embedded", db.SingleFsync, prefix)
	c.Driver = &guard{Driver: c.Driver, server: s}
	return c
}

// startEtcd runs etcd's start in a goroutine of its own, since a fatal error ends the goroutine it
// happens in.
func (s *server) startEtcd(socket string) (*embed.Etcd, error) {
	type result struct {
		etcd *embed.Etcd
		err  error
	}
	done := make(chan result, 1)
	go func() {
		e, err := embed.StartEtcd(s.config(socket))
		done <- result{e, err}
	}()
	select {
	case r := <-done:
		return r.etcd, r.err
	case <-s.failed.Done():
		return nil, s.cause()
	}
}

func (s *server) config(socket string) *embed.Config {
	cfg := embed.NewConfig()
	cfg.Dir, cfg.Name = filepath.Join(s.dir, "etcd"), "dragonflow"
	// A single member needs no peer; the address is only its name in the cluster's list of one.
	nobody := url.URL{Scheme: "http", Host: "localhost:2380"}
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = nil, []url.URL{nobody}
	cfg.ListenClientUrls = []url.URL{{Scheme: "unix", Path: socket}}
	cfg.AdvertiseClientUrls = []url.URL{{Scheme: "http", Host: "localhost:2379"}}
	cfg.InitialCluster = cfg.Name + "=" + nobody.String()
	cfg.EnableGRPCGateway = false
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(s.zap())
	// History is needed only by watches that fall behind; five minutes of it, at most.
	cfg.AutoCompactionMode, cfg.AutoCompactionRetention = embed.CompactorModeRevision, "5000"
	// Without peers that could need them, few log entries are kept in memory and on disk.
	cfg.SnapshotCount, cfg.SnapshotCatchUpEntries = 5000, 100
	cfg.MaxSnapFiles, cfg.MaxWalFiles = 2, 2
	cfg.QuotaBackendBytes = quota
	return cfg
}

// quota is the largest database; beyond it etcd refuses writes until it is compacted.
const quota = 4 << 30

// stop stops etcd. If it failed before, some of its goroutines hold locks for ever, and it is left.
func (s *server) stop() error {
	if s.failed.Err() != nil {
		return fmt.Errorf("stop: etcd had failed: %w", s.cause())
	}
	if s.etcd == nil {
		return nil
	}
	s.ending.Store(true)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.etcd.Close()
	}()
	select {
	case <-done:
		return nil
	case <-s.failed.Done():
		return fmt.Errorf("stop: etcd failed: %w", s.cause())
	}
}

func (s *server) cause() error { return context.Cause(s.failed) }
