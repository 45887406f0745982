// Package redis is the northbound database in one Redis server (or Valkey) of version 5 or later.
//
// Every write is one run of a script, so a batch is atomic. A revision is the server's clock in
// microseconds, and more than the scope's last one in any case: it grows within a scope and is not used
// twice, even if the server loses its last writes in a crash. Watches hear of changes by pub/sub, which
// may lose messages: each carries the revision before it, so that a gap is seen, and a slow audit sees a
// gap at the end. Leases end by the server's clock; whoever is connected sweeps them.
//
// A server that does not sync each write to disk before it acknowledges loses the last ones in a crash;
// the driver then declares itself asynchronous.
package redis

import (
	"context"
	"crypto/tls"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// can is what the driver declares beside its durability. Scripts block the server, so batches are not
// endless.
var can = db.Capabilities{AtomicOps: 512, AtomicBytes: 8 << 20, MaxValue: 1 << 20}

const (
	// callTimeout ends a call whose context has no earlier end.
	callTimeout = 10 * time.Second
	dialTimeout = 3 * time.Second
	// syncs bounds how many watches read their scope at the same time.
	syncs = 16
)

//go:embed common.lua
var commonLua string

//go:embed apply.lua
var applyLua string

//go:embed lease.lua
var leaseLua string

// quiet keeps the client library from writing to standard error in a format of its own: what it has to
// say comes as errors too.
var quiet = sync.OnceFunc(func() { redis.SetLogger(nobody{}) })

type nobody struct{}

func (nobody) Printf(context.Context, string, ...any) {}

// Config says where the server is.
type Config struct {
	// Address is host:port, or unix:PATH.
	Address string
	// User and Password authenticate, if set; DB is the number of the database.
	User, Password string
	DB             int
	// TLS, if set, is how to talk to the server.
	TLS *tls.Config
	// Prefix begins every key.
	Prefix string
}

// Open returns a connection to a server. It does not wait for the server to be reachable for longer than
// it takes to ask how durable it is; if that cannot be found out, it is not.
func Open(ctx context.Context, cfg Config) (*db.Connection, error) {
	quiet()
	opts := &redis.Options{
		Addr: cfg.Address, Username: cfg.User, Password: cfg.Password, DB: cfg.DB, TLSConfig: cfg.TLS,
		MaxRetries: -1, ContextTimeoutEnabled: true, DialTimeout: dialTimeout, DialerRetries: 1,
		ReadTimeout: callTimeout, WriteTimeout: callTimeout, DisableIdentity: true, Protocol: 2,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	if path, ok := strings.CutPrefix(cfg.Address, "unix:"); ok {
		opts.Network, opts.Addr = "unix", path
	}
	d := &driver{
		client: redis.NewClient(opts), prefix: cfg.Prefix, syncs: make(chan struct{}, syncs),
		applyScript: redis.NewScript(commonLua + applyLua), leaseScript: redis.NewScript(commonLua + leaseLua),
		leases: map[*lease]struct{}{},
	}
	d.ctx, d.stop = context.WithCancel(context.Background())
	d.hub = newHub(d)
	d.spawn(d.hub.run, d.tend)
	declared := can
	declared.Durability = d.durability(ctx)
	return &db.Connection{Driver: d, Capabilities: declared, Name: "redis", Scopes: d.scopes, Close: d.close}, nil
}

type driver struct {
	client                   *redis.Client
	prefix                   string
	applyScript, leaseScript *redis.Script
	ctx                      context.Context
	stop                     context.CancelFunc
	hub                      *hub
	syncs                    chan struct{}
	once                     sync.Once

	mu     sync.Mutex // orders spawn before close's wait, and guards leases
	work   sync.WaitGroup
	leases map[*lease]struct{}
}

// durability asks the server whether it syncs each write.
func (d *driver) durability(ctx context.Context) db.Durability {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	var got map[string]string
	err := d.await(ctx, func(ctx context.Context) (err error) {
		got, err = d.client.ConfigGet(ctx, "append*").Result()
		return err
	})
	if err == nil && got["appendonly"] == "yes" && got["appendfsync"] == "always" {
		return db.SingleFsync
	}
	return db.Async
}

// spawn starts goroutines that end with d.ctx, unless the connection is closed already.
func (d *driver) spawn(fs ...func()) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ctx.Err() != nil {
		return false
	}
	for _, f := range fs {
		d.work.Go(f)
	}
	return true
}

func (d *driver) close() error {
	var err error
	d.once.Do(func() {
		d.mu.Lock()
		d.stop()
		d.mu.Unlock()
		err = d.client.Close()
		d.work.Wait()
	})
	return err
}

// await runs one call to the server, but for no longer than ctx: the client itself does not notice that
// a context is cancelled while it waits for an answer.
func (d *driver) await(ctx context.Context, call func(context.Context) error) error {
	if d.ctx.Err() != nil {
		return db.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return errors.Join(db.ErrUnavailable, err)
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	done := make(chan error, 1)
	if !d.spawn(func() { done <- call(ctx) }) {
		return db.ErrClosed
	}
	select {
	case err := <-done:
		return d.explain(ctx, err)
	case <-ctx.Done():
		return d.explain(ctx, ctx.Err())
	case <-d.ctx.Done():
		return db.ErrClosed
	}
}

// explain turns the client's errors into the contract's.
func (d *driver) explain(ctx context.Context, err error) error {
	var network net.Error
	switch {
	case err == nil || errors.Is(err, redis.Nil):
		return nil
	case d.ctx.Err() != nil:
		return db.ErrClosed
	case ctx.Err() != nil:
		return errors.Join(db.ErrUnavailable, ctx.Err(), err)
	case errors.As(err, &network), errors.Is(err, io.EOF), errors.Is(err, redis.ErrPoolTimeout):
		return fmt.Errorf("%w: %w", db.ErrUnavailable, err)
	case strings.HasPrefix(err.Error(), "OOM "):
		return fmt.Errorf("%w: %w", db.ErrFull, err)
	case hasAnyPrefix(err.Error(), "LOADING ", "MASTERDOWN ", "READONLY ", "CLUSTERDOWN ", "TRYAGAIN ", "BUSY ", "MISCONF "):
		return fmt.Errorf("%w: %w", db.ErrUnavailable, err)
	}
	return err
}

func hasAnyPrefix(s string, prefixes ...string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(s, p) })
}

