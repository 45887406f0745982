package operate_test

import (
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/apps"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/operate"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

// database holds objects in a database in memory.
func database(t testing.TB, objects ...model.Object) *northbound.Store {
	t.Helper()
	conn, err := northbound.Open(t.Context(), "memory://", northbound.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	store := northbound.NewStore(conn)
	for _, o := range objects {
		if o.Metadata().Revision == 0 {
			o.Metadata().Revision = 1
		}
		if _, err := store.Txn().Put(o).Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return store
}

// stored is the world's part of the database.
func (c *cloud) stored(t testing.TB, more ...model.Object) *northbound.Store {
	objects := append([]model.Object{&model.Chassis{Meta: model.Meta{ID: apptest.Host}}}, more...)
	for _, table := range []view.AnyTable{view.Networks, view.Subnets, view.Ports, view.Bindings, view.SecurityGroups, view.Rules, view.Members} {
		c.DB.Each(table, func(_ string, row any) {
			if p, ok := row.(*model.Port); ok {
				at := *p
				at.Host = apptest.Host
				row = &at
			}
			objects = append(objects, row.(model.Object))
		})
	}
	return database(t, objects...)
}

// TestAVirtualChassisAnswersAsTheRealOne: what a chassis does follows from the database alone.
func TestAVirtualChassisAnswersAsTheRealOne(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	virtual := &operate.Cloud{Topology: operate.Stored(c.stored(t)), Apps: apps.All()}
	for _, from := range c.ports() {
		for _, to := range c.ports() {
			for _, what := range []string{"tcp/5432", "tcp/22", "tcp/443", "udp/53", "icmp"} {
				q := operate.Question{Port: from.Name, Dst: to.Name, What: what}
				want, err := operate.Why(c.world(), q)
				if err != nil {
					t.Fatal(err)
				}
				got, err := virtual.Why(t.Context(), q)
				if err != nil {
					t.Errorf("%+v: %v", q, err)
					continue
				}
				there := strings.NewReplacer(" on c1", "").Replace(got.Sentence)
				if there != want.Sentence || got.Passes != want.Passes {
					t.Errorf("%+v:\n%s\nvirtually\n%s", q, want.Sentence, there)
				}
			}
		}
	}
}

func TestWhatAVirtualChassisNeeds(t *testing.T) {
	t.Parallel()
	lost, unbound := apptest.Port("lost", "n", 7, "10.0.0.7"), apptest.Port("unbound", "n", 8, "10.0.0.8")
	lost.Host = "c9"
	virtual := &operate.Cloud{Topology: operate.Stored(database(t, apptest.Net("n"), lost, unbound)), Apps: apps.All()}
	ask := func(port string) (*operate.Answer, error) {
		return virtual.Why(t.Context(), operate.Question{Port: port, Dst: "10.0.0.8"})
	}
	if _, err := ask("lost"); err == nil || !strings.Contains(err.Error(), `lost is bound to c9: the database knows no chassis "c9"`) {
		t.Errorf("a chassis that never was: %v", err)
	}
	if _, err := ask("nobody"); err == nil || !strings.Contains(err.Error(), `there is no port "nobody"`) {
		t.Errorf("a port that is not: %v", err)
	}
	if a, err := ask("unbound"); err != nil || !strings.Contains(a.Sentence, "not bound to any chassis") {
		t.Errorf("a port that is nowhere: %v, %v", a, err)
	}
}
