package northbound

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
	"github.com/dragonflow/dragonflow/internal/northbound/db/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is a database with one subscriber on a link of its own; it lives in a synctest bubble, in which
// take waits until nothing moves any more.
type bench struct {
	t        *testing.T
	database *memory.Store
	store    *Store
	link     *memory.Link
	sub      *Subscriber
}

func withSubscriber(t *testing.T, held Held, f func(*bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{t: t, database: memory.New()}
		conn, _ := b.database.Connect()
		defer conn.Close()
		b.store = NewStore(conn)
		far, link := b.database.Connect()
		defer far.Close()
		b.link = link
		b.sub = NewSubscriber(t.Context(), far, held)
		defer b.sub.Close()
		f(b)
	})
}

// take renders what is ready, one line an event.
func (b *bench) take() []string {
	synctest.Wait()
	var out []string
	for _, e := range b.sub.Take() {
		line := e.Type.String() + " " + e.Scope
		if e.Key.ID != "" {
			line += " " + e.Key.Kind + "/" + e.Key.ID
		}
		if e.Object != nil {
			line += fmt.Sprint("@", e.Object.Metadata().Revision)
		}
		out = append(out, line)
	}
	return out
}

func (b *bench) expect(want ...string) {
	b.t.Helper()
	if d := cmp.Diff(want, b.take()); d != "" {
		b.t.Fatalf("events (-want +got):\n%s", d)
	}
}

func (b *bench) raw(key db.Key, value string) {
	b.t.Helper()
	if _, err := b.store.conn.Apply(b.t.Context(), []db.Op{{Verb: db.Put, Key: key, If: db.AnyRevision, Value: []byte(value)}}); err != nil {
		b.t.Fatal(err)
	}
}

func TestSubscriberFollows(t *testing.T) {
	withSubscriber(t, nil, func(b *bench) {
		b.store.mustPut(t, network(1, 1000))
		b.sub.Subscribe("network/n1")
		b.sub.Subscribe("network/n1")
		b.sub.Subscribe("network/n1/ports")
		got := b.take()
		slices.Sort(got)
		want := []string{"changed network/n1 Network/n1@1", "in-sync network/n1", "in-sync network/n1/ports"}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatal(d)
		}
		b.store.mustPut(t, network(2, 1100))
		b.store.mustPut(t, network(3, 1100))
		b.expect("changed network/n1 Network/n1@2", "changed network/n1 Network/n1@3")
		if _, err := b.store.Txn().Delete(KeyOf(network(0, 0)), 3).Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.expect("removed network/n1 Network/n1")
	})
}

func TestSubscriberOutage(t *testing.T) {
	withSubscriber(t, nil, func(b *bench) {
		b.store.mustPut(t, network(1, 1000))
		b.sub.Subscribe("network/n1")
		b.expect("changed network/n1 Network/n1@1", "in-sync network/n1")
		b.link.Cut()
		b.expect("stale network/n1")
		b.store.mustPut(t, network(2, 1000), &model.Subnet{Meta: model.Meta{ID: "s1", Revision: 1}, NetworkID: "n1"})
		b.expect()
		b.link.Restore()
		b.expect("changed network/n1 Network/n1@2", "invalid network/n1 Subnet/s1", "in-sync network/n1")
		b.link.Cut()
		b.store.mustPut(t, network(3, 1000))
		b.raw(db.Key{Scope: "network/n1", Kind: "Flux", ID: "f"}, "{}")
		if _, err := b.store.Txn().Delete(db.Key{Scope: "network/n1", Kind: "Subnet", ID: "s1"}, 1).Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.database.Compact() // the changes of the outage are lost
		b.expect("stale network/n1")
		b.link.Restore()
		b.expect("removed network/n1 Subnet/s1", "invalid network/n1 Flux/f", "changed network/n1 Network/n1@3", "in-sync network/n1")
	})
}

// TestSubscriberForgets: after Unsubscribe nothing of before comes, and a new subscription starts anew.
func TestSubscriberForgets(t *testing.T) {
	withSubscriber(t, nil, func(b *bench) {
		b.store.mustPut(t, network(1, 1000))
		b.sub.Subscribe("network/n1")
		synctest.Wait()
		b.sub.Unsubscribe("network/n1")
		b.sub.Unsubscribe("network/n1")
		b.expect()
		b.store.mustPut(t, network(2, 1000))
		b.expect()
		b.sub.Subscribe("network/n1")
		b.expect("changed network/n1 Network/n1@2", "in-sync network/n1")
	})
}

func TestSubscriberReportsBadObjects(t *testing.T) {
	withSubscriber(t, nil, func(b *bench) {
		b.sub.Subscribe("network/n1")
		b.sub.Subscribe("network//x")
		synctest.Wait()
		b.sub.Take()
		b.raw(db.Key{Scope: "network/n1", Kind: "Network", ID: "n1"}, `{"id":"n1","mtu":5}`)
		b.raw(db.Key{Scope: "network/n1", Kind: "Network", ID: "n2"}, `{"id":"n1"}`)
		b.raw(db.Key{Scope: "network/n1", Kind: "Subnet", ID: "\x00"}, "\xff")
		synctest.Wait()
		events := b.sub.Take()
		if len(events) != 3 {
			t.Fatalf("%d events", len(events))
		}
		for i, want := range []string{"mtu: must lie in", "value says that it is", "invalid character"} {
			if e := events[i]; e.Type != Invalid || !strings.Contains(e.Err.Error(), want) || e.Key.ID == "" {
				t.Errorf("event %d: %s %v, want %q", i, e.Type, e.Err, want)
			}
		}
	})
}

