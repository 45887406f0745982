package api_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound"
)

// A guest that was heard at the target of its migration has its binding there activated, once, however many servers hear
// of it; what a chassis says of the port as it was before does not move it.
func TestBindingOfAGuestThatHasArrived(t *testing.T) {
	t.Parallel()
	conn, servers := cluster(t, 3)
	chassis(t, conn, "c1", "c2")
	c := servers[0]
	n := c.network(obj{})
	p := c.port(n["id"], obj{"device_owner": "compute:nova", "binding:host_id": "c1"})
	path := "/v2.0/ports/" + id(p)
	c.must(201, "POST", path+"/bindings", obj{"binding": obj{"host": "c2"}})
	heard := func(host string, realised int64) {
		t.Helper()
		status := &model.PortStatus{Meta: model.Meta{ID: id(p), Revision: time.Now().UnixNano()}, NetworkID: id(n), Host: host,
			Up: true, Activated: true, Realised: realised}
		if _, err := northbound.NewStore(conn).Txn().Put(status).Commit(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	host := func() any { return c.must(200, "GET", path, nil)["binding:host_id"] }
	heard("c2", 1) // before the binding was made
	heard("c2", 2)
	eventually(t, func() bool { return host() == "c2" })
	if diff := cmp.Diff([]string{"c1:INACTIVE", "c2:ACTIVE", "port:c2"}, placed(t, conn, p, "c1", "c2")); diff != "" {
		t.Error(diff)
	}
	c.refused(409, "PortBindingAlreadyActive", "PUT", path+"/bindings/c2/activate", nil) // which Nova takes for done
	heard("c1", 3)                                                                       // the migration was cancelled, and the guest is back
	eventually(t, func() bool { return host() == "c1" })
	heard("c2", 3) // late
	heard("c3", 4) // not bound there
	later := c.port(n["id"], obj{"binding:host_id": "c2"})
	up := &model.PortStatus{Meta: model.Meta{ID: id(later), Revision: 1}, NetworkID: id(n), Host: "c2", Up: true}
	if _, err := northbound.NewStore(conn).Txn().Put(up).Commit(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, s := range servers { // each has heard all that when it has heard this
		eventually(t, func() bool { return s.must(200, "GET", "/v2.0/ports/"+id(later), nil)["status"] == "ACTIVE" })
	}
	c.must(200, "PUT", path, obj{"port": obj{"name": "x"}})
	if host() != "c1" || c.must(200, "GET", path, nil)["revision_number"] != 5.0 {
		t.Errorf("%v", c.must(200, "GET", path, nil))
	}
}
