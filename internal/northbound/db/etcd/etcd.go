// Package etcd is the northbound database in an etcd cluster of version 3.4 or later.
//
// Keys are the prefix, a slash, and the key's path. Revisions are etcd's own, one counter for the whole
// database. A batch is one etcd transaction; a lease is etcd's. A watch resumes after an outage from the
// revision that it has seen, and starts again if etcd has compacted it away.
package etcd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// Limits of an etcd server with its default options: 128 operations and 1.5 MiB in a request.
const (
	atomicOps   = 128
	atomicBytes = 1280 << 10
	maxValue    = 1 << 20
)

const (
	// callTimeout ends a call whose context has no earlier end.
	callTimeout = 10 * time.Second
	// keepAlive is how often a silent connection is tested while something is under way on it (gRPC allows
	// no less than 10 s; on a connection without watches or calls etcd takes it for an attack and hangs
	// up), and keepAliveTimeout how long it may take to answer.
	keepAlive        = 10 * time.Second
	keepAliveTimeout = 3 * time.Second
	// syncs bounds how many watches read their scope at the same time.
	syncs = 16
)

// Config says where the cluster is.
type Config struct {
	// Endpoints are host:port, or unix:PATH, of the members.
	Endpoints []string
	// TLS, if set, is how to talk to them.
	TLS *tls.Config
	// Prefix begins every key.
	Prefix string
	// Name and Durability are what the connection calls itself; "etcd" and db.Quorum if not set.
	Name       string
	Durability db.Durability
}

// Open returns a connection to a cluster. It does not wait for the cluster to be reachable.
func Open(cfg Config) (*db.Connection, error) {
	shakes := &handshakes{}
	config := clientv3.Config{
		Endpoints: cfg.Endpoints, TLS: cfg.TLS, Logger: zap.NewNop(),
		DialKeepAliveTime: keepAlive, DialKeepAliveTimeout: keepAliveTimeout,
		MaxCallSendMsgSize: 8 << 20,
	}
	if cfg.TLS != nil {
		config.DialOptions = append(config.DialOptions, shakes.option(cfg.TLS))
	}
	client, err := clientv3.New(config)
	if err != nil {
		return nil, fmt.Errorf("open etcd %s: %w", strings.Join(cfg.Endpoints, ","), err)
	}
	if cfg.Name == "" {
		cfg.Name, cfg.Durability = "etcd", db.Quorum
	}
	return wrap(client, cfg.Name, cfg.Durability, cfg.Prefix, shakes), nil
}

// Wrap makes a connection of a client, which it owns from then on. It is for servers of etcd that are not
// reached by Open, such as one in this process.
func Wrap(client *clientv3.Client, name string, durability db.Durability, prefix string) *db.Connection {
	return wrap(client, name, durability, prefix, nil)
}

func wrap(client *clientv3.Client, name string, durability db.Durability, prefix string, shakes *handshakes) *db.Connection {
	d := &driver{client: client, root: prefix + "/", syncs: make(chan struct{}, syncs), shakes: shakes}
	d.ctx, d.stop = context.WithCancel(context.Background())
	d.link = newLink(d.ctx, client)
	d.spawn(d.link.run)
	can := d.capabilities(durability)
	return &db.Connection{Driver: d, Capabilities: can, Name: name, Scopes: d.scopes, Close: d.close}
}

