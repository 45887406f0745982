package dbtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

func testConditions(t *testing.T, d *Database) {
	c := connect(t, d)
	k, other := key("s", "a"), key("s", "b")
	c.absent(k)
	first := c.apply(db.Op{Verb: db.Put, Key: k, Value: []byte("1")})[0]
	if it := c.get(k); it.Revision != first || string(it.Value) != "1" || it.Key != k || it.Lease != 0 {
		t.Errorf("%+v, want revision %d", it, first)
	}
	second := c.apply(db.Op{Verb: db.Put, Key: k, If: first, Value: []byte("2")})[0]
	if first <= 0 || second <= first {
		t.Errorf("revisions %d, %d do not grow", first, second)
	}
	c.apply(db.Op{Verb: db.Check, Key: k, If: second}, db.Op{Verb: db.Check, Key: other})
	for name, ops := range map[string][]db.Op{
		"create over":      {{Verb: db.Put, Key: k, Value: []byte("x")}},
		"old revision":     {{Verb: db.Put, Key: k, If: first, Value: []byte("x")}},
		"future revision":  {{Verb: db.Put, Key: k, If: second + 1000, Value: []byte("x")}},
		"delete old":       {{Verb: db.Delete, Key: k, If: first}},
		"delete if absent": {{Verb: db.Delete, Key: k}},
		"check old":        {{Verb: db.Check, Key: k, If: first}},
		"check absent":     {{Verb: db.Check, Key: k}},
		"last of three": {{Verb: db.Put, Key: other, Value: []byte("x")},
			{Verb: db.Check, Key: key("s", "c")}, {Verb: db.Delete, Key: k, If: first}},
	} {
		_, err := c.Apply(c.ctx, ops)
		var conflict *db.ConflictError
		last := ops[len(ops)-1]
		want := db.ConflictError{Key: k, Want: last.If, Current: second}
		if !errors.As(err, &conflict) || *conflict != want {
			t.Errorf("%s: %v, want %v", name, err, &want)
		}
	}
	if d := cmp.Diff(map[string]string{"a": "2"}, c.list("s")); d != "" {
		t.Errorf("after conflicts: %s", d)
	}
	testDeletes(c, k, second)
}

func testDeletes(c *client, k db.Key, rev db.Revision) {
	gone := c.apply(db.Op{Verb: db.Delete, Key: k, If: rev})[0]
	if gone <= rev {
		c.t.Errorf("deleted at revision %d, written at %d", gone, rev)
	}
	c.absent(k)
	for _, cond := range []db.Revision{0, db.AnyRevision} {
		if got := c.apply(db.Op{Verb: db.Delete, Key: k, If: cond})[0]; got != 0 {
			c.t.Errorf("the delete of an absent key has revision %d", got)
		}
	}
	if again := c.apply(db.Op{Verb: db.Put, Key: k, Value: []byte("3")})[0]; again <= gone {
		c.t.Errorf("created again at revision %d, deleted at %d", again, gone)
	}
	if revs := c.apply(); len(revs) != 0 {
		c.t.Errorf("an empty batch gives %v", revs)
	}
}

func testBatchLimits(t *testing.T, d *Database) {
	c := connect(t, d)
	if c.Capabilities.AtomicOps < 1 || c.Capabilities.MaxValue < 256<<10 ||
		c.Capabilities.AtomicBytes < c.Capabilities.MaxValue+db.MaxKey || c.Name == "" {
		t.Fatalf("%s declares %+v", c.Name, c.Capabilities)
	}
	batch := func(n int, scope string) []db.Op {
		ops := make([]db.Op, n)
		for i := range ops {
			ops[i] = db.Op{Verb: db.Put, Key: key(scope, fmt.Sprint(i)), Value: []byte{byte(i)}}
		}
		return ops
	}
	n := c.Capabilities.AtomicOps
	if _, err := c.Apply(c.ctx, batch(n+1, "over")); !errors.Is(err, db.ErrBatchTooLarge) || len(c.list("over")) != 0 {
		t.Errorf("%d operations: %v, %d written", n+1, err, len(c.list("over")))
	}
	c.apply(batch(n, "full")...)
	if got := len(c.list("full")); got != n {
		t.Errorf("%d of %d written", got, n)
	}
	// The same number of failing conditions, and of deletes.
	if _, err := c.Apply(c.ctx, batch(n, "full")); !isConflict(err) {
		t.Errorf("creating again: %v", err)
	}
	for i, ops := 0, batch(n, "full"); i < n; i++ {
		ops[i] = db.Op{Verb: db.Delete, Key: ops[i].Key, If: db.AnyRevision}
		if i == n-1 {
			c.apply(ops...)
		}
	}
	testBatchBytes(c)
}

