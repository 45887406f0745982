// Package dbtest is the conformance suite of the database contract (package db): what a driver may call
// itself a driver for. It runs against the real database, through connections that it cuts and stalls,
// over restarts and compactions.
package dbtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// Fault disturbs one connection's way to the database.
type Fault interface {
	// Cut breaks the connection and refuses new ones.
	Cut()
	// Stall lets nothing through without breaking the connection.
	Stall()
	// Resume undoes both.
	Resume()
}

// Database is the database under test. It may be shared by all tests of a Run: each uses prefixes of
// its own.
type Database struct {
	// Open connects to the part of the database under a prefix.
	Open func(t testing.TB, prefix string) *db.Connection
	// OpenFaulty connects through something that can be disturbed; nil if there is no such thing, as
	// within a process.
	OpenFaulty func(t testing.TB, prefix string) (*db.Connection, Fault)
	// OpenNowhere connects to where no database is; nil as above.
	OpenNowhere func(t testing.TB) *db.Connection
	// Compact makes the database forget what it could resume watches from; nil if it does not keep
	// such a thing.
	Compact func(t testing.TB)
	// Restart stops the database and starts it again, nil if it lives with the connection.
	Restart func(t testing.TB)
	// Slow is how long the driver may take to notice a stalled connection.
	Slow time.Duration
	// Quick leaves out what takes many seconds, for a second way to a database that was tested already.
	Quick bool
}

// Run runs the whole suite.
func Run(t *testing.T, d *Database) {
	t.Run("parallel", func(t *testing.T) {
		for name, test := range map[string]func(*testing.T, *Database){
			"conditions": testConditions, "batch limits": testBatchLimits, "batch is atomic": testBatchAtomic,
			"values": testValues, "hostile keys": testHostileKeys, "invalid keys": testInvalidKeys,
			"scopes are apart": testScopesApart, "order": testOrder, "many": testMany,
			"concurrent compare-and-set": testConcurrent, "watch": testWatch, "watch follows writers": testWatchWriters,
			"watch keeps batches": testWatchBatches, "slow consumer": testSlowConsumer, "end": testEnd,
			"lease revoked": testLeaseRevoked, "lease expires": testLeaseExpires, "lease limits": testLeaseLimits,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(t, d)
			})
		}
		if d.OpenFaulty != nil {
			runFaulty(t, d)
		}
	})
	if d.Restart != nil {
		t.Run("restart", func(t *testing.T) { testRestart(t, d) })
	}
}

func runFaulty(t *testing.T, d *Database) {
	for name, test := range map[string]func(*testing.T, *Database){
		"cut": testCut, "many cuts": testManyCuts, "stall": testStall, "nowhere": testNowhere,
		"compaction": testCompaction, "lease lost": testLeaseLost, "deleted in an outage": testOutageDelete,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, d)
		})
	}
}

// patience is how long a test waits for what must happen, on a machine with other work.
const patience = 60 * time.Second

// client is a connection with the shortcuts that the tests need.
type client struct {
	*db.Connection
	t   testing.TB
	ctx context.Context
}

func prefixOf(t testing.TB) string { return "/dbtest/" + fmt.Sprintf("%x", t.Name()) }

func connect(t *testing.T, d *Database) *client {
	t.Helper()
	return adopt(t, d.Open(t, prefixOf(t)))
}

func adopt(t testing.TB, c *db.Connection) *client {
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	ctx, cancel := context.WithTimeout(context.Background(), 3*patience)
	t.Cleanup(cancel)
	return &client{c, t, ctx}
}

func key(scope, id string) db.Key { return db.Key{Scope: db.Scope(scope), Kind: "Thing", ID: id} }

// apply must succeed.
func (c *client) apply(ops ...db.Op) []db.Revision {
	c.t.Helper()
	revs, err := c.Apply(c.ctx, ops)
	if err != nil {
		c.t.Fatalf("apply: %v", err)
	}
	return revs
}

func (c *client) put(k db.Key, value string) db.Revision {
	c.t.Helper()
	return c.apply(db.Op{Verb: db.Put, Key: k, If: db.AnyRevision, Value: []byte(value)})[0]
}

func (c *client) remove(k db.Key) db.Revision {
	c.t.Helper()
	return c.apply(db.Op{Verb: db.Delete, Key: k, If: db.AnyRevision})[0]
}

func (c *client) get(k db.Key) db.Item {
	c.t.Helper()
	it, err := c.Get(c.ctx, k)
	if err != nil {
		c.t.Fatalf("get: %v", err)
	}
	return it
}

func (c *client) absent(k db.Key) {
	c.t.Helper()
	if it, err := c.Get(c.ctx, k); !errors.Is(err, db.ErrNotFound) {
		c.t.Errorf("get %q: %v, %v, want ErrNotFound", k, it, err)
	}
}

// list returns the scope's values by id.
func (c *client) list(scope string) map[string]string {
	c.t.Helper()
	items, _, err := c.List(c.ctx, db.Scope(scope))
	if err != nil {
		c.t.Fatalf("list: %v", err)
	}
	if !slices.IsSortedFunc(items, func(a, b db.Item) int { return db.CompareKeys(a.Key, b.Key) }) {
		c.t.Errorf("the list of %q is not in order", scope)
	}
	out := map[string]string{}
	for _, it := range items {
		out[it.Key.ID] = string(it.Value)
	}
	if len(out) != len(items) {
		c.t.Errorf("the list of %q has duplicates", scope)
	}
	return out
}

// eventually waits for a condition.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: not within %s", what, patience)
		}
	}
}
