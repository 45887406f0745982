package api

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/dragonflow/dragonflow/internal/neutron/resource"
)

// maxBody is the largest request body in bytes.
const maxBody = 1 << 20

// maxBulk is the largest number of resources in one request.
const maxBulk = 1000

// defaultProject is the project of a caller who names none.
const defaultProject = "default"

// project returns the caller's project.
func project(r *http.Request) (string, error) {
	p := r.Header.Get("X-Project-Id")
	if p == "" {
		p = r.Header.Get("X-Tenant-Id")
	}
	if p == "" {
		return defaultProject, nil
	}
	if len(p) > 255 {
		return "", resource.BadRequest("X-Project-Id exceeds maximum length of 255")
	}
	return p, nil
}

var errBody = resource.BadRequest("Body contains invalid data")

// readBody reads a JSON object.
func readBody(w http.ResponseWriter, r *http.Request) (map[string]any, error) {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.UseNumber()
	var body map[string]any
	err := d.Decode(&body)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.Join(errBody, more)
		}
	}
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, &resource.Error{Status: http.StatusRequestEntityTooLarge, Type: "HTTPRequestEntityTooLarge",
			Message: "Request body too large: at most " + strconv.Itoa(maxBody) + " bytes are accepted."}
	case err != nil || body == nil:
		return nil, errBody
	}
	return body, nil
}

// items returns the resources of a body: one below the singular name, or a list below the plural one.
func items(typ *resource.Type, body map[string]any, bulk bool) (list []map[string]any, isBulk bool, err error) {
	if one, ok := body[typ.Singular]; ok && len(body) == 1 {
		m, ok := one.(map[string]any)
		if !ok {
			return nil, false, errBody
		}
		return []map[string]any{m}, false, nil
	}
	many, ok := body[typ.Plural].([]any)
	if !ok || !bulk || len(body) != 1 {
		return nil, false, resource.BadRequest("Unable to find '%s' in request body", typ.Singular)
	}
	if len(many) == 0 {
		return nil, false, resource.BadRequest("Resources required")
	}
	if len(many) > maxBulk {
		return nil, false, resource.BadRequest("At most %d resources are created at once", maxBulk)
	}
	for _, v := range many {
		m, ok := v.(map[string]any)
		if !ok {
			return nil, false, errBody
		}
		if inner, ok := m[typ.Singular].(map[string]any); ok && len(m) == 1 {
			m = inner
		}
		list = append(list, m)
	}
	return list, true, nil
}

// ifMatch returns the revision number that the client requires, or -1.
func ifMatch(r *http.Request) (int64, error) {
	v := r.Header.Get("If-Match")
	if v == "" {
		return -1, nil
	}
	n, ok := strings.CutPrefix(v, "revision_number=")
	rev, err := strconv.ParseInt(n, 10, 64)
	if !ok || err != nil || rev < 0 {
		return 0, resource.BadRequest("Invalid If-Match header: expected revision_number=<int>")
	}
	return rev, nil
}

func checkRevision(row resource.Row, want int64) error {
	if got := row.Base().Revision; want >= 0 && got != want {
		return &resource.Error{Status: http.StatusPreconditionFailed, Type: "RevisionNumberConstraintFailed",
			Message: "Constrained to " + strconv.FormatInt(want, 10) + ", but current revision is " +
				strconv.FormatInt(got, 10)}
	}
	return nil
}