func (d *driver) base(s db.Scope) string { return d.prefix + "/{" + s.Path() + "}" }

func field(k db.Key) string {
	_, f, _ := strings.Cut(k.Path(), ":")
	return f
}

// parseMeta reads an item's revision and lease.
func parseMeta(s string) (db.Revision, db.LeaseID, error) {
	rev, lease, ok := strings.Cut(s, " ")
	r, err := strconv.ParseInt(rev, 10, 64)
	l, err2 := strconv.ParseInt(lease, 10, 64)
	if !ok || err != nil || err2 != nil || r <= 0 || l < 0 {
		return 0, 0, fmt.Errorf("%.40q is no revision and lease", s)
	}
	return db.Revision(r), db.LeaseID(l), nil
}

// Get implements [db.Driver].
func (d *driver) Get(ctx context.Context, key db.Key) (db.Item, error) {
	if err := key.Check(); err != nil {
		return db.Item{}, fmt.Errorf("get: %w", err)
	}
	var m, v *redis.StringCmd
	err := d.await(ctx, func(ctx context.Context) error {
		_, err := d.client.TxPipelined(ctx, func(p redis.Pipeliner) error {
			m, v = p.HGet(ctx, d.base(key.Scope)+":m", field(key)), p.HGet(ctx, d.base(key.Scope)+":v", field(key))
			return nil
		})
		return err
	})
	if err != nil {
		return db.Item{}, fmt.Errorf("get %s: %w", key, err)
	}
	if errors.Is(m.Err(), redis.Nil) {
		return db.Item{}, fmt.Errorf("get %s: %w", key, db.ErrNotFound)
	}
	it := db.Item{Key: key}
	if it.Revision, it.Lease, err = parseMeta(m.Val()); err != nil {
		return db.Item{}, fmt.Errorf("get %s: %w", key, err)
	}
	it.Value = []byte(v.Val())
	return it, nil
}

// List implements [db.Driver].
func (d *driver) List(ctx context.Context, scope db.Scope) ([]db.Item, db.Revision, error) {
	if err := scope.Check(); err != nil {
		return nil, 0, fmt.Errorf("list: %w", err)
	}
	items, rev, err := d.content(ctx, scope)
	if err != nil {
		return nil, 0, fmt.Errorf("list %s: %w", scope, err)
	}
	return items, rev, nil
}

func (d *driver) content(ctx context.Context, scope db.Scope) ([]db.Item, db.Revision, error) {
	base := d.base(scope)
	var metas, values *redis.MapStringStringCmd
	var last *redis.StringCmd
	err := d.await(ctx, func(ctx context.Context) error {
		_, err := d.client.TxPipelined(ctx, func(p redis.Pipeliner) error {
			metas, values, last = p.HGetAll(ctx, base+":m"), p.HGetAll(ctx, base+":v"), p.Get(ctx, base+":r")
			return nil
		})
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	items := make([]db.Item, 0, len(metas.Val()))
	for f, m := range metas.Val() {
		key, err := scope.ParsePath(f)
		if err != nil {
			continue // not ours
		}
		it := db.Item{Key: key, Value: []byte(values.Val()[f])}
		if it.Revision, it.Lease, err = parseMeta(m); err != nil {
			return nil, 0, fmt.Errorf("%s: %w", key, err)
		}
		items = append(items, it)
	}
	slices.SortFunc(items, func(a, b db.Item) int { return db.CompareKeys(a.Key, b.Key) })
	rev, _ := strconv.ParseInt(last.Val(), 10, 64)
	return items, db.Revision(rev), nil
}

// scopes lists the scopes that are not empty.
func (d *driver) scopes(ctx context.Context) ([]db.Scope, error) {
	var members []string
	err := d.await(ctx, func(ctx context.Context) (err error) {
		members, err = d.client.SMembers(ctx, d.prefix+"/:scopes").Result()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list scopes: %w", err)
	}
	out := make([]db.Scope, 0, len(members))
	for _, m := range members {
		if s, err := db.ParseScopePath(m); err == nil {
			out = append(out, s)
		}
	}
	slices.Sort(out)
	return out, nil
}
