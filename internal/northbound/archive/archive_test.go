package archive

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

func open(t *testing.T, url string) *db.Connection {
	t.Helper()
	c, err := northbound.Open(t.Context(), url, northbound.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// fill writes networks with ports, deletions, values that are no JSON, and a chassis with a lease.
func fill(t *testing.T, c *db.Connection) {
	t.Helper()
	s := northbound.NewStore(c)
	txn := s.Txn()
	for n := range 3 {
		id := fmt.Sprint("n", n)
		txn.Put(&model.Network{Meta: model.Meta{ID: id, Revision: 3}, MTU: 1450})
		for p := range 60 {
			txn.Put(&model.Port{Meta: model.Meta{ID: fmt.Sprint(id, "p", p)}, NetworkID: id, Name: "<é&>",
				MACAddress: model.MAC{2, 0, 0, 0, byte(n), byte(p)},
				FixedIPs:   []model.FixedIP{{SubnetID: "s", IPAddress: netip.AddrFrom4([4]byte{10, byte(n), 0, byte(p)})}}})
		}
	}
	txn.Delete(db.Key{Scope: "network/n9", Kind: "Network", ID: "n9"}, 4)
	for i, v := range []string{"", "\xff\x00", `{"a": 1}`, `{"a":1}`, "null", `"\u00e9"`, "[1,2", strings.Repeat("x", 1<<20)} {
		txn.Op(db.Op{Verb: db.Put, Key: db.Key{Scope: "odd", Kind: "k\xff/\n", ID: fmt.Sprint(i)}, Value: []byte(v)})
	}
	if _, err := txn.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	lease, err := c.Lease(t.Context(), 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Txn().PutLeased(&model.Heartbeat{Meta: model.Meta{ID: "c1"}}, lease.ID()).Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// content returns all lasting values but the epoch.
func content(t *testing.T, c *db.Connection) map[string]string {
	t.Helper()
	scopes, err := c.Scopes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, s := range scopes {
		items, _, err := c.List(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		for _, it := range items {
			if it.Lease == 0 && it.Key.Kind != string(model.KindEpoch) {
				out[it.Key.Path()] = string(it.Value)
			}
		}
	}
	return out
}

func TestBackupAndRestore(t *testing.T) {
	for _, url := range []string{"memory://", "embedded://" + t.TempDir()} {
		t.Run(strings.SplitN(url, ":", 2)[0], func(t *testing.T) {
			c := open(t, url)
			fill(t, c)
			want := content(t, c)
			var file bytes.Buffer
			made, err := Backup(t.Context(), c, &file)
			if err != nil || made.Items != len(want) {
				t.Fatalf("%s: %v, want %d", made, err, len(want))
			}
			if info, err := Verify(bytes.NewReader(file.Bytes())); err != nil || info != made {
				t.Errorf("%+v %v, want %+v", info, err, made)
			}
			if _, err := Restore(t.Context(), c, bytes.NewReader(file.Bytes()), false); !errors.Is(err, ErrNotEmpty) {
				t.Errorf("restore over something: %v", err)
			}
			// Change, add and remove something, and go back.
			s := northbound.NewStore(c)
			if _, err := s.Txn().Put(&model.Network{Meta: model.Meta{ID: "n0", Revision: 4}, MTU: 9000}).
				Put(&model.Network{Meta: model.Meta{ID: "new"}}).
				Delete(db.Key{Scope: "network/n1", Kind: "Network", ID: "n1"}, 3).Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			if _, err := Restore(t.Context(), c, bytes.NewReader(file.Bytes()), true); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, content(t, c)); d != "" {
				t.Errorf("restored over a changed one (-want +got):\n%s", d)
			}
			// Wiped, and another database.
			fresh := open(t, "memory://")
			info, err := Restore(t.Context(), fresh, bytes.NewReader(file.Bytes()), false)
			if err != nil || info != made {
				t.Fatalf("%+v %v", info, err)
			}
			if d := cmp.Diff(want, content(t, fresh)); d != "" {
				t.Errorf("restored (-want +got):\n%s", d)
			}
			if e, _, err := northbound.Get[model.Epoch](t.Context(), northbound.NewStore(fresh), model.ScopeGlobal, model.EpochID); err != nil {
				t.Errorf("no epoch was raised: %v", err)
			} else if !strings.Contains(e.Reason, "restored") {
				t.Errorf("epoch %+v", e)
			}
		})
	}
}

// TestDamaged cuts a backup at every line and changes every byte: nothing of it is restored.
func TestDamaged(t *testing.T) {
	c := open(t, "memory://")
	txn := northbound.NewStore(c).Txn()
	for i := range 5 {
		txn.Put(&model.Network{Meta: model.Meta{ID: fmt.Sprint(i)}})
	}
	if _, err := txn.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if _, err := Backup(t.Context(), c, &file); err != nil {
		t.Fatal(err)
	}
	empty := open(t, "memory://")
	check := func(what string, b []byte) {
		t.Helper()
		if _, err := Restore(t.Context(), empty, bytes.NewReader(b), false); err == nil {
			t.Fatalf("%s was restored", what)
		}
		if got := content(t, empty); len(got) != 0 {
			t.Fatalf("%s was restored in part: %v", what, got)
		}
	}
	whole := file.Bytes()
	for i := range len(whole) - 1 {
		check(fmt.Sprint("a backup cut at ", i), whole[:i])
		changed := bytes.Clone(whole)
		changed[i] ^= 4
		check(fmt.Sprint("a backup changed at ", i), changed)
	}
	check("a backup with more", append(bytes.Clone(whole), "{}\n"...))
	check("two backups", append(bytes.Clone(whole), whole...))
	newer := bytes.Replace(whole, []byte(`"dragonflow_backup":1`), []byte(`"dragonflow_backup":2`), 1)
	if _, err := Verify(bytes.NewReader(newer)); err == nil || !strings.Contains(err.Error(), "version 2") {
		t.Errorf("a newer version: %v", err)
	}
}

func TestDump(t *testing.T) {
	c := open(t, "memory://")
	fill(t, c)
	var all, one bytes.Buffer
	if err := Dump(t.Context(), c, &all); err != nil {
		t.Fatal(err)
	}
	if err := Dump(t.Context(), c, &one, "network/n0"); err != nil {
		t.Fatal(err)
	}
	want := `{"scope":"network/n0","kind":"Network","id":"n0","db_revision":1,"value":{"id":"n0","revision":3,"schema":1,"admin_state_up":false,"mtu":1450}}` + "\n"
	if got := one.String(); got != want {
		t.Errorf("dump\n%s\nwant\n%s", got, want)
	}
	for _, s := range []string{want, `"kind":"Heartbeat","id":"c1"`, `"path":"odd:k%FF%2F%0A/1"`, `"bytes":"/wA="`, `"scope":"deleted/network/n9"`} {
		if !strings.Contains(all.String(), s) {
			t.Errorf("%s is not in the dump", s)
		}
	}
}

func FuzzVerify(f *testing.F) {
	f.Add([]byte(`{"dragonflow_backup":1,"created":"2026-11-22T15:00:00Z","schema":1,"database":"memory"}` + "\n" +
		`{"scope":"s","kind":"k","id":"i","db_revision":1,"value":{}}` + "\n" + `{"items":1,"sha256":"00"}` + "\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := read(bytes.NewReader(b), func(it db.Item) error { return it.Key.Check() }); err == nil {
			t.Log("a whole backup was made by chance")
		}
	})
}

// FuzzLine checks that any value comes back byte for byte.
func FuzzLine(f *testing.F) {
	f.Add("s", "k", "i", []byte(`{"a":1}`))
	f.Add("s\xff", "k", "i", []byte("\xff"))
	f.Fuzz(func(t *testing.T, scope, kind, id string, value []byte) {
		key := db.Key{Scope: db.Scope(scope), Kind: kind, ID: id}
		if key.Check() != nil {
			return
		}
		var b bytes.Buffer
		if err := writeLine(&b, header{Version: 1}); err != nil {
			t.Fatal(err)
		}
		if err := writeLine(&b, lineOf(db.Item{Key: key, Value: value, Revision: 5})); err != nil {
			t.Fatal(err)
		}
		n := 0
		_, err := read(&b, func(it db.Item) error {
			n++
			if it.Key != key || !bytes.Equal(it.Value, value) || it.Revision != 5 {
				t.Errorf("%+v came back as %+v", key, it)
			}
			return nil
		})
		if n != 1 {
			t.Errorf("%d values: %v", n, err)
		}
	})
}
