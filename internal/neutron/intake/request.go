package intake

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/dragonflow/dragonflow/internal/neutron/api"
)

// Bounds of audits that somebody has asked for.
const (
	// auditTimeout is after how long an audit that does not end is given up.
	auditTimeout = 10 * time.Minute
	maxAudits    = 16
	// maxDifferences is how many differences of an audit are kept; of the others only the number is.
	maxDifferences = 10_000
)

// Difference is one object that is not the same here and in Neutron.
type Difference struct {
	Kind string `json:"kind"`
	ID   string `json:"id"`
	Name string `json:"name,omitzero"`
	What string `json:"what"`
	// Neutron and Here are the object's revisions there and here.
	Neutron *int64 `json:"neutron_revision,omitzero"`
	Here    *int64 `json:"revision,omitzero"`
}

type named struct{ kind, id string }

// request is an audit that somebody has asked for. A nil one is an audit that nobody has.
type request struct {
	id      string
	fix     bool
	started time.Time

	mu    sync.Mutex
	list  []Difference
	seen  map[named]bool
	total int
	done  chan struct{} // closed when it is over
	err   string
}

// note keeps a difference, once.
func (q *request) note(d Difference) {
	if q == nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	at := named{d.Kind, d.ID}
	if q.seen[at] {
		return
	}
	q.total++
	if len(q.list) < maxDifferences {
		q.seen[at] = true
		q.list = append(q.list, d)
	}
}

// The states of an audit.
const (
	stateRunning = "running"
	stateDone    = "done"
)

// Report is what an operator is shown of an audit.
type Report struct {
	ID    string `json:"id"`
	State string `json:"state"`
	// Error says why the audit was not carried out.
	Error string `json:"error,omitzero"`
	// Total is how many differences there were, of which Differences holds the first.
	Total       int          `json:"total"`
	Differences []Difference `json:"differences"`
}

func (q *request) report() Report {
	q.mu.Lock()
	defer q.mu.Unlock()
	out := Report{ID: q.id, State: stateRunning, Error: q.err, Total: q.total, Differences: slices.Clone(q.list)}
	select {
	case <-q.done:
		out.State = stateDone
	default:
	}
	if out.Differences == nil {
		out.Differences = []Difference{}
	}
	return out
}

// audits are those that were asked for lately.
type audits struct {
	server *api.Server
	now    func() time.Time

	mu   sync.Mutex
	list []*request
}

func newAudits(server *api.Server, now func() time.Time) *audits {
	return &audits{server: server, now: now}
}

func (a *audits) find(id string) *request {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, q := range a.list {
		if q.id == id {
			return q
		}
	}
	return nil
}

// ask begins an audit: Neutron is told of it with the status.
func (a *audits) ask(fix bool) *request {
	q := &request{id: uuid.NewString(), fix: fix, started: a.now(), seen: map[named]bool{}, done: make(chan struct{})}
	a.mu.Lock()
	a.list = append(a.list, q)
	var old []*request
	if n := len(a.list) - maxAudits; n > 0 {
		old, a.list = a.list[:n:n], slices.Clone(a.list[n:])
	}
	a.mu.Unlock()
	for _, o := range old {
		a.end(o, "others were asked for")
	}
	a.server.AskAudit(q.id, map[string]any{"id": q.id, "fix": q.fix})
	return q
}

// end ends an audit, and reports whether it was not over before.
func (a *audits) end(q *request, problem string) bool {
	a.server.AskAudit(q.id, nil)
	q.mu.Lock()
	defer q.mu.Unlock()
	select {
	case <-q.done:
		return false
	default:
	}
	q.err = problem
	close(q.done)
	return true
}

// askAudit begins an audit for an operator.
func (s *Server) askAudit(_ *http.Request, body []byte) (any, error) {
	var in struct{ Fix bool }
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	if err := s.ready(); err != nil {
		return nil, err
	}
	return map[string]string{"id": s.audits.ask(in.Fix).id}, nil
}

func (s *Server) asked(r *http.Request) (*request, error) {
	q := s.audits.find(r.PathValue("id"))
	if q == nil {
		return nil, &failure{http.StatusNotFound, "NotFound", "no such audit"}
	}
	if s.opts.Clock().Sub(q.started) > auditTimeout {
		s.audits.end(q, "no Neutron has carried it out in time")
	}
	return q, nil
}

// showAudit tells what an audit has found, when it is over or the time to wait is.
func (s *Server) showAudit(r *http.Request, _ []byte) (any, error) {
	wait, err := waitOf(r, 0)
	if err != nil {
		return nil, err
	}
	q, err := s.asked(r)
	if err != nil {
		return nil, err
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-q.done:
	case <-timer.C:
	case <-s.ending.Done():
	case <-r.Context().Done():
	}
	return q.report(), nil
}

// endAudit is how Neutron says that it has sent, and pushed, everything.
func (s *Server) endAudit(r *http.Request, body []byte) (any, error) {
	var in struct {
		Error string `json:"error"`
	}
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	q, err := s.asked(r)
	if err != nil {
		return nil, err
	}
	if !s.audits.end(q, clip(in.Error)) {
		return nil, &failure{http.StatusNotFound, "NotFound", "the audit is over"}
	}
	return map[string]any{}, nil
}

// acceptAudit makes chassis believe a database that was rebuilt, when those are back that Neutron's ports are bound to, and
// those that were gateways.
func (s *Server) acceptAudit(r *http.Request, body []byte) (any, error) {
	var in struct{ Force bool }
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	q, err := s.asked(r)
	if err != nil {
		return nil, err
	}
	if err := s.ready(); err != nil {
		return nil, err
	}
	report := q.report()
	switch {
	case report.State != stateDone || report.Error != "" || !q.fix:
		return nil, &failure{http.StatusConflict, "Conflict", "this audit has not repaired everything"}
	case !in.Force:
		if hosts := s.server.Unregistered(); len(hosts) > 0 {
			return nil, &failure{http.StatusConflict, "ChassisMissing", "chassis to which ports are bound, or that were gateways, have not registered: " +
				strings.Join(hosts[:min(len(hosts), 20)], ", ")}
		}
	}
	ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
	defer cancel()
	epoch, err := s.server.Accept(ctx, "rebuilt from Neutron")
	return map[string]int64{"epoch": epoch}, err
}
