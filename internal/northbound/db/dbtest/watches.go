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

func testScopesApart(t *testing.T, d *Database) {
	c := connect(t, d)
	scopes := []string{"network", "network/x", "network/x/ports", "network/x2", "network/x/portsz", "n"}
	watches := map[string]*replay{}
	for _, s := range scopes {
		c.put(key(s, "first"), s)
		watches[s] = c.watch(s)
		watches[s].inSync("first")
	}
	for _, s := range scopes {
		c.put(key(s, "second"), s)
	}
	for _, s := range scopes {
		want := map[string]string{"first": s, "second": s}
		watches[s].equals("second", want)
		if got := c.list(s); len(got) != 2 || got["first"] != s {
			t.Errorf("list of %q: %v", s, got)
		}
	}
	got, err := c.Scopes(c.ctx)
	if err != nil || len(got) != len(scopes) {
		t.Errorf("scopes %q %v", got, err)
	}
	other := adopt(t, d.Open(t, prefixOf(t)+"z")) // a prefix that begins like ours
	if got := other.list("network"); len(got) != 0 {
		t.Errorf("another prefix sees %v", got)
	}
	if got, err := other.Scopes(c.ctx); err != nil || len(got) != 0 {
		t.Errorf("another prefix sees scopes %q %v", got, err)
	}
}

func testWatch(t *testing.T, d *Database) {
	c := connect(t, d)
	w := c.watch("s")
	w.inSync("an empty scope")
	if w.counts[db.Changed] != 0 {
		t.Errorf("an empty scope has content: %v", w.view)
	}
	a, b := key("s", "a"), key("s", "b")
	var want []db.Event
	note := func(typ db.EventType, k db.Key, v string, rev db.Revision) {
		it := db.Item{Key: k, Revision: rev}
		if typ == db.Changed {
			it.Value = []byte(v)
		}
		want = append(want, db.Event{Type: typ, Item: it})
	}
	note(db.Changed, a, "1", c.put(a, "1"))
	note(db.Changed, b, "2", c.put(b, "2"))
	note(db.Changed, a, "1", c.put(a, "1")) // no change of content is a change too
	note(db.Removed, a, "", c.remove(a))
	c.remove(a) // nothing
	note(db.Changed, a, "", c.put(a, ""))
	w.slices = nil
	seen := w.counts[db.Changed] + w.counts[db.Removed] + len(want)
	w.until("five changes", func() bool { return w.counts[db.Changed]+w.counts[db.Removed] >= seen })
	var got []db.Event
	for _, s := range w.slices {
		got = append(got, s...)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("events\n%v, want\n%v", got, want)
	}
	late := c.watch("s")
	late.equals("a later watch", map[string]string{"a": "", "b": "2"})
}

// testWatchWriters lets three clients write at random while watches begin at any time.
func testWatchWriters(t *testing.T, d *Database) {
	c := connect(t, d)
	var work sync.WaitGroup
	for seed := range uint64(3) {
		writer := connect(t, d)
		work.Go(func() { scribble(writer, "s", 300, rand.New(rand.NewPCG(1, seed))) })
	}
	var watches []*replay
	for range 4 {
		w := c.watch("s")
		w.until("something", func() bool { return w.counts[db.InSync] > 0 })
		watches = append(watches, w)
	}
	work.Wait()
	want := c.list("s")
	for _, w := range watches {
		w.equals("all written", want)
		if w.counts[db.Restart]+w.counts[db.Stale] > 0 {
			t.Errorf("restarted or stale without an outage: %v", w.counts)
		}
	}
}

// scribble makes n random changes to twenty keys; errors other than conflicts end it.
func scribble(c *client, scope string, n int, r *rand.Rand) {
	for i := range n {
		op := db.Op{Verb: db.Put, Key: key(scope, fmt.Sprint(r.IntN(20))), If: db.AnyRevision, Value: fmt.Append(nil, i, r.Uint32())}
		if r.IntN(3) == 0 {
			op.Verb, op.Value = db.Delete, nil
		}
		if _, err := c.Apply(c.ctx, []db.Op{op}); err != nil {
			c.t.Error(err)
			return
		}
	}
}

