package api

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/dragonflow/dragonflow/internal/neutron/resource"
	"github.com/dragonflow/dragonflow/internal/neutron/rows"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// recorder notes the status of an answer.
type recorder struct {
	http.ResponseWriter
	status int
	route  string
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

type requestIDKey struct{}

// withRequestID names the request, bounds its time, and turns a panic into a 500.
func (s *Server) withRequestID(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := "req-" + uuid.NewString()
		w.Header().Set("X-Openstack-Request-Id", id)
		ctx, cancel := context.WithTimeout(context.WithValue(r.Context(), requestIDKey{}, id), s.opts.RequestTimeout)
		defer cancel()
		rec := &recorder{ResponseWriter: w, status: http.StatusOK, route: "other"}
		start := time.Now()
		defer func() {
			if p := recover(); p != nil {
				s.log.Error("request failed", "request", id, "method", r.Method, "path", r.URL.Path, "panic", p,
					"stack", string(debug.Stack()))
				s.fail(rec, r.WithContext(ctx), errInternal)
			}
			if s.opts.Observe != nil {
				s.opts.Observe(Observation{r.Method, rec.route, rec.status, time.Since(start)})
			}
		}()
		select {
		case s.slots <- struct{}{}:
			defer func() { <-s.slots }()
			next.ServeHTTP(rec, r.WithContext(ctx))
		case <-ctx.Done():
			s.fail(rec, r.WithContext(ctx), errBusy)
		}
	})
}

var errInternal = errors.New("internal")

var (
	errBusy = &resource.Error{
		Status: http.StatusServiceUnavailable, Type: "ServiceUnavailable", Message: "Too many requests at once; try again.",
	}
	errNoRoute = &resource.Error{
		Status: http.StatusNotFound, Type: "HTTPNotFound", Message: "The resource could not be found.",
	}
	errMethod = &resource.Error{
		Status: http.StatusMethodNotAllowed, Type: "HTTPMethodNotAllowed",
		Message: "The method is not allowed for this resource.",
	}
)

// fail answers with an error in Neutron's form.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	e := s.apiError(r, err)
	if e.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", strconv.Itoa(2))
	}
	answer(w, e.Status, map[string]any{
		"NeutronError": map[string]string{"type": e.Type, "message": e.Message, "detail": e.Detail},
	})
}

func (s *Server) apiError(r *http.Request, err error) *resource.Error {
	var e *resource.Error
	unavailable := func(text string) *resource.Error {
		return &resource.Error{Status: http.StatusServiceUnavailable, Type: "ServiceUnavailable", Message: text}
	}
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, db.ErrUnavailable), errors.Is(err, rows.ErrBehind), errors.Is(err, context.DeadlineExceeded):
		s.log.Warn("database unavailable", "request", requestID(r), "err", err)
		return unavailable("The northbound database cannot be reached. The network goes on; changes are possible " +
			"again when it is back. A change whose answer is this one was either made as a whole or not at all.")
	case errors.Is(err, context.Canceled):
		return unavailable("The request was cancelled.")
	case errors.Is(err, rows.ErrContended):
		return unavailable("Too many concurrent changes to the same resources; try again.")
	case errors.Is(err, db.ErrTooLarge), errors.Is(err, db.ErrBatchTooLarge):
		return resource.InvalidInput("the request would write more than the database takes in one piece")
	}
	if !errors.Is(err, errInternal) {
		s.log.Error("request failed", "request", requestID(r), "method", r.Method, "path", r.URL.Path, "err", err)
	}
	return &resource.Error{
		Status: http.StatusInternalServerError, Type: "HTTPInternalServerError",
		Message: "Request Failed: internal server error while processing your request.", Detail: requestID(r),
	}
}

func requestID(r *http.Request) string {
	id, _ := r.Context().Value(requestIDKey{}).(string)
	return id
}

// answer writes a JSON body. A client that has gone away is no error of ours.
func answer(w http.ResponseWriter, status int, body any) {
	b, err := json.Marshal(body)
	if err != nil {
		slog.Error("answer cannot be encoded", "err", err)
		status, b = http.StatusInternalServerError, []byte(`{}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	_, _ = w.Write(b)
}
