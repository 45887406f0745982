package controller

import (
	"context"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
	"github.com/dragonflow/dragonflow/internal/northbound/db/memory"
	"github.com/dragonflow/dragonflow/internal/vswitch/openflow"
)

// alone is a controller whose switch and switch database are away.
func alone(t *testing.T, apps ...*app.App) *Controller {
	t.Helper()
	conn, _ := memory.New().Connect()
	t.Cleanup(func() { _ = conn.Close() })
	c, err := New(t.Context(), Options{
		Chassis: "c1", DB: conn, OVSDB: "unix:" + t.TempDir() + "/none", StateDir: t.TempDir(), Apps: apps,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// running starts the controller for as long as the test lasts.
func running(t *testing.T, c *Controller) *Controller {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = c.Run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-done })
	return c
}

func TestGuestsThatSendWithoutEndDoNotKeepTheLoopFromTheRest(t *testing.T) {
	slow := &app.App{Name: "slow", ID: 9, PacketIn: func(*view.Reader, app.PacketIn) (app.Reply, error) {
		for began := time.Now(); time.Since(began) < 100*time.Microsecond; { // as long as an answer takes
		}
		return app.Reply{}, nil
	}}
	c := running(t, alone(t, slow))
	flood, end := context.WithCancel(t.Context())
	defer end()
	for range 4 {
		go func() {
			for {
				select {
				case c.link.packets <- openflow.PacketIn{Userdata: []byte{9}}:
				case <-flood.Done():
					return
				}
			}
		}()
	}
	for len(c.link.packets) < cap(c.link.packets) {
		runtime.Gosched()
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for range 10 {
		if err := c.Inspect(ctx, func(Inside) {}); err != nil {
			t.Fatalf("the loop does nothing but answer packets: %v", err)
		}
	}
}

func TestAQuestionThatFailsIsOnlyItsOwnError(t *testing.T) {
	c := running(t, alone(t))
	err := c.Inspect(t.Context(), func(Inside) { panic("nothing there") })
	if err == nil || !strings.Contains(err.Error(), "nothing there") {
		t.Errorf("%v; want the question's failure", err)
	}
	if err := c.Inspect(t.Context(), func(Inside) {}); err != nil {
		t.Error(err)
	}
}

func TestWhatIsInvalidInAForgottenScopeIsForgotten(t *testing.T) {
	c := alone(t)
	t.Cleanup(func() { c.feed.Close(); _ = c.journal.log.Close() })
	const scope = "network/n"
	c.follow(scope)
	key := db.Key{Scope: scope, Kind: "Subnet", ID: "s"}
	c.takeScope(c.scopes[scope], northbound.ScopeEvent{Type: northbound.Invalid, Scope: scope, Key: key, Err: io.EOF})
	if s := c.status(); len(s.Invalid) != 1 {
		t.Fatalf("invalid: %v", s.Invalid)
	}
	c.forget(scope)
	if s := c.status(); len(s.Invalid) != 0 {
		t.Errorf("still shown of a scope that nobody follows: %v", s.Invalid)
	}
}

func TestAScopeThatHangsDoesNotEndTheAudits(t *testing.T) {
	c := alone(t)
	t.Cleanup(func() { c.feed.Close(); _ = c.journal.log.Close() })
	c.phase, c.full, c.auditDue = idle, true, true
	c.follow("network/hangs")
	c.advance(t.Context())
	if c.current == nil || !c.current.audit {
		t.Fatal("no audit was begun")
	}
	<-c.link.jobs // as the switch would take it
	c.takeOutcome(t.Context(), linkEvent{job: c.current})
	c.auditDue = true
	if c.advance(t.Context()); c.current == nil || !c.current.audit {
		t.Error("after one audit with a scope that hangs there is no other")
	}
}
