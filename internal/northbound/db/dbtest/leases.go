package dbtest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// shortest is the shortest lease of the contract; slack, how much later than its end keys may go.
const (
	shortest = 2 * time.Second
	slack    = 5 * time.Second
)

func (c *client) lease(ttl time.Duration) db.Lease {
	c.t.Helper()
	l, err := c.Lease(c.ctx, ttl)
	if err != nil {
		c.t.Fatalf("lease: %v", err)
	}
	return l
}

func (c *client) putLeased(k db.Key, l db.Lease) {
	c.t.Helper()
	c.apply(db.Op{Verb: db.Put, Key: k, If: db.AnyRevision, Value: []byte("leased"), Lease: l.ID()})
}

func testLeaseLimits(t *testing.T, d *Database) {
	c := connect(t, d)
	for _, ttl := range []time.Duration{0, -time.Second, time.Second, 2500 * time.Millisecond} {
		if _, err := c.Lease(c.ctx, ttl); !errors.Is(err, db.ErrInvalidOp) {
			t.Errorf("ttl %s: %v", ttl, err)
		}
	}
	if _, err := c.Apply(c.ctx, []db.Op{{Verb: db.Put, Key: key("s", "a"), Lease: 12345}}); !errors.Is(err, db.ErrLeaseGone) {
		t.Errorf("a lease that never was: %v", err)
	}
	c.absent(key("s", "a"))
}

func testLeaseRevoked(t *testing.T, d *Database) {
	c := connect(t, d)
	w := c.watch("s")
	w.inSync("empty")
	l, other := c.lease(10*time.Second), c.lease(10*time.Second)
	if l.ID() == 0 || l.ID() == other.ID() {
		t.Errorf("lease ids %d, %d", l.ID(), other.ID())
	}
	c.putLeased(key("s", "a"), l)
	c.putLeased(key("s", "b"), l)
	c.putLeased(key("s/t", "c"), l)
	c.putLeased(key("s", "lasting"), l)
	c.putLeased(key("s", "moved"), l)
	c.putLeased(key("s", "deleted"), l)
	if it := c.get(key("s", "a")); it.Lease != l.ID() {
		t.Errorf("%+v, want lease %d", it, l.ID())
	}
	c.put(key("s", "lasting"), "now without")
	c.putLeased(key("s", "moved"), other)
	c.remove(key("s", "deleted"))
	c.put(key("s", "deleted"), "born again")
	if err := l.Close(c.ctx); err != nil {
		t.Fatal(err)
	}
	w.equals("revoked", map[string]string{"lasting": "now without", "moved": "leased", "deleted": "born again"})
	c.absent(key("s/t", "c"))
	select {
	case <-l.Done():
	case <-time.After(patience):
		t.Error("a revoked lease is not done")
	}
	if err := l.Close(c.ctx); err != nil {
		t.Errorf("closing twice: %v", err)
	}
	if _, err := c.Apply(c.ctx, []db.Op{{Verb: db.Put, Key: key("s", "x"), Lease: l.ID()}}); !errors.Is(err, db.ErrLeaseGone) {
		t.Errorf("put with a revoked lease: %v", err)
	}
	select {
	case <-other.Done():
		t.Error("the other lease ended too")
	default:
	}
}

// testLeaseExpires lets one client die and another live for longer than the lease.
func testLeaseExpires(t *testing.T, d *Database) {
	c, dying := connect(t, d), connect(t, d)
	w := c.watch("s")
	w.inSync("empty")
	alive := c.lease(shortest)
	c.putLeased(key("s", "alive"), alive)
	dying.putLeased(key("s", "dying"), dying.lease(shortest))
	w.until("both there", func() bool { return len(w.view) == 2 })
	start := time.Now()
	if err := dying.Close(); err != nil {
		t.Fatal(err)
	}
	w.equals("the dead one's key goes", map[string]string{"alive": "leased"})
	if took := time.Since(start); took > shortest+slack {
		t.Errorf("the key of a dead client went after %s", took)
	}
	select {
	case <-alive.Done():
		t.Error("a lease that is renewed ended")
	case <-time.After(2 * shortest):
	}
	if got := c.list("s"); len(got) != 1 {
		t.Errorf("left: %v", got)
	}
}

// testLeaseLost cuts the holder off for longer than the lease.
func testLeaseLost(t *testing.T, d *Database) {
	c := connect(t, d)
	conn, fault := d.OpenFaulty(t, prefixOf(t))
	holder := adopt(t, conn)
	w := c.watch("s")
	w.inSync("empty")
	l := holder.lease(shortest)
	holder.putLeased(key("s", "a"), l)
	w.until("there", func() bool { return len(w.view) == 1 })
	fault.Cut()
	w.equals("gone", map[string]string{})
	select {
	case <-l.Done():
	case <-time.After(patience):
		t.Fatal("the holder does not learn that its lease is lost")
	}
	ctx, cancel := context.WithTimeout(holder.ctx, time.Second)
	defer cancel()
	_ = l.Close(ctx)
	fault.Resume()
	var again db.Lease
	eventually(t, "a new lease", func() bool {
		var err error
		again, err = holder.Lease(holder.ctx, shortest)
		return err == nil
	})
	holder.putLeased(key("s", "a"), again)
	w.equals("back", map[string]string{"a": "leased"})
}
