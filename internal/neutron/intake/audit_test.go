package intake_test

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	diff "github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/dragonflow/dragonflow/internal/neutron/intake"
	"github.com/dragonflow/dragonflow/internal/northbound/db/memory"
)

// clock is a time that the test sets.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// list is a page with these objects.
func list(kind string, objects ...obj) obj {
	versions := []obj{}
	for _, o := range objects {
		versions = append(versions, obj{"id": o["id"], "revision": o["revision_number"], "digest": ""})
	}
	slices.SortFunc(versions, func(a, b obj) int { return cmp.Compare(a["id"].(string), b["id"].(string)) })
	return obj{"kind": kind, "objects": versions}
}

// audit sends a page and returns the ids of each verdict.
func (d *door) audit(page obj) map[string][]string {
	d.t.Helper()
	out := map[string][]string{}
	answer := d.must(200, "POST", "/v1/audit", page)
	for _, what := range []string{"missing", "differ", "absent"} {
		out[what] = nil
		for _, x := range answer[what].([]any) {
			id, ok := x.(string)
			if !ok {
				id = x.(obj)["id"].(string)
			}
			out[what] = append(out[what], id)
		}
		slices.Sort(out[what])
	}
	return out
}

func ids(objects ...obj) []string {
	out := []string{}
	for _, o := range objects {
		out = append(out, o["id"].(string))
	}
	slices.Sort(out)
	return out
}