// testBatchBytes fills a batch to the last byte.
func testBatchBytes(c *client) {
	fill := func(extra int) []db.Op {
		var ops []db.Op
		left := c.Capabilities.AtomicBytes + extra
		for i := 0; left > 0; i++ {
			k := key("bytes", fmt.Sprintf("%02d", i))
			left -= len(k.Scope) + len(k.Kind) + len(k.ID)
			n := min(left, c.Capabilities.MaxValue)
			if left-n < 32 { // no room for one more key
				n = max(left-64, 0)
			}
			if left < 64 {
				n = left
			}
			ops = append(ops, db.Op{Verb: db.Put, Key: k, If: db.AnyRevision, Value: make([]byte, n)})
			left -= n
		}
		return ops
	}
	if _, err := c.Apply(c.ctx, fill(1)); !errors.Is(err, db.ErrBatchTooLarge) || len(c.list("bytes")) != 0 {
		c.t.Errorf("one byte too many: %v", err)
	}
	c.apply(fill(0)...)
}

func isConflict(err error) bool {
	var c *db.ConflictError
	return errors.As(err, &c)
}

func testBatchAtomic(t *testing.T, d *Database) {
	c := connect(t, d)
	if c.Capabilities.AtomicOps < 4 {
		return // declared: no batches
	}
	c.put(key("a", "old"), "x")
	revs := c.apply(db.Op{Verb: db.Put, Key: key("a", "1"), Value: []byte("1")},
		db.Op{Verb: db.Delete, Key: key("a", "old"), If: db.AnyRevision},
		db.Op{Verb: db.Put, Key: key("b/c", "2"), Value: []byte("2")},
		db.Op{Verb: db.Check, Key: key("b/c", "none")})
	if revs[0] != c.get(key("a", "1")).Revision || revs[2] != c.get(key("b/c", "2")).Revision || revs[1] < revs[0] || revs[3] != 0 {
		t.Errorf("revisions %v", revs)
	}
	// Readers see all of a batch or nothing of it, while one writer rewrites pairs.
	ctx, stop := context.WithCancel(c.ctx)
	var work sync.WaitGroup
	work.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			v := []byte(strconv.Itoa(i))
			_, _ = c.Apply(c.ctx, []db.Op{{Verb: db.Put, Key: key("pair", "l"), If: db.AnyRevision, Value: v},
				{Verb: db.Put, Key: key("pair", "r"), If: db.AnyRevision, Value: v}})
		}
	})
	for range 200 {
		if got := c.list("pair"); got["l"] != got["r"] {
			t.Errorf("half of a batch is seen: %v", got)
		}
	}
	stop()
	work.Wait()
}

func testValues(t *testing.T, d *Database) {
	c := connect(t, d)
	binary := make([]byte, 256)
	for i := range binary {
		binary[i] = byte(i)
	}
	for name, v := range map[string][]byte{
		"empty": {}, "binary": binary, "256KiB": bytes.Repeat([]byte{0xff}, 256<<10),
		"largest": bytes.Repeat([]byte("x"), c.Capabilities.MaxValue),
	} {
		k := key("v", name)
		c.apply(db.Op{Verb: db.Put, Key: k, Value: v})
		if got := c.get(k).Value; !bytes.Equal(got, v) {
			t.Errorf("%s: %d bytes came back as %d", name, len(v), len(got))
		}
	}
	k := key("v", "too large")
	_, err := c.Apply(c.ctx, []db.Op{{Verb: db.Put, Key: k, Value: make([]byte, c.Capabilities.MaxValue+1)}})
	if !errors.Is(err, db.ErrTooLarge) || !strings.Contains(err.Error(), k.String()) {
		t.Errorf("too large: %v", err)
	}
	c.absent(k)
	w := c.watch("v")
	w.inSync("large values")
	if len(w.view["largest"]) != c.Capabilities.MaxValue {
		t.Errorf("%d bytes are watched", len(w.view["largest"]))
	}
}

// hostile are keys that break who builds paths or patterns of them.
func hostile() []db.Key {
	parts := []string{"a", "/", "//", "a/b", "\x00", "a\x00b", "..", ".", "../..", "%", "%2F", "%00", ":", "a:b", " ", "é", "日本",
		"\xff\xfe", "\n\r\t", "*", "?[a-z]", "{x}", "}{", "$PATH", "'\"\\", "zz", strings.Repeat("k", 400), "~", "-", "_"}
	var out []db.Key
	for _, p := range parts {
		out = append(out, db.Key{Scope: "h", Kind: "K", ID: p}, db.Key{Scope: "h", Kind: p, ID: "i"})
		if !slices.Contains(strings.Split(p, "/"), "") {
			out = append(out, db.Key{Scope: db.Scope("h/" + p), Kind: "K", ID: "i"})
		}
	}
	return slices.CompactFunc(slices.SortedFunc(slices.Values(out), db.CompareKeys), func(a, b db.Key) bool { return a == b })
}

