package api_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/neutron/api"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
	"github.com/dragonflow/dragonflow/internal/northbound/db/memory"
)

// faulty is a driver whose Apply can be held up or made to fail.
type faulty struct {
	db.Driver
	// apply replaces Apply, if set.
	apply atomic.Pointer[func(ctx context.Context, ops []db.Op) ([]db.Revision, error)]
	// gate holds up what watches deliver until it is closed, if set.
	gate atomic.Pointer[chan struct{}]
}

func (f *faulty) Watch(ctx context.Context, scope db.Scope) (<-chan []db.Event, error) {
	in, err := f.Driver.Watch(ctx, scope)
	out := make(chan []db.Event)
	go func() {
		defer close(out)
		for events := range in {
			if gate := f.gate.Load(); gate != nil {
				<-*gate
			}
			out <- events
		}
	}()
	return out, err
}

func (f *faulty) Apply(ctx context.Context, ops []db.Op) ([]db.Revision, error) {
	if h := f.apply.Load(); h != nil {
		return (*h)(ctx, ops)
	}
	return f.Driver.Apply(ctx, ops)
}

func (f *faulty) onApply(h func(ctx context.Context, ops []db.Op) ([]db.Revision, error)) {
	if h == nil {
		f.apply.Store(nil)
		return
	}
	f.apply.Store(&h)
}

func faultyConnection(store *memory.Store) (*db.Connection, *faulty, *memory.Link) {
	conn, link := store.Connect()
	f := &faulty{Driver: conn.Driver}
	conn.Driver = f
	return conn, f, link
}

func puts(ops []db.Op, kind string) bool {
	for _, op := range ops {
		if op.Verb == db.Put && op.Key.Kind == kind {
			return true
		}
	}
	return false
}

// A port is about to be written when another server deletes what it refers to: the port is refused.
func TestUseAfterDeletion(t *testing.T) {
	t.Parallel()
	for _, target := range []string{"networks", "subnets", "security-groups"} {
		t.Run(target, func(t *testing.T) {
			t.Parallel()
			store := memory.New()
			conn, f, _ := faultyConnection(store)
			slow := start(t, conn)
			other, _ := store.Connect()
			fast := start(t, other)
			n := fast.network(obj{})
			s := fast.subnet(n["id"], "10.3.0.0/24", nil)
			g := fast.must(201, "POST", "/v2.0/security-groups", obj{"security_group": obj{"name": "g"}})
			victim := map[string]any{"networks": n["id"], "subnets": s["id"], "security-groups": g["id"]}[target]

			f.onApply(func(ctx context.Context, ops []db.Op) ([]db.Revision, error) {
				if puts(ops, "neutron.port") {
					f.onApply(nil)
					fast.must(204, "DELETE", fmt.Sprintf("/v2.0/%s/%v", target, victim), nil)
				}
				return f.Driver.Apply(ctx, ops)
			})
			status, out := slow.do("POST", "/v2.0/ports", obj{"port": obj{"network_id": n["id"],
				"fixed_ips": []obj{{"subnet_id": s["id"]}}, "security_groups": []any{g["id"]}}})
			if status != 404 && status != 400 {
				t.Errorf("port on what is gone: %d %v", status, out)
			}
			if ports := fast.list("/v2.0/ports"); len(ports) != 0 {
				t.Errorf("ports: %v", ports)
			}
		})
	}
}

// A port is created wholly between the two phases of a deletion: it waits for the outcome, and is refused.
func TestUseDuringDeletion(t *testing.T) {
	t.Parallel()
	for path, kind := range map[string]string{
		"networks": "neutron.network", "subnets": "neutron.subnet", "security-groups": "neutron.security-group",
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			store := memory.New()
			conn, f, _ := faultyConnection(store)
			slow := start(t, conn)
			other, _ := store.Connect()
			fast := start(t, other)
			n := fast.network(obj{})
			s := fast.subnet(n["id"], "10.3.0.0/24", nil)
			g := fast.must(201, "POST", "/v2.0/security-groups", obj{"security_group": obj{"name": "g"}})
			victim := map[string]any{"networks": n["id"], "subnets": s["id"], "security-groups": g["id"]}[path]
			created := make(chan int, 1)
			f.onApply(func(ctx context.Context, ops []db.Op) ([]db.Revision, error) {
				if deletes(ops, kind) {
					go func() {
						status, _ := fast.do("POST", "/v2.0/ports", obj{"port": obj{"network_id": n["id"],
							"fixed_ips": []obj{{"subnet_id": s["id"]}}, "security_groups": []any{g["id"]}}})
						created <- status
					}()
					select {
					case status := <-created:
						created <- status
					case <-time.After(200 * time.Millisecond): // it waits, as it should
					}
				}
				return f.Driver.Apply(ctx, ops)
			})
			slow.must(204, "DELETE", fmt.Sprintf("/v2.0/%s/%v", path, victim), nil)
			if status := <-created; status != 400 && status != 404 {
				t.Errorf("port on what was being deleted: %d", status)
			}
			if ports := fast.list("/v2.0/ports"); len(ports) != 0 {
				t.Errorf("ports: %v", ports)
			}
		})
	}
}

