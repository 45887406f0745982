package intake

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/dragonflow/dragonflow/internal/neutron/api"
	"github.com/dragonflow/dragonflow/internal/neutron/resource"
)

// grace is how long an object must have been absent from Neutron's lists before it is deleted here.
const grace = 60 * time.Second

// page is a part of Neutron's list of the objects of a kind: all whose ids lie behind After and not behind Until. A
// partial one is not complete, so that nothing can be absent from it.
type page struct {
	Kind    string    `json:"kind"`
	After   string    `json:"after"`
	Until   string    `json:"until"`
	Partial bool      `json:"partial"`
	Audit   string    `json:"audit"`
	Objects []version `json:"objects"`
}

type version struct {
	ID       string `json:"id"`
	Revision int64  `json:"revision"`
	Digest   string `json:"digest"`
}

// verdict is what Neutron is told of a page.
type verdict struct {
	Instance string   `json:"instance"`
	Missing  []string `json:"missing"`
	Differ   []differ `json:"differ"`
	// Absent are those that Neutron does not list, Deleted those of them that were deleted for that.
	Absent  []string `json:"absent"`
	Deleted []string `json:"deleted"`
}

type differ struct {
	ID         string `json:"id"`
	Generation string `json:"generation"`
}

func (p *page) check() error {
	if parsers()[p.Kind] == nil {
		return badRequest("kind %.50q is unknown", p.Kind)
	}
	if len(p.Objects) > maxPage {
		return badRequest("%d objects are too many: at most %d", len(p.Objects), maxPage)
	}
	for _, bound := range []string{p.After, p.Until} {
		if bound != "" && !resource.IsUUID(bound) {
			return badRequest("%.50q is not a UUID", bound)
		}
	}
	last := p.After
	for _, v := range p.Objects {
		switch {
		case !resource.IsUUID(v.ID):
			return badRequest("id %.50q is not a UUID", v.ID)
		case v.ID <= last && !p.Partial:
			return badRequest("objects: %s does not lie behind %s", v.ID, last)
		case p.Until != "" && v.ID > p.Until:
			return badRequest("objects: %s lies behind until", v.ID)
		}
		last = v.ID
	}
	return nil
}

// audit compares a page with what there is, and deletes what has been absent for long.
func (s *Server) audit(r *http.Request, body []byte) (any, error) {
	var p page
	if err := decode(body, &p); err != nil {
		return nil, err
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	if err := s.ready(); err != nil {
		return nil, err
	}
	v := verdict{Instance: s.server.Instance(), Missing: []string{}, Differ: []differ{}, Absent: []string{}, Deleted: []string{}}
	asked := s.audits.find(p.Audit)
	here := map[string]api.Version{}
	if !p.Partial {
		for _, x := range s.server.Versions(p.Kind, p.After, p.Until) {
			here[x.ID] = x
		}
	}
	for _, want := range p.Objects {
		have, ok := here[want.ID]
		if p.Partial {
			have, ok = s.server.Version(p.Kind, want.ID)
		}
		delete(here, want.ID)
		s.absences.seen(p.Kind, want.ID)
		switch {
		case !ok:
			v.Missing = append(v.Missing, want.ID)
			asked.note(Difference{Kind: p.Kind, ID: want.ID, What: "missing", Neutron: &want.Revision})
		case have.Revision < want.Revision, have.Revision == want.Revision && have.Digest != want.Digest:
			v.Differ = append(v.Differ, differ{want.ID, have.Generation})
			asked.note(Difference{Kind: p.Kind, ID: want.ID, Name: have.Name, What: "different", Neutron: &want.Revision, Here: &have.Revision})
		}
	}
	if !p.Partial {
		ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
		defer cancel()
		if err := s.judge(ctx, &p, here, asked, &v); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// judge looks at what a complete page does not name.
func (s *Server) judge(ctx context.Context, p *page, absent map[string]api.Version, asked *request, v *verdict) error {
	for id, have := range absent {
		long := s.absences.absent(p.Kind, id, have.Generation)
		asked.note(Difference{Kind: p.Kind, ID: id, Name: have.Name, What: "not in Neutron", Here: &have.Revision})
		if !long || asked.lookOnly() {
			v.Absent = append(v.Absent, id)
			continue
		}
		if err := s.server.Withdraw(ctx, p.Kind, id); err != nil {
			return err
		}
		s.log.Warn("deleted what Neutron does not have", "object", p.Kind+"/"+id, "name", have.Name)
		s.absences.seen(p.Kind, id)
		v.Deleted = append(v.Deleted, id)
	}
	return nil
}

// absences remember since when objects have been absent from Neutron's lists.
type absences struct {
	now func() time.Time

	mu    sync.Mutex
	since map[absentObject]absence
}

type absentObject struct{ kind, id string }

type absence struct {
	since      time.Time
	generation string
}

func newAbsences(now func() time.Time) *absences {
	return &absences{now: now, since: map[absentObject]absence{}}
}

// seen ends an absence.
func (a *absences) seen(kind, id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.since, absentObject{kind, id})
}

// absent notes that an object is not in a list, and reports whether it has been so for long, without having been
// written in between.
func (a *absences) absent(kind, id, generation string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	at := absentObject{kind, id}
	was, ok := a.since[at]
	if !ok || was.generation != generation {
		a.since[at] = absence{a.now(), generation}
		return false
	}
	return a.now().Sub(was.since) >= grace
}
