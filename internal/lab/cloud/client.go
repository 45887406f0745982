package cloud

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Client speaks the Neutron API, on behalf of a project. It is safe for concurrent use.
type Client struct {
	project string
	// believed: the server lets everybody be the administrator.
	believed bool
	http     *http.Client
}

// NewClient is a client of the server that dial leads to.
func NewClient(dial func(context.Context) (net.Conn, error)) *Client {
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
		// A server that was killed in between leaves nothing behind that a request could fall into.
		DisableKeepAlives: true,
	}
	return &Client{http: &http.Client{Transport: transport, Timeout: Patience}}
}

// NewAdmin is a client of a server at which everybody is the administrator, as a Neutron without Keystone. What As makes
// for a project is the project's because it is said to be.
func NewAdmin(dial func(context.Context) (net.Conn, error)) *Client {
	c := NewClient(dial)
	c.believed = true
	return c
}

// As is the same client for a project.
func (c *Client) As(project string) *Client {
	return &Client{project: project, believed: c.believed, http: c.http}
}

// Object is a resource of the API.
type Object map[string]any

// ID is the resource's.
func (o Object) ID() string { return o.Text("id") }

// Text returns a field that is a string, or "".
func (o Object) Text(field string) string {
	s, _ := o[field].(string)
	return s
}

// Addresses are the fixed addresses of a port.
func (o Object) Addresses() (list []netip.Addr) {
	fixed, _ := o["fixed_ips"].([]any)
	for _, f := range fixed {
		fields, _ := f.(map[string]any)
		if a, err := netip.ParseAddr(Object(fields).Text("ip_address")); err == nil {
			list = append(list, a)
		}
	}
	return list
}

// Create makes a resource of a kind: "network", "security_group_rule", …
func (c *Client) Create(ctx context.Context, kind string, fields Object) (Object, error) {
	if c.believed && c.project != "" {
		fields = maps.Clone(fields)
		fields["project_id"] = c.project
	}
	return c.one(ctx, http.MethodPost, Path(kind, ""), kind, fields)
}

// Show returns a resource.
func (c *Client) Show(ctx context.Context, kind, id string) (Object, error) {
	return c.one(ctx, http.MethodGet, Path(kind, id), kind, nil)
}

// Update changes fields of a resource.
func (c *Client) Update(ctx context.Context, kind, id string, fields Object) (Object, error) {
	return c.one(ctx, http.MethodPut, Path(kind, id), kind, fields)
}

// Delete removes a resource.
func (c *Client) Delete(ctx context.Context, kind, id string) error {
	return c.Do(ctx, http.MethodDelete, Path(kind, id), nil, nil)
}

func (c *Client) one(ctx context.Context, method, path, kind string, fields Object) (Object, error) {
	var body any
	if fields != nil {
		body = map[string]Object{kind: fields}
	}
	answer := map[string]Object{}
	err := c.Do(ctx, method, path, body, &answer)
	return answer[kind], err
}

// Get reads a path into out, which may be nil.
func (c *Client) Get(ctx context.Context, path string, out any) error {
	return c.Do(ctx, http.MethodGet, path, nil, out)
}

// Activate makes a port's binding to a chassis the active one. That it is already, since the chassis has heard the
// guest before, is no error, as to Nova.
func (c *Client) Activate(ctx context.Context, port, chassis string) error {
	err := c.Do(ctx, http.MethodPut, Path("port", port)+"/bindings/"+chassis+"/activate", nil, nil)
	var refused *StatusError
	if errors.As(err, &refused) && refused.Status == http.StatusConflict && strings.Contains(refused.Answer, "PortBindingAlreadyActive") {
		return nil
	}
	return err
}

// StatusError is an answer of the API that is an error.
type StatusError struct {
	Method, Path string
	Status       int
	Answer       string
}

// Error has all of it.
func (e *StatusError) Error() string {
	return fmt.Sprintf("%s %s: %d: %s", e.Method, e.Path, e.Status, e.Answer)
}

// Do sends a request, with a body unless it is nil, and reads the answer into out unless that is nil. An
// answer of 400 or more is a *StatusError.
func (c *Client) Do(ctx context.Context, method, path string, body, out any) error {
	var text io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		text = bytes.NewReader(b)
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://dragonflow"+path, text)
	if err != nil {
		return err
	}
	if c.project != "" && !c.believed {
		request.Header.Set("X-Project-Id", c.project)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }() // read to its end below
	const most = 64 << 20
	answer, err := io.ReadAll(io.LimitReader(response.Body, most))
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if response.StatusCode >= http.StatusBadRequest {
		return &StatusError{Method: method, Path: path, Status: response.StatusCode, Answer: strings.TrimSpace(string(answer))}
	}
	if out == nil || len(answer) == 0 {
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}

// Path is where the API has resources of a kind, or one of them.
func Path(kind, id string) string {
	plural := strings.ReplaceAll(kind, "_", "-") + "s"
	if stem, ok := strings.CutSuffix(plural, "ys"); ok {
		plural = stem + "ies"
	}
	return strings.TrimSuffix("/v2.0/"+plural+"/"+id, "/")
}