func deletes(ops []db.Op, kind string) bool {
	for _, op := range ops {
		if op.Verb == db.Delete && op.Key.Kind == kind {
			return true
		}
	}
	return false
}

// A server that hears late of what others have written refuses nothing because of it.
func TestRefusalsAreNotOld(t *testing.T) {
	t.Parallel()
	store := memory.New()
	conn, f, _ := faultyConnection(store)
	late := start(t, conn)
	other, _ := store.Connect()
	c := start(t, other)
	n := late.network(obj{})
	used := late.network(obj{})
	p := late.port(used["id"], nil)

	gate := make(chan struct{})
	f.gate.Store(&gate)
	c.subnet(n["id"], "10.3.0.0/24", nil)
	c.must(204, "DELETE", "/v2.0/ports/"+id(p), nil)
	c.must(200, "PUT", "/v2.0/networks/"+id(n), obj{"network": obj{"name": "new"}})
	answers := make(chan string, 3)
	ask := func(method, path string, body any, header ...string) {
		go func() {
			status, out := late.do(method, path, body, header...)
			answers <- fmt.Sprint(status, " ", out["NeutronError"])
		}()
	}
	ask("POST", "/v2.0/ports", obj{"port": obj{"network_id": n["id"], "fixed_ips": []obj{{"ip_address": "10.3.0.9"}}}})
	ask("DELETE", "/v2.0/networks/"+id(used), nil)
	ask("PUT", "/v2.0/networks/"+id(n), obj{"network": obj{"name": "newer"}}, "If-Match", "revision_number=2")
	select {
	case a := <-answers:
		t.Errorf("answered without knowing: %s", a)
	case <-time.After(50 * time.Millisecond): // they wait, as they should
	}
	close(gate)
	for range 3 {
		if a := <-answers; a[0] != '2' {
			t.Error(a)
		}
	}
}

// A port that does not ask for the subnet that is being deleted is made, after the deletion.
func TestOtherUseDuringDeletion(t *testing.T) {
	t.Parallel()
	store := memory.New()
	conn, f, _ := faultyConnection(store)
	slow := start(t, conn)
	other, _ := store.Connect()
	fast := start(t, other)
	n := fast.network(obj{})
	s := fast.subnet(n["id"], "10.3.0.0/24", nil)
	fast.subnet(n["id"], "10.4.0.0/24", nil)
	created := make(chan obj, 1)
	f.onApply(func(ctx context.Context, ops []db.Op) ([]db.Revision, error) {
		if deletes(ops, "neutron.subnet") {
			go func() {
				_, out := fast.do("POST", "/v2.0/ports", obj{"port": obj{"network_id": n["id"]}})
				created <- out
			}()
			select {
			case out := <-created:
				created <- out
			case <-time.After(100 * time.Millisecond): // it waits, as it should
			}
		}
		return f.Driver.Apply(ctx, ops)
	})
	slow.must(204, "DELETE", "/v2.0/subnets/"+id(s), nil)
	out := <-created
	if p, ok := out["port"].(obj); !ok || addresses(p)[0] != "10.4.0.2" {
		t.Errorf("%v", out)
	}
}

// A server is killed after any number of writes of a deletion. Another one finishes the deletion or takes it back, and
// nothing is left that belongs to nothing.
func TestKilledInTheMiddle(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"networks", "subnets", "security-groups"} {
		for after := range 4 {
			for _, applied := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%d/%v", path, after, applied), func(t *testing.T) {
					t.Parallel()
					killedInTheMiddle(t, path, after, applied)
				})
			}
		}
	}
}

func killedInTheMiddle(t *testing.T, path string, after int, applied bool) {
	store := memory.New()
	conn, f, link := faultyConnection(store)
	victim := start(t, conn, func(o *api.Options) { o.RequestTimeout = 300 * time.Millisecond })
	n := victim.network(obj{})
	slaac := obj{"ip_version": 6, "ipv6_address_mode": "slaac", "ipv6_ra_mode": "slaac"}
	s := victim.subnet(n["id"], "2001:db8::/64", slaac)
	g := victim.must(201, "POST", "/v2.0/security-groups", obj{"security_group": obj{"name": "g"}})
	if path == "subnets" {
		victim.port(n["id"], nil)
		victim.port(n["id"], nil)
	}
	target := map[string]any{"networks": n["id"], "subnets": s["id"], "security-groups": g["id"]}[path]
	calls := 0
	f.onApply(func(ctx context.Context, ops []db.Op) ([]db.Revision, error) {
		calls++
		if calls <= after {
			return f.Driver.Apply(ctx, ops)
		}
		var err error
		if applied && calls == after+1 {
			_, err = f.Driver.Apply(ctx, ops)
		}
		link.Cut()
		return nil, errors.Join(db.ErrUnavailable, err)
	})
	status, out := victim.do("DELETE", fmt.Sprintf("/v2.0/%s/%v", path, target), nil)
	if status != 503 && status != 204 {
		t.Errorf("%d %v", status, out)
	}

	survivor, _ := store.Connect()
	later := func() time.Time { return time.Now().Add(time.Minute) }
	c := start(t, survivor, func(o *api.Options) { o.Clock = later })
	c.Server.FinishAbandoned(context.Background())
	if status, _ := c.do("DELETE", fmt.Sprintf("/v2.0/%s/%v", path, target), nil); status != 204 && status != 404 {
		t.Errorf("the retry is answered with %d", status)
	}
	for _, p := range c.list("/v2.0/ports") {
		c.must(204, "DELETE", "/v2.0/ports/"+id(p), nil)
	}
	if err := c.Server.Audit(context.Background()); err != nil || c.Server.Drift() != 0 {
		t.Errorf("audit: %v, %d differences", err, c.Server.Drift())
	}
	if path == "networks" || path == "subnets" {
		if r := reservations(t, survivor, n["id"]); len(r) != 0 {
			t.Errorf("reservations left: %v", r)
		}
	}
}

