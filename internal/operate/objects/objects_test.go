package objects_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
	"github.com/dragonflow/dragonflow/internal/operate/objects"
)

func TestKindsAreUnderstoodAsPeopleWriteThem(t *testing.T) {
	for word, want := range map[string]string{
		"port": "port", "Ports": "port", "security-groups": "security-group", "SecurityGroup": "security-group",
		"security_group_rules": "security-group-rule", "chassis": "chassis", "port-statuses": "port-status",
	} {
		if k, err := objects.ParseKind(word); err != nil || k.Word != want {
			t.Errorf("%s: %q, %v", word, k.Word, err)
		}
	}
	if _, err := objects.ParseKind("subnt"); err == nil || !strings.Contains(err.Error(), "did you mean subnet?") {
		t.Errorf("subnt: %v", err)
	}
}

// kind finds a kind that the test knows.
func kind(t *testing.T, word string) objects.Kind {
	t.Helper()
	k, err := objects.ParseKind(word)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestObjectsOfTheDatabase(t *testing.T) {
	ctx := t.Context()
	conn, err := northbound.Open(ctx, "memory://", northbound.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	store := northbound.NewStore(conn)
	blue := &model.Network{Meta: model.Meta{ID: "n1", Revision: 1}, Name: "blue\x1b[2J", AdminStateUp: true, MTU: 1442}
	gone := &model.Network{Meta: model.Meta{ID: "n3", Revision: 1}, Name: "gone"}
	for _, o := range []model.Object{blue, gone, &model.Network{Meta: model.Meta{ID: "n2", Revision: 1}, Name: "amber"},
		&model.Binding{Meta: model.Meta{ID: "p1", Revision: 1}, NetworkID: "n1", Host: "c1", Status: model.BindingActive}} {
		if _, err := store.Txn().Put(o).Commit(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := store.Txn().Delete(northbound.KeyOf(gone), 2).Commit(ctx); err != nil {
		t.Fatal(err)
	}
	broken := db.Op{Verb: db.Put, Key: db.Key{Scope: "network/n4", Kind: "Network", ID: "n4"}, Value: []byte("{")}
	if _, err := conn.Apply(ctx, []db.Op{broken}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ kind, name, want string }{
		{"network", "", "ID  NAME      ADMIN_STATE_UP  MTU   ERROR\nn4  -         -               -     not readable: unexpected end of JSON input\n" +
			"n2  amber     false           0     -\nn1  blue\uFFFD[2J  true            1442  -\n"},
		{"network", "n2", "id              n2\nname            amber\nadmin_state_up  false\nmtu             0\nrevision        1\nschema          1\n"},
		{"binding", "", "ID  HOST  STATUS  NETWORK\np1  c1    ACTIVE  n1\n"},
		{"chassis", "", "no chassis\n"},
	} {
		list, err := objects.FromDatabase(ctx, store, kind(t, c.kind), c.name)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := objects.Write(&out, kind(t, c.kind), list, c.name != ""); err != nil || out.String() != c.want {
			t.Errorf("%s %s: %v\n%s\nwant\n%s", c.kind, c.name, err, out.String(), c.want)
		}
	}
}

func TestWhatTheAPISaysIsTold(t *testing.T) {
	answer := func(status int, body string) error {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-Auth-Token") != "secret" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}))
		defer server.Close()
		_, err := objects.API{URL: server.URL, Token: "secret"}.List(context.Background(), kind(t, "port"), "")
		return err
	}
	for body, want := range map[string]string{
		`{"NeutronError": {"message": "no such filter"}}`: "no such filter", "nonsense": "400 Bad Request",
	} {
		if err := answer(http.StatusBadRequest, body); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", body, err)
		}
	}
	if err := answer(http.StatusOK, `{"ports": [{"id": "p"}]}`); err != nil {
		t.Error(err)
	}
	if err := answer(http.StatusOK, `[]`); err == nil {
		t.Error("an answer that is none is taken")
	}
	if _, err := (objects.API{URL: "http://127.0.0.1:1"}).List(t.Context(), kind(t, "port"), ""); err == nil || !strings.Contains(err.Error(), "--db") {
		t.Errorf("nobody there: %v", err)
	}
	if _, err := (objects.API{}).List(t.Context(), kind(t, "binding"), ""); err == nil || !strings.Contains(err.Error(), "--db") {
		t.Errorf("binding: %v", err)
	}
}

func TestRoutesAreReadable(t *testing.T) {
	t.Parallel()
	kind, err := objects.ParseKind("router")
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	route := map[string]any{"destination": "1.0.0.0/8", "nexthop": "10.0.0.9"}
	if err := objects.Write(&out, kind, []objects.Object{{"id": "r", "routes": []any{route, route}}}, false); err != nil {
		t.Fatal(err)
	}
	if want := "1.0.0.0/8 via 10.0.0.9, 1.0.0.0/8 via 10.0.0.9"; !strings.Contains(out.String(), want) {
		t.Errorf("%q is not in\n%s", want, out.String())
	}
}
