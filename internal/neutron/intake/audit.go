package intake

import (
	"maps"
	"net/http"
	"slices"

	"github.com/dragonflow/dragonflow/internal/neutron/api"
	"github.com/dragonflow/dragonflow/internal/neutron/resource"
)

// page is a part of Neutron's list of the objects of a kind: all whose ids lie behind After and not behind Until. A
// partial one is not complete, so that nothing can be absent from it. A bare one has only ids, so that nothing can differ.
type page struct {
	Kind    string    `json:"kind"`
	After   string    `json:"after"`
	Until   string    `json:"until"`
	Partial bool      `json:"partial"`
	Bare    bool      `json:"bare"`
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
	// Absent are those that Neutron does not list. If they are not there when it looks again, it is to delete them.
	Absent []differ `json:"absent"`
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

// audit compares a page with what there is.
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
	v := verdict{Instance: s.server.Instance(), Missing: []string{}, Differ: []differ{}, Absent: []differ{}}
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
		switch {
		case ok && p.Bare:
		case !ok:
			v.Missing = append(v.Missing, want.ID)
			asked.note(Difference{Kind: p.Kind, ID: want.ID, What: "missing", Neutron: &want.Revision})
		case have.Revision < want.Revision, have.Revision == want.Revision && have.Digest != want.Digest:
			v.Differ = append(v.Differ, differ{want.ID, have.Generation})
			asked.note(Difference{Kind: p.Kind, ID: want.ID, Name: have.Name, What: "different", Neutron: &want.Revision, Here: &have.Revision})
		}
	}
	for _, id := range slices.Sorted(maps.Keys(here)) {
		have := here[id]
		v.Absent = append(v.Absent, differ{id, have.Generation})
		asked.note(Difference{Kind: p.Kind, ID: id, Name: have.Name, What: "not in Neutron", Here: &have.Revision})
	}
	return v, nil
}
