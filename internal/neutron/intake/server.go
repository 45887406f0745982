package intake

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/dragonflow/dragonflow/internal/neutron/api"
	"github.com/dragonflow/dragonflow/internal/neutron/rows"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// Bounds of what a request may hold and take.
const (
	maxBody    = 16 << 20
	maxChanges = 500
	maxPage    = 5000
	maxWait    = 30 * time.Second
	maxDigest  = 128
	// maxRequests is how many requests are worked on at once, and maxListeners how many more wait for changes.
	maxRequests  = 64
	maxListeners = 256
	// requestTimeout bounds what one request may wait for the database.
	requestTimeout = 20 * time.Second
)

// Options is what a Server needs.
type Options struct {
	// Server writes and knows; its Options.Neutron is set.
	Server *api.Server
	Logger *slog.Logger
	// Clock gives the time by which it is known how long an audit takes; time.Now if nil.
	Clock func() time.Time
	// Observe, if set, is called after each request, and Pushed for each change that was pushed.
	Observe func(api.Observation)
	Pushed  func(kind string, outcome api.Outcome)
}

// Server answers a Neutron.
type Server struct {
	opts      Options
	log       *slog.Logger
	server    *api.Server
	slots     chan struct{}
	listeners chan struct{}
	audits    *audits
	ending    context.Context
	// Close has those who wait for changes answered, so that the server can end.
	Close context.CancelFunc
}

// New returns a server.
func New(opts Options) *Server {
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	if opts.Clock == nil {
		opts.Clock = time.Now
	}
	ending, end := context.WithCancel(context.Background())
	return &Server{ending: ending, Close: end, opts: opts, log: opts.Logger, server: opts.Server, slots: make(chan struct{}, maxRequests),
		listeners: make(chan struct{}, maxListeners), audits: newAudits(opts.Server, opts.Clock)}
}

// Handler serves the contract of docs/design/intake.md.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	for route, h := range map[string]handler{
		"GET /v1": s.describe, pushRoute: s.push, "GET /v1/status": s.status, "POST /v1/audit": s.audit,
		"POST /v1/audits": s.askAudit, "GET /v1/audits/{id}": s.showAudit, "POST /v1/audits/{id}/done": s.endAudit,
		"POST /v1/audits/{id}/accept": s.acceptAudit,
	} {
		mux.Handle(route, s.within(route, h))
	}
	mux.Handle("/", s.within("other", func(*http.Request, []byte) (any, error) { return nil, errNoPath }))
	return mux
}

// pushRoute is the route by which changes come.
const pushRoute = "POST /v1/push"

// handler answers a request with this body.
type handler func(r *http.Request, body []byte) (any, error)

// failure is an answer other than 200.
type failure struct {
	status  int
	kind    string
	message string
}

func (f *failure) Error() string { return f.message }

func badRequest(format string, args ...any) error {
	return &failure{http.StatusBadRequest, "BadRequest", fmt.Sprintf(format, args...)}
}

func unavailable(message string) *failure {
	return &failure{http.StatusServiceUnavailable, "Unavailable", message}
}

var errNoPath = &failure{http.StatusNotFound, "NotFound", "there is no such path, or not with this method"}

// within reads a request, bounds what it takes, and writes the answer.
func (s *Server) within(route string, h handler) http.Handler {
	slots := s.slots
	if route == "GET /v1/status" || route == "GET /v1/audits/{id}" {
		slots = s.listeners
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		status, body := s.answer(w, r, slots, h)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		if status == http.StatusServiceUnavailable {
			w.Header().Set("Retry-After", "2")
		}
		w.WriteHeader(status)
		_, _ = w.Write(body) // who has gone away is no error of ours
		if s.opts.Observe != nil {
			s.opts.Observe(api.Observation{Method: r.Method, Route: route, Status: status, Duration: time.Since(start)})
		}
	})
}

func (s *Server) answer(w http.ResponseWriter, r *http.Request, slots chan struct{}, h handler) (status int, body []byte) {
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("request failed", "method", r.Method, "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
			status, body = s.failed(r, errInternal)
		}
	}()
	ctx, cancel := context.WithTimeout(r.Context(), maxWait+requestTimeout)
	defer cancel()
	select {
	case slots <- struct{}{}:
		defer func() { <-slots }()
	case <-ctx.Done():
		return s.failed(r, unavailable("too many requests at once"))
	}
	in, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
		return s.failed(r, &failure{http.StatusRequestEntityTooLarge, "TooLarge", fmt.Sprintf("a body has at most %d bytes", maxBody)})
	}
	if err != nil {
		return s.failed(r, badRequest("the body could not be read: %s", err))
	}
	out, err := h(r.WithContext(ctx), in)
	if err != nil {
		return s.failed(r, err)
	}
	if body, err = json.Marshal(out); err != nil {
		return s.failed(r, fmt.Errorf("encode the answer: %w", err))
	}
	return http.StatusOK, body
}

var errInternal = errors.New("internal error")

// failed makes an answer of an error.
func (s *Server) failed(r *http.Request, err error) (int, []byte) {
	f := (*failure)(nil)
	switch {
	case errors.As(err, &f):
	case errors.Is(err, db.ErrUnavailable), errors.Is(err, rows.ErrBehind), errors.Is(err, rows.ErrContended),
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		s.log.Warn("database unavailable", "path", r.URL.Path, "err", err)
		f = unavailable("the northbound database does not answer; the network goes on")
	default:
		if !errors.Is(err, errInternal) {
			s.log.Error("request failed", "method", r.Method, "path", r.URL.Path, "err", err)
		}
		f = &failure{http.StatusInternalServerError, "InternalError", "internal error"}
	}
	body, err := json.Marshal(map[string]any{"error": map[string]string{"type": f.kind, "message": f.message}})
	if err != nil { // strings
		panic(err)
	}
	return f.status, body
}

// decode reads a body. Fields that are unknown are a newer plugin's, and ignored.
func decode(body []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		return badRequest("the body is not what is expected here: %s", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return badRequest("something follows the body's object")
	}
	return nil
}

func (s *Server) describe(*http.Request, []byte) (any, error) {
	return map[string]any{
		"version": 1, "instance": s.server.Instance(), "ready": s.server.Ready(), "kinds": s.server.Pushed(), "counts": s.server.Counts(),
		"limits": map[string]int{"changes": maxChanges, "bytes": maxBody, "page": maxPage, "wait": int(maxWait / time.Second)},
	}, nil
}

// ready refuses what needs to know what the database holds.
func (s *Server) ready() error {
	if !s.server.Ready() {
		return unavailable("the server does not follow the northbound database")
	}
	return nil
}

// status answers with what has changed, as soon as there is something.
func (s *Server) status(r *http.Request, _ []byte) (any, error) {
	wait, err := waitOf(r, 25*time.Second)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), wait)
	defer cancel()
	defer context.AfterFunc(s.ending, cancel)()
	page := s.server.Status(ctx, r.URL.Query().Get("since"))
	if !s.server.StatusReady() {
		return nil, unavailable("the reports of the chassis have not been read yet")
	}
	return page, nil
}

func waitOf(r *http.Request, otherwise time.Duration) (time.Duration, error) {
	text := r.URL.Query().Get("wait")
	if text == "" {
		return otherwise, nil
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || !(seconds >= 0 && seconds <= maxWait.Seconds()) {
		return 0, badRequest("wait: must be 0 to %d seconds", int(maxWait.Seconds()))
	}
	return time.Duration(seconds * float64(time.Second)), nil
}
