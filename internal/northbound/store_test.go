package northbound

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
	"github.com/dragonflow/dragonflow/internal/northbound/db/memory"
)

func newStore(t *testing.T) *Store {
	t.Helper()
	conn := memory.Open()
	t.Cleanup(func() { _ = conn.Close() })
	return NewStore(conn)
}

func network(rev int64, mtu int) *model.Network {
	return &model.Network{Meta: model.Meta{ID: "n1", Revision: rev}, MTU: mtu}
}

func (s *Store) mustPut(t *testing.T, objects ...model.Object) {
	t.Helper()
	txn := s.Txn()
	for _, o := range objects {
		txn.Put(o)
	}
	if _, err := txn.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (s *Store) mtu(t *testing.T) int {
	t.Helper()
	n, _, err := Get[model.Network](t.Context(), s, model.ScopeNetwork("n1"), "n1")
	if errors.Is(err, db.ErrNotFound) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	return n.MTU
}

// TestVersions goes through what may follow what.
func TestVersions(t *testing.T) {
	var outdated *OutdatedError
	var diverged *DivergedError
	var deleted *DeletedError
	key := KeyOf(network(0, 0))
	type change struct {
		do   func(*Txn)
		want any // an error type, or nil
		mtu  int // afterwards, 0 is absent
	}
	put := func(rev int64, mtu int) func(*Txn) { return func(t *Txn) { t.Put(network(rev, mtu)) } }
	del := func(rev int64) func(*Txn) { return func(t *Txn) { t.Delete(key, rev) } }
	for name, history := range map[string][]change{
		"newer overwrites":       {{put(1, 1000), nil, 1000}, {put(2, 1100), nil, 1100}},
		"lower never":            {{put(2, 1000), nil, 1000}, {put(1, 1100), &outdated, 1000}},
		"same is idempotent":     {{put(2, 1000), nil, 1000}, {put(2, 1000), nil, 1000}},
		"same with other digest": {{put(2, 1000), nil, 1000}, {put(2, 1100), &diverged, 1000}},
		"no resurrection":        {{put(2, 1000), nil, 1000}, {del(2), nil, 0}, {put(1, 1100), &deleted, 0}, {put(2, 1100), &deleted, 0}},
		"deleted then newer":     {{put(2, 1000), nil, 1000}, {del(2), nil, 0}, {put(3, 1100), nil, 1100}, {del(3), nil, 0}, {put(3, 1200), &deleted, 0}},
		"late delete":            {{put(3, 1000), nil, 1000}, {del(2), &outdated, 1000}},
		"delete before create":   {{del(5), nil, 0}, {put(4, 1000), &deleted, 0}, {put(6, 1100), nil, 1100}},
		"delete twice":           {{put(1, 1000), nil, 1000}, {del(4), nil, 0}, {del(2), nil, 0}, {put(3, 1000), &deleted, 0}},
		"delete any":             {{del(AnyObjectRevision), nil, 0}, {put(1, 1000), nil, 1000}, {del(AnyObjectRevision), nil, 0}, {put(1, 1000), &deleted, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			for i, c := range history {
				txn := s.Txn()
				c.do(txn)
				_, err := txn.Commit(t.Context())
				if (c.want == nil) != (err == nil) || c.want != nil && !errors.As(err, c.want) {
					t.Fatalf("step %d: error %v, want %T", i, err, c.want)
				}
				if got := s.mtu(t); got != c.mtu {
					t.Fatalf("step %d: MTU %d is stored, want %d", i, got, c.mtu)
				}
			}
		})
	}
}

func TestPutIf(t *testing.T) {
	s := newStore(t)
	revs, err := s.Txn().PutIf(network(1, 1000), 0).Commit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rev := revs[KeyOf(network(0, 0))]
	if _, err := s.Txn().PutIf(network(2, 1100), 0).Commit(t.Context()); !isConflict(err) {
		t.Errorf("create over an existing object: %v", err)
	}
	if _, err := s.Txn().PutIf(network(2, 1100), rev).Commit(t.Context()); err != nil {
		t.Errorf("update: %v", err)
	}
	if _, err := s.Txn().PutIf(network(3, 1200), rev).Commit(t.Context()); !isConflict(err) {
		t.Errorf("update at an old revision: %v", err)
	}
	if got := s.mtu(t); got != 1100 {
		t.Errorf("MTU %d", got)
	}
}

// TestTxnIsAtomic lets the last of three changes fail.
func TestTxnIsAtomic(t *testing.T) {
	s := newStore(t)
	s.mustPut(t, samplePort())
	older := samplePort()
	older.Revision, older.Name = 1, "late"
	_, err := s.Txn().Put(network(1, 1000)).
		Op(db.Op{Verb: db.Put, Key: db.Key{Scope: "own", Kind: "x", ID: "y"}, Value: []byte("z")}).
		Put(older).Commit(t.Context())
	if err == nil || s.mtu(t) != 0 {
		t.Errorf("error %v, MTU %d", err, s.mtu(t))
	}
}

// TestTxnLongerThanABatch writes and deletes 1,000 objects and sees the order.
func TestTxnLongerThanABatch(t *testing.T) {
	s := newStore(t)
	txn := s.Txn()
	for i := range 1000 {
		p := samplePort()
		p.ID = fmt.Sprint("p", i)
		txn.Put(p)
	}
	txn.Put(network(1, 1000))
	revs, err := txn.Commit(t.Context())
	if err != nil || len(revs) != 1001 {
		t.Fatalf("%d written: %v", len(revs), err)
	}
	nrev := revs[KeyOf(network(0, 0))]
	for k, r := range revs {
		if r < nrev {
			t.Fatalf("%s was written at %d, before its network at %d", k, r, nrev)
		}
	}
	txn = s.Txn().Delete(KeyOf(network(0, 0)), 1)
	for k := range revs {
		if k.Kind == "Port" {
			txn.Delete(k, 3)
		}
	}
	if _, err := txn.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	entries, _, err := s.List(t.Context(), model.ScopeNetworkPorts("n1"))
	if err != nil || len(entries) != 0 || s.mtu(t) != 0 {
		t.Fatalf("%d ports left, MTU %d: %v", len(entries), s.mtu(t), err)
	}
}

// TestConcurrentWriters lets eight writers race with versions and deletions of one object: the highest
// revision wins, whatever the order.
func TestConcurrentWriters(t *testing.T) {
	s := newStore(t)
	var work sync.WaitGroup
	for w := range 8 {
		work.Go(func() {
			for rev := int64(w + 1); rev <= 200; rev += 8 {
				txn := s.Txn().Put(network(rev, 1000+int(rev)))
				if rev%3 == 0 {
					txn = s.Txn().Delete(KeyOf(network(0, 0)), rev)
				}
				_, err := txn.Commit(t.Context())
				var outdated *OutdatedError
				var deleted *DeletedError
				if err != nil && !errors.As(err, &outdated) && !errors.As(err, &deleted) {
					t.Error(err)
				}
			}
		})
	}
	work.Wait()
	if got := s.mtu(t); got != 1200 {
		t.Errorf("MTU %d is stored, want that of revision 200", got)
	}
}

func TestSweepTombstones(t *testing.T) {
	s := newStore(t)
	now := time.Now()
	s.now = func() time.Time { return now }
	s.mustPut(t, network(1, 1000))
	if _, err := s.Txn().Delete(KeyOf(network(0, 0)), 1).Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		after time.Duration
		want  int
	}{{59 * time.Minute, 0}, {time.Hour, 1}, {2 * time.Hour, 0}} {
		s.now = func() time.Time { return now.Add(c.after) }
		if n, err := s.SweepTombstones(t.Context()); err != nil || n != c.want {
			t.Errorf("after %s: %d swept (%v), want %d", c.after, n, err, c.want)
		}
	}
	s.mustPut(t, network(1, 1000))
}

