package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"
)

// The server, or the database, is killed again and again while clients create and delete. What was acknowledged is
// there, and so is what the chassis are told of it; what was deleted is gone in both; and nothing is in one that is not
// in the other.
func TestKilledWhileWriting(t *testing.T) {
	t.Parallel()
	for _, victim := range []string{"server", "database"} {
		t.Run(victim, func(t *testing.T) { killedWhileWriting(t, victim) })
	}
}

func killedWhileWriting(t *testing.T, name string) {
	c := newCloud(t)
	etcd := c.etcd()
	server := c.server()
	victim := map[string]*daemon{"server": server, "database": etcd}[name]
	network := c.network("blue")
	w := &writers{c: c, network: network, made: map[string]string{}, gone: map[string]string{}}
	ctx, cancel := context.WithCancel(t.Context())
	var work sync.WaitGroup
	t.Cleanup(func() { cancel(); work.Wait() })
	for range 3 {
		work.Go(func() { w.run(ctx) })
	}
	const kills = 4
	for range kills {
		w.await(25)
		victim.Kill()
		victim.start()
		c.waitAPI(server)
	}
	w.await(10)
	cancel()
	work.Wait()

	t.Logf("%d made and %d deleted for sure, %d answers lost, in %d kills", len(w.made), len(w.gone), w.lost, kills)
	for _, k := range []struct{ kind, logical string }{{"port", "ports"}, {"security_group_rule", "security-group-rules"}} {
		c.eventually("API and chassis have the same of "+k.kind, func() error {
			api, logical := map[string]bool{}, c.logical(k.logical)
			for _, o := range c.list(k.kind) {
				api[o.id()] = true
			}
			if !maps.Equal(api, logical) {
				return fmt.Errorf("the API shows %v, the chassis %v", only(api, logical), only(logical, api))
			}
			for id, kind := range w.made {
				if kind == k.kind && !api[id] {
					return fmt.Errorf("%s %s was acknowledged and is not there", kind, id)
				}
			}
			for id, kind := range w.gone {
				if kind == k.kind && api[id] {
					return fmt.Errorf("%s %s was deleted and is there", kind, id)
				}
			}
			return nil
		})
	}
}

func only(in, notIn map[string]bool) (list []string) {
	for id := range in {
		if !notIn[id] {
			list = append(list, id)
		}
	}
	slices.Sort(list)
	return list
}

// logical is what the database has for the chassis.
func (c *cloud) logical(kind string) map[string]bool {
	c.t.Helper()
	ctx, cancel := soon()
	defer cancel()
	out, err := c.Host.Run(ctx, program, "get", kind, "--db", "etcd://"+etcdURL, "-o", "json")
	if err != nil {
		c.t.Fatal(err)
	}
	var list []obj
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		c.t.Fatalf("%v: %s", err, out)
	}
	ids := map[string]bool{}
	for _, o := range list {
		ids[o.id()] = true
	}
	return ids
}

// writers create and delete, and know what was acknowledged.
type writers struct {
	c       *cloud
	network string

	mu         sync.Mutex
	made, gone map[string]string // id → kind
	done, lost int
}

func (w *writers) run(ctx context.Context) {
	for n := 0; ctx.Err() == nil; n++ {
		kind, fields := "port", obj{"network_id": w.network}
		if n%3 == 2 {
			group := w.create("security_group", obj{"name": "g"})
			if group == "" {
				continue
			}
			kind, fields = "security_group_rule", obj{"security_group_id": group, "direction": "ingress", "protocol": "tcp"}
		}
		if id := w.create(kind, fields); id != "" && n%4 == 3 {
			w.remove(kind, id)
		}
	}
}

func (w *writers) create(kind string, fields obj) string {
	status, answer, err := w.c.try(http.MethodPost, path(kind, ""), obj{kind: fields})
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done++
	if err != nil || status != http.StatusCreated {
		w.lost++
		return ""
	}
	id := obj(answer[kind].(map[string]any)).id()
	w.made[id] = kind
	return id
}

func (w *writers) remove(kind, id string) {
	w.mu.Lock()
	delete(w.made, id) // from now on it may be there or not
	w.mu.Unlock()
	status, _, err := w.c.try(http.MethodDelete, path(kind, id), nil)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done++
	if err != nil || status != http.StatusNoContent {
		w.lost++
		return
	}
	w.gone[id] = kind
}

// await waits until a number of further requests were acknowledged.
func (w *writers) await(n int) {
	w.c.t.Helper()
	acknowledged := func() int {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.done - w.lost
	}
	goal := acknowledged() + n
	eventually(w.c.t, 2*time.Minute, "requests are acknowledged", func() error {
		if now := acknowledged(); now < goal {
			return fmt.Errorf("%d of %d", now, goal)
		}
		return nil
	})
}
