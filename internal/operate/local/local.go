// Package local carries an operator's questions from the command line to the controller that runs on
// the same host: HTTP over a Unix socket in the controller's state directory, which only those may open
// who may read that directory. Nothing can be changed through it but what is wrong: differences that should not be.
package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"
	"time"

	"github.com/dragonflow/dragonflow/internal/controller"
	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/operate"
	"github.com/dragonflow/dragonflow/internal/telemetry"
	"github.com/dragonflow/dragonflow/internal/vswitch/openflow"
)

// Chassis is a controller at work. [controller.Controller] is the real one.
type Chassis interface {
	// Inspect runs f where the view and the engine may be read, and waits for it.
	Inspect(ctx context.Context, f func(controller.Inside)) error
	// Ask runs f with a connection to the switch, and waits for it.
	Ask(ctx context.Context, f func(context.Context, *openflow.Conn) error) error
	// CompareView and CompareDerivation find differences between the layers before the switch, and Repair
	// ends differences of any layer.
	CompareView(ctx context.Context, scopes ...string) ([]controller.Drift, error)
	CompareDerivation(ctx context.Context) ([]controller.Drift, error)
	Repair(ctx context.Context, list []controller.Drift) error
}

// Socket is the path of the socket in a controller's state directory.
func Socket(stateDir string) string { return filepath.Join(stateDir, "controller.sock") }

// patience bounds how long the controller or its switch may take for an answer: to derive everything anew
// takes seconds with thousands of ports.
const patience = time.Minute

// The paths of the questions.
const (
	pathStatus = "/v1/status"
	pathFlows  = "/v1/flows"
	pathDrops  = "/v1/drops"
	pathDiff   = "/v1/diff"
	pathWhy    = "/v1/why"
)

// Options say what there is beside the chassis to answer questions from. The zero Options is nothing.
type Options struct {
	// Name is the chassis'.
	Name string
	// Conditions are those of the process.
	Conditions func() []telemetry.Condition
	// Topology is the database, from which is computed what other chassis do.
	Topology operate.Topology
	// Apps are what every chassis runs.
	Apps []*app.App
}

// Handler answers questions about a chassis.
func Handler(c Chassis, o Options) http.Handler {
	h := &handler{chassis: c, conditions: o.Conditions}
	h.cloud = &operate.Cloud{Here: operate.Live(o.Name, c.Inspect), Topology: o.Topology, Apps: o.Apps}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+pathStatus, answering(h.status))
	mux.HandleFunc("GET "+pathFlows, answering(h.flows))
	mux.HandleFunc("GET "+pathDrops, answering(h.drops))
	mux.HandleFunc("GET "+pathDiff, answering(func(ctx context.Context, _ *http.Request) (operate.DifferenceList, error) { return h.diff(ctx) }))
	mux.HandleFunc("POST "+pathDiff, answering(h.fix))
	mux.HandleFunc("GET "+pathWhy, answering(h.why))
	return mux
}

type handler struct {
	chassis    Chassis
	conditions func() []telemetry.Condition
	cloud      *operate.Cloud
}

// badQuestion is an error of the one who asks.
type badQuestion struct{ error }

func (b *badQuestion) Unwrap() error { return b.error }

// failure is the body of an answer that is none.
type failure struct {
	Error string `json:"error"`
}

// answering turns a function into a handler that answers in JSON.
func answering[A any](answer func(context.Context, *http.Request) (A, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), patience)
		defer cancel()
		body, err := answer(ctx, r)
		w.Header().Set("Content-Type", "application/json")
		var bad *badQuestion
		switch {
		case errors.As(err, &bad):
			w.WriteHeader(http.StatusBadRequest)
		case err != nil:
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		// An error of Encode means that the reader has gone.
		if err != nil {
			_ = json.NewEncoder(w).Encode(failure{err.Error()})
			return
		}
		_ = json.NewEncoder(w).Encode(body)
	}
}

// inspect runs f with the chassis' world.
func (h *handler) inspect(ctx context.Context, f func(operate.World, controller.Status)) error {
	return h.chassis.Inspect(ctx, func(in controller.Inside) {
		f(operate.WorldOf(in), in.Status)
	})
}

func (h *handler) status(ctx context.Context, _ *http.Request) (*operate.Status, error) {
	var conditions []telemetry.Condition
	if h.conditions != nil {
		conditions = h.conditions()
	}
	var s *operate.Status
	err := h.inspect(ctx, func(w operate.World, cs controller.Status) { s = operate.StatusOf(w, cs, conditions) })
	return s, err
}

func (h *handler) flows(ctx context.Context, r *http.Request) (operate.FlowList, error) {
	dump, err := h.dump(ctx, false)
	if err != nil {
		return nil, err
	}
	var list operate.FlowList
	var unknown error
	err = h.inspect(ctx, func(w operate.World, _ controller.Status) {
		list, unknown = operate.Flows(w, dump.Flows, r.FormValue("port"))
	})
	if unknown != nil {
		return nil, &badQuestion{unknown}
	}
	return list, err
}

func (h *handler) drops(ctx context.Context, r *http.Request) (operate.DropList, error) {
	dump, err := h.dump(ctx, false)
	if err != nil {
		return nil, err
	}
	var list operate.DropList
	err = h.inspect(ctx, func(w operate.World, _ controller.Status) {
		list = operate.Drops(w, dump, r.FormValue("all") == "true")
	})
	return list, err
}

func (h *handler) why(ctx context.Context, r *http.Request) (*operate.Answer, error) {
	q := operate.Question{
		Port: r.FormValue("port"), Dst: r.FormValue("dst"), What: r.FormValue("what"), State: operate.State(r.FormValue("state")),
		Frame: r.FormValue("frame"), First: r.FormValue("first"),
	}
	for name, number := range map[string]*int{"size": &q.Size, "ttl": &q.TTL} {
		var err error
		if text := r.FormValue(name); text != "" {
			if *number, err = strconv.Atoi(text); err != nil {
				return nil, &badQuestion{fmt.Errorf("%s: %q is not a number", name, text)}
			}
		}
	}
	answer, err := h.cloud.Why(ctx, q)
	if err != nil {
		return nil, &badQuestion{err}
	}
	return answer, nil
}