// TestSubscriberHeld starts from a snapshot: only the differences are reported.
func TestSubscriberHeld(t *testing.T) {
	same, _ := Encode(network(1, 1000))
	items := []HeldItem{
		{db.Item{Key: KeyOf(network(0, 0)), Value: same, Revision: 1}, 1},
		{db.Item{Key: db.Key{Scope: "network/n1", Kind: "Subnet", ID: "gone"}, Value: []byte("{}"), Revision: 1}, 0},
	}
	held := func(scope string) ([]HeldItem, db.Revision) {
		if scope == "network/n1" {
			return items, 1
		}
		return nil, 0
	}
	withSubscriber(t, held, func(b *bench) {
		b.store.mustPut(t, network(1, 1000))
		b.link.Cut()
		b.sub.Subscribe("network/n1")
		b.expect("stale network/n1")
		b.link.Restore()
		b.expect("removed network/n1 Subnet/gone", "in-sync network/n1")
		b.store.mustPut(t, network(2, 1000))
		b.expect("changed network/n1 Network/n1@2")
	})
}

// TestSubscriberFreezes restores an old backup under a running subscriber.
func TestSubscriberFreezes(t *testing.T) {
	withSubscriber(t, nil, func(b *bench) {
		b.store.mustPut(t, network(1, 1000))
		old := b.database.Save()
		b.store.mustPut(t, network(2, 1100), samplePort())
		for _, scope := range []string{"global", "network/n1", "network/n1/ports"} {
			b.sub.Subscribe(scope)
			b.take()
		}
		b.database.Rewind(old)
		got := b.take()
		slices.Sort(got)
		want := []string{"in-sync global", "went-back network/n1", "went-back network/n1/ports"}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatal(d)
		}
		b.store.mustPut(t, network(3, 1200)) // as the frozen view has not seen, but it stays frozen
		b.link.Cut()
		b.link.Restore()
		for _, line := range b.take() {
			if !strings.HasPrefix(line, "stale") && line != "in-sync global" {
				t.Errorf("while frozen: %s", line)
			}
		}
		if _, err := b.store.RaiseEpoch(t.Context(), "rebuilt"); err != nil {
			t.Fatal(err)
		}
		got = b.take()
		slices.Sort(got)
		want = []string{"changed global Epoch/epoch@" + fmt.Sprint(b.sub.epoch.Load()), "changed network/n1 Network/n1@3",
			"in-sync network/n1", "in-sync network/n1/ports", "removed network/n1/ports Port/p1"}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatal(d)
		}
		// The epoch was for that time only.
		b.database.Rewind(old)
		if got := b.take(); !slices.Contains(got, "went-back network/n1") {
			t.Errorf("the second time: %q", got)
		}
	})
}

// TestSubscriberUnfreezesWhenNewer lets the right database come back instead.
func TestSubscriberUnfreezesWhenNewer(t *testing.T) {
	withSubscriber(t, nil, func(b *bench) {
		b.store.mustPut(t, network(1, 1000))
		old := b.database.Save()
		b.store.mustPut(t, network(2, 1100))
		right := b.database.Save()
		b.sub.Subscribe("network/n1")
		b.expect("changed network/n1 Network/n1@2", "in-sync network/n1")
		b.database.Rewind(old)
		b.expect("went-back network/n1")
		b.database.Rewind(right)
		b.expect("in-sync network/n1")
	})
}

// TestSubscriberSeesLowerObjects: a backup restored under higher revisions of the database.
func TestSubscriberSeesLowerObjects(t *testing.T) {
	withSubscriber(t, nil, func(b *bench) {
		b.store.mustPut(t, network(7, 1000))
		b.sub.Subscribe("network/n1")
		b.expect("changed network/n1 Network/n1@7", "in-sync network/n1")
		b.link.Cut()
		older, _ := Encode(network(6, 900))
		b.raw(KeyOf(network(0, 0)), string(older))
		b.database.Compact()
		b.link.Restore()
		b.expect("stale network/n1", "went-back network/n1")
	})
}

// TestSubscriberManyScopes follows 2,000 scopes through an outage.
func TestSubscriberManyScopes(t *testing.T) {
	withSubscriber(t, nil, func(b *bench) {
		const n = 2000
		for i := range n {
			b.sub.Subscribe(model.ScopeNetwork(fmt.Sprint(i)))
		}
		if got := b.take(); len(got) != n {
			t.Fatalf("%d events", len(got))
		}
		b.link.Cut()
		b.store.mustPut(t, &model.Network{Meta: model.Meta{ID: "77"}})
		b.link.Restore()
		changed := 0
		for _, line := range b.take() {
			if strings.HasPrefix(line, "changed") {
				changed++
			}
		}
		if changed != 1 {
			t.Errorf("%d changes", changed)
		}
		for i := range n {
			b.sub.Unsubscribe(model.ScopeNetwork(fmt.Sprint(i)))
		}
	})
}

// TestSubscriberSlowConsumer writes far more than the backlog holds, and nothing is lost.
func TestSubscriberSlowConsumer(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 200,000 objects")
	}
	withSubscriber(t, nil, func(b *bench) {
		b.sub.Subscribe("network/n1")
		value, _ := Encode(network(1, 1000))
		for range 200_000 {
			b.raw(KeyOf(network(0, 0)), string(value))
		}
		last, _ := Encode(network(2, 1000))
		b.raw(KeyOf(network(0, 0)), string(last))
		seen := false
		for deadline := time.Now().Add(time.Minute); !seen && time.Now().Before(deadline); <-time.After(time.Second) { // of the bubble's clock
			batch := b.take()
			if len(batch) > 3*maxBacklog { // one backlog and one push on top
				t.Errorf("%d events waited", len(batch))
			}
			seen = slices.Contains(batch, "changed network/n1 Network/n1@2")
		}
		if !seen {
			t.Error("the last change did not come")
		}
	})
}
