package dbtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

func faulty(t *testing.T, d *Database) (near, far *client, fault Fault) {
	t.Helper()
	conn, fault := d.OpenFaulty(t, prefixOf(t))
	return connect(t, d), adopt(t, conn), fault
}

func (r *replay) stale(what string) {
	r.t.Helper()
	r.until(what, func() bool { return !r.synced })
}

// testCut cuts the connection under a watch while others write.
func testCut(t *testing.T, d *Database) {
	near, far, fault := faulty(t, d)
	near.put(key("s", "a"), "1")
	near.put(key("s", "b"), "1")
	near.put(key("quiet", "q"), "1")
	w, quiet := far.watch("s"), far.watch("quiet")
	w.inSync("content")
	quiet.inSync("content")
	fault.Cut()
	w.stale("cut")
	quiet.stale("cut")
	ctx, cancel := context.WithTimeout(far.ctx, time.Second)
	defer cancel()
	if _, err := far.Get(ctx, key("s", "a")); !errors.Is(err, db.ErrUnavailable) {
		t.Errorf("get while cut: %v", err)
	}
	if _, err := far.Apply(ctx, []db.Op{{Verb: db.Put, Key: key("s", "x")}}); !errors.Is(err, db.ErrUnavailable) {
		t.Errorf("apply while cut: %v", err)
	}
	near.put(key("s", "a"), "2")
	near.remove(key("s", "b"))
	near.put(key("s", "c"), "2")
	fault.Resume()
	w.resumed("resumed", map[string]string{"a": "2", "c": "2"})
	quiet.resumed("resumed", map[string]string{"q": "1"})
	if w.counts[db.Stale] != 1 || quiet.counts[db.Stale] != 1 {
		t.Errorf("stale %d and %d times in one outage", w.counts[db.Stale], quiet.counts[db.Stale])
	}
	near.put(key("s", "d"), "3")
	w.equals("goes on", map[string]string{"a": "2", "c": "2", "d": "3"})
	if _, err := far.Get(far.ctx, key("s", "a")); err != nil {
		t.Errorf("get after the outage: %v", err)
	}
}

// testOutageDelete deletes, and creates and deletes, in an outage, in scopes that have nothing else to
// tell that something happened.
func testOutageDelete(t *testing.T, d *Database) {
	near, far, fault := faulty(t, d)
	near.put(key("gone", "a"), "1")
	near.put(key("kept", "a"), "1")
	near.put(key("again", "a"), "1")
	near.put(key("swap", "a"), "1")
	watches := map[string]*replay{}
	for _, s := range []string{"gone", "kept", "again", "swap"} {
		watches[s] = far.watch(s)
		watches[s].inSync("content")
	}
	fault.Cut()
	for _, w := range watches {
		w.stale("cut")
	}
	near.remove(key("gone", "a"))
	near.put(key("kept", "b"), "2")
	near.remove(key("kept", "b"))
	near.remove(key("again", "a"))
	near.put(key("again", "a"), "1")
	near.remove(key("swap", "a"))
	near.put(key("swap", "b"), "2")
	fault.Resume()
	watches["gone"].resumed("gone", map[string]string{})
	watches["kept"].resumed("kept", map[string]string{"a": "1"})
	watches["again"].resumed("again", map[string]string{"a": "1"})
	watches["swap"].resumed("swap", map[string]string{"b": "2"})
}

// testManyCuts cuts at random under writers that do not stop.
func testManyCuts(t *testing.T, d *Database) {
	near, far, fault := faulty(t, d)
	w := far.watch("s")
	w.inSync("empty")
	ctx, stop := context.WithCancel(near.ctx)
	var work sync.WaitGroup
	work.Go(func() {
		for r := rand.New(rand.NewPCG(2, 2)); ctx.Err() == nil; {
			scribble(near, "s", 10, r)
		}
	})
	for range 5 {
		fault.Cut()
		w.stale("cut")
		fault.Resume()
		w.inSync("resumed")
	}
	stop()
	work.Wait()
	w.equals("at the end", near.list("s"))
}

