package ovsdb

import (
	"context"
	"encoding/json"
	"net"
	"testing"
	"time"
)

const (
	idA = "11111111-1111-1111-1111-111111111111"
	idB = "22222222-2222-2222-2222-222222222222"
)

// FuzzUpdates gives the replica a state, then a change, and checks that what it
// tells is exactly what its own copy became.
func FuzzUpdates(f *testing.F) {
	for _, seed := range []string{
		`{"Bridge":{"` + idA + `":{"insert":{"name":"br","ports":["set",[["uuid","` + idB + `"]]],"flow_tables":["map",[[1,["uuid","` + idB + `"]]]]}}}}`,
		`{"Bridge":{"` + idA + `":{"modify":{"ports":["uuid","` + idB + `"],"external_ids":["map",[["a","b"]]]}}}}`,
		`{"Interface":{"` + idA + `":{"initial":{"ofport":["set",[]],"link_state":"up","name":"p\u00e9"}}}}`,
		`{"Port":{"` + idA + `":{"delete":null}},"Controller":{"` + idB + `":{"insert":{"is_connected":true}}}}`,
		`{"Open_vSwitch":null}`, `null`,
	} {
		f.Add([]byte(seed), []byte(seed))
		f.Add([]byte(`{}`), []byte(seed))
	}
	f.Fuzz(func(t *testing.T, state, change []byte) {
		var s, u updates
		if json.Unmarshal(state, &s) != nil || json.Unmarshal(change, &u) != nil {
			return
		}
		r := newReplica()
		consumer := NewDB()
		take := func(changes []Change, err error) {
			if err != nil && len(changes) > 0 {
				t.Fatalf("%d changes and %v", len(changes), err)
			}
			consumer.Apply(changes)
			for tab, rows := range r.db.rows {
				if len(rows) != len(consumer.rows[tab]) {
					t.Fatalf("%s: %d rows told, %d there", Table(tab), len(consumer.rows[tab]), len(rows))
				}
				for id, row := range rows {
					if consumer.rows[tab][id] != row {
						t.Fatalf("%s %s: told another row than is there", Table(tab), id)
					}
				}
			}
		}
		take(r.replace(s))
		take(r.update(u))
		take(r.replace(s))
	})
}

// FuzzPeer lets a server send any bytes; the client must neither crash nor hang.
func FuzzPeer(f *testing.F) {
	for _, seed := range []string{
		`{"id":1,"error":null,"result":{"tables":{"Open_vSwitch":{"columns":{}}}}}`, `{"id":"echo","method":"echo","params":[]}`,
		`{"id":null,"method":"update3","params":["dragonflow","x",{}]}`, `[]`, `{"id":1,"error":{"error":"x"}}`, "\x00",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		ours, theirs := net.Pipe()
		go func() { // the server: takes what comes, says its piece, hangs up
			_ = theirs.SetDeadline(time.Now().Add(10 * time.Second))
			_, _ = theirs.Read(make([]byte, 4096))
			_, _ = theirs.Write(b)
			_ = theirs.Close()
		}()
		cn := newConn(ours, time.Second)
		defer cn.wait()
		defer cn.close(context.Canceled)
		c, err := New(Config{Endpoint: "unix:/unused"})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if _, err := c.sync(ctx, cn); err == nil {
			t.Fatal("in sync with one write")
		} else if ctx.Err() != nil {
			t.Fatalf("hung: %v", err)
		}
	})
}

// FuzzTransactReply reads what a server answers to a transaction.
func FuzzTransactReply(f *testing.F) {
	for _, seed := range []string{`[{},{"count":1}]`, `[null,{"error":"x","details":null}]`, `{}`, `[{"error":5}]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		txn := MergeExternalIDs(&Bridge{UUID: idA, Name: "br"}, map[string]string{"k": "v"}, nil)
		if err := txn.outcome(b); err != nil && err.Error() == "" {
			t.Fatal("an error without a text")
		}
	})
}

func TestExclusive(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ a, b, want string }{
		{"", "", ""}, {"abc", "", "abc"}, {"", "abc", "abc"}, {"abc", "b", "ac"}, {"ac", "b", "abc"}, {"abc", "abc", ""}, {"ab", "bc", "ac"},
	} {
		if got := string(exclusive([]byte(c.a), []byte(c.b))); got != c.want {
			t.Errorf("%q, %q: %q, want %q", c.a, c.b, got, c.want)
		}
	}
}
