package ovsdb_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/testkit/ovs"
	"github.com/dragonflow/dragonflow/internal/vswitch/ovsdb"
)

// peer is a server that misbehaves: serve gets each connection.
func peer(t *testing.T, serve func(net.Conn)) (endpoint string) {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "df-peer")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = nc.Close() }()
				serve(nc)
			}()
		}
	}()
	return "unix:" + path
}

// answer plays a server by a table of method → result, as JSON text.
func answer(nc net.Conn, results map[string]string, then ...string) {
	dec := json.NewDecoder(nc)
	for {
		var req struct {
			Method string          `json:"method"`
			ID     json.RawMessage `json:"id"`
		}
		if err := dec.Decode(&req); err != nil {
			return
		}
		result, ok := results[req.Method]
		if !ok {
			continue
		}
		if !strings.HasPrefix(result, `"result"`) && !strings.HasPrefix(result, `"error"`) {
			result = `"error":null,"result":` + result
		}
		if _, err := fmt.Fprintf(nc, `{"id":%s,%s}`, req.ID, result); err != nil {
			return
		}
		if strings.HasPrefix(req.Method, "monitor") && strings.HasPrefix(result, `"error":null`) {
			for _, text := range then {
				if _, err := io.WriteString(nc, text); err != nil {
					return
				}
			}
		}
	}
}

// say answers the first request with a text, and no other.
func say(text string) func(net.Conn) {
	return func(nc net.Conn) {
		if _, err := nc.Read(make([]byte, 4096)); err != nil {
			return
		}
		if _, err := io.WriteString(nc, text); err == nil {
			_, _ = io.Copy(io.Discard, nc)
		}
	}
}

const (
	goodSchema = `{"tables":{
		"Open_vSwitch":{"columns":{"external_ids":{"type":{"key":"string","value":"string","min":0,"max":"unlimited"}},
			"bridges":{"type":{"key":{"type":"uuid","refTable":"Bridge"},"min":0,"max":"unlimited"}}}},
		"Bridge":{"columns":{"name":{"type":"string"},"datapath_type":{"type":"string"}}},
		"Port":{"columns":{}},"Interface":{"columns":{"ofport":{"type":{"key":"integer","min":0,"max":1}}}},
		"Flow_Table":{"columns":{}},"Controller":{"columns":{}},"QoS":{"columns":{}},"Queue":{"columns":{}}}}`
	rootID    = "11111111-1111-1111-1111-111111111111"
	otherID   = "22222222-2222-2222-2222-222222222222"
	goodState = `[false,"00000000-0000-0000-0000-000000000000",{"Open_vSwitch":{"` + rootID +
		`":{"initial":{"external_ids":["map",[["a","1"]]]}}}}]`
)

func update3(u string) string {
	return `{"id":null,"method":"update3","params":["dragonflow","00000000-0000-0000-0000-000000000000",` + u + `]}`
}

// soon is a deadline that is meant to pass. The others are long, for machines
// that are busy.
const soon = 200 * time.Millisecond

// quick is a client's configuration that reconnects at once.
func quick(endpoint string) ovsdb.Config {
	return ovsdb.Config{
		Endpoint: endpoint, CallTimeout: ovs.Deadline, SyncTimeout: ovs.Deadline, Probe: ovs.Deadline,
		MinBackoff: time.Millisecond, MaxBackoff: 10 * time.Millisecond,
	}
}

