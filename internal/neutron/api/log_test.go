package api_test

import (
	"fmt"
	"testing"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
	"github.com/dragonflow/dragonflow/internal/northbound/db/memory"
)

const logs = "/v2.0/log/logs"

func (c *client) log(attrs obj) obj {
	c.t.Helper()
	body := obj{"resource_type": "security_group"}
	for k, v := range attrs {
		body[k] = v
	}
	return c.must(201, "POST", logs, obj{"log": body})
}

func logOf(t *testing.T, conn *db.Connection, l obj) (*model.SecurityGroupLog, error) {
	t.Helper()
	m, _, err := northbound.Get[model.SecurityGroupLog](t.Context(), northbound.NewStore(conn), model.ScopeGlobal, id(l))
	return m, err
}

// What a log names cannot be changed; whether it is on can, and chassis are told.
func TestLogs(t *testing.T) {
	t.Parallel()
	conn := memory.Open()
	c := start(t, conn)
	n := c.network(obj{"name": "n"})
	group := c.must(201, "POST", "/v2.0/security-groups", obj{"security_group": obj{"name": "web"}})
	port := c.port(n["id"], obj{"security_groups": []any{group["id"]}})
	l := c.log(obj{"name": "l", "description": "d", "resource_id": group["id"], "target_id": port["id"], "event": "DROP"})
	path := logs + "/" + id(l)
	if l["enabled"] != true || l["event"] != "DROP" || l["resource_id"] != group["id"] || l["target_id"] != port["id"] || l["revision_number"] != 1.0 {
		t.Errorf("%v", l)
	}
	if m, err := logOf(t, conn, l); err != nil || !m.Enabled || m.Event != model.LogDrop || m.SecurityGroupID != id(group) || m.PortID != id(port) {
		t.Errorf("chassis are told %+v, %v", m, err)
	}
	if all := c.log(nil); all["event"] != "ALL" || all["resource_id"] != nil || all["target_id"] != nil {
		t.Errorf("%v", all)
	}
	if got := c.must(200, "PUT", path, obj{"log": obj{"name": "m", "enabled": false}}); got["enabled"] != false || got["revision_number"] != 2.0 {
		t.Errorf("%v", got)
	}
	if m, err := logOf(t, conn, l); err != nil || m.Enabled {
		t.Errorf("chassis are told %+v, %v", m, err)
	}
	for _, name := range []string{"resource_type", "resource_id", "target_id", "event"} {
		c.refused(400, "HTTPBadRequest", "PUT", path, obj{"log": obj{name: l[name]}})
	}
	if got := c.list(logs + "?name=m"); len(got) != 1 {
		t.Errorf("%v", got)
	}
	if got := c.list("/v2.0/log/loggable-resources"); len(got) != 1 || got[0]["type"] != "security_group" {
		t.Errorf("%v", got)
	}
	c.must(204, "DELETE", path, nil)
	c.refused(404, "LogResourceNotFound", "GET", path, nil)
	if _, err := logOf(t, conn, l); err == nil {
		t.Error("chassis still log")
	}
}

func TestLogsAreRefused(t *testing.T) {
	t.Parallel()
	c := open(t)
	n := c.network(obj{"name": "n"})
	group := c.must(201, "POST", "/v2.0/security-groups", obj{"security_group": obj{"name": "web"}})
	port := c.port(n["id"], obj{})
	missing := "00000000-0000-0000-0000-000000000001"
	for _, bad := range []struct {
		status int
		typ    string
		log    obj
	}{
		{400, "HTTPBadRequest", obj{"name": "of nothing"}},
		{400, "InvalidLogResourceType", obj{"resource_type": "fake_resource"}},
		{400, "HTTPBadRequest", obj{"resource_type": "security_group", "event": "REJECT"}},
		{400, "HTTPBadRequest", obj{"resource_type": "security_group", "resource_id": "web"}},
		{404, "ResourceNotFound", obj{"resource_type": "security_group", "resource_id": missing}},
		{404, "TargetResourceNotFound", obj{"resource_type": "security_group", "target_id": missing}},
		{400, "InvalidResourceConstraint", obj{"resource_type": "security_group", "resource_id": group["id"], "target_id": port["id"]}},
	} {
		c.refused(bad.status, bad.typ, "POST", logs, obj{"log": bad.log})
	}
	c.must(200, "PUT", "/v2.0/quotas/p", obj{"quota": obj{"log": 1}})
	c.log(obj{"project_id": "p"})
	c.refused(409, "OverQuota", "POST", logs, obj{"log": obj{"resource_type": "security_group", "project_id": "p"}})
}

// A log goes with its group and with its port, however many there are.
func TestLogsGoWithWhatTheyName(t *testing.T) {
	t.Parallel()
	conn := memory.Open()
	c := start(t, conn)
	n := c.network(obj{"name": "n"})
	group := c.must(201, "POST", "/v2.0/security-groups", obj{"security_group": obj{"name": "web"}})
	port := c.port(n["id"], obj{})
	ofGroup := c.log(obj{"resource_id": group["id"], "enabled": false})
	ofPort := c.log(obj{"target_id": port["id"]})
	for i := range 100 {
		c.log(obj{"target_id": port["id"], "name": fmt.Sprint(i)})
	}
	rest := c.log(nil)
	c.must(204, "DELETE", "/v2.0/security-groups/"+id(group), nil)
	c.refused(404, "LogResourceNotFound", "GET", logs+"/"+id(ofGroup), nil)
	c.must(204, "DELETE", "/v2.0/ports/"+id(port), nil)
	c.refused(404, "LogResourceNotFound", "GET", logs+"/"+id(ofPort), nil)
	for _, l := range []obj{ofGroup, ofPort} {
		if _, err := logOf(t, conn, l); err == nil {
			t.Errorf("chassis still log %v", l)
		}
	}
	if got := c.list(logs); len(got) != 1 || got[0]["id"] != rest["id"] {
		t.Errorf("%d are left", len(got))
	}
}

// The audit writes a log that was lost, and removes one that nobody asks for.
func TestLogsAreAudited(t *testing.T) {
	t.Parallel()
	conn := memory.Open()
	c := start(t, conn)
	l := c.log(obj{"name": "kept"})
	store := northbound.NewStore(conn)
	stray := &model.SecurityGroupLog{Meta: model.Meta{ID: "00000000-0000-0000-0000-000000000002", Revision: 1, ProjectID: "p"}, Event: model.LogAll}
	lost := northbound.KeyOf(&model.SecurityGroupLog{Meta: model.Meta{ID: id(l)}})
	if _, err := store.Txn().Put(stray).Delete(lost, northbound.AnyObjectRevision).Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Server.Audit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := logOf(t, conn, l); err != nil {
		t.Errorf("the lost log: %v", err)
	}
	if _, err := logOf(t, conn, obj{"id": stray.ID}); err == nil {
		t.Error("the stray log is there")
	}
}