// A port's write is killed before or after it reached the database: the port is there as a whole or not at all.
func TestCreateIsAllOrNothing(t *testing.T) {
	t.Parallel()
	for _, applied := range []bool{false, true} {
		store := memory.New()
		conn, f, link := faultyConnection(store)
		victim := start(t, conn, func(o *api.Options) { o.RequestTimeout = 300 * time.Millisecond })
		n := victim.network(obj{})
		victim.subnet(n["id"], "10.0.0.0/24", nil)
		f.onApply(func(ctx context.Context, ops []db.Op) ([]db.Revision, error) {
			var err error
			if applied {
				_, err = f.Driver.Apply(ctx, ops)
			}
			link.Cut()
			return nil, errors.Join(db.ErrUnavailable, err)
		})
		victim.refused(503, "ServiceUnavailable", "POST", "/v2.0/ports", obj{"port": obj{"network_id": n["id"]}})

		survivor, _ := store.Connect()
		c := start(t, survivor)
		if ports := c.list("/v2.0/ports"); (len(ports) == 1) != applied {
			t.Errorf("applied %v, ports %v", applied, ports)
		}
		if err := c.Server.Audit(context.Background()); err != nil || c.Server.Drift() != 0 {
			t.Errorf("audit: %v, %d differences", err, c.Server.Drift())
		}
	}
}

// The answer of a write is lost: the server finds out by itself what became of it.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	for _, applied := range []bool{false, true} {
		conn, f, _ := faultyConnection(memory.New())
		c := start(t, conn)
		n := c.network(obj{})
		c.subnet(n["id"], "10.0.0.0/24", nil)
		once := func(ctx context.Context, ops []db.Op) ([]db.Revision, error) {
			f.onApply(nil)
			var err error
			if applied {
				_, err = f.Driver.Apply(ctx, ops)
			}
			return nil, errors.Join(db.ErrUnavailable, err)
		}
		f.onApply(once)
		p := c.port(n["id"], nil)
		if ports := c.list("/v2.0/ports"); len(ports) != 1 {
			t.Errorf("applied %v: ports %v", applied, ports)
		}
		f.onApply(once)
		c.must(200, "PUT", "/v2.0/ports/"+id(p), obj{"port": obj{"name": "x"}})
		f.onApply(once)
		c.must(204, "DELETE", "/v2.0/ports/"+id(p), nil)
		if r := reservations(t, conn, n["id"]); len(r) != 0 {
			t.Errorf("reservations left: %v", r)
		}
	}
}

// The database is away: requests are answered 503 with a text, and served again when it is back.
func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	conn, link := memory.New().Connect()
	c := start(t, conn, func(o *api.Options) { o.RequestTimeout = 500 * time.Millisecond })
	n := c.network(obj{})
	link.Cut()
	c.refused(503, "ServiceUnavailable", "POST", "/v2.0/networks", obj{"network": obj{}})
	c.refused(503, "ServiceUnavailable", "GET", "/v2.0/networks", nil)
	c.refused(503, "ServiceUnavailable", "GET", "/v2.0/networks/"+id(n), nil)
	c.refused(503, "ServiceUnavailable", "DELETE", "/v2.0/networks/"+id(n), nil)
	if c.Server.Ready() {
		t.Error("ready without a database")
	}
	link.Restore()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := c.Server.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	c.must(204, "DELETE", "/v2.0/networks/"+id(n), nil)
	if l := c.list("/v2.0/networks"); len(l) != 0 {
		t.Errorf("networks: %v", l)
	}
}

// A server that starts without a database answers 503, and serves when there is one.
func TestDatabaseAwayAtStart(t *testing.T) {
	t.Parallel()
	store := memory.New()
	conn, link := store.Connect()
	link.Cut()
	s, err := api.New(api.Options{DB: conn, RequestTimeout: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	web := httptest.NewServer(s.Handler())
	t.Cleanup(func() {
		web.Close()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	c := &client{t: t, base: web.URL, Server: s}
	c.refused(503, "ServiceUnavailable", "GET", "/v2.0/networks", nil)
	c.refused(503, "ServiceUnavailable", "POST", "/v2.0/networks", obj{"network": obj{}})
	c.must(200, "GET", "/", nil)
	link.Restore()
	eventually(t, s.Ready)
	c.network(obj{})
}
