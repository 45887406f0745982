package ovsdb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// Config says where the database is and how patient to be. Zero durations take
// the defaults named with each.
type Config struct {
	// Endpoint is unix:PATH, tcp:HOST[:PORT] or ssl:HOST[:PORT].
	Endpoint string
	// TLS is for ssl: only.
	TLS Files
	// CallTimeout bounds each request and each write, 10 s.
	CallTimeout time.Duration
	// SyncTimeout bounds connecting and the first full state, 60 s.
	SyncTimeout time.Duration
	// Probe is after how long a silence the server is asked for a sign of life;
	// without one in the same time again the connection is given up. 5 s.
	Probe time.Duration
	// MinBackoff and MaxBackoff bound the pause before the next attempt, which
	// doubles with each failure: 50 ms and 5 s.
	MinBackoff, MaxBackoff time.Duration
}

func (c Config) withDefaults() Config {
	for _, d := range []struct {
		value    *time.Duration
		standard time.Duration
	}{
		{&c.CallTimeout, 10 * time.Second}, {&c.SyncTimeout, time.Minute}, {&c.Probe, 5 * time.Second},
		{&c.MinBackoff, 50 * time.Millisecond}, {&c.MaxBackoff, 5 * time.Second},
	} {
		if *d.value <= 0 {
			*d.value = d.standard
		}
	}
	return c
}

// Client follows one database. See the package comment.
type Client struct {
	cfg      Config
	endpoint endpoint
	events   chan Event
	box      *mailbox

	// Owned by Run.
	replica *replica
	session int
	last    string // transaction id that the replica is at; "" if unknown

	mu   sync.Mutex // never held while anything waits
	conn *conn      // in sync; else nil
}

// ErrNotConnected says that nothing was sent, because the client was not in
// sync. There will be an event when it is.
var ErrNotConnected = errors.New("not connected to OVSDB")

// New prepares a client; Run makes it work.
func New(cfg Config) (*Client, error) {
	e, err := parseEndpoint(cfg.Endpoint, cfg.TLS)
	if err != nil {
		return nil, err
	}
	return &Client{
		cfg: cfg.withDefaults(), endpoint: e, events: make(chan Event), box: newMailbox(), replica: newReplica(),
	}, nil
}

// Events is where the one consumer hears what happens. It is closed when Run
// returns.
func (c *Client) Events() <-chan Event { return c.events }

// Run connects, follows, and reconnects until the context ends, whose error it
// returns. It is called once; Transact works only while it runs.
func (c *Client) Run(ctx context.Context) error {
	var tell sync.WaitGroup
	tell.Go(func() { c.box.deliver(ctx, c.events) })
	defer func() {
		tell.Wait()
		close(c.events)
	}()
	backoff := c.cfg.MinBackoff
	for {
		before := c.session
		err := c.follow(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		c.box.put(nil, Disconnected, c.session, fmt.Errorf("OVSDB %s: %w", c.cfg.Endpoint, err))
		if c.session != before { // it had worked
			backoff = c.cfg.MinBackoff
		}
		// Half of the pause is random: a hundred clients of one server spread out.
		pause := time.NewTimer(backoff/2 + rand.N(backoff/2+1))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return ctx.Err()
		}
		backoff = min(2*backoff, c.cfg.MaxBackoff)
	}
}

// follow is one connection from its beginning to its end, which is an error.
func (c *Client) follow(ctx context.Context) error {
	syncing, cancel := context.WithTimeoutCause(ctx, c.cfg.SyncTimeout,
		fmt.Errorf("no full state within %v", c.cfg.SyncTimeout))
	defer cancel()
	nc, err := c.endpoint.dial(syncing)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	cn := newConn(nc, c.cfg.CallTimeout)
	defer cn.wait()
	defer cn.close(context.Canceled)
	changes, err := c.sync(syncing, cn)
	if err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	cancel() // its time is not for what follows
	c.session++
	c.publish(cn) // before the event: its consumer may answer with a transaction at once
	defer c.publish(nil)
	c.box.put(changes, InSync, c.session, nil)
	return c.watch(ctx, cn)
}

func (c *Client) publish(cn *conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn = cn
}

// noTxn is the transaction id that no database is at.
const noTxn = "00000000-0000-0000-0000-000000000000"

// monitorID names our one monitor in the notifications of a connection.
const monitorID = "dragonflow"

// sync makes the replica what the database has, and starts the monitor.
func (c *Client) sync(ctx context.Context, cn *conn) ([]Change, error) {
	raw, _, err := cn.call(ctx, "get_schema", []any{database})
	if err != nil {
		return nil, err
	}
	var s schema
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, fmt.Errorf("get_schema: %w", err)
	}
	want, err := s.wanted(c.replica.readers)
	if err != nil {
		return nil, fmt.Errorf("get_schema: %w", err)
	}
	requests := map[string]any{}
	for table, columns := range want {
		requests[table] = []any{map[string]any{"columns": columns}}
	}
	return c.monitor(ctx, cn, requests)
}

