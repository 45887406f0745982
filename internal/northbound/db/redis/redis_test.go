package redis

import (
	"fmt"
	"net"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/dragonflow/dragonflow/internal/northbound/db"
	"github.com/dragonflow/dragonflow/internal/northbound/db/dbtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is Debian's redis-server with its data in a private directory.
type server struct {
	*dbtest.Process
	dir, address string
}

func newServer(t testing.TB, args ...string) *server {
	t.Helper()
	s := &server{dir: t.TempDir(), address: dbtest.FreeAddress(t)}
	_, port, err := net.SplitHostPort(s.address)
	if err != nil {
		t.Fatal(err)
	}
	s.Process = dbtest.NewProcess(t, append([]string{dbtest.Binary(t, "redis-server"), "--bind", "127.0.0.1", "--port", port,
		"--dir", s.dir, "--save", ""}, args...)...)
	s.WaitFor(s.address)
	return s
}

func open(t testing.TB, cfg Config) *db.Connection {
	t.Helper()
	c, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestConformance(t *testing.T) {
	s := newServer(t, "--appendonly", "yes", "--appendfsync", "always", "--no-appendfsync-on-rewrite", "no")
	dbtest.Run(t, &dbtest.Database{
		Open: func(t testing.TB, prefix string) *db.Connection {
			return open(t, Config{Address: s.address, Prefix: prefix})
		},
		OpenFaulty: func(t testing.TB, prefix string) (*db.Connection, dbtest.Fault) {
			p := dbtest.NewProxy(t, s.address)
			return open(t, Config{Address: p.Address(), Prefix: prefix}), p
		},
		OpenNowhere: func(t testing.TB) *db.Connection {
			return open(t, Config{Address: dbtest.FreeAddress(t), Prefix: "/x"})
		},
		Restart: func(t testing.TB) {
			s.Kill()
			s.Start()
			s.WaitFor(s.address)
		},
		Slow: 2*silence + 5*time.Second,
	})
}

func TestDurability(t *testing.T) {
	for want, args := range map[db.Durability][]string{
		db.SingleFsync: {"--appendonly", "yes", "--appendfsync", "always"},
		db.Async:       {"--appendonly", "yes", "--appendfsync", "everysec"},
	} {
		s := newServer(t, args...)
		c := open(t, Config{Address: s.address})
		defer c.Close()
		if c.Capabilities.Durability != want {
			t.Errorf("%v: %s", args, c.Capabilities.Durability)
		}
	}
}

// put writes without a condition, and again while the server starts.
func put(t *testing.T, c *db.Connection, id, value string) db.Revision {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		revs, err := c.Apply(t.Context(), []db.Op{{Verb: db.Put, Key: db.Key{Scope: "s", Kind: "k", ID: id}, If: db.AnyRevision, Value: []byte(value)}})
		if err == nil {
			return revs[0]
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		<-time.After(50 * time.Millisecond)
	}
}

// until reads a watch until an event is there, and returns all of them.
func until(t *testing.T, events <-chan []db.Event, typ db.EventType, id string) []db.Event {
	t.Helper()
	var got []db.Event
	deadline := time.After(30 * time.Second)
	for {
		select {
		case batch := <-events:
			got = append(got, batch...)
			for _, ev := range batch {
				if ev.Type == typ && ev.Item.Key.ID == id {
					return got
				}
			}
		case <-deadline:
			t.Fatalf("no event %d of %q among %v", typ, id, got)
		}
	}
}

// TestDataLoss: a server without a file comes back empty. The watch starts again, revisions do not
// repeat, and an old one fits nothing.
func TestDataLoss(t *testing.T) {
	s := newServer(t)
	c := open(t, Config{Address: s.address})
	defer c.Close()
	events, err := c.Watch(t.Context(), "s")
	if err != nil {
		t.Fatal(err)
	}
	until(t, events, db.InSync, "")
	old := put(t, c, "a", "1")
	until(t, events, db.Changed, "a")
	s.Kill()
	s.Start()
	s.WaitFor(s.address)
	got := until(t, events, db.InSync, "")
	var types []db.EventType
	for _, ev := range got {
		types = append(types, ev.Type)
	}
	if !reflect.DeepEqual(types, []db.EventType{db.Stale, db.Restart, db.InSync}) {
		t.Errorf("events %v", types)
	}
	if rev := got[len(got)-1].Item.Revision; rev >= old {
		t.Errorf("in sync at revision %d, which is not before the lost %d", rev, old)
	}
	if rev := put(t, c, "a", "2"); rev <= old {
		t.Errorf("revision %d after the lost %d", rev, old)
	}
	until(t, events, db.Changed, "a")
}

// TestLostMessage: a change whose message nobody sent is found by the next that is sent, and by the
// audit.
func TestLostMessage(t *testing.T) {
	s := newServer(t)
	c := open(t, Config{Address: s.address})
	defer c.Close()
	d := c.Driver.(*driver)
	events, err := c.Watch(t.Context(), "s")
	if err != nil {
		t.Fatal(err)
	}
	put(t, c, "a", "1")
	until(t, events, db.Changed, "a")
	silently := func(id string) {
		rev := fmt.Sprint(time.Now().UnixMicro())
		for _, args := range [][]any{{"hset", "/{s}:m", "k/" + id, rev + " 0"}, {"hset", "/{s}:v", "k/" + id, "x"}, {"set", "/{s}:r", rev}} {
			if err := d.client.Do(t.Context(), args...).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	silently("b")
	put(t, c, "c", "3")
	until(t, events, db.InSync, "")
	silently("d")
	d.hub.audit(t.Context())
	d.hub.audit(t.Context())
	until(t, events, db.Changed, "d")
	if err := d.client.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	d.hub.audit(t.Context())
	if got := until(t, events, db.InSync, ""); len(got) < 2 || got[len(got)-2].Type != db.Restart {
		t.Errorf("after FLUSHALL: %v", got)
	}
}

// TestUnixSocket connects through a socket and with a password.
func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.sock")
	newServer(t, "--unixsocket", path, "--requirepass", "secret")
	c := open(t, Config{Address: "unix:" + path, Password: "secret", DB: 3})
	defer c.Close()
	put(t, c, "a", "1")
	bad := open(t, Config{Address: "unix:" + path, Password: "wrong"})
	defer bad.Close()
	if _, err := bad.Get(t.Context(), db.Key{Scope: "s", Kind: "k", ID: "a"}); err == nil {
		t.Error("a wrong password was taken")
	} else {
		t.Log(err)
	}
}

func FuzzMessage(f *testing.F) {
	f.Add("17 16\nP 3 5 9\nk/ahelloD 3\nk/b")
	f.Add("17 16\nP 3 5 9\nk/ahell")
	f.Fuzz(func(t *testing.T, payload string) {
		m, err := parseMessage("s", payload)
		if err != nil {
			return
		}
		if m.rev <= m.prev {
			t.Errorf("revision %d after %d", m.rev, m.prev)
		}
		for _, ev := range m.events {
			if ev.Item.Key.Scope != "s" || ev.Item.Key.ID == "" || ev.Item.Revision != m.rev {
				t.Errorf("%+v", ev)
			}
		}
	})
}

func FuzzAnswer(f *testing.F) {
	f.Add("ok", "5", "6")
	f.Add("conflict", "1", "7")
	f.Add("lease", "1", "")
	ops := []db.Op{{Verb: db.Put, Key: db.Key{Scope: "s", Kind: "k", ID: "a"}}, {Verb: db.Put, Key: db.Key{Scope: "s", Kind: "k", ID: "b"}}}
	f.Fuzz(func(t *testing.T, a, b, c string) {
		for _, answer := range [][]string{nil, {a}, {a, b}, {a, b, c}} {
			if revs, err := readAnswer(ops, answer); err == nil && len(revs) != len(ops) {
				t.Errorf("%q gives %v", answer, revs)
			}
		}
	})
}