// testStall blocks the connection without breaking it: calls end with their context, and the watch
// says that it is stale.
func testStall(t *testing.T, d *Database) {
	near, far, fault := faulty(t, d)
	near.put(key("s", "a"), "1")
	w := far.watch("s")
	w.inSync("content")
	fault.Stall()
	ctx, cancel := context.WithTimeout(far.ctx, time.Second)
	defer cancel()
	start := time.Now()
	if _, err := far.Get(ctx, key("s", "a")); !errors.Is(err, db.ErrUnavailable) {
		t.Errorf("get while stalled: %v", err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("get with a second of time took %s", took)
	}
	near.put(key("s", "a"), "2")
	start = time.Now()
	w.stale("stalled")
	if took := time.Since(start); took > d.Slow {
		t.Errorf("the watch said after %s that it is stale, want %s", took, d.Slow)
	}
	near.put(key("s", "b"), "3")
	fault.Resume()
	w.resumed("resumed", map[string]string{"a": "2", "b": "3"})
}

// testNowhere opens a connection to nothing: Open succeeds, and everything says so.
func testNowhere(t *testing.T, d *Database) {
	if d.OpenNowhere == nil {
		return
	}
	c := adopt(t, d.OpenNowhere(t))
	w := c.watch("s")
	ctx, cancel := context.WithTimeout(c.ctx, time.Second)
	defer cancel()
	if _, _, err := c.List(ctx, "s"); !errors.Is(err, db.ErrUnavailable) {
		t.Errorf("list: %v", err)
	}
	if _, err := c.Lease(ctx, 5*time.Second); !errors.Is(err, db.ErrUnavailable) {
		t.Errorf("lease: %v", err)
	}
	if _, err := c.Scopes(ctx); !errors.Is(err, db.ErrUnavailable) {
		t.Errorf("scopes: %v", err)
	}
	w.until("stale", func() bool { return w.counts[db.Stale] == 1 })
}

// testCompaction makes the database forget what happened in an outage.
func testCompaction(t *testing.T, d *Database) {
	if d.Compact == nil {
		return
	}
	near, far, fault := faulty(t, d)
	for i := range 10 {
		near.put(key("s", fmt.Sprint(i)), "1")
	}
	w := far.watch("s")
	w.inSync("content")
	fault.Cut()
	w.stale("cut")
	want := map[string]string{}
	for i := range 10 {
		k := key("s", fmt.Sprint(i))
		if i%2 == 0 {
			near.remove(k)
			continue
		}
		near.put(k, "2")
		want[k.ID] = "2"
	}
	d.Compact(t)
	fault.Resume()
	w.resumed("resumed", want)
	if w.counts[db.Restart] != 1 {
		t.Errorf("restarted %d times", w.counts[db.Restart])
	}
	near.put(key("s", "x"), "3")
	want["x"] = "3"
	w.equals("goes on", want)
}

// testRestart stops and starts the database under a watch.
func testRestart(t *testing.T, d *Database) {
	c := connect(t, d)
	c.put(key("s", "a"), "1")
	w, other := c.watch("s"), c.watch("other")
	w.inSync("content")
	other.inSync("content")
	for round := range 2 {
		stales := w.counts[db.Stale]
		d.Restart(t)
		w.until("after the restart", func() bool { return w.synced && w.counts[db.Stale] > stales })
		value := fmt.Sprint("after ", round)
		eventually(t, "a write after the restart", func() bool {
			_, err := c.Apply(c.ctx, []db.Op{{Verb: db.Put, Key: key("s", "b"), If: db.AnyRevision, Value: []byte(value)}})
			return err == nil
		})
		want := map[string]string{"a": "1", "b": value}
		w.equals("after the restart", want)
		if got := c.list("s"); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("round %d: %v", round, got)
		}
		other.inSync("after the restart")
	}
}

// Failover checks what a database of several servers promises when another one takes over: what was
// acknowledged is there (unless it declares itself asynchronous), every count builds on the one before,
// and watches come right. takeOver ends the server in charge, as a crash would.
func Failover(t *testing.T, d *Database, takeOver func()) {
	c, writer := connect(t, d), connect(t, d)
	w := c.watch("s")
	w.inSync("empty")
	ctx, stop := context.WithCancel(c.ctx)
	var acknowledged []string
	var work sync.WaitGroup
	work.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			id := fmt.Sprint(i)
			call, cancel := context.WithTimeout(ctx, 5*time.Second)
			_, err := writer.Apply(call, []db.Op{{Verb: db.Put, Key: key("s", id), Value: []byte(id)}})
			cancel()
			if err == nil {
				acknowledged = append(acknowledged, id)
			} else if !errors.Is(err, db.ErrUnavailable) {
				t.Error(err)
			}
		}
	})
	w.until("some writes", func() bool { return len(w.view) >= 20 })
	takeOver()
	before := len(w.view)
	w.until("writes go on", func() bool { return len(w.view) >= before+100 })
	stop()
	work.Wait()
	there := c.list("s")
	w.equals("after the failover", there)
	for _, id := range acknowledged {
		if there[id] != id && c.Capabilities.Durability > db.Async {
			t.Errorf("the acknowledged write %s is lost", id)
		}
	}
	t.Logf("%s: %d writes acknowledged, %d there, events %v", c.Name, len(acknowledged), len(there), w.counts)
}
