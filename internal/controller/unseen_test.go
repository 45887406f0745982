package controller_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dragonflow/dragonflow/internal/controller"
	"github.com/dragonflow/dragonflow/internal/controller/apps"
	"github.com/dragonflow/dragonflow/internal/controller/engine"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/northbound/db/memory"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
	"github.com/dragonflow/dragonflow/internal/testkit/fakeswitch"
	"github.com/dragonflow/dragonflow/internal/testkit/ovs"
)

// A chassis holds nothing of networks of which it has no port: no scope, no row, no flow, no line of the snapshot; and
// what happens there wakes nothing. A port that moves here brings its network, and when it leaves, all of that goes.
func TestAChassisHoldsNothingOfNetworksWithoutItsPorts(t *testing.T) {
	t.Parallel()
	store, ctl, registry, state := simulated(t)
	put(t, store, apptest.Net("here"), apptest.Net("unseen"))
	a := apptest.At(apptest.Host, apptest.Port("port-a", "here", 1, "10.0.0.1"))
	put(t, store, a, apptest.Bind(a))
	settle(t, ctl, func(s controller.Status) bool { return s.Ports == 1 })
	before, steps := holds(t, ctl, "unseen"), stepsOf(t, registry)
	if before != "" {
		t.Fatalf("it holds of a network that it has no port of:\n%s", before)
	}
	for n := range 200 {
		id := fmt.Sprintf("unseen-%d", n)
		put(t, store, apptest.At("c2", apptest.Port(id, "unseen", byte(n), fmt.Sprintf("10.0.0.%d", n+1))))
	}
	// The marker: something that concerns this chassis, behind all of it.
	b := apptest.At(apptest.Host, apptest.Port("port-b", "here", 2, "10.0.0.2"))
	put(t, store, b, apptest.Bind(b))
	settle(t, ctl, func(s controller.Status) bool { return s.Ports == 2 })
	if got := holds(t, ctl, "unseen"); got != "" {
		t.Errorf("200 ports elsewhere left:\n%s", got)
	}
	if n := stepsOf(t, registry) - steps; n > 20 {
		t.Errorf("200 ports elsewhere and one here woke the engine %v times", n)
	}
	snapshot(t, state, "unseen", false)

	moves := apptest.At(apptest.Host, apptest.Port("port-b", "unseen", 2, "10.0.0.202"))
	moves.Revision++
	bound := apptest.Bind(moves)
	bound.Revision++
	put(t, store, moves, bound)
	settle(t, ctl, func(controller.Status) bool { return strings.Contains(holds(t, ctl, "unseen"), "unseen-199") })
	txn := store.Txn().Delete(northbound.KeyOf(moves), northbound.AnyObjectRevision).Delete(northbound.KeyOf(bound), northbound.AnyObjectRevision)
	if _, err := txn.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	settle(t, ctl, func(s controller.Status) bool { return s.Ports == 1 && holds(t, ctl, "unseen") == "" })
}

// simulated runs a controller over a simulated switch with interfaces for port-a and port-b.
func simulated(t *testing.T) (store *northbound.Store, ctl *controller.Controller, registry *prometheus.Registry, state string) {
	t.Helper()
	conn, _ := memory.New().Connect()
	t.Cleanup(func() { _ = conn.Close() })
	dir, err := os.MkdirTemp("/tmp", "df-unseen")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	sw, err := fakeswitch.Start(fakeswitch.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sw.Close() })
	if err := errors.Join(sw.AddBridge(), sw.Plug([2]string{"tap-a", "port-a"}, [2]string{"tap-b", "port-b"})); err != nil {
		t.Fatal(err)
	}
	registry, state = prometheus.NewRegistry(), t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	ctl, err = controller.New(ctx, controller.Options{
		Chassis: apptest.Host, DB: conn, OVSDB: "unix:" + sw.OVSDB(), Mgmt: sw.Mgmt(), StateDir: state, Apps: apps.All(),
		Metrics: controller.NewMetrics(registry), Self: view.Chassis{DHCPLeaseTime: 86400},
	})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = ctl.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return northbound.NewStore(conn), ctl, registry, state
}

func put(t *testing.T, store *northbound.Store, objects ...model.Object) {
	t.Helper()
	txn := store.Txn()
	for _, o := range objects {
		txn.Put(o)
	}
	if _, err := txn.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// settle waits until the switch has everything and the condition holds.
func settle(t *testing.T, ctl *controller.Controller, condition func(controller.Status) bool) {
	t.Helper()
	deadline := time.Now().Add(ovs.Deadline)
	var s controller.Status
	for !(s.Complete && s.Phase == "idle" && condition(s)) {
		if time.Now().After(deadline) {
			t.Fatalf("it does not settle: %+v", s)
		}
		if err := ctl.Inspect(t.Context(), func(in controller.Inside) { s = in.Status }); err != nil {
			t.Fatal(err)
		}
	}
}

// holds lists what a controller has of a network: scopes, rows and flows whose owner or text names it.
func holds(t *testing.T, ctl *controller.Controller, network string) string {
	t.Helper()
	var list []string
	err := ctl.Inspect(t.Context(), func(in controller.Inside) {
		for _, s := range in.Status.Scopes {
			if strings.Contains(s.Scope, network) {
				list = append(list, "scope "+s.Scope)
			}
		}
		for _, kind := range []model.Kind{model.KindNetwork, model.KindSubnet, model.KindPort, model.KindBinding} {
			in.View.Each(view.TableOf(kind), func(key string, row any) {
				if strings.Contains(fmt.Sprintf("%s %+v", key, row), network) {
					list = append(list, "row "+key)
				}
			})
		}
		for line := range strings.Lines(in.Engine.Text(func(engine.Owner) bool { return true })) {
			if strings.Contains(line, network) {
				list = append(list, line)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(list, "\n")
}

func stepsOf(t *testing.T, registry *prometheus.Registry) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "dragonflow_controller_steps_total" {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	t.Fatal("steps are not counted")
	return 0
}

// snapshot looks whether the snapshot has a word.
func snapshot(t *testing.T, dir, word string, want bool) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no snapshot in %s: %v", dir, err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), word) != want {
			t.Errorf("%s has %q: %v, want %v", f, word, !want, want)
		}
	}
}
