package telemetry

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// clock is a time that moves only when it is told to.
type clock struct{ time.Time }

func (c *clock) now() time.Time { return c.Time }

func codes(h *Health) string {
	var all []string
	for _, c := range h.Conditions() {
		all = append(all, strings.TrimSuffix(c.Code+"/"+c.Object, "/"))
	}
	return strings.Join(all, " ")
}

func TestAProcessIsReadyOnceItHasStarted(t *testing.T) {
	h, starting := NewHealth(time.Now)
	if h.Ready() {
		t.Error("ready while starting")
	}
	starting.Clear("")
	if !h.Ready() || codes(h) != "" {
		t.Errorf("not ready, conditions %s", codes(h))
	}
}

func TestConditionsAreShownWorstFirstWithTheirDetail(t *testing.T) {
	c := &clock{time.Unix(1000, 0)}
	h, starting := NewHealth(c.now)
	starting.Clear("")
	port := h.Register(Warning{Code: "port", Severity: Notice, Title: "A port.", Remedy: "Bind it."})
	down := h.Register(Warning{Code: "down", Severity: NotReady, Title: "Down."})
	port.Raise("p2", "first")
	port.Raise("p1", "")
	c.Time = c.Add(time.Minute)
	port.Raise("p2", "second")
	down.Raise("", "")
	if got := codes(h); got != "down port/p1 port/p2" {
		t.Errorf("shows %s", got)
	}
	last := h.Conditions()[2]
	want := Condition{Code: "port", Title: "A port.", Remedy: "Bind it.", Object: "p2", Detail: "second", Since: time.Unix(1000, 0)}
	if last != want {
		t.Errorf("got %+v\nwant %+v", last, want)
	}
	port.Clear("p1")
	port.Clear("unheard of")
	down.Clear("")
	if got := codes(h); got != "port/p2" || !h.Ready() {
		t.Errorf("shows %s", got)
	}
}

func TestAWarningIsShownAfterItsDelayAndNotWhileItsCauseIs(t *testing.T) {
	c := &clock{time.Unix(1000, 0)}
	h, starting := NewHealth(c.now)
	starting.Clear("")
	cause := h.Register(Warning{Code: "cause", Severity: Degraded})
	effect := h.Register(Warning{Code: "effect", Severity: Degraded, After: time.Minute, Causes: []string{"cause"}})
	effect.Raise("", "")
	if got := codes(h); got != "" {
		t.Errorf("shows %s before its delay", got)
	}
	c.Time = c.Add(time.Minute)
	if got := codes(h); got != "effect" {
		t.Errorf("shows %q after its delay", got)
	}
	cause.Raise("", "")
	if got := codes(h); got != "cause" {
		t.Errorf("shows %q with its cause", got)
	}
}

func TestAWarningIsDeclaredOnce(t *testing.T) {
	h, _ := NewHealth(time.Now)
	defer func() {
		if recover() == nil {
			t.Error("declared twice")
		}
	}()
	h.Register(Warning{Code: "starting"})
}

func TestWaitReady(t *testing.T) {
	h, starting := NewHealth(time.Now)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.WaitReady(ended); err == nil {
		t.Error("ready while starting")
	}
	ready := make(chan error)
	go func() { ready <- h.WaitReady(t.Context()) }()
	starting.Raise("", "still")
	starting.Clear("")
	if err := <-ready; err != nil {
		t.Error(err)
	}
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func TestServe(t *testing.T) {
	h, starting := NewHealth(time.Now)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- Serve(ctx, listener, NewRegistry("v1", h), h, slog.New(slog.DiscardHandler)) }()
	url := "http://" + listener.Addr().String()

	if status, body := get(t, url+"/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, `"code": "starting"`) {
		t.Errorf("/readyz answers %d %s while starting", status, body)
	}
	if status, _ := get(t, url+"/healthz"); status != http.StatusOK {
		t.Errorf("/healthz answers %d", status)
	}
	if _, body := get(t, url+"/metrics"); !strings.Contains(body, `dragonflow_conditions{code="starting",severity="not-ready"} 1`) ||
		!strings.Contains(body, `dragonflow_build_info{version="v1"} 1`) || !strings.Contains(body, "go_goroutines") {
		t.Errorf("/metrics lacks something:\n%s", body)
	}
	starting.Clear("")
	status, body := get(t, url+"/readyz")
	var report Report
	if err := json.Unmarshal([]byte(body), &report); err != nil || status != http.StatusOK || !report.Ready {
		t.Errorf("/readyz answers %d %s: %v", status, body, err)
	}
	if status, _ := get(t, url+"/other"); status != http.StatusNotFound {
		t.Errorf("/other answers %d", status)
	}

	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", listener.Addr().String()); err == nil {
		t.Error("still listens after its end")
	}
}

func TestHealthCannotBeChangedFromOutside(t *testing.T) {
	h, _ := NewHealth(time.Now)
	answer := httptest.NewRecorder()
	Handler(NewRegistry("v1", h), h).ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/readyz", nil))
	if answer.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST /readyz answers %d", answer.Code)
	}
}

func TestSystemdHearsReadyAndStopping(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	h, starting := NewHealth(time.Now)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- Announce(ctx, h) }()
	if err := socket.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	hear := func(want string) {
		t.Helper()
		buffer := make([]byte, 100)
		n, err := socket.Read(buffer)
		if err != nil || string(buffer[:n]) != want {
			t.Errorf("heard %q, %v; want %q", buffer[:n], err, want)
		}
	}
	starting.Clear("")
	hear("READY=1")
	cancel()
	hear("STOPPING=1")
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