type driver struct {
	client *clientv3.Client
	root   string
	ctx    context.Context
	stop   context.CancelFunc
	link   *link
	shakes *handshakes // nil in this process
	syncs  chan struct{}
	once   sync.Once

	mu   sync.Mutex // orders spawn before close's wait
	work sync.WaitGroup
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

func (d *driver) capabilities(durability db.Durability) db.Capabilities {
	return db.Capabilities{AtomicOps: atomicOps, AtomicBytes: atomicBytes, Durability: durability, MaxValue: maxValue}
}

func (d *driver) close() error {
	var err error
	d.once.Do(func() {
		d.mu.Lock()
		d.stop()
		d.mu.Unlock()
		d.work.Wait()
		err = d.client.Close()
	})
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return err
}

// call derives the context of one call, which ends with the connection too, and refuses it if that is
// closed already.
func (d *driver) call(ctx context.Context) (context.Context, context.CancelFunc, error) {
	if d.ctx.Err() != nil {
		return nil, nil, db.ErrClosed
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	stop := context.AfterFunc(d.ctx, cancel)
	return ctx, func() { stop(); cancel() }, nil
}

func (d *driver) key(k db.Key) string { return d.root + k.Path() }

// span returns the first key of a scope and the first beyond it.
func (d *driver) span(s db.Scope) (begin, end string) {
	path := d.root + s.Path()
	return path + ":", path + ";"
}

// Get implements [db.Driver].
func (d *driver) Get(ctx context.Context, key db.Key) (db.Item, error) {
	if err := key.Check(); err != nil {
		return db.Item{}, fmt.Errorf("get: %w", err)
	}
	ctx, cancel, err := d.call(ctx)
	if err != nil {
		return db.Item{}, fmt.Errorf("get %s: %w", key, err)
	}
	defer cancel()
	resp, err := d.client.Get(ctx, d.key(key))
	if err != nil {
		return db.Item{}, fmt.Errorf("get %s: %w", key, d.explain(ctx, err))
	}
	if len(resp.Kvs) == 0 {
		return db.Item{}, fmt.Errorf("get %s: %w", key, db.ErrNotFound)
	}
	kv := resp.Kvs[0]
	return db.Item{Key: key, Value: kv.Value, Revision: db.Revision(kv.ModRevision), Lease: db.LeaseID(kv.Lease)}, nil
}

// List implements [db.Driver].
func (d *driver) List(ctx context.Context, scope db.Scope) ([]db.Item, db.Revision, error) {
	if err := scope.Check(); err != nil {
		return nil, 0, fmt.Errorf("list: %w", err)
	}
	ctx, cancel, err := d.call(ctx)
	if err != nil {
		return nil, 0, fmt.Errorf("list %s: %w", scope, err)
	}
	defer cancel()
	items, rev, _, err := d.content(ctx, scope)
	if err != nil {
		return nil, 0, fmt.Errorf("list %s: %w", scope, d.explain(ctx, err))
	}
	return items, rev, nil
}

// Apply implements [db.Driver].
func (d *driver) Apply(ctx context.Context, ops []db.Op) ([]db.Revision, error) {
	if err := db.CheckBatch(ops, d.capabilities(0)); err != nil {
		return nil, fmt.Errorf("apply: %w", err)
	}
	ctx, cancel, err := d.call(ctx)
	if err != nil {
		return nil, fmt.Errorf("apply: %w", err)
	}
	defer cancel()
	if len(ops) == 0 {
		return nil, nil
	}
	tx := d.plan(ops)
	resp, err := d.client.Txn(ctx).If(tx.conditions...).Then(tx.writes...).Else(tx.reads...).Commit()
	if err != nil {
		return nil, fmt.Errorf("apply to %s: %w", ops[0].Key, d.explain(ctx, err))
	}
	if !resp.Succeeded {
		return nil, fmt.Errorf("apply: %w", tx.conflict(ops, resp))
	}
	return tx.revisions(len(ops), resp), nil
}

// transaction is a batch in etcd's terms; the indexes lead from them back to the ops.
type transaction struct {
	conditions []clientv3.Cmp
	writes     []clientv3.Op
	reads      []clientv3.Op
	ofWrite    []int
	ofRead     []int
}

func (d *driver) plan(ops []db.Op) *transaction {
	tx := &transaction{}
	for i, op := range ops {
		key := d.key(op.Key)
		if op.If != db.AnyRevision {
			tx.conditions = append(tx.conditions, clientv3.Compare(clientv3.ModRevision(key), "=", int64(op.If)))
			tx.reads = append(tx.reads, clientv3.OpGet(key, clientv3.WithKeysOnly()))
			tx.ofRead = append(tx.ofRead, i)
		}
		switch op.Verb {
		case db.Put:
			tx.writes = append(tx.writes, clientv3.OpPut(key, string(op.Value), clientv3.WithLease(clientv3.LeaseID(op.Lease))))
			tx.ofWrite = append(tx.ofWrite, i)
		case db.Delete:
			tx.writes = append(tx.writes, clientv3.OpDelete(key))
			tx.ofWrite = append(tx.ofWrite, i)
		}
	}
	return tx
}

func (tx *transaction) revisions(n int, resp *clientv3.TxnResponse) []db.Revision {
	revs := make([]db.Revision, n)
	for w, i := range tx.ofWrite {
		r := resp.Responses[w]
		if del := r.GetResponseDeleteRange(); del == nil || del.Deleted > 0 {
			revs[i] = db.Revision(resp.Header.Revision)
		}
	}
	return revs
}

// conflict finds the first condition that did not hold; the reads are of the same moment.
func (tx *transaction) conflict(ops []db.Op, resp *clientv3.TxnResponse) error {
	for r, i := range tx.ofRead {
		var current db.Revision
		if kvs := resp.Responses[r].GetResponseRange().Kvs; len(kvs) > 0 {
			current = db.Revision(kvs[0].ModRevision)
		}
		if current != ops[i].If {
			return &db.ConflictError{Key: ops[i].Key, Want: ops[i].If, Current: current}
		}
	}
	return errors.New("etcd: a transaction failed whose conditions hold")
}

// explain turns etcd's errors into the contract's.
func (d *driver) explain(ctx context.Context, err error) error {
	if d.ctx.Err() != nil {
		return db.ErrClosed
	}
	if ctx.Err() != nil {
		return unavailable(ctx.Err(), d.shakes.reason())
	}
	switch {
	case errors.Is(err, rpctypes.ErrLeaseNotFound):
		return db.ErrLeaseGone
	case errors.Is(err, rpctypes.ErrNoSpace):
		return fmt.Errorf("%w: %w", db.ErrFull, err)
	case errors.Is(err, rpctypes.ErrRequestTooLarge):
		return fmt.Errorf("%w: %w", db.ErrTooLarge, err)
	case errors.Is(err, rpctypes.ErrTooManyOps):
		return fmt.Errorf("%w: %w", db.ErrBatchTooLarge, err)
	}
	switch status.Code(err) {
	case codes.InvalidArgument, codes.PermissionDenied, codes.Unauthenticated, codes.FailedPrecondition:
		return err
	}
	return unavailable(err, d.shakes.reason())
}

// unavailable wraps db.ErrUnavailable with what is known of why.
func unavailable(err, handshake error) error {
	if handshake != nil {
		return fmt.Errorf("%w: %w (%w)", db.ErrUnavailable, handshake, err)
	}
	return fmt.Errorf("%w: %w", db.ErrUnavailable, err)
}
