package local_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/controller"
	"github.com/dragonflow/dragonflow/internal/controller/apps"
	"github.com/dragonflow/dragonflow/internal/operate"
	"github.com/dragonflow/dragonflow/internal/operate/local"
	"github.com/dragonflow/dragonflow/internal/telemetry"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
	"github.com/dragonflow/dragonflow/internal/vswitch/openflow"
)

// chassis is a world and its switch, without the loop of a controller.
type chassis struct {
	*apptest.World
	mgmt string
}

func (c *chassis) Inspect(_ context.Context, f func(controller.Inside)) error {
	f(controller.Inside{View: c.DB, Engine: c.Engine, Numbers: c.Numbers, Status: controller.Status{
		Chassis: apptest.Host, Bridge: apptest.Bridge, Phase: "idle", Synced: true, Complete: true, Ports: 2, Flows: c.Engine.FlowCount(),
		Scopes: []controller.ScopeStatus{{Scope: "global", InSync: true, Live: true}, {Scope: "network/n", InSync: true}},
	}})
	return nil
}

func (c *chassis) Ask(ctx context.Context, f func(context.Context, *openflow.Conn) error) error {
	conn, err := openflow.Dial(ctx, c.mgmt, openflow.Options{})
	if err != nil {
		return err
	}
	return errors.Join(f(ctx, conn), conn.Close())
}

func (c *chassis) CompareView(context.Context, ...string) ([]controller.Drift, error) {
	return nil, nil
}

func (c *chassis) CompareDerivation(context.Context) ([]controller.Drift, error) { return nil, nil }

func (c *chassis) Repair(context.Context, []controller.Drift) error { return nil }

// serve answers questions about a chassis on a socket in a new state directory.
func serve(t *testing.T, c local.Chassis, o local.Options) *local.Client {
	t.Helper()
	dir, err := os.MkdirTemp("", "df") // short: a socket's path has at most 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	listener, err := net.Listen("unix", local.Socket(dir))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: local.Handler(c, o), ReadHeaderTimeout: time.Second}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return local.NewClient(dir)
}

func newChassis(t *testing.T) (*chassis, *apptest.Switch) {
	w := apptest.New(t, apps.All()...)
	a, b := apptest.Port("aaaa-port", "n", 1, "10.0.0.1"), apptest.Port("bbbb-port", "n", 2, "10.0.0.2")
	a.Name, b.Name = "alice", "bob\x1b[31m"
	a.PortSecurityEnabled, b.PortSecurityEnabled = false, false
	w.Set(apptest.Net("n"), apptest.Subnet("s-n", "n", "10.0.0.0/24"), a, b, apptest.Bind(a), apptest.Bind(b))
	s := w.Switch(a, b)
	w.MustStep()
	s.Install()
	return &chassis{w, s.Mgmt(apptest.Bridge)}, s
}

func TestQuestionsAndAnswers(t *testing.T) {
	t.Parallel()
	c, s := newChassis(t)
	clock := func() time.Time { return time.Unix(1e9, 0) }
	health, starting := telemetry.NewHealth(clock)
	starting.Clear("")
	health.Register(telemetry.Warning{Code: "store", Severity: telemetry.Degraded, Title: "The database is away.", Remedy: "Look at it."}).Raise("etcd", "no answer")
	client := serve(t, c, local.Options{Conditions: health.Conditions})
	ctx := t.Context()

	answer, err := client.Why(ctx, operate.Question{Port: "alice", Dst: "10.0.0.2", What: "tcp/80"})
	if err != nil || !answer.Passes || len(answer.Journey.Legs[0].Steps) < 5 || !strings.Contains(answer.Sentence, "replies pass") {
		t.Errorf("why: %+v, %v", answer, err)
	}
	var text strings.Builder
	if err := answer.Write(&text); err != nil || strings.Contains(text.String(), "\x1b") {
		t.Errorf("a name drives the terminal: %q, %v", text.String(), err)
	}
	flows, err := client.Flows(ctx, "alice")
	if err != nil || len(flows) < 5 || !flows[0].OnSwitch {
		t.Errorf("flows: %d, %v", len(flows), err)
	}
	s.Inject("tap-aaaa-port", append([]byte{2, 9, 9, 9, 9, 9, 0xfa, 0x16, 0x3e, 0, 0, 1, 0x81, 0, 0, 5, 8, 0}, make([]byte, 46)...))
	s.Settle()
	s.ForgetDecisions()
	drops, err := client.Drops(ctx, false)
	if err != nil || len(drops) != 1 || drops[0].Object != "port alice" || drops[0].Packets != 1 || drops[0].Stage != "classify" {
		t.Errorf("drops: %+v, %v", drops, err)
	}
	status, err := client.Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	text.Reset()
	if err := status.Write(&text, true); err != nil {
		t.Fatal(err)
	}
	// How many flows and numbers there are is the apps' business.
	apptest.Golden(t, "status", regexp.MustCompile(`(?m)^flows     \d+|^numbers .*$`).ReplaceAllString(text.String(), "N"))
}

func TestBadQuestionsAreToldWhatIsWrong(t *testing.T) {
	t.Parallel()
	c, _ := newChassis(t)
	client := serve(t, c, local.Options{})
	if _, err := client.Flows(t.Context(), "nobody"); err == nil || !strings.Contains(err.Error(), `knows no port "nobody"`) {
		t.Errorf("flows of nobody: %v", err)
	}
	if _, err := client.Why(t.Context(), operate.Question{Port: "alice", Dst: "10.0.0.2", What: "tcp"}); err == nil || !strings.Contains(err.Error(), "needs a port") {
		t.Errorf("tcp without a port: %v", err)
	}
}

func TestASwitchThatIsAwayIsTold(t *testing.T) {
	t.Parallel()
	c, s := newChassis(t)
	client := serve(t, c, local.Options{})
	s.KillVswitchd()
	if _, err := client.Drops(t.Context(), false); err == nil {
		t.Error("drops without a switch")
	}
	if answer, err := client.Why(t.Context(), operate.Question{Port: "alice", Dst: "10.0.0.2"}); err != nil || !answer.Passes {
		t.Errorf("why needs no switch: %+v, %v", answer, err)
	}
}

func TestNoControllerIsToldAsThat(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := local.NewClient(dir).Status(t.Context())
	if err == nil || !strings.Contains(err.Error(), "no controller runs on this host with --state-dir "+dir) {
		t.Errorf("%v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "controller.sock"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := local.NewClient(dir).Status(t.Context()); err == nil {
		t.Error("a file answers")
	}
}