// TestBadPeersAreLeft connects to servers that never get as far as a state.
func TestBadPeersAreLeft(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		serve func(net.Conn)
		want  string
		waits bool // the deadline has to pass
	}{
		"silent":       {func(nc net.Conn) { _, _ = io.Copy(io.Discard, nc) }, "no full state within", true},
		"deaf":         {func(net.Conn) { <-t.Context().Done() }, "no full state within", true},
		"hangs up":     {func(net.Conn) {}, "connection lost", false},
		"garbage":      {say("HTTP/1.1 400\r\n\r\n"), "invalid character", false},
		"binary":       {say(string(make([]byte, 4096))), "invalid character", false},
		"half a reply": {say(`{"id":1,"result":`), "no full state within", true},
		"deep":         {say(`{"id":` + strings.Repeat("[", 20000)), "exceeded max depth", false},
		"array":        {say(`[1,2]`), "cannot unmarshal", false},
		"others":       {say(`{"id":77,"result":1}{"id":"x","result":1}{}`), "no full state within", true},
		"large echo":   {say(`{"id":1,"method":"echo","params":["` + strings.Repeat("x", 5000) + `"]}`), "echo request of", false},
		"floods with updates": {func(nc net.Conn) {
			for {
				if _, err := io.WriteString(nc, update3(`{}`)); err != nil {
					return
				}
			}
		}, "no full state within", true},
		"asks and does not read": {func(nc net.Conn) {
			for {
				if _, err := io.WriteString(nc, `{"id":"e","method":"echo","params":["`+strings.Repeat("x", 4000)+`"]}`); err != nil {
					return
				}
			}
		}, "sync: get_schema", true}, // it "does not read", unless the deadline was faster
		"refuses":      {func(nc net.Conn) { answer(nc, map[string]string{"get_schema": `"error":"unknown database"`}) }, "unknown database", false},
		"other schema": {func(nc net.Conn) { answer(nc, map[string]string{"get_schema": `{"tables":{}}`}) }, "no table Open_vSwitch", false},
		"null schema":  {func(nc net.Conn) { answer(nc, map[string]string{"get_schema": `null`}) }, "no table", false},
		"changed type": {func(nc net.Conn) {
			answer(nc, map[string]string{"get_schema": strings.Replace(goodSchema, `"ofport":{"type":{"key":"integer","min":0,"max":1}}`,
				`"ofport":{"type":{"key":"integer","min":0,"max":"unlimited"}}`, 1)})
		}, "column ofport is of another type", false},
		"no monitor": {func(nc net.Conn) {
			answer(nc, map[string]string{"get_schema": goodSchema, "monitor_cond_since": `"error":"unknown method"`,
				"monitor_cond": `"error":"unknown method"`})
		}, "monitor_cond: refused", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := quick(peer(t, c.serve))
			if c.waits {
				cfg.SyncTimeout = soon
			}
			client := run(t, cfg)
			for range 3 { // again and again, and never for longer than the deadline
				ev := next(t, client)
				if ev.State != ovsdb.Disconnected || len(ev.Changes) > 0 || ev.Err == nil || !strings.Contains(ev.Err.Error(), c.want) {
					t.Fatalf("state %v, %d changes, %v; want %q", ev.State, len(ev.Changes), ev.Err, c.want)
				}
			}
		})
	}
}

// TestBadStatesAreRefused sends a good state and then an update that makes no sense.
func TestBadStatesAreRefused(t *testing.T) {
	t.Parallel()
	row := func(table, id, what string) string { return fmt.Sprintf(`{"%s":{"%s":%s}}`, table, id, what) }
	for name, u := range map[string]string{
		"null":               `null,1`,
		"number":             `5`,
		"unknown table":      row("Secrets", otherID, `{"insert":{}}`),
		"unknown column":     row("Bridge", otherID, `{"insert":{"statistics":1}}`),
		"no uuid":            row("Bridge", "x", `{"insert":{}}`),
		"wrong type":         row("Bridge", otherID, `{"insert":{"name":7}}`),
		"wrong map":          row("Open_vSwitch", rootID, `{"modify":{"external_ids":["map",[["a"]]]}}`),
		"map of sets":        row("Open_vSwitch", rootID, `{"modify":{"external_ids":["set",[]]}}`),
		"two at once":        row("Open_vSwitch", rootID, `{"modify":{},"delete":null}`),
		"nothing":            row("Open_vSwitch", rootID, `{}`),
		"unknown verb":       row("Open_vSwitch", rootID, `{"explode":{}}`),
		"insert of known":    row("Open_vSwitch", rootID, `{"insert":{}}`),
		"modify of unknown":  row("Bridge", otherID, `{"modify":{}}`),
		"delete of unknown":  row("Bridge", otherID, `{"delete":null}`),
		"two of one":         row("Interface", otherID, `{"insert":{"ofport":["set",[1,2]]}}`),
		"large integer":      row("Interface", otherID, `{"insert":{"ofport":99999999999999999999}}`),
		"fraction":           row("Interface", otherID, `{"insert":{"ofport":1.5}}`),
		"reference untagged": row("Open_vSwitch", rootID, `{"modify":{"bridges":"x"}}`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := run(t, quick(peer(t, func(nc net.Conn) {
				answer(nc, map[string]string{"get_schema": goodSchema, "monitor_cond_since": goodState},
					update3(row("Open_vSwitch", rootID, `{"modify":{"external_ids":["map",[["b","2"]]]}}`)), update3(u))
			})))
			db := ovsdb.NewDB()
			var last ovsdb.Event
			for last.Err == nil {
				last = next(t, client)
				db.Apply(last.Changes)
			}
			if got := db.OpenvSwitch().ExternalIDs; len(got) != 2 || !strings.Contains(last.Err.Error(), "update3") {
				t.Errorf("known: %v; %v", got, last.Err)
			}
		})
	}
}

