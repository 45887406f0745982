package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// client speaks the Neutron API over a Unix socket.
type client struct {
	socket string
	http   http.Client
}

func newClient(socket string) *client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}
	return &client{socket: socket, http: http.Client{Transport: &http.Transport{DialContext: dial}, Timeout: 10 * time.Second}}
}

func (c *client) url() string {
	return "curl --unix-socket " + c.socket + " http://dragonflow/v2.0/networks"
}

// port is what the demo reads of a Neutron port.
type port struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Network  string `json:"network_id"`
	MAC      string `json:"mac_address"`
	Status   string `json:"status"`
	FixedIPs []struct {
		IP string `json:"ip_address"`
	} `json:"fixed_ips"`
}

func (p port) hardware() (net.HardwareAddr, error) { return net.ParseMAC(p.MAC) }

// create posts an object of a kind for a project and reads the answer into out, which may be nil.
func (c *client) create(ctx context.Context, project, kind string, fields map[string]any, out any) error {
	body, err := json.Marshal(map[string]any{kind: fields})
	if err != nil {
		return err
	}
	return c.do(ctx, http.MethodPost, project, "/v2.0/"+collection(kind), body, kind, out)
}

func (c *client) get(ctx context.Context, path string, out map[string]any) error {
	var wrapped any
	if out != nil {
		wrapped = &out
	}
	return c.do(ctx, http.MethodGet, "", path, nil, "", wrapped)
}

func (c *client) port(ctx context.Context, id string) (p port, err error) {
	return p, c.do(ctx, http.MethodGet, "", "/v2.0/ports/"+id, nil, "port", &p)
}

func (c *client) update(ctx context.Context, kind, id string, fields map[string]any) error {
	body, err := json.Marshal(map[string]any{kind: fields})
	if err != nil {
		return err
	}
	return c.do(ctx, http.MethodPut, "", "/v2.0/"+collection(kind)+"/"+id, body, "", nil)
}

func (c *client) remove(ctx context.Context, kind, id string) error {
	return c.do(ctx, http.MethodDelete, "", "/v2.0/"+collection(kind)+"/"+id, nil, "", nil)
}

func (c *client) do(ctx context.Context, method, project, path string, body []byte, key string, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://dragonflow"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if project != "" {
		req.Header.Set("X-Project-Id", project)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }() // read to its end below
	answer, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if res.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("%s %s: %s: %s", method, path, res.Status, answer)
	}
	if out == nil || len(answer) == 0 {
		return nil
	}
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(answer, &fields); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return json.Unmarshal(fields[key], out)
}

func collection(kind string) string {
	return map[string]string{
		"network": "networks", "subnet": "subnets", "port": "ports",
		"security_group": "security-groups", "security_group_rule": "security-group-rules",
	}[kind]
}
