package openstack

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

type object map[string]any

// Do calls Neutron's API as the administrator: the client takes seconds for each word. It needs Keystone.
func (s *Stack) Do(ctx context.Context, method, path string, body, into any) error {
	k := caller{url: s.Identity + "/v3"}
	if err := k.login(ctx); err != nil {
		return err
	}
	k.url = s.API
	return k.call(ctx, method, path, body, into)
}

// caller calls Keystone's API, or another, as the administrator.
type caller struct {
	url   string
	token string
}

func (k *caller) login(ctx context.Context) error {
	domain := object{"id": "default"}
	return k.call(ctx, http.MethodPost, "/auth/tokens", object{"auth": object{
		"identity": object{"methods": []string{"password"}, "password": object{"user": object{"name": "admin", "domain": domain, "password": password}}},
		"scope":    object{"project": object{"name": "admin", "domain": domain}},
	}}, nil)
}

// create makes a resource and returns its id.
func (k *caller) create(ctx context.Context, kind string, fields object) (string, error) {
	var made map[string]struct{ ID string }
	err := k.call(ctx, http.MethodPost, "/"+kind+"s", object{kind: fields}, &made)
	return made[kind].ID, err
}

func (k *caller) call(ctx context.Context, method, path string, body, into any) error {
	var content bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&content).Encode(body); err != nil {
			return fmt.Errorf("%s %s: %w", method, path, err)
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, k.url+path, &content)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	if k.token != "" {
		request.Header.Set("X-Auth-Token", k.token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }() // it is read
	said, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if response.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("%s %s: %s %s", method, path, response.Status, said)
	}
	if token := response.Header.Get("X-Subject-Token"); token != "" {
		k.token = token
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(said, into)
}
