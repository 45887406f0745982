package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/dragonflow/dragonflow/internal/operate"
)

// Client asks the controller of this host.
type Client struct {
	socket string
	http   *http.Client
}

// NewClient returns a client of the controller with a state directory.
func NewClient(stateDir string) *Client {
	c := &Client{socket: Socket(stateDir)}
	dialer := &net.Dialer{}
	c.http = &http.Client{Timeout: 2 * patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", c.socket)
		},
	}}
	return c
}

// Status asks how the chassis is.
func (c *Client) Status(ctx context.Context) (*operate.Status, error) {
	return get[*operate.Status](ctx, c, pathStatus, nil)
}

// Flows asks for the flows that concern a port, or all.
func (c *Client) Flows(ctx context.Context, port string) (operate.FlowList, error) {
	return get[operate.FlowList](ctx, c, pathFlows, url.Values{"port": {port}})
}

// Drops asks what was dropped, and with all what could be.
func (c *Client) Drops(ctx context.Context, all bool) (operate.DropList, error) {
	return get[operate.DropList](ctx, c, pathDrops, url.Values{"all": {strconv.FormatBool(all)}})
}

// Diff asks where database, view, desired flows and switch differ.
func (c *Client) Diff(ctx context.Context) (operate.DifferenceList, error) {
	return get[operate.DifferenceList](ctx, c, pathDiff, nil)
}

// Fix has such differences repaired, and tells what came of them.
func (c *Client) Fix(ctx context.Context) (operate.DifferenceList, error) {
	return ask[operate.DifferenceList](ctx, c, http.MethodPost, pathDiff, nil)
}

// Why asks what becomes of a packet.
func (c *Client) Why(ctx context.Context, q operate.Question) (*operate.Answer, error) {
	return get[*operate.Answer](ctx, c, pathWhy, url.Values{
		"port": {q.Port}, "dst": {q.Dst}, "what": {q.What}, "state": {string(q.State)}, "size": {strconv.Itoa(q.Size)}, "ttl": {strconv.Itoa(q.TTL)},
		"frame": {q.Frame}, "first": {q.First},
	})
}

// maxAnswer bounds an answer: a hundred thousand flows take fifty megabytes.
const maxAnswer = 512 << 20

func get[A any](ctx context.Context, c *Client, path string, query url.Values) (A, error) {
	return ask[A](ctx, c, http.MethodGet, path, query)
}

func ask[A any](ctx context.Context, c *Client, method, path string, query url.Values) (A, error) {
	var answer A
	request, err := http.NewRequestWithContext(ctx, method, "http://controller"+path+"?"+query.Encode(), nil)
	if err != nil {
		return answer, fmt.Errorf("ask the controller: %w", err)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return answer, c.explain(err)
	}
	defer response.Body.Close()
	body := json.NewDecoder(io.LimitReader(response.Body, maxAnswer))
	if response.StatusCode != http.StatusOK {
		var f failure
		if err := body.Decode(&f); err != nil || f.Error == "" {
			return answer, fmt.Errorf("the controller answers %s", response.Status)
		}
		return answer, errors.New(f.Error)
	}
	if err := body.Decode(&answer); err != nil {
		return answer, fmt.Errorf("the controller's answer: %w", err)
	}
	return answer, nil
}

// explain says what an operator can do about a controller that cannot be reached.
func (c *Client) explain(err error) error {
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("no controller runs on this host with --state-dir %s (the forwarding does not depend on it): %w",
			filepath.Dir(c.socket), err)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("only root and the controller's user may ask it: %w", err)
	}
	return fmt.Errorf("ask the controller: %w", err)
}