func testWatchBatches(t *testing.T, d *Database) {
	c := connect(t, d)
	if c.Capabilities.AtomicOps == 1 {
		return // declared: no batches
	}
	w := c.watch("s")
	w.inSync("empty")
	w.slices = nil
	n := min(c.Capabilities.AtomicOps, 100)
	const batches = 20
	for range batches {
		ops := make([]db.Op, n)
		for i := range ops {
			scope := "s"
			if i%10 == 9 {
				scope = "elsewhere"
			}
			ops[i] = db.Op{Verb: db.Put, Key: key(scope, fmt.Sprint(n-i)), If: db.AnyRevision, Value: []byte("x")}
		}
		c.apply(ops...)
	}
	each := n - n/10
	w.until("all batches", func() bool { return w.counts[db.Changed] >= batches*each })
	for _, s := range w.slices {
		if len(s)%each != 0 {
			t.Errorf("a slice has %d events of batches of %d", len(s), each)
			continue
		}
		if s[0].Item.Key.ID != fmt.Sprint(n) || s[1].Item.Key.ID != fmt.Sprint(n-1) {
			t.Errorf("a batch begins with %s, %s", s[0].Item.Key.ID, s[1].Item.Key.ID)
		}
	}
}

// testMany fills a scope with 10,000 objects.
func testMany(t *testing.T, d *Database) {
	c := connect(t, d)
	const n = 10_000
	value := string(make([]byte, 400))
	early := c.watch("many")
	early.inSync("empty")
	for i := 0; i < n; {
		var ops []db.Op
		for ; i < n && len(ops) < c.Capabilities.AtomicOps; i++ {
			ops = append(ops, db.Op{Verb: db.Put, Key: key("many", fmt.Sprint(i)), Value: []byte(value)})
		}
		c.apply(ops...)
	}
	if got := len(c.list("many")); got != n {
		t.Errorf("%d listed", got)
	}
	start := time.Now()
	late := c.watch("many")
	late.inSync("ten thousand")
	t.Logf("%s: content of %d objects in %s", c.Name, n, time.Since(start))
	if len(late.view) != n {
		t.Errorf("%d watched", len(late.view))
	}
	early.until("ten thousand changes", func() bool { return len(early.view) == n })
}

// testSlowConsumer does not read for longer than any queue is; then everything must come right.
func testSlowConsumer(t *testing.T, d *Database) {
	if testing.Short() || d.Quick {
		return
	}
	c := connect(t, d)
	w := c.watch("s")
	w.inSync("empty")
	for round := 0; round < 70_000; round += c.Capabilities.AtomicOps {
		ops := make([]db.Op, c.Capabilities.AtomicOps)
		for i := range ops {
			ops[i] = db.Op{Verb: db.Put, Key: key("s", fmt.Sprint(i)), If: db.AnyRevision, Value: fmt.Append(nil, round)}
		}
		c.apply(ops...)
	}
	c.remove(key("s", "0"))
	w.equals("a slow consumer", c.list("s"))
	c.put(key("s", "last"), "x")
	w.equals("after that", c.list("s"))
}

// testEnd ends watches by their context and by Close, and calls by their context.
func testEnd(t *testing.T, d *Database) {
	c := connect(t, d)
	ctx, stop := context.WithCancel(c.ctx)
	w := c.watchUntil(ctx, "s")
	w.inSync("empty")
	stop()
	ended(t, "context", w.events)
	if _, err := c.Get(ctx, key("s", "a")); !errors.Is(err, db.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("get with an ended context: %v", err)
	}
	if _, err := c.Apply(ctx, []db.Op{{Verb: db.Put, Key: key("s", "a")}}); !errors.Is(err, db.ErrUnavailable) {
		t.Errorf("apply with an ended context: %v", err)
	}
	w = c.watch("s")
	w.inSync("empty")
	lease, err := c.Lease(c.ctx, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := c.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	ended(t, "close", w.events)
	_ = lease
	if _, err := c.Get(c.ctx, key("s", "a")); !errors.Is(err, db.ErrClosed) {
		t.Errorf("get after close: %v", err)
	}
	if _, _, err := c.List(c.ctx, "s"); !errors.Is(err, db.ErrClosed) {
		t.Errorf("list after close: %v", err)
	}
	if _, err := c.Apply(c.ctx, []db.Op{{Verb: db.Put, Key: key("s", "a")}}); !errors.Is(err, db.ErrClosed) {
		t.Errorf("apply after close: %v", err)
	}
	if _, err := c.Watch(c.ctx, "s"); !errors.Is(err, db.ErrClosed) {
		t.Errorf("watch after close: %v", err)
	}
	if _, err := c.Lease(c.ctx, 2*time.Second); !errors.Is(err, db.ErrClosed) {
		t.Errorf("lease after close: %v", err)
	}
}

// ended waits until a watch's channel is closed.
func ended(t *testing.T, why string, events <-chan []db.Event) {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case _, ok := <-events:
			if !ok {
				return
			}
		case <-deadline:
			t.Fatalf("%s: the watch goes on", why)
		}
	}
}