func (c *Client) monitor(ctx context.Context, cn *conn, requests map[string]any) ([]Change, error) {
	last := c.last
	if last == "" {
		last = noTxn
	}
	c.last = "" // until the reply is taken over whole, the replica is at no known state
	raw, _, err := cn.call(ctx, "monitor_cond_since", []any{database, monitorID, requests, last})
	if refused := (*rpcError)(nil); errors.As(err, &refused) {
		return c.monitorCond(ctx, cn, requests)
	}
	if err != nil {
		return nil, err
	}
	var found bool
	var txn string
	var u updates
	if err := unmarshalArray(raw, &found, &txn, &u); err != nil {
		return nil, fmt.Errorf("monitor_cond_since: %w", err)
	}
	take := c.replica.replace
	if found {
		take = c.replica.update
	}
	changes, err := take(u)
	if err != nil {
		return nil, fmt.Errorf("monitor_cond_since: %w", err)
	}
	c.last = txn
	return changes, nil
}

// monitorCond is for servers before Open vSwitch 2.12.
func (c *Client) monitorCond(ctx context.Context, cn *conn, requests map[string]any) ([]Change, error) {
	raw, _, err := cn.call(ctx, "monitor_cond", []any{database, monitorID, requests})
	if err != nil {
		return nil, err
	}
	var u updates
	if err := json.Unmarshal(raw, &u); err != nil {
		return nil, fmt.Errorf("monitor_cond: %w", err)
	}
	changes, err := c.replica.replace(u)
	if err != nil {
		return nil, fmt.Errorf("monitor_cond: %w", err)
	}
	return changes, nil
}

// unmarshalArray reads a JSON array of exactly these elements.
func unmarshalArray(raw json.RawMessage, to ...any) error {
	var parts []json.RawMessage
	if err := json.Unmarshal(raw, &parts); err != nil {
		return err
	}
	if len(parts) != len(to) {
		return fmt.Errorf("array of %d elements instead of %d", len(parts), len(to))
	}
	for i, p := range parts {
		if err := json.Unmarshal(p, to[i]); err != nil {
			return err
		}
	}
	return nil
}

// watch takes over updates until the connection ends.
func (c *Client) watch(ctx context.Context, cn *conn) error {
	probe := time.NewTicker(c.cfg.Probe)
	defer probe.Stop()
	var asked question
	for {
		select {
		case m := <-cn.notify:
			changes, err := c.take(m)
			if err != nil {
				c.last = "" // the replica no longer is at a known state
				return err
			}
			if len(changes) > 0 {
				c.box.put(changes, InSync, c.session, nil)
			}
		case <-probe.C:
			if err := c.probe(ctx, cn, &asked); err != nil {
				return err
			}
		case <-cn.dead:
			return cn.err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// take takes one notification over; those of other kinds are not for us.
func (c *Client) take(m message) ([]Change, error) {
	var id, txn string
	var u updates
	var err error
	switch *m.Method {
	case "update3":
		err = unmarshalArray(m.Params, &id, &txn, &u)
	case "update2":
		err = unmarshalArray(m.Params, &id, &u)
	default:
		return nil, nil
	}
	if err == nil && id != monitorID {
		err = fmt.Errorf("for the monitor %s, which is not ours", short([]byte(id)))
	}
	var changes []Change
	if err == nil {
		changes, err = c.replica.update(u)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", *m.Method, err)
	}
	c.last = txn
	return changes, nil
}

// question is the last one for a sign of life.
type question struct {
	at time.Time // zero if none is open
	// sign is the last sign of life before it. Another one answers it, however the clock went meanwhile.
	sign int64
}

// probe asks a silent server for a sign of life, or says that it has given none
// since it was asked. The reply itself is not waited for: anything read will do.
func (c *Client) probe(ctx context.Context, cn *conn, open *question) error {
	sign, idle := cn.lastRead.Load(), cn.idle()
	if sign != open.sign {
		*open = question{}
	}
	switch {
	case idle < c.cfg.Probe || !open.at.IsZero() && time.Since(open.at) < c.cfg.Probe:
		return nil
	case !open.at.IsZero():
		return fmt.Errorf("no sign of life for %v", idle.Round(time.Millisecond))
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Probe)
	defer cancel()
	*open = question{at: time.Now(), sign: sign}
	_, forget, err := cn.begin(ctx, "echo", []any{})
	if err != nil {
		return err
	}
	forget()
	return nil
}
