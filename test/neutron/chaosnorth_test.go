//go:build neutron

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/neutron/api"
	"github.com/dragonflow/dragonflow/internal/neutron/intake"
	"github.com/dragonflow/dragonflow/internal/neutron/translate"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/northbound/archive"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
	"github.com/dragonflow/dragonflow/internal/northbound/db/memory"
)

// databaseDiffers compares the database with that of a server which knows the same chassis, and nothing but what Neutron
// shows now.
func (s *site) databaseDiffers(ctx context.Context, t *testing.T, neutron shown) ([]string, error) {
	real, err := s.copied(ctx)
	if err != nil {
		return nil, err
	}
	defer real.Close()
	have, err := topology(ctx, real)
	if err != nil {
		return nil, err
	}
	fresh := memory.Open()
	defer fresh.Close()
	want, err := pushedInto(ctx, t, fresh, have, neutron)
	if err != nil {
		return nil, err
	}
	return compare(want, have), nil
}

// copied is the database as it is now, in memory.
func (s *site) copied(ctx context.Context) (*db.Connection, error) {
	path := filepath.Join(s.Dir, "backup")
	if _, err := s.Ask(ctx, "db", "backup", path); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	conn := memory.Open()
	_, err = archive.Restore(ctx, conn, bytes.NewReader(text), false)
	return conn, err
}

// topology is all that chassis read, without what chassis tell of themselves.
func topology(ctx context.Context, conn *db.Connection) (map[db.Key]model.Object, error) {
	scopes, err := conn.Scopes(ctx)
	if err != nil {
		return nil, err
	}
	out := map[db.Key]model.Object{}
	for _, scope := range scopes {
		first, _, _ := strings.Cut(string(scope), "/")
		if !slices.Contains([]string{"global", "network", "router", "secgroup", "chassis"}, first) {
			continue
		}
		items, _, err := conn.List(ctx, scope)
		if err != nil {
			return nil, err
		}
		for _, it := range items {
			if out[it.Key], err = northbound.Decode(it.Key, it.Value); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// ofChassis tells whether an object is what a chassis tells of itself.
func ofChassis(o model.Object) bool {
	return slices.Contains([]model.Kind{
		model.KindChassis, model.KindHeartbeat, model.KindPortStatus, model.KindChassisStatus, model.KindAddressClaim, model.KindEpoch,
	}, o.Kind())
}

// pushedInto pushes what Neutron shows into an empty database with those chassis, and returns what it then holds.
func pushedInto(ctx context.Context, t *testing.T, conn *db.Connection, chassis map[db.Key]model.Object, neutron shown) (map[db.Key]model.Object, error) {
	txn := northbound.NewStore(conn).Txn()
	for _, o := range chassis {
		if o.Kind() == model.KindChassis || o.Kind() == model.KindHeartbeat {
			txn.Put(o)
		}
	}
	if _, err := txn.Commit(ctx); err != nil {
		return nil, err
	}
	server, err := api.New(api.Options{DB: conn, Neutron: true})
	if err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- server.Run(running) }()
	defer func() {
		stop()
		<-done
	}()
	if err := server.WaitReady(ctx); err != nil {
		return nil, err
	}
	handler := intake.New(intake.Options{Server: server}).Handler()
	var changes []any
	for _, kind := range kinds() {
		for id, o := range neutron[kind] {
			changes = append(changes, map[string]any{"kind": kind, "id": id, "revision": o["revision_number"], "object": o})
		}
	}
	for some := range slices.Chunk(changes, 200) {
		if err := push(handler, some); err != nil {
			return nil, err
		}
	}
	var out map[db.Key]model.Object
	// What was pushed is joined in a moment.
	for before := 0; ; before = len(out) {
		if out, err = topology(ctx, conn); err != nil || before == len(out) {
			return out, err
		}
		if err := server.Audit(ctx); err != nil {
			return nil, err
		}
	}
}

func push(handler http.Handler, changes []any) error {
	body, err := json.Marshal(map[string]any{"changes": changes})
	if err != nil {
		return err
	}
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/v1/push", bytes.NewReader(body)))
	var told struct {
		Results []struct{ Kind, ID, Outcome, Message string }
	}
	if err := json.Unmarshal(answer.Body.Bytes(), &told); err != nil || answer.Code != http.StatusOK {
		return fmt.Errorf("push: %d %s", answer.Code, answer.Body)
	}
	for _, r := range told.Results {
		if r.Outcome != "stored" {
			return fmt.Errorf("push of %s %s: %s %s", r.Kind, r.ID, r.Outcome, r.Message)
		}
	}
	return nil
}

// compare lists how a database differs from what it should hold.
func compare(want, have map[db.Key]model.Object) (out []string) {
	for key, o := range want {
		switch other := have[key]; {
		case ofChassis(o):
		case other == nil:
			out = append(out, fmt.Sprintf("%s is missing in the database", key))
		case !translate.SameStored(comparable(o), comparable(other)):
			out = append(out, fmt.Sprintf("%s is not as in Neutron: want %+v, have %+v", key, o, other))
		}
	}
	for key, o := range have {
		if want[key] == nil && !ofChassis(o) {
			out = append(out, fmt.Sprintf("%s is in the database and not in Neutron", key))
		}
	}
	slices.Sort(out)
	return out
}

// comparable is an object without what history decides: which of a router's chassis is its gateway first.
func comparable(o model.Object) model.Object {
	switch x := o.(type) {
	case *model.RouterGateway:
		c := *x
		c.Chassis = unordered(x.Chassis)
		return &c
	case *model.ExternalPort:
		c := *x
		c.Chassis = unordered(x.Chassis)
		return &c
	}
	return o
}

func unordered(chassis []model.GatewayChassis) []model.GatewayChassis {
	list := slices.Clone(chassis)
	for i := range list {
		list[i].Priority = 0
	}
	slices.SortFunc(list, func(a, b model.GatewayChassis) int { return strings.Compare(a.Name, b.Name) })
	return list
}