// TestOldServerIsFollowed plays one without monitor_cond_since.
func TestOldServerIsFollowed(t *testing.T) {
	t.Parallel()
	state := `{"Open_vSwitch":{"` + rootID + `":{"initial":{"external_ids":["map",[["a","1"]]]}}}}`
	client := run(t, quick(peer(t, func(nc net.Conn) {
		answer(nc, map[string]string{"get_schema": goodSchema, "monitor_cond_since": `"error":"unknown method"`,
			"monitor_cond": state, "echo": `[]`},
			`{"id":null,"method":"locked","params":["x"]}`,
			`{"id":null,"method":"update2","params":["dragonflow",{"Open_vSwitch":{"`+rootID+`":{"modify":{"external_ids":["map",[["a","1"],["b","2"]]]}}}}]}`)
	})))
	db := ovsdb.NewDB()
	await(t, client, db, func(db *ovsdb.DB) bool {
		ids := db.OpenvSwitch().ExternalIDs
		return len(ids) == 1 && ids["b"] == "2"
	})
}

// TestResumedServer plays one that remembers where we were.
func TestResumedServer(t *testing.T) {
	t.Parallel()
	var connections atomic.Int32
	cfg := quick(peer(t, func(nc net.Conn) {
		state := `[true,"` + otherID + `",{"Open_vSwitch":{"` + rootID + `":{"modify":{"external_ids":["map",[["b","2"]]]}}}}]`
		if connections.Add(1) == 1 {
			state = strings.Replace(goodState, "00000000-0000-0000-0000-000000000000", otherID, 1)
		}
		answer(nc, map[string]string{"get_schema": goodSchema, "monitor_cond_since": state}) // no echo: given up soon
	}))
	cfg.Probe = time.Second // a slow first connection must get as far as its state
	client := run(t, cfg)
	db := ovsdb.NewDB()
	await(t, client, db, func(db *ovsdb.DB) bool { return len(db.OpenvSwitch().ExternalIDs) == 2 })
}

func TestSilenceIsProbed(t *testing.T) {
	t.Parallel()
	for name, echo := range map[string]string{"dead": "", "alive": "[]"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			results := map[string]string{"get_schema": goodSchema, "monitor_cond_since": goodState}
			if echo != "" {
				results["echo"] = echo
			}
			cfg := quick(peer(t, func(nc net.Conn) { answer(nc, results) }))
			cfg.Probe = time.Second
			if echo != "" {
				cfg.Probe = 2 * time.Second // that a busy machine may take for an answer
			}
			client := run(t, cfg)
			if ev := next(t, client); ev.State != ovsdb.InSync {
				t.Fatal(ev)
			}
			if echo == "" {
				if ev := next(t, client); ev.State != ovsdb.Disconnected || !strings.Contains(ev.Err.Error(), "no sign of life") {
					t.Errorf("%v: %v", ev.State, ev.Err)
				}
				return
			}
			quiet := time.NewTimer(5 * cfg.Probe / 2)
			defer quiet.Stop()
			select {
			case ev := <-client.Events():
				t.Errorf("a living server was left: %v", ev.Err)
			case <-quiet.C:
			}
		})
	}
}

// TestTransactHasADeadline asks a server that answers everything but that.
func TestTransactHasADeadline(t *testing.T) {
	t.Parallel()
	results := map[string]string{"get_schema": goodSchema, "monitor_cond_since": goodState, "echo": "[]"}
	cfg := quick(peer(t, func(nc net.Conn) { answer(nc, results) }))
	cfg.CallTimeout = soon
	client := run(t, cfg)
	db := ovsdb.NewDB()
	await(t, client, db, func(*ovsdb.DB) bool { return true })
	txn := ovsdb.MergeExternalIDs(db.OpenvSwitch(), map[string]string{"k": "v"}, nil)
	if err := client.Transact(context.Background(), txn); !errors.Is(err, ovsdb.ErrUncertain) || !strings.Contains(err.Error(), "no reply within") {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := client.Transact(ctx, txn); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestBadTransactReplies(t *testing.T) {
	t.Parallel()
	for result, want := range map[string]error{
		`null`: ovsdb.ErrUncertain, `7`: ovsdb.ErrUncertain, `[]`: ovsdb.ErrUncertain, `[{}]`: ovsdb.ErrUncertain, `[1,2]`: ovsdb.ErrUncertain,
		`[{"error":"timed out"},null]`: ovsdb.ErrChanged,
	} {
		t.Run(result, func(t *testing.T) {
			t.Parallel()
			results := map[string]string{"get_schema": goodSchema, "monitor_cond_since": goodState, "echo": "[]", "transact": result}
			client := run(t, quick(peer(t, func(nc net.Conn) { answer(nc, results) })))
			db := ovsdb.NewDB()
			await(t, client, db, func(*ovsdb.DB) bool { return true })
			txn := ovsdb.MergeExternalIDs(db.OpenvSwitch(), map[string]string{"k": "v"}, nil)
			if err := client.Transact(context.Background(), txn); !errors.Is(err, want) {
				t.Errorf("got %v", err)
			}
		})
	}
}