func testHostileKeys(t *testing.T, d *Database) {
	c := connect(t, d)
	keys := hostile()
	scopes := map[db.Scope][]db.Key{}
	for i, k := range keys {
		c.apply(db.Op{Verb: db.Put, Key: k, Value: []byte(fmt.Sprint(i))})
		scopes[k.Scope] = append(scopes[k.Scope], k)
	}
	for i, k := range keys {
		if it := c.get(k); it.Key != k || string(it.Value) != fmt.Sprint(i) {
			t.Errorf("%q holds %q, want %d", k, it.Value, i)
		}
	}
	for scope, want := range scopes {
		items, _, err := c.List(c.ctx, scope)
		if err != nil {
			t.Fatal(err)
		}
		var got []db.Key
		for _, it := range items {
			got = append(got, it.Key)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("list of %q (-want +got):\n%s", scope, d)
		}
	}
	w := c.watch("h")
	w.inSync("hostile keys")
	got, err := c.Scopes(c.ctx)
	if err != nil || len(got) != len(scopes) || !slices.IsSorted(got) {
		t.Errorf("%d scopes (%v), want %d", len(got), err, len(scopes))
	}
	for _, k := range keys {
		c.apply(db.Op{Verb: db.Delete, Key: k, If: db.AnyRevision})
	}
	w.equals("all deleted", map[string]string{})
	if got, err := c.Scopes(c.ctx); err != nil || len(got) != 0 {
		t.Errorf("scopes left: %q %v", got, err)
	}
}

func testInvalidKeys(t *testing.T, d *Database) {
	c := connect(t, d)
	for _, k := range []db.Key{{}, {Scope: "s", Kind: "k"}, {Scope: "s", ID: "i"}, {Kind: "k", ID: "i"},
		{Scope: "/s", Kind: "k", ID: "i"}, {Scope: "s/", Kind: "k", ID: "i"}, {Scope: "s//t", Kind: "k", ID: "i"},
		{Scope: "s", Kind: "k", ID: strings.Repeat("x", db.MaxKey)}} {
		if _, err := c.Apply(c.ctx, []db.Op{{Verb: db.Put, Key: k}}); !errors.Is(err, db.ErrInvalidKey) {
			t.Errorf("put %.20q: %v", k, err)
		}
		if _, err := c.Get(c.ctx, k); !errors.Is(err, db.ErrInvalidKey) {
			t.Errorf("get %.20q: %v", k, err)
		}
	}
	for _, s := range []db.Scope{"", "/", "a//b", "a/", db.Scope(strings.Repeat("x", db.MaxKey+1))} {
		if _, _, err := c.List(c.ctx, s); !errors.Is(err, db.ErrInvalidKey) {
			t.Errorf("list %.20q: %v", s, err)
		}
		if _, err := c.Watch(c.ctx, s); !errors.Is(err, db.ErrInvalidKey) {
			t.Errorf("watch %.20q: %v", s, err)
		}
	}
	twice := db.Op{Verb: db.Put, Key: key("s", "a"), If: db.AnyRevision}
	if _, err := c.Apply(c.ctx, []db.Op{twice, twice}); !errors.Is(err, db.ErrInvalidOp) {
		t.Errorf("a key twice: %v", err)
	}
}

func testOrder(t *testing.T, d *Database) {
	c := connect(t, d)
	for _, kind := range []string{"b", "a", "a/", "a-", "A"} {
		for _, id := range []string{"2", "10", "1", "1/", "%", "z", "\xff"} {
			c.put(db.Key{Scope: "o", Kind: kind, ID: id}, "")
		}
	}
	items, _, err := c.List(c.ctx, "o")
	if err != nil || len(items) != 35 {
		t.Fatalf("%d items: %v", len(items), err)
	}
	if !slices.IsSortedFunc(items, func(a, b db.Item) int { return db.CompareKeys(a.Key, b.Key) }) {
		t.Errorf("not in order: %v", items)
	}
}

// testConcurrent lets clients count with compare-and-set: every success must build on the one before.
func testConcurrent(t *testing.T, d *Database) {
	const clients, each = 6, 40
	k := key("count", "n")
	connect(t, d).put(k, "0")
	type step struct{ from, to int }
	steps := make(chan step, clients*each)
	var work sync.WaitGroup
	for range clients {
		c := connect(t, d)
		work.Go(func() {
			for done := 0; done < each; {
				it, err := c.Get(c.ctx, k)
				if err != nil {
					t.Error(err)
					return
				}
				n, _ := strconv.Atoi(string(it.Value))
				_, err = c.Apply(c.ctx, []db.Op{{Verb: db.Put, Key: k, If: it.Revision, Value: []byte(strconv.Itoa(n + 1))}})
				if err == nil {
					steps <- step{n, n + 1}
					done++
				} else if !isConflict(err) {
					t.Error(err)
					return
				}
			}
		})
	}
	work.Wait()
	close(steps)
	seen := map[int]bool{}
	for s := range steps {
		if seen[s.to] {
			t.Errorf("two clients both went from %d to %d", s.from, s.to)
		}
		seen[s.to] = true
	}
	if got := string(connect(t, d).get(k).Value); got != strconv.Itoa(clients*each) {
		t.Errorf("counted to %s, want %d", got, clients*each)
	}
}