// TestListShowsWhatCannotBeRead: one bad row hides no other.
func TestListShowsWhatCannotBeRead(t *testing.T) {
	s := newStore(t)
	s.mustPut(t, network(1, 1000))
	bad := db.Key{Scope: "network/n1", Kind: "Subnet", ID: "s1"}
	if _, err := s.conn.Apply(t.Context(), []db.Op{{Verb: db.Put, Key: bad, Value: []byte("{")}}); err != nil {
		t.Fatal(err)
	}
	entries, _, err := s.List(t.Context(), "network/n1")
	if err != nil || len(entries) != 2 || len(Of[model.Network](entries)) != 1 || entries[1].Err == nil || entries[1].Key != bad {
		t.Errorf("%+v %v", entries, err)
	}
}

func TestRegister(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		database := memory.New()
		conn, link := database.Connect()
		watcher, _ := database.Connect()
		defer conn.Close()
		defer watcher.Close()
		log := slog.New(slog.DiscardHandler)
		link.Cut() // the database is away at first
		r, err := Register(t.Context(), NewStore(conn), model.Chassis{Meta: model.Meta{ID: "c1"}}, 10*time.Second, log)
		if err != nil {
			t.Fatal(err)
		}
		there := func() bool {
			synctest.Wait()
			_, _, err := Get[model.Heartbeat](context.Background(), NewStore(watcher), model.ScopeChassis("c1"), "c1")
			return err == nil
		}
		expect := func(what string, want bool) {
			t.Helper()
			if there() != want {
				t.Errorf("%s: chassis there is %t", what, !want)
			}
		}
		expect("database away", false)
		link.Restore()
		<-time.After(10 * time.Second) // of the bubble's clock
		expect("database back", true)
		<-time.After(time.Hour) // of the bubble's clock
		expect("an hour later", true)
		link.Cut()
		<-time.After(9 * time.Second / 3) // of the bubble's clock
		expect("a short outage", true)
		<-time.After(time.Minute) // of the bubble's clock
		expect("a long outage", false)
		link.Restore()
		<-time.After(10 * time.Second) // of the bubble's clock
		expect("after the outage", true)
		r.Close()
		expect("closed", false)
	})
}

func TestRaiseEpoch(t *testing.T) {
	s := newStore(t)
	s.now = func() time.Time { return time.UnixMicro(50) } // a clock that is wrong
	var got []int64
	for range 3 {
		n, err := s.RaiseEpoch(t.Context(), "test")
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, n)
	}
	if !slices.Equal(got, []int64{50, 51, 52}) {
		t.Errorf("epochs %v", got)
	}
}