func TestAudit(t *testing.T) {
	t.Parallel()
	d := run(t, memory.Open(), true)
	same, older, newer, extra, missing := network(3, "same"), network(3, "older"), network(3, "newer"), network(3, "extra"), network(3, "missing")
	d.push(change("network", same), change("network", older), change("network", newer), change("network", extra))
	if counts := d.must(200, "GET", "/v1", nil)["counts"].(obj); counts["network"] != 4.0 || counts["port"] != 0.0 {
		t.Errorf("%v", counts)
	}
	want := func(got map[string][]string, want map[string][]string) {
		t.Helper()
		if diff := diff.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	neutrons := list("network", same, with(older, obj{"revision_number": 4}), with(newer, obj{"revision_number": 2}), missing)
	want(d.audit(neutrons), map[string][]string{"missing": ids(missing), "differ": ids(older), "absent": ids(extra)})
	want(d.audit(with(neutrons, obj{"partial": true})), map[string][]string{"missing": ids(missing), "differ": ids(older), "absent": nil})
	want(d.audit(with(neutrons, obj{"bare": true})), map[string][]string{"missing": ids(missing), "differ": nil, "absent": ids(extra)})
	d.wantPushed("stored stored", change("network", with(older, obj{"revision_number": 4})), change("network", missing))
	want(d.audit(neutrons), map[string][]string{"missing": nil, "differ": nil, "absent": ids(extra)})
}

// What is absent is deleted if nobody wrote it since that was found, and comes back if it is pushed after all.
func TestAbsent(t *testing.T) {
	t.Parallel()
	d := run(t, memory.Open(), true)
	n := network(3, "n")
	sub := obj{"id": uuid.NewString(), "revision_number": 1, "network_id": n["id"], "ip_version": 4, "cidr": "10.0.0.0/24", "enable_dhcp": false}
	d.push(change("network", n), change("subnet", sub))
	absent := func() obj {
		found := d.must(200, "POST", "/v1/audit", list("network"))["absent"].([]any)
		if len(found) != 1 {
			t.Fatalf("absent: %v", found)
		}
		return with(deletion("network", n), obj{"revision": 0, "generation": found[0].(obj)["generation"]})
	}
	early := absent()
	d.wantPushed("stored", change("network", with(n, obj{"revision_number": 4})))
	d.wantPushed("reread", early)
	d.wantPushed("deleted", absent())
	if got := d.audit(list("subnet")); len(got["absent"]) > 0 {
		t.Errorf("a network is deleted, and its subnets are not: %v", got)
	}
	d.wantPushed("deleted", early) // as it is not there
	d.wantPushed("stored", change("network", n))
	d.wantPushed("deleted", deletion("network", n))
	d.wantPushed("gone", change("network", n))
}

// Pages claim only what lies between their bounds.
func TestAuditByPages(t *testing.T) {
	t.Parallel()
	d := run(t, memory.Open(), true)
	var all []obj
	for range 10 {
		all = append(all, network(1, "n"))
	}
	slices.SortFunc(all, func(a, b obj) int { return cmp.Compare(a["id"].(string), b["id"].(string)) })
	for _, n := range all[:9] {
		d.push(change("network", n))
	}
	page := list("network", all[2], all[3])
	page["after"], page["until"] = all[1]["id"], all[4]["id"]
	if got := d.audit(page); len(got["missing"])+len(got["differ"]) > 0 || !slices.Equal(got["absent"], ids(all[4])) {
		t.Errorf("%v", got)
	}
	last := list("network", all[8], all[9])
	last["after"] = all[7]["id"]
	if got := d.audit(last); !slices.Equal(got["missing"], ids(all[9])) || len(got["absent"]) > 0 {
		t.Errorf("%v", got)
	}
}

// An operator asks for an audit, Neutron hears of it and carries it out, and the operator is shown what differs.
func TestAskedAudit(t *testing.T) {
	t.Parallel()
	c := &clock{at: time.Unix(1e9, 0)}
	d := run(t, memory.Open(), true, func(o *intake.Options) { o.Clock = c.now })
	extra, missing := network(3, "extra"), network(2, "missing")
	d.push(change("network", extra))
	l := listen(d)
	l.hear("5")
	q := d.must(200, "POST", "/v1/audits", obj{"fix": false})
	l.until(func() bool { return l.state("audit", q, "fix") == false })
	path := "/v1/audits/" + q["id"].(string)
	d.audit(with(list("network", missing), obj{"audit": q["id"]}))
	if got := d.must(200, "GET", path, nil); got["state"] != "running" {
		t.Errorf("%v", got)
	}
	d.must(200, "POST", path+"/done", obj{"pushed": 0})
	got := d.must(200, "GET", path+"?wait=5", nil)
	want := []any{obj{"kind": "network", "id": missing["id"], "what": "missing", "neutron_revision": 2.0},
		obj{"kind": "network", "id": extra["id"], "name": "extra", "what": "not in Neutron", "revision": 3.0}}
	if diff := diff.Diff(want, got["differences"]); diff != "" || got["state"] != "done" || got["total"] != 2.0 {
		t.Errorf("%v %s", got, diff)
	}
	l.until(func() bool { return l.known["audit "+q["id"].(string)] == nil })
	if status, _ := d.do("POST", path+"/done", obj{}); status != 404 {
		t.Errorf("ended twice: %d", status)
	}
	forgotten := d.must(200, "POST", "/v1/audits", obj{"fix": true})
	c.pass(time.Hour)
	if got := d.must(200, "GET", "/v1/audits/"+forgotten["id"].(string), nil); got["state"] != "done" || got["error"] == nil {
		t.Errorf("%v", got)
	}
}

// The database is lost, and comes back empty: chassis get from Neutron's audit what they had.
func TestRebuild(t *testing.T) {
	t.Parallel()
	store := memory.New()
	conn, _ := store.Connect()
	empty := store.Save()
	for _, name := range []string{"c1", "c2", "g1", "g2", "g3"} {
		chassis(t, conn, name, name[0] == 'g')
	}
	reference := run(t, site(t), false)
	build(t, reference)
	d := run(t, conn, true)
	all := reference.everything()
	d.push(all...)
	gone := network(1, "gone")
	d.push(change("network", gone), deletion("network", gone))
	want := topology(t, reference.conn)
	wantSame(t, conn, want)

	store.Rewind(empty)
	l := listen(d)
	q := d.must(200, "POST", "/v1/audits", obj{"fix": true})
	byID := map[string]obj{}
	kinds := map[string][]obj{}
	for _, c := range all {
		byID[c["id"].(string)] = c
		kinds[c["kind"].(string)] = append(kinds[c["kind"].(string)], c["object"].(obj))
	}
	eventually(t, func() bool { // as the plugin does it
		l.hear("5")
		pushed := 0
		for kind, objects := range kinds {
			verdict := d.audit(with(list(kind, objects...), obj{"audit": q["id"]}))
			for _, id := range append(verdict["missing"], verdict["differ"]...) {
				d.push(byID[id])
				pushed++
			}
		}
		return pushed == 0
	})
	path := "/v1/audits/" + q["id"].(string)
	if status, _ := d.do("POST", path+"/accept", obj{}); status != 409 {
		t.Errorf("accepted before it was done: %d", status)
	}
	d.must(200, "POST", path+"/done", obj{})
	if got := d.must(200, "GET", path, nil); got["state"] != "done" || got["total"] != float64(len(all)) {
		t.Errorf("%v", got)
	}
	if status, out := d.do("POST", path+"/accept", obj{}); status != 409 || out["error"].(obj)["type"] != "ChassisMissing" {
		t.Errorf("accepted without chassis: %d %v", status, out)
	}
	for _, name := range []string{"c1", "c2", "g1", "g3"} { // they register again
		chassis(t, conn, name, name[0] == 'g')
	}
	// A gateway that comes after the database is believed again would come last.
	eventually(t, func() bool {
		status, out := d.do("POST", path+"/accept", obj{})
		return status == 409 && strings.HasSuffix(out["error"].(obj)["message"].(string), ": g2")
	})
	chassis(t, conn, "g2", true)
	eventually(t, func() bool {
		status, out := d.do("POST", path+"/accept", obj{})
		return status == 200 && out["epoch"] != nil
	})
	wantSame(t, conn, want)
}
