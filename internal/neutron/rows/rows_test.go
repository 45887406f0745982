package rows_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/neutron/resource"
	"github.com/dragonflow/dragonflow/internal/neutron/rows"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
	"github.com/dragonflow/dragonflow/internal/northbound/db/memory"
)

type fixture struct {
	*rows.Store
	link     *memory.Link
	networks *resource.Type
}

func start(t *testing.T, m *memory.Store) *fixture {
	t.Helper()
	conn, link := m.Connect()
	f := &fixture{link: link, networks: resource.Networks()}
	f.Store = rows.New(conn, []*resource.Type{f.networks, resource.Ports()}, slog.New(slog.NewTextHandler(t.Output(), nil)),
		time.Now)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	if err := f.WaitLive(within(t)); err != nil {
		t.Fatal(err)
	}
	return f
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func (f *fixture) create(t *testing.T, id string) {
	t.Helper()
	err := f.Update(within(t), func(x *rows.Txn) error {
		x.Create(f.networks, &resource.Network{Common: resource.Common{ID: id, Name: id, Revision: 1}})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) remove(t *testing.T, id string) {
	t.Helper()
	err := f.Update(within(t), func(x *rows.Txn) error {
		if _, err := x.Get(f.networks, id); err != nil {
			return err
		}
		x.Delete(f.networks, id)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Own writes are seen at once, those of another server as soon as they are asked for.
func TestReadYourWritesAndOthers(t *testing.T) {
	t.Parallel()
	m := memory.New()
	a, b := start(t, m), start(t, m)
	for i := range 50 {
		id := fmt.Sprint(i)
		a.create(t, id)
		if _, ok := a.Cached(a.networks.Kind, id); !ok {
			t.Fatal("an own write is not in the cache")
		}
		if _, err := b.Get(within(t), b.networks.Kind, id); err != nil {
			t.Fatal(err)
		}
		a.remove(t, id)
		if _, ok := a.Cached(a.networks.Kind, id); ok || a.Count(a.networks.Kind, rows.ByName(id)) != 0 {
			t.Fatal("an own deletion is not in the cache")
		}
	}
}

// While a server is cut off others write and delete, and the history is lost: it lists again, forgets what is gone and
// keeps what is not.
func TestCacheAfterAnOutage(t *testing.T) {
	t.Parallel()
	for _, compact := range []bool{false, true} {
		m := memory.New()
		a, b := start(t, m), start(t, m)
		a.create(t, "stays")
		a.create(t, "goes")
		if _, err := b.Get(within(t), b.networks.Kind, "goes"); err != nil {
			t.Fatal(err)
		}
		b.link.Cut()
		a.remove(t, "goes")
		a.create(t, "comes")
		if compact {
			m.Compact()
		}
		b.link.Restore()
		if _, err := b.Get(within(t), b.networks.Kind, "comes"); err != nil {
			t.Fatal(err)
		}
		if err := b.WaitLive(within(t)); err != nil {
			t.Fatal(err)
		}
		got := fmt.Sprint(len(b.Select(b.networks.Kind, "")))
		_, stays := b.Cached(b.networks.Kind, "stays")
		if got != "2" || !stays {
			t.Errorf("compacted %v: %s rows, stays %v", compact, got, stays)
		}
	}
}

// One row that cannot be read harms no other.
func TestUnreadableRow(t *testing.T) {
	t.Parallel()
	m := memory.New()
	conn, _ := m.Connect()
	for id, value := range map[string]string{"bad": "{", "other": `{"id": "another"}`, "good": `{"id": "good"}`} {
		key := db.Key{Scope: rows.Scope, Kind: "neutron.network", ID: id}
		if _, err := conn.Apply(within(t), []db.Op{{Verb: db.Put, Key: key, Value: []byte(value)}}); err != nil {
			t.Fatal(err)
		}
	}
	key := db.Key{Scope: rows.Scope, Kind: "neutron.of-the-future", ID: "x"}
	if _, err := conn.Apply(within(t), []db.Op{{Verb: db.Put, Key: key, Value: []byte("?")}}); err != nil {
		t.Fatal(err)
	}
	f := start(t, m)
	if l := f.Select(f.networks.Kind, ""); len(l) != 1 || l[0].Base().ID != "good" {
		t.Errorf("%v", l)
	}
	if _, err := f.Get(within(t), f.networks.Kind, "bad"); err == nil {
		t.Error("an unreadable row was read")
	}
}

// A batch that is too large is refused before anything is written.
func TestTooLarge(t *testing.T) {
	t.Parallel()
	f := start(t, memory.New())
	err := f.Update(within(t), func(x *rows.Txn) error {
		for i := range 200 {
			x.Create(f.networks, &resource.Network{Common: resource.Common{ID: fmt.Sprint(i)}})
		}
		return nil
	})
	if err == nil || f.Count(f.networks.Kind, rows.ByName("")) != 0 {
		t.Errorf("%v", err)
	}
}
